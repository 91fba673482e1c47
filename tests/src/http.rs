//! One request to a Unix socket, and its answer: what no CLI sends can be asked so.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

/// How long the answer is waited for.
const PATIENCE: Duration = Duration::from_secs(60);
/// Bytes of an answer that are looked at.
const MOST: u64 = 4 << 20;

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// Its status; 0 where no answer came in time.
    pub status: u16,
    /// Its JSON; null where the body is no JSON.
    pub body: Value,
}

impl Answer {
    /// dockerd's words of one that is no success.
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
    let mut stream = UnixStream::connect(socket).context("connect to the API")?;
    stream
        .set_read_timeout(Some(PATIENCE))
        .context("bound the wait")?;
    let mut head = format!("{request} HTTP/1.1\r\nHost: vch\r\nConnection: close\r\n");
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
    let mut answer = Vec::new();
    // One that goes on without end is looked at as far as it came in time.
    let _ = stream.take(MOST).read_to_end(&mut answer);
    let text = String::from_utf8_lossy(&answer);
    let (head, rest) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    let chunked = head
        .to_ascii_lowercase()
        .contains("transfer-encoding: chunked");
    let rest = if chunked {
        unchunked(rest)
    } else {
        rest.to_owned()
    };
    Ok(Answer {
        status: status.unwrap_or(0),
        body: serde_json::from_str(rest.trim()).unwrap_or(Value::Null),
    })
}

fn unchunked(mut text: &str) -> String {
    let mut whole = String::new();
    while let Some((size, rest)) = text.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap_or(0);
        let Some(chunk) = rest.get(..size).filter(|_| size > 0) else {
            break;
        };
        whole += chunk;
        text = rest.get(size + 2..).unwrap_or_default();
    }
    whole
}
