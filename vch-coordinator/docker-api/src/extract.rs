//! What handlers read of a request, with dockerd's words for what can't be read.

use super::preflight::Parsed;
use axum::{
    body::Bytes,
    extract::FromRequestParts,
    http::{header::CONTENT_TYPE, request::Parts},
    response::{IntoResponse, Response},
};
use docker_model::{DockerError, json};
use serde::{Serialize, de::DeserializeOwned};

/// Most parameters of a query.
const MAX_PARAMETERS: usize = 64;

/// A JSON body, which `preflight` has checked, or a JSON answer with dockerd's new line behind it.
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Json<T> {
    type Rejection = DockerError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, DockerError> {
        let parsed = parts.extensions.remove::<Parsed>();
        // A route that takes JSON and is not in the list of `preflight`: a mistake of ours.
        let parsed = parsed.ok_or_else(|| DockerError::failed("this body was not read"))?;
        json::typed(parsed.into_value()).map(Self)
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(mut text) => {
                text.push(b'\n');
                ([(CONTENT_TYPE, "application/json")], text).into_response()
            }
            Err(error) => DockerError::failed(format!("the answer cannot be written: {error}"))
                .into_response(),
        }
    }
}

/// Returns a value as a line of a stream; `None` where it cannot be written.
pub fn json_line(value: &impl Serialize) -> Option<Bytes> {
    let mut text = serde_json::to_vec(value).ok()?;
    text.push(b'\n');
    Some(text.into())
}

/// The names in a request's path.
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = DockerError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, DockerError> {
        let path = axum::extract::Path::from_request_parts(parts, state).await;
        path.map(|path| Self(path.0))
            .map_err(|error| DockerError::invalid(error.body_text()))
    }
}

/// The parameters of a query, as they were given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// The first of this name; `None` where it is missing or empty, which dockerd takes for the same.
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut named = self.0.iter().filter(|(key, _)| key == name);
        let (_, value) = named.next()?;
        Some(value.as_str()).filter(|value| !value.is_empty())
    }

    /// All of this name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self.0.iter().filter(move |(key, _)| key == name);
        named.map(|(_, value)| value.as_str())
    }

    /// A switch, as dockerd reads most of them: off where it is missing, empty, `0`, `no`, `false` or
    /// `none`, else on.
    pub fn flag(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| {
            let value = value.trim().to_ascii_lowercase();
            !matches!(value.as_str(), "" | "0" | "no" | "false" | "none")
        })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Parameters {
    type Rejection = DockerError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, DockerError> {
        let query = axum::extract::Query::<Vec<(String, String)>>::from_request_parts(parts, state);
        let pairs = query
            .await
            .map_err(|error| DockerError::invalid(error.body_text()))?;
        if pairs.0.len() > MAX_PARAMETERS {
            return Err(DockerError::invalid(format!(
                "more than {MAX_PARAMETERS} parameters: give fewer"
            )));
        }
        Ok(Self(pairs.0))
    }
}
