//! What a container writes and reads, by a client's connection: attach, logs, resize.
//!
//! A connection that asks for it (`Upgrade: tcp`) is taken over and carries bytes both ways; without
//! that the output is an ordinary answer. Without a terminal each piece has dockerd's head of 8 bytes:
//! stream, three zeroes, length (big endian).

mod detach;
mod lines;

pub use detach::Keys;

use super::{Docker, DockerError, Parameters, Path, Version};
use crate::runtime::{Attached, Looked, Outputs, RuntimeError};
use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{CONNECTION, CONTENT_TYPE, UPGRADE},
    },
    response::Response,
    routing,
};
use futures_util::stream;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use lines::{Piece, Wish};
use protocol::process::{Output, ProcessId, TerminalSize};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use vch_shim::{
    StreamWriter,
    log::{Position, Reader},
};

pub fn routes() -> Router<Docker> {
    let at = |rest: &str| format!("/containers/{{container}}{rest}");
    Router::new()
        .route(&at("/attach"), routing::post(attach))
        .route(&at("/logs"), routing::get(logs))
        .route(&at("/resize"), routing::post(resize))
}

/// Which streams a client wants, and whether they come in pieces with heads.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub out: bool,
    pub err: bool,
    pub terminal: bool,
}

impl Shape {
    /// As a request names them.
    fn of(parameters: &Parameters, looked: &Looked) -> Self {
        Self {
            out: parameters.flag("stdout"),
            err: parameters.flag("stderr"),
            terminal: looked.workload.terminal,
        }
    }

    /// Whether the client wants a stream.
    pub fn wants(self, stream: Output) -> bool {
        match stream {
            Output::Stdout => self.out,
            Output::Stderr => self.err,
        }
    }

    /// A piece as it goes out; `None` for a stream that nobody wants.
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

    /// Its type, which versions before 1.42 do not tell apart.
    pub fn kind(self, version: Version) -> HeaderValue {
        HeaderValue::from_static(if self.terminal || version < Version(42) {
            "application/vnd.docker.raw-stream"
        } else {
            "application/vnd.docker.multiplexed-stream"
        })
    }
}

/// A connection that can be taken over.
pub struct Hijack(OnUpgrade);

impl Hijack {
    /// `None` where the client did not ask for it.
    pub fn of(request: &mut Request) -> Option<Self> {
        let asks = request.headers().contains_key(UPGRADE);
        asks.then(|| Self(hyper::upgrade::on(request)))
    }

    /// 101, and from then on bytes.
    pub fn answer(kind: HeaderValue) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("tcp"));
        headers.insert(CONTENT_TYPE, kind);
        response
    }

    /// Both directions, once the answer is out.
    pub async fn taken(self) -> Option<Taken> {
        let upgraded = self.0.await.ok()?;
        Some(tokio::io::split(TokioIo::new(upgraded)))
    }
}

async fn attach(
    State(docker): State<Docker>,
    Path(container): Path<String>,
    version: Version,
    parameters: Parameters,
    mut request: Request,
) -> Result<Response, DockerError> {
    let id = docker.container(&container).await?;
    let looked = docker.runtime.must(id).await?;
    let shape = Shape::of(&parameters, &looked);
    let input = parameters.flag("stdin") && looked.workload.input;
    let keys = Keys::of(parameters.get("detachKeys"), shape.terminal)?;
    let kind = shape.kind(version);
    let past = if parameters.flag("logs") {
        let wish = Wish {
            shape,
            ..Wish::default()
        };
        written(docker.runtime.log(id)?, wish).await?.0
    } else {
        Vec::new()
    };
    if !parameters.flag("stream") {
        return Ok(answer(kind, Body::from(past)));
    }
    let Some(hijack) = Hijack::of(&mut request) else {
        if input {
            return Err(DockerError::invalid(
                "attaching standard input takes the connection over: send `Connection: Upgrade` and `Upgrade: tcp`",
            ));
        }
        let attached = docker.runtime.attach(id, false).await?.await?;
        return Ok(answer(kind, body(past, attached.output, shape)));
    };
    // Before the client knows: a container that it starts then is not missed.
    let attaching = docker.runtime.attach(id, input).await?;
    docker.runtime.tell_of(&looked, "attach", &[]);
    let streams = async move {
        let (attached, taken) = tokio::join!(attaching, hijack.taken());
        if let (Ok(attached), Some(taken)) = (attached, taken)
            && carry(attached, taken, past, shape, keys).await
        {
            docker.runtime.tell_of(&looked, "detach", &[]);
        }
    };
    tokio::spawn(streams);
    Ok(Hijack::answer(kind))
}

/// All that is written so far, and where that ends: read where blocking is no harm.
async fn written(mut log: Reader, wish: Wish) -> Result<(Vec<u8>, Position), DockerError> {
    let reading = move || lines::past(&mut log, &wish).map(|past| (past, log.position()));
    let read = tokio::task::spawn_blocking(reading).await;
    let read = read.map_err(|error| DockerError::failed(error.to_string()))?;
    read.map_err(|error| {
        DockerError::failed(format!("the container's log cannot be read: {error}"))
    })
}

fn answer(kind: HeaderValue, body: Body) -> Response {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

/// The output as an answer's body.
fn body(past: Vec<u8>, output: Outputs, shape: Shape) -> Body {
    let first = Some(Ok::<_, RuntimeError>(Bytes::from(past)));
    let later = stream::unfold(output, move |mut output| async move {
        match output.next().await {
            Ok(Some((stream, bytes))) => {
                let piece = shape.framed(stream, &bytes).unwrap_or_default();
                Some((Ok(Bytes::from(piece)), output))
            }
            Ok(None) => None,
            Err(error) => Some((Err(error), output)),
        }
    });
    use futures_util::StreamExt;
    Body::from_stream(stream::iter(first).chain(later))
}

/// A connection that was taken over.
type Taken = (ReadHalf<TokioIo<Upgraded>>, WriteHalf<TokioIo<Upgraded>>);

/// A client's connection, up to the container's end or its own; whether it left by its keys.
async fn carry(
    attached: Attached,
    (reader, mut writer): Taken,
    past: Vec<u8>,
    shape: Shape,
    keys: Keys,
) -> bool {
    if writer.write_all(&past).await.is_err() {
        return false;
    }
    let mut output = attached.output;
    let out = async {
        while let Ok(Some((stream, bytes))) = output.next().await {
            if let Some(piece) = shape.framed(stream, &bytes)
                && writer.write_all(&piece).await.is_err()
            {
                break;
            }
        }
        // The client sees the end of the stream.
        let _ = writer.shutdown().await;
    };
    tokio::select! {
        () = out => false,
        () = feed(reader, attached.input, keys) => true,
    }
}

/// Carries a client's input on; ends only where the client detaches by its keys. One that has said all
/// goes on reading.
pub async fn feed(
    mut reader: ReadHalf<TokioIo<Upgraded>>,
    mut input: Option<StreamWriter>,
    mut keys: Keys,
) {
    let mut buffer = vec![0; 32 << 10];
    while let Ok(count @ 1..) = reader.read(&mut buffer).await {
        let (bytes, detached) = keys.pass(&buffer[..count]);
        if let Some(writer) = &mut input
            && !bytes.is_empty()
            && writer.write(&bytes).await.is_err()
        {
            // The container has ended: its output says so.
            input = None;
        }
        if detached {
            return;
        }
    }
    if let Some(mut writer) = input {
        // It has ended then.
        let _ = writer.write(&[]).await;
    }
    std::future::pending::<()>().await;
}

async fn logs(
    State(docker): State<Docker>,
    Path(container): Path<String>,
    version: Version,
    parameters: Parameters,
    _headers: HeaderMap,
) -> Result<Response, DockerError> {
    let id = docker.container(&container).await?;
    let looked = docker.runtime.must(id).await?;
    let shape = Shape::of(&parameters, &looked);
    if !shape.out && !shape.err {
        return Err(DockerError::invalid(
            "Bad parameters: you must choose at least one stream",
        ));
    }
    let wish = Wish::of(&parameters, shape)?;
    let kind = shape.kind(version);
    let (past, from) = written(docker.runtime.log(id)?, wish).await?;
    if !parameters.flag("follow") {
        return Ok(answer(kind, Body::from(past)));
    }
    let Some(output) = docker.runtime.log_on(id, from).await? else {
        return Ok(answer(kind, Body::from(past)));
    };
    let first = Some(Ok::<_, RuntimeError>(Bytes::from(past)));
    let state = (output, wish.pieces());
    let later = stream::unfold(state, |(mut output, mut pieces)| async move {
        match output.next().await {
            Ok(Some((stream, bytes))) => {
                let piece = Piece::now(stream, bytes);
                let text = pieces.shown(piece);
                Some((Ok(Bytes::from(text)), (output, pieces)))
            }
            Ok(None) => None,
            Err(error) => Some((Err(error), (output, pieces))),
        }
    });
    use futures_util::StreamExt;
    let body = Body::from_stream(stream::iter(first).chain(later));
    Ok(answer(kind, body))
}

/// `h` and `w` of a request.
pub fn size(parameters: &Parameters) -> Result<TerminalSize, DockerError> {
    let number = |name: &str| {
        let text = parameters.get(name).unwrap_or_default();
        text.parse::<u16>().map_err(|_| {
            DockerError::invalid(format!(
                "strconv.ParseUint: parsing {text:?}: invalid syntax"
            ))
        })
    };
    Ok(TerminalSize {
        rows: number("h")?,
        columns: number("w")?,
    })
}

async fn resize(
    State(docker): State<Docker>,
    Path(container): Path<String>,
    parameters: Parameters,
) -> Result<StatusCode, DockerError> {
    let size = size(&parameters)?;
    let id = docker.container(&container).await?;
    let looked = docker.runtime.must(id).await?;
    if !looked.container.runs() {
        return Err(DockerError::conflict(format!(
            "container {} is not running",
            looked.container.id
        )));
    }
    let client = docker.runtime.client(&looked)?;
    client
        .resize(ProcessId::MAIN, size)
        .await
        .map_err(RuntimeError::from)?;
    let shown = [
        ("height", size.rows.to_string()),
        ("width", size.columns.to_string()),
    ];
    docker.runtime.tell_of(&looked, "resize", &shown);
    Ok(StatusCode::OK)
}
