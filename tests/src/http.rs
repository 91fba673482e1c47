//! Sends single HTTP requests to a Unix socket: those that no CLI sends.

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

/// An HTTP answer.
#[derive(Debug)]
pub struct Answer {
    /// The status; 0 if no answer arrived in time.
    pub status: u16,
    /// The JSON of the body; null if the body is not JSON.
    pub body: Value,
}

impl Answer {
    /// Returns dockerd's message in an answer that reports an error.
    #[must_use]
    pub fn message(&self) -> &str {
        self.body["message"].as_str().unwrap_or_default()
    }
}

/// Sends a request with a JSON body.
pub fn ask(socket: &Path, method: &str, target: &str, body: Option<&Value>) -> Result<Answer> {
    let text = body.map(ToString::to_string);
    let body = text
        .as_ref()
        .map(|text| ("application/json", text.as_bytes()));
    send(socket, &format!("{method} {target}"), &[], body)
}

/// Sends a request, `METHOD target`, with headers and a body of some type.
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

/// The headers with which a client requests to take the connection over.
pub const UPGRADE: [(&str, &str); 2] = [("Connection", "Upgrade"), ("Upgrade", "tcp")];

/// A connection behind the head of an answer: of attach, logs, or the start of an exec.
#[derive(Debug)]
pub struct Raw {
    /// The answer's status.
    pub status: u16,
    /// The answer's head, in lower case.
    pub head: String,
    stream: UnixStream,
    /// The bytes that arrived behind the head.
    come: Vec<u8>,
}

impl Raw {
    /// Sends a request, `METHOD target`, with a JSON body if there is one, and reads the head of its answer.
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
            come: Vec::new(),
        })
    }

    /// Returns the value of a header of the answer; empty if the answer does not have it.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(':'));
        let found = lines.find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value.trim())
    }

    /// Sends a text.
    pub fn write(&mut self, text: &str) -> Result<()> {
        self.stream.write_all(text.as_bytes()).context("write")
    }

    /// Ends the input; output can still be read.
    pub fn finish(&mut self) -> Result<()> {
        let shut = self.stream.shutdown(Shutdown::Write);
        shut.context("end what is written")
    }

    /// Waits until the output contains these bytes; returns all output so far.
    pub fn until(&mut self, bytes: &[u8], within: Duration) -> Result<Vec<u8>> {
        let has = |come: &[u8]| come.windows(bytes.len()).any(|some| some == bytes);
        let so = self.read_until(within, has)?;
        let come = String::from_utf8_lossy(&self.come);
        let wanted = String::from_utf8_lossy(bytes);
        ensure!(so, "{wanted:?} did not come, but {come:?}");
        Ok(self.come.clone())
    }

    /// Waits until the server has closed the connection; returns all output.
    pub fn end(mut self, within: Duration) -> Result<Vec<u8>> {
        let goes_on = self.read_until(within, |_| false);
        let come = String::from_utf8_lossy(&self.come).into_owned();
        goes_on.with_context(|| format!("the connection does not end behind {come:?}"))?;
        Ok(self.come)
    }

    /// Waits until the server has closed the connection; returns the body of an answer by which the
    /// connection was not taken over.
    pub fn body(self, within: Duration) -> Result<Vec<u8>> {
        let head = self.head.clone();
        Ok(body_of(&head, &self.end(within)?))
    }

    /// Reads until it is so, or the server has closed the connection, which is false.
    fn read_until(&mut self, within: Duration, so: impl Fn(&[u8]) -> bool) -> Result<bool> {
        let deadline = Instant::now() + within;
        let mut some = [0; 4096];
        while !so(&self.come) {
            let left = deadline.saturating_duration_since(Instant::now());
            ensure!(!left.is_zero(), "nothing more within {within:?}");
            self.stream.set_read_timeout(Some(left))?;
            match self.stream.read(&mut some) {
                Ok(0) => return Ok(false),
                Ok(count) => self.come.extend_from_slice(&some[..count]),
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

/// Returns standard output and standard error of a stream whose pieces have heads of 8 bytes: the stream's number,
/// three zeroes, and the length, the highest byte first.
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
