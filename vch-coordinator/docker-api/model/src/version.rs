//! The version of Docker's API that a request is made in, such as `1.51`.

use crate::DockerError;
use axum::{
    extract::FromRequestParts,
    http::{Request, Uri, request::Parts, uri::PathAndQuery},
};
use std::{convert::Infallible, fmt};

/// A version 1.x of Docker's API: the number behind the point, 51 for `1.51`.
///
/// Versions add and remove keys and parameters. The handler of a request takes the request's version, or
/// [`Version::NEWEST`] if its path has none, and asks a [`Gate`](crate::gates::Gate) whether the version has a feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version(pub u32);

impl Version {
    /// The oldest supported version, which is also the oldest of dockerd 25 to 28.
    pub const OLDEST: Self = Self(24);
    /// The newest supported version, which dockerd 28.5 and its CLI use.
    pub const NEWEST: Self = Self(51);
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1.{}", self.0)
    }
}

/// The version in a request's path; the newest one if the path has none, as in dockerd.
impl<S: Send + Sync> FromRequestParts<S> for Version {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().copied().unwrap_or(Version::NEWEST))
    }
}

/// Removes the version from a request's path, `/v1.41/info` becomes `/info`, and stores it in the request's
/// extensions, where handlers find it. A path without a version is left as it is.
///
/// # Errors
/// Returns 400 with dockerd's message if the version is not supported, and 404 if the rest of the path is not
/// valid.
pub fn strip<B>(mut request: Request<B>) -> Result<Request<B>, DockerError> {
    let path_and_query = request.uri().path_and_query();
    let path_and_query = path_and_query.map_or("/", PathAndQuery::as_str);
    let Some((written, rest)) = split(path_and_query) else {
        return Ok(request);
    };
    let version = parse(written)?;
    let uri: Result<Uri, _> = rest.parse();
    // A part of a valid path is a valid path.
    *request.uri_mut() = uri.map_err(|_| DockerError::page_not_found())?;
    request.extensions_mut().insert(version);
    Ok(request)
}

/// Splits `/v1.41/info?x=y` into `1.41` and `/info?x=y`; `None` if the path has no version.
fn split(path_and_query: &str) -> Option<(&str, &str)> {
    let (written, _) = path_and_query.strip_prefix("/v")?.split_once('/')?;
    let is_version =
        !written.is_empty() && written.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    is_version.then(|| (written, &path_and_query["/v".len() + written.len()..]))
}

fn parse(written: &str) -> Result<Version, DockerError> {
    // A longer text is not a version and is not repeated completely.
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
