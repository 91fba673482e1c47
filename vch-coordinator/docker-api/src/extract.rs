//! Extractors, by which handlers get the data of a request. Data that are not valid get dockerd's error messages.

use super::preflight::Parsed;
use axum::{
    body::Bytes,
    extract::FromRequestParts,
    http::{header::CONTENT_TYPE, request::Parts},
    response::{IntoResponse, Response},
};
use docker_model::{DockerError, json};
use serde::{Serialize, de::DeserializeOwned};

/// The maximum number of parameters in a query.
const MAX_PARAMETERS: usize = 64;

/// The JSON body of a request (as an argument of a handler) or of a response (as its result). A request's body was read
/// and checked before the handler runs; it is converted to `T` by the rules of Go's decoder
/// ([`docker_model::json::typed`]), and gets 400 if that fails. A response ends with a newline, as dockerd's.
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Json<T> {
    type Rejection = DockerError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, DockerError> {
        let parsed = parts.extensions.remove::<Parsed>();
        // The route takes JSON but is not in the list of `preflight`, which is a programming error.
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

/// Serializes a value as a line of a stream, with a newline at its end; `None` if the value cannot be serialized.
pub fn json_line(value: &impl Serialize) -> Option<Bytes> {
    let mut text = serde_json::to_vec(value).ok()?;
    text.push(b'\n');
    Some(text.into())
}

/// The parameters in the path of a request, such as the name in `/networks/{network}`, as an argument of a handler. A
/// path whose parameters cannot be converted to `T` gets 400 with dockerd's form of error.
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = DockerError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, DockerError> {
        let path = axum::extract::Path::from_request_parts(parts, state).await;
        path.map(|path| Self(path.0))
            .map_err(|error| DockerError::invalid(error.body_text()))
    }
}

/// The parameters in the query of a request, `?name=value&…`, in their order. A handler has it as an argument. A
/// request with more than 64 parameters, or with a query that is not valid, gets 400.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Returns the value of the first parameter of this name; `None` if the request does not have it, or if it is
    /// empty. dockerd treats both the same.
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut named = self.0.iter().filter(|(key, _)| key == name);
        let (_, value) = named.next()?;
        Some(value.as_str()).filter(|value| !value.is_empty())
    }

    /// Returns the values of all parameters of this name, in their order; empty values are included.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self.0.iter().filter(move |(key, _)| key == name);
        named.map(|(_, value)| value.as_str())
    }

    /// Returns the value of a boolean parameter: false if it is missing, empty, `0`, `no`, `false` or `none`, and
    /// true otherwise. dockerd parses most of its parameters in this way.
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
