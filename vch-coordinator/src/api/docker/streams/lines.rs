//! What of a log a client wants: by stream, time and number of lines, with times before them.

use super::Shape;
use crate::api::docker::{DockerError, Parameters, time};
use protocol::process::Output;
use std::time::Duration;

/// What a client wants.
#[derive(Clone, Copy, Debug)]
pub struct Wish {
    pub shape: Shape,
    pub timestamps: bool,
    /// The log's own marks before each line, of which there are none: dockerd's space behind them.
    pub details: bool,
    /// Nanoseconds since 1970.
    pub since_ns: u64,
    /// The same.
    pub until_ns: u64,
    /// The last lines; all where it is none.
    pub tail: Option<usize>,
}

impl Wish {
    /// All that was written, as it was.
    pub fn all(shape: Shape) -> Self {
        Self {
            shape,
            timestamps: false,
            details: false,
            since_ns: 0,
            until_ns: u64::MAX,
            tail: None,
        }
    }

    pub fn of(parameters: &Parameters, shape: Shape) -> Result<Self, DockerError> {
        let moment = |name: &str| match parameters.get(name) {
            None | Some("0") => Ok::<_, DockerError>(None),
            Some(text) => {
                let moment = time::moment(text, time::now());
                let moment = moment.ok_or_else(|| {
                    let text: String = text.chars().take(80).collect();
                    DockerError::invalid(format!("invalid value for {name:?}: {text}: give seconds since 1970, or an RFC 3339 time"))
                })?;
                Ok(Some(u64::try_from(moment.as_nanos()).unwrap_or(u64::MAX)))
            }
        };
        Ok(Self {
            timestamps: parameters.flag("timestamps"),
            details: parameters.flag("details"),
            since_ns: moment("since")?.unwrap_or(0),
            until_ns: moment("until")?.unwrap_or(u64::MAX),
            // As dockerd does, what is no number is all.
            tail: parameters.get("tail").and_then(|text| text.parse().ok()),
            ..Self::all(shape)
        })
    }

    pub fn pieces(self) -> Pieces {
        Pieces {
            wish: self,
            inside: [false; 2],
        }
    }
}

/// A stream's place in a list of two.
pub fn index(stream: Output) -> usize {
    match stream {
        Output::Stdout => 0,
        Output::Stderr => 1,
    }
}

/// When what has just come was written.
pub fn now_ns() -> u64 {
    u64::try_from(time::now().as_nanos()).unwrap_or(u64::MAX)
}

/// Shows what was written as a client wants it.
#[derive(Clone, Copy)]
pub struct Pieces {
    wish: Wish,
    /// Whether a stream is within a line, by its index.
    inside: [bool; 2],
}

impl Pieces {
    /// As it goes out: nothing where it is not wanted.
    pub fn shown(&mut self, stream: Output, at_ns: u64, bytes: &[u8]) -> Vec<u8> {
        let outside = at_ns < self.wish.since_ns || at_ns > self.wish.until_ns;
        if outside || !self.wish.shape.wants(stream) {
            return Vec::new();
        }
        if self.wish.timestamps || self.wish.details {
            let text = self.headed(stream, at_ns, bytes);
            self.wish.shape.framed(stream, &text).unwrap_or_default()
        } else {
            self.wish.shape.framed(stream, bytes).unwrap_or_default()
        }
    }

    fn headed(&mut self, stream: Output, at_ns: u64, bytes: &[u8]) -> Vec<u8> {
        let mut head = Vec::new();
        if self.wish.timestamps {
            head.extend_from_slice(time::rfc3339_fixed(Duration::from_nanos(at_ns)).as_bytes());
            head.push(b' ');
        }
        if self.wish.details {
            head.push(b' ');
        }
        let mut text = Vec::with_capacity(bytes.len() + head.len());
        let inside = &mut self.inside[index(stream)];
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            if !*inside {
                text.extend_from_slice(&head);
            }
            *inside = !line.ends_with(b"\n");
            text.extend_from_slice(line);
        }
        text
    }
}
