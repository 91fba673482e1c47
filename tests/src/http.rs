//! Sends single HTTP requests to the Unix socket of an API, for requests that no CLI sends.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

/// How long the answer is waited for.
const PATIENCE: Duration = Duration::from_secs(60);
/// Bytes of an answer that are looked at.
const MOST: u64 = 4 << 20;

/// The answer to an HTTP request.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status; 0 if no answer, or no valid one, arrived within 60 s.
    pub status: u16,
    /// The JSON of the body; null if the body is not JSON, or is not complete after 4 MiB.
    pub body: Value,
}

impl Answer {
    /// Returns the text in the body's field `message`, which Docker's errors have; empty if the body does not have it.
    #[must_use]
    pub fn message(&self) -> &str {
        self.body["message"].as_str().unwrap_or_default()
    }
}

/// Sends a request with an optional JSON body to the API at `socket`, and returns its answer. `target` is the path with
/// the query, such as `/v1.45/info`. A missing answer is no error, but the status 0.
///
/// # Errors
/// Returns an error if the socket cannot be connected to or the request cannot be sent.
pub fn ask(socket: &Path, method: &str, target: &str, body: Option<&Value>) -> Result<Answer> {
    let text = body.map(ToString::to_string);
    let body = text
        .as_ref()
        .map(|text| ("application/json", text.as_bytes()));
    send(socket, &format!("{method} {target}"), &[], body)
}

/// Sends a request, `METHOD target`, to the API at `socket`, and returns its answer. `body` is its content type and its
/// bytes. The connection is closed behind the answer; a missing answer is no error, but the status 0.
///
/// # Errors
/// Returns an error if the socket cannot be connected to or the request cannot be sent.
pub fn send(
    socket: &Path,
    request: &str,
    headers: &[(&str, &str)],
    body: Option<(&str, &[u8])>,
) -> Result<Answer> {
    let closes = [&[("Connection", "close")], headers].concat();
    let stream = sent(socket, request, &closes, body)?;
    let mut answer = Vec::new();
    // One that goes on without end is looked at as far as it came in time.
    let _ = stream.take(MOST).read_to_end(&mut answer);
    let end = answer.windows(4).position(|some| some == b"\r\n\r\n");
    let (head, rest) = answer.split_at(end.map_or(answer.len(), |end| end + 4));
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    let body = body_of(&head, rest);
    Ok(Answer {
        status: status.unwrap_or(0),
        body: serde_json::from_slice(body.trim_ascii()).unwrap_or(Value::Null),
    })
}

/// Sends the request, and leaves its answer to be read.
fn sent(
    socket: &Path,
    request: &str,
    headers: &[(&str, &str)],
    body: Option<(&str, &[u8])>,
) -> Result<UnixStream> {
    let mut stream = UnixStream::connect(socket).context("connect to the API")?;
    stream
        .set_read_timeout(Some(PATIENCE))
        .context("bound the wait")?;
    let mut head = format!("{request} HTTP/1.1\r\nHost: vch\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    if let Some((kind, body)) = body {
        let length = body.len();
        head += &format!("Content-Type: {kind}\r\nContent-Length: {length}\r\n");
    }
    head += "\r\n";
    stream.write_all(head.as_bytes()).context("send the head")?;
    if let Some((_, body)) = body {
        // A server may have refused by the head alone, and read no more: its answer says so.
        let _ = stream.write_all(body);
    }
    Ok(stream)
}

/// The headers `Connection: Upgrade` and `Upgrade: tcp`, by which a client asks that the connection become a raw
/// stream.
pub const UPGRADE: [(&str, &str); 2] = [("Connection", "Upgrade"), ("Upgrade", "tcp")];

/// A connection to an API that stays open behind the head of the answer, and becomes a stream: of attach, logs, or the
/// start of an exec.
#[derive(Debug)]
pub struct Raw {
    /// The HTTP status of the answer; 0 if its head is not valid.
    pub status: u16,
    /// The head of the answer (status line and headers), with all letters in lower case.
    pub head: String,
    stream: UnixStream,
    /// The bytes that arrived behind the head.
    received: Vec<u8>,
}

impl Raw {
    /// Sends a request, `METHOD target`, with headers and an optional JSON body to the API at `socket`, and reads the
    /// head of its answer. The connection stays open, whatever the answer is.
    ///
    /// # Errors
    /// Returns an error if the connection fails, or the head does not arrive (no byte within 60 s).
    pub fn open(
        socket: &Path,
        request: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Self> {
        let text = body.map(ToString::to_string);
        let body = text
            .as_ref()
            .map(|text| ("application/json", text.as_bytes()));
        let mut stream = sent(socket, request, headers, body)?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            let read = stream.read(&mut byte).context("read the answer's head")?;
            let so_far = String::from_utf8_lossy(&head);
            ensure!(read == 1, "{request}: it ends within its head: {so_far:?}");
            head.push(byte[0]);
        }
        let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
        let status = head.split(' ').nth(1).and_then(|text| text.parse().ok());
        Ok(Self {
            status: status.unwrap_or(0),
            head,
            stream,
            received: Vec::new(),
        })
    }

    /// Returns the value of a header of the answer; empty if the answer does not have it.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(':'));
        let found = lines.find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value.trim())
    }

    /// Sends a text to the server as it is, without a frame around it.
    ///
    /// # Errors
    /// Returns the error of the system if the connection is broken.
    pub fn write(&mut self, text: &str) -> Result<()> {
        self.stream.write_all(text.as_bytes()).context("write")
    }

    /// Closes the sending side, which ends the server's input; output can still be read.
    ///
    /// # Errors
    /// Returns the error of the system if the connection is broken.
    pub fn finish(&mut self) -> Result<()> {
        let shut = self.stream.shutdown(Shutdown::Write);
        shut.context("end what is written")
    }

    /// Waits until the output contains `bytes`, and returns all output since the head of the answer. Output that
    /// arrived before this call counts.
    ///
    /// # Errors
    /// Returns an error with the output if it does not contain them in time, or if the connection ends before.
    pub fn until(&mut self, bytes: &[u8], within: Duration) -> Result<Vec<u8>> {
        let has = |all: &[u8]| all.windows(bytes.len()).any(|some| some == bytes);
        let so = self.read_until(within, has)?;
        let text = String::from_utf8_lossy(&self.received);
        let wanted = String::from_utf8_lossy(bytes);
        ensure!(so, "{wanted:?} did not come, but {text:?}");
        Ok(self.received.clone())
    }

    /// Waits until the server has closed the connection, and returns all output since the head of the answer.
    ///
    /// # Errors
    /// Returns an error with the output if the connection is not closed in time.
    pub fn end(mut self, within: Duration) -> Result<Vec<u8>> {
        let goes_on = self.read_until(within, |_| false);
        let text = String::from_utf8_lossy(&self.received).into_owned();
        goes_on.with_context(|| format!("the connection does not end behind {text:?}"))?;
        Ok(self.received)
    }

    /// Waits until the server has closed the connection, and returns the body of an answer after which the connection
    /// did not become a stream. Chunks are joined.
    ///
    /// # Errors
    /// Returns an error with the output if the connection is not closed in time.
    pub fn body(self, within: Duration) -> Result<Vec<u8>> {
        let head = self.head.clone();
        Ok(body_of(&head, &self.end(within)?))
    }

    /// Reads until it is so, or the server has closed the connection, which is false.
    fn read_until(&mut self, within: Duration, so: impl Fn(&[u8]) -> bool) -> Result<bool> {
        let deadline = Instant::now() + within;
        let mut some = [0; 4096];
        while !so(&self.received) {
            let left = deadline.saturating_duration_since(Instant::now());
            ensure!(!left.is_zero(), "nothing more within {within:?}");
            self.stream.set_read_timeout(Some(left))?;
            match self.stream.read(&mut some) {
                Ok(0) => return Ok(false),
                Ok(count) => self.received.extend_from_slice(&some[..count]),
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                    ) => {}
                Err(error) => return Err(error).context("read what comes"),
            }
        }
        Ok(true)
    }
}

/// Splits Docker's multiplexed stream into standard output and standard error, in this order. Each piece of the stream
/// has a head of 8 bytes: the stream's number (1 or 2), three zeroes, and the piece's length, big endian.
///
/// # Errors
/// Returns an error with the bytes that are not such a piece.
pub fn unframed(mut bytes: &[u8]) -> Result<[String; 2]> {
    let mut streams = [Vec::new(), Vec::new()];
    while !bytes.is_empty() {
        let shown = String::from_utf8_lossy(bytes).into_owned();
        let (head, rest) = bytes.split_at_checked(8).context("a head is cut off")?;
        let [number @ 1..=2, 0, 0, 0, one, two, three, four] = *head else {
            bail!("no head of a piece: {shown:?}");
        };
        let length = u32::from_be_bytes([one, two, three, four]);
        let length = usize::try_from(length).context("the length of a piece")?;
        let piece = rest.split_at_checked(length);
        let (piece, rest) = piece.with_context(|| format!("a piece is cut off: {shown:?}"))?;
        streams[usize::from(number) - 1].extend_from_slice(piece);
        bytes = rest;
    }
    Ok(streams.map(|stream| String::from_utf8_lossy(&stream).into_owned()))
}

/// Returns the body behind a head, which is in lower case.
fn body_of(head: &str, rest: &[u8]) -> Vec<u8> {
    match head.contains("transfer-encoding: chunked") {
        true => unchunked(rest),
        false => rest.to_owned(),
    }
}

fn unchunked(mut bytes: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(end) = bytes.windows(2).position(|some| some == b"\r\n") {
        let (size, rest) = bytes.split_at(end);
        let size = std::str::from_utf8(size).unwrap_or_default();
        let size = usize::from_str_radix(size, 16).unwrap_or(0);
        let Some(chunk) = rest.get(2..size + 2).filter(|_| size > 0) else {
            break;
        };
        whole.extend_from_slice(chunk);
        bytes = rest.get(size + 4..).unwrap_or_default();
    }
    whole
}
