//! What of a log a client wants: by stream, time and number of lines, with times before them.

use super::Shape;
use crate::Parameters;
use docker_model::{
    DockerError,
    time::{self, TimeBound},
};
use protocol::process::Output;
use std::time::Duration;

/// Bytes of a longer line that are one frame: what dockerd's copier of logs reads at once.
const FRAME: usize = 16 << 10;

/// What a client wants.
#[derive(Clone, Copy, Debug)]
pub struct LogParams {
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

impl LogParams {
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
        let now = time::now();
        let bound_ns = |name| {
            let bound = TimeBound::Logs(name).read(parameters.get(name), now)?;
            let ns = bound.map(|at| u64::try_from(at.as_nanos()).unwrap_or(u64::MAX));
            Ok::<_, DockerError>(ns)
        };
        Ok(Self {
            timestamps: parameters.flag("timestamps"),
            details: parameters.flag("details"),
            since_ns: bound_ns("since")?.unwrap_or(0),
            until_ns: bound_ns("until")?.unwrap_or(u64::MAX),
            // As dockerd does, what is no number is all.
            tail: parameters.get("tail").and_then(|text| text.parse().ok()),
            ..Self::all(shape)
        })
    }

    pub fn pieces(self) -> Pieces {
        Pieces {
            params: self,
            inside: [false; 2],
            held: Default::default(),
        }
    }
}

/// A stream's index in a list of two.
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

/// Shows what was written as a client wants it. With heads before the pieces, each line is a piece of its own, as with
/// dockerd: clients take a piece for a line.
#[derive(Clone)]
pub struct Pieces {
    params: LogParams,
    /// Whether a stream is within a line, by its index.
    inside: [bool; 2],
    /// What of a stream's line is there so far, by its index.
    held: [LineStart; 2],
}

/// The beginning of a line.
#[derive(Clone, Default)]
struct LineStart {
    at_ns: u64,
    bytes: Vec<u8>,
}

impl Pieces {
    /// As it goes out: nothing where it is not wanted.
    pub fn shown(&mut self, stream: Output, at_ns: u64, bytes: &[u8]) -> Vec<u8> {
        let outside = at_ns < self.params.since_ns || at_ns > self.params.until_ns;
        if outside || !self.params.shape.wants(stream) {
            return Vec::new();
        }
        if self.params.shape.terminal {
            return self.piece(stream, at_ns, bytes);
        }
        let mut text = Vec::new();
        let lines = bytes.split_inclusive(|byte| *byte == b'\n');
        for part in lines.flat_map(|line| line.chunks(FRAME)) {
            let held = &mut self.held[index(stream)];
            if held.bytes.is_empty() {
                held.at_ns = at_ns;
            }
            held.bytes.extend_from_slice(part);
            if part.ends_with(b"\n") || held.bytes.len() >= FRAME {
                text.append(&mut self.released(stream));
            }
        }
        text
    }

    /// What is there of lines without an end, when nothing more comes.
    pub fn rest(&mut self) -> Vec<u8> {
        let mut rest = self.released(Output::Stdout);
        rest.append(&mut self.released(Output::Stderr));
        rest
    }

    fn released(&mut self, stream: Output) -> Vec<u8> {
        let held = std::mem::take(&mut self.held[index(stream)]);
        if held.bytes.is_empty() {
            return Vec::new();
        }
        self.piece(stream, held.at_ns, &held.bytes)
    }

    fn piece(&mut self, stream: Output, at_ns: u64, bytes: &[u8]) -> Vec<u8> {
        let shape = self.params.shape;
        if self.params.timestamps || self.params.details {
            let text = self.headed(stream, at_ns, bytes);
            shape.framed(stream, &text).unwrap_or_default()
        } else {
            shape.framed(stream, bytes).unwrap_or_default()
        }
    }

    fn headed(&mut self, stream: Output, at_ns: u64, bytes: &[u8]) -> Vec<u8> {
        let mut head = Vec::new();
        if self.params.timestamps {
            head.extend_from_slice(time::rfc3339_fixed(Duration::from_nanos(at_ns)).as_bytes());
            head.push(b' ');
        }
        if self.params.details {
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
