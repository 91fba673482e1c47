//! Checks each request before its handler: the version, the path, and the JSON body.
//!
//! A handler then has a body that is one JSON value of limited size and depth. A request that cannot be
//! parsed is a 400 with dockerd's message, whatever else is wrong with it, such as a container that does
//! not exist or a feature that a VCH lacks.

use super::raw::RawStart;
use axum::{
    body::{Body, HttpBody},
    extract::{MatchedPath, Request, State},
    http::{
        HeaderValue, Method, Uri,
        header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE},
    },
    middleware::Next,
    response::{IntoResponse, Response},
};
use docker_model::{DockerError, json, version};
use futures_util::StreamExt;
use serde_json::Value;
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

/// The maximum length of a JSON body in bytes: a container with every list at its limit has about
/// 600 KiB.
const MAX_BODY: usize = 2 << 20;
/// The length of a body in bytes that every connection may hold; a longer body needs one of
/// [`LARGE_BODIES`].
const SMALL_BODY: usize = 64 << 10;
/// The maximum number of bodies longer than [`SMALL_BODY`] at once: parsed, one takes about 64 MiB
/// in the worst case.
const LARGE_BODIES: usize = 4;
/// The maximum time for a body to arrive after its head.
const BODY_DEADLINE: Duration = Duration::from_secs(60);

/// The paths of routes with a JSON body.
const JSON_ROUTES: [&str; 12] = [
    "/auth",
    "/commit",
    "/containers/create",
    "/containers/{container}/copy",
    "/containers/{container}/exec",
    "/containers/{container}/update",
    EXEC_START,
    "/networks/create",
    "/networks/{network}/connect",
    "/networks/{network}/disconnect",
    "/volumes/create",
    "/swarm/init",
];
const EXEC_START: &str = "/exec/{exec}/start";
/// The routes whose JSON body may be missing, as in dockerd.
const MAY_BE_EMPTY: [&str; 4] = [
    EXEC_START,
    "/auth",
    "/commit",
    "/containers/{container}/update",
];

/// The JSON body of a request, as it was checked; null if the request has none. A large body also holds one of the
/// few permits for large bodies, until it is dropped.
#[derive(Clone)]
pub struct Parsed {
    value: Value,
    _room: Option<Arc<OwnedSemaphorePermit>>,
}

impl Parsed {
    /// Returns the JSON value of the body.
    pub fn into_value(self) -> Value {
        self.value
    }
}

/// The permits for large bodies: four at once, since a parsed body takes about 32 times its length. Clones share
/// the same permits.
#[derive(Clone)]
pub struct Room(Arc<Semaphore>);

impl Default for Room {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(LARGE_BODIES)))
    }
}

/// Removes the API version and a trailing slash from a request's path, and turns a request that was marked for a
/// raw stream back into a POST.
///
/// # Errors
/// Returns 400 if the version is not supported.
pub fn addressed(mut request: Request) -> Result<Request, DockerError> {
    // `server` marks a request in this way that starts a raw stream without an upgrade.
    if request.method() == Method::CONNECT {
        *request.method_mut() = Method::POST;
        request.extensions_mut().insert(RawStart);
    }
    let mut request = version::strip(request)?;
    if let Some(path_and_query) = without_slash(request.uri()) {
        *request.uri_mut() = path_and_query.parse().map_err(|_| {
            // A part of a valid path is a valid path.
            DockerError::page_not_found()
        })?;
    }
    Ok(request)
}

/// Adapts a response to a request that starts a raw stream without an upgrade: a success has no
/// length, and after a failure the connection is not used for HTTP any more.
pub fn raw(mut response: Response) -> Response {
    let success = response.status().is_success();
    let headers = response.headers_mut();
    if success {
        // The router has set it for the empty body.
        headers.remove(CONTENT_LENGTH);
    } else {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

fn without_slash(uri: &Uri) -> Option<String> {
    let bare = uri
        .path()
        .strip_suffix('/')
        .filter(|bare| !bare.is_empty())?;
    Some(match uri.query() {
        Some(query) => format!("{bare}?{query}"),
        None => bare.to_owned(),
    })
}

/// Reads and checks the JSON body of a request, and stores it for the handler. Requests whose route has no JSON
/// body are passed on unchanged. A middleware of the router.
pub async fn checked(
    State(room): State<Room>,
    path: MatchedPath,
    request: Request,
    next: Next,
) -> Response {
    let path = path.as_str();
    if request.method() != Method::POST || !JSON_ROUTES.contains(&path) {
        return next.run(request).await;
    }
    let (mut parts, body) = request.into_parts();
    let kind = parts.headers.get(CONTENT_TYPE);
    let kind = kind.map(|kind| String::from_utf8_lossy(kind.as_bytes()).into_owned());
    let length = parts.headers.get(CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
    let may_be_empty = MAY_BE_EMPTY.contains(&path);
    match parsed((kind, length), body, may_be_empty, &room).await {
        Ok(parsed) => {
            parts.extensions.insert(parsed);
            next.run(Request::from_parts(parts, Body::empty())).await
        }
        Err(error) => error.into_response(),
    }
}

async fn parsed(
    (kind, length): (Option<String>, Option<u64>),
    body: Body,
    may_be_empty: bool,
    room: &Room,
) -> Result<Parsed, DockerError> {
    let nothing = length.is_none_or(|length| length == 0) && body.is_end_stream();
    // The content type may be missing if there is no body.
    if kind.is_some() || !nothing {
        check_kind(kind.as_deref().unwrap_or_default())?;
    }
    if length.is_some_and(|length| usize::try_from(length).is_ok_and(|length| length > MAX_BODY)) {
        return Err(too_large());
    }
    let (text, room) = timeout(BODY_DEADLINE, read(body, room))
        .await
        .map_err(|_| {
            let words = format!("the body did not come within {BODY_DEADLINE:?}: send it at once");
            DockerError::new(axum::http::StatusCode::REQUEST_TIMEOUT, words)
        })??;
    if text.is_empty() && may_be_empty {
        return Ok(Parsed {
            value: Value::Null,
            _room: None,
        });
    }
    json::check(&text).map_err(|error| DockerError::invalid(error.to_string()))?;
    // Like Go, replaces invalid UTF-8.
    let value = serde_json::from_str(&String::from_utf8_lossy(&text));
    let value = value.map_err(|error| DockerError::invalid(format!("invalid JSON: {error}")))?;
    Ok(Parsed { value, _room: room })
}

/// Checks the content type.
///
/// # Errors
/// Returns dockerd's error if it is not JSON.
fn check_kind(kind: &str) -> Result<(), DockerError> {
    const JSON: &str = "application/json";
    let bare = kind.split(';').next().unwrap_or_default().trim();
    if bare.eq_ignore_ascii_case(JSON) {
        return Ok(());
    }
    let shown: String = kind.chars().take(80).collect();
    Err(DockerError::invalid(match bare {
        "" => format!("malformed Content-Type header ({shown}): mime: no media type"),
        _ => format!("unsupported Content-Type header ({shown}): must be '{JSON}'"),
    }))
}

fn too_large() -> DockerError {
    DockerError::new(
        axum::http::StatusCode::PAYLOAD_TOO_LARGE,
        format!("the body has more than {MAX_BODY} bytes: give fewer"),
    )
}

type BodyPermit = Option<Arc<OwnedSemaphorePermit>>;

/// Reads a body of at most [`MAX_BODY`] bytes; one longer than [`SMALL_BODY`] needs a permit, which
/// is returned with it.
///
/// # Errors
/// Returns an error if the body is too long or does not arrive in time.
async fn read(body: Body, room: &Room) -> Result<(Vec<u8>, BodyPermit), DockerError> {
    let mut chunks = body.into_data_stream();
    let (mut text, mut held) = (Vec::new(), None);
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| {
            DockerError::invalid(format!(
                "the body cannot be read: {}",
                vch_log::error_chain(&error)
            ))
        })?;
        if text.len() + chunk.len() > MAX_BODY {
            return Err(too_large());
        }
        if text.len() + chunk.len() > SMALL_BODY && held.is_none() {
            // The semaphore is never closed.
            held = Arc::clone(&room.0).acquire_owned().await.ok().map(Arc::new);
        }
        text.extend_from_slice(&chunk);
    }
    Ok((text, held))
}

#[cfg(test)]
mod tests;
