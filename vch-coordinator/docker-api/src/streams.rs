//! The streams of a container and a client: attach, logs, and the size of the terminal.
//!
//! A connection whose request asks for it (`Upgrade: tcp`) becomes a raw stream in both directions; otherwise the
//! output is an ordinary response body. Without a terminal each piece of output has dockerd's header of 8 bytes:
//! the stream (1 or 2), three zeroes, and the length (big endian).

mod detach;
mod hijack;
mod lines;
mod logs;
mod pages;
mod tail;

pub use detach::Keys;
pub use hijack::{Hijack, Left, ToClient, close, end};

use super::{Docker, Parameters, Path};
use axum::{
    Router,
    extract::State,
    http::{HeaderValue, StatusCode},
    response::Response,
    routing,
};
use docker_model::{DockerError, Version, gates};
use hijack::{FromClient, Presence};
use lines::LogParams;
use pages::Pages;
use protocol::process::{Output, ProcessId, TerminalSize};
use std::{io, path::Path as FilePath};
use tokio::io::AsyncWriteExt;
use vch_runtime::{Attached, ContainerSnapshot, RuntimeError, event::ContainerAction};
use vch_shim::log::{Position, Reader};

/// Returns the routes of a container's streams: attach, logs and resize.
pub fn routes() -> Router<Docker> {
    let at = |rest: &str| format!("/containers/{{container}}{rest}");
    Router::new()
        .route(&at("/attach"), routing::post(attach))
        .route(&at("/logs"), routing::get(logs::logs))
        .route(&at("/resize"), routing::post(resize))
}

/// The output streams that a client asks for, and their form.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Whether the client gets standard output.
    pub out: bool,
    /// Whether the client gets standard error.
    pub err: bool,
    /// Whether the process has a terminal: its output is then one raw stream, without headers.
    pub terminal: bool,
}

impl Shape {
    /// Parses the shape from a request.
    fn of(parameters: &Parameters, snapshot: &ContainerSnapshot) -> Self {
        Self {
            out: parameters.flag("stdout"),
            err: parameters.flag("stderr"),
            terminal: snapshot.workload.terminal,
        }
    }

    /// Returns whether the client asked for a stream.
    pub fn wants(self, stream: Output) -> bool {
        match stream {
            Output::Stdout => self.out,
            Output::Stderr => self.err,
        }
    }

    /// Returns a piece of output in the form that the client gets; `None` for a stream that it did not ask for.
    pub fn framed(self, stream: Output, bytes: &[u8]) -> Option<Vec<u8>> {
        if !self.wants(stream) {
            return None;
        }
        let number = match stream {
            Output::Stdout => 1,
            Output::Stderr => 2,
        };
        if self.terminal {
            return Some(bytes.to_vec());
        }
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let mut piece = vec![number, 0, 0, 0];
        piece.extend_from_slice(&length.to_be_bytes());
        piece.extend_from_slice(bytes);
        Some(piece)
    }

    /// Returns the content type of the output, raw or multiplexed, for a client of an API version.
    pub fn kind(self, version: Version) -> HeaderValue {
        HeaderValue::from_static(
            if self.terminal || !gates::MULTIPLEXED_STREAM.is_open(version) {
                "application/vnd.docker.raw-stream"
            } else {
                "application/vnd.docker.multiplexed-stream"
            },
        )
    }
}

async fn attach(
    State(docker): State<Docker>,
    Path(container): Path<String>,
    version: Version,
    parameters: Parameters,
    hijack: Result<Hijack, DockerError>,
) -> Result<Response, DockerError> {
    let written = parameters.get("detachKeys");
    // dockerd checks the keys before the container.
    Keys::of(written, false)?;
    let id = docker.container(&container).await?;
    let snapshot = docker.runtime.require(id).await?;
    let shape = Shape::of(&parameters, &snapshot);
    let input = parameters.flag("stdin") && snapshot.workload.input;
    let keys = Keys::of(written, shape.terminal)?;
    let hijack = hijack?;
    let (wants_past, wants_more) = (parameters.flag("logs"), parameters.flag("stream"));
    let dir = docker.runtime.log_dir(id);
    // Past and new output of a running container come from one source, without a gap.
    let whole = wants_past && wants_more && snapshot.container.runs();
    let from = if whole { Some(first(&dir)?) } else { None };
    let past = if wants_past && !whole {
        Some(Pages::of(dir, LogParams::all(shape)).map_err(|error| unreadable(&error))?)
    } else {
        None
    };
    // Attaches before the client receives the answer, so that no start that it then requests is
    // missed.
    let attaching = if wants_more {
        Some(docker.runtime.attach(id, from, input).await?)
    } else {
        None
    };
    docker.runtime.tell_of(&snapshot, ContainerAction::Attached);
    let answer = hijack.answer(shape.kind(version));
    let runtime = docker.runtime.clone();
    let streams = async move {
        let Some(client) = hijack.taken().await else {
            return;
        };
        let (from_client, mut to_client) = client.parts();
        let presence = from_client.presence();
        if let Some(past) = past
            && !replayed(past, &presence, &mut to_client).await
        {
            return;
        }
        let attached = match attaching {
            Some(attaching) => tokio::select! {
                attached = attaching => attached.ok(),
                () = presence.gone() => None,
            },
            None => None,
        };
        let Some(attached) = attached else {
            return close(from_client, to_client).await;
        };
        if carry(attached, (from_client, to_client), shape, keys).await == Some(Left::Detached) {
            runtime.tell_of(&snapshot, ContainerAction::Detached);
        }
    };
    docker.tasks.spawn(streams);
    Ok(answer)
}

/// Returns the position of the first record of a log.
///
/// # Errors
/// Returns an error if the log can't be read.
fn first(dir: &FilePath) -> Result<Position, DockerError> {
    let reader = Reader::from_start(dir).map_err(|error| unreadable(&error))?;
    Ok(reader.position())
}

fn unreadable(error: &io::Error) -> DockerError {
    DockerError::failed(format!("the container's log cannot be read: {error}"))
}

/// Sends past output. Returns whether the client received all of it.
async fn replayed(mut past: Pages, presence: &Presence, to_client: &mut ToClient) -> bool {
    loop {
        let page = match past.turn().await {
            Ok((later, Some(page))) => {
                past = later;
                page
            }
            Ok((_, None)) => return true,
            Err(error) => {
                tracing::warn!(%error, "container log cannot be read");
                return true;
            }
        };
        let sent = tokio::select! {
            sent = to_client.write_all(&page) => sent.is_ok(),
            () = presence.gone() => false,
        };
        if !sent {
            return false;
        }
    }
}

/// Transfers the streams until the container ends or the client leaves. Returns how the client
/// left, if it did.
async fn carry(
    attached: Attached,
    (mut from_client, mut to_client): (FromClient, ToClient),
    shape: Shape,
    keys: Keys,
) -> Option<Left> {
    let mut output = attached.output;
    let out = async {
        while let Ok(Some((stream, bytes))) = output.next().await {
            if let Some(piece) = shape.framed(stream, &bytes)
                && to_client.write_all(&piece).await.is_err()
            {
                break;
            }
        }
    };
    let left = tokio::select! {
        () = out => None,
        left = from_client.feed(attached.input, keys) => Some(left),
    };
    match left {
        // The client sees the end of the stream.
        None => close(from_client, to_client).await,
        Some(_) => end(to_client).await,
    }
    left
}

/// Parses a terminal size: the parameters `h` (rows) and `w` (columns) of a request.
///
/// # Errors
/// Returns 400 if a parameter is missing or not a number of 0 to 65,535.
pub fn size(parameters: &Parameters) -> Result<TerminalSize, DockerError> {
    let number = |name: &str, what: &str| {
        let text = parameters.get(name).unwrap_or_default();
        let digits = text.strip_prefix('-').unwrap_or(text);
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u16>().map_err(|_| {
            let why = if is_number {
                "value out of range"
            } else {
                "invalid syntax"
            };
            let shown: String = text.chars().take(32).collect();
            DockerError::invalid(format!("invalid resize {what} {shown:?}: {why}"))
        })
    };
    Ok(TerminalSize {
        rows: number("h", "height")?,
        columns: number("w", "width")?,
    })
}

async fn resize(
    State(docker): State<Docker>,
    Path(container): Path<String>,
    parameters: Parameters,
) -> Result<StatusCode, DockerError> {
    let size = size(&parameters)?;
    let id = docker.container(&container).await?;
    let snapshot = docker.runtime.require(id).await?;
    if !snapshot.container.runs() {
        return Err(DockerError::conflict(format!(
            "container {} is not running",
            snapshot.container.id
        )));
    }
    let client = docker.runtime.client(&snapshot)?;
    client
        .resize(ProcessId::MAIN, size)
        .await
        .map_err(RuntimeError::from)?;
    docker
        .runtime
        .tell_of(&snapshot, ContainerAction::Resized(size));
    Ok(StatusCode::OK)
}
