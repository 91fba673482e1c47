//! The API's versions: which one a request is of.

use crate::DockerError;
use axum::{
    extract::FromRequestParts,
    http::{Request, Uri, request::Parts, uri::PathAndQuery},
};
use std::{convert::Infallible, fmt};

/// The minor number of a version 1.x of Docker's API.
///
/// Versions add keys and parameters, and take them away: a handler asks for the one of its request, and a
/// [`Gate`](crate::gates::Gate) whether the version has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version(pub u32);

impl Version {
    /// The oldest one that is answered: what dockerd 25 to 28 answer, too.
    pub const OLDEST: Self = Self(24);
    /// The newest one: what dockerd 28.5 answers and its CLI speaks.
    pub const NEWEST: Self = Self(51);
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1.{}", self.0)
    }
}

/// A request's own version; without one in its path the newest, as dockerd takes it.
impl<S: Send + Sync> FromRequestParts<S> for Version {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().copied().unwrap_or(Version::NEWEST))
    }
}

/// Takes the version off a request's path, and keeps it in its extensions.
///
/// # Errors
/// It is not one of ours, in dockerd's words.
pub fn strip<B>(mut request: Request<B>) -> Result<Request<B>, DockerError> {
    let path_and_query = request.uri().path_and_query();
    let path_and_query = path_and_query.map_or("/", PathAndQuery::as_str);
    let Some((written, rest)) = split(path_and_query) else {
        return Ok(request);
    };
    let version = parse(written)?;
    let uri: Result<Uri, _> = rest.parse();
    // A part of what was a path is one.
    *request.uri_mut() = uri.map_err(|_| DockerError::page_not_found())?;
    request.extensions_mut().insert(version);
    Ok(request)
}

/// `/v1.41/info?x=y` is `1.41` and `/info?x=y`.
fn split(path_and_query: &str) -> Option<(&str, &str)> {
    let (written, _) = path_and_query.strip_prefix("/v")?.split_once('/')?;
    let is_version =
        !written.is_empty() && written.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    is_version.then(|| (written, &path_and_query["/v".len() + written.len()..]))
}

fn parse(written: &str) -> Result<Version, DockerError> {
    // What is longer is no version of anybody's, and not to be repeated.
    let shown: String = written.chars().take(32).collect();
    let mut numbers = written.split('.').map(|part| part.parse().unwrap_or(0));
    let number: (u32, u32) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let (oldest, newest) = (Version::OLDEST, Version::NEWEST);
    if number < (1, oldest.0) {
        return Err(DockerError::invalid(format!(
            "client version {shown} is too old. Minimum supported API version is {oldest}, please upgrade your client to a newer version"
        )));
    }
    if number > (1, newest.0) {
        return Err(DockerError::invalid(format!(
            "client version {shown} is too new. Maximum supported API version is {newest}"
        )));
    }
    Ok(Version(number.1))
}

#[cfg(test)]
mod tests;
