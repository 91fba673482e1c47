//! Selects log lines by stream, time and number, and adds times to them.

use super::Shape;
use crate::Parameters;
use docker_model::{
    DockerError,
    time::{self, TimeBound},
};
use protocol::process::Output;
use std::time::Duration;

/// The maximum length of a frame in bytes, as in dockerd's log copier.
const FRAME: usize = 16 << 10;

/// The part of a container's log that a client asks for, and its form.
#[derive(Clone, Copy, Debug)]
pub struct LogParams {
    /// The streams, and whether they are multiplexed.
    pub shape: Shape,
    /// Whether each line begins with its time.
    pub timestamps: bool,
    /// Whether each line begins with the log's attributes. A VCH's log has none, so only dockerd's space is added.
    pub details: bool,
    /// The earliest time, in nanoseconds since 1970; 0 for no limit.
    pub since_ns: u64,
    /// The latest time, in nanoseconds since 1970; [`u64::MAX`] for no limit.
    pub until_ns: u64,
    /// The number of last lines; `None` for all.
    pub tail: Option<usize>,
}

impl LogParams {
    /// Returns the parameters for all output, without times.
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

    /// Parses the parameters of a request for logs: `timestamps`, `details`, `since`, `until`, `tail`.
    ///
    /// # Errors
    /// Returns 400 if a time is not valid.
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
            // As in dockerd, a text that is not a number means all lines.
            tail: parameters.get("tail").and_then(|text| text.parse().ok()),
            ..Self::all(shape)
        })
    }

    /// Returns the converter of log records to the form that these parameters ask for.
    pub fn pieces(self) -> Pieces {
        Pieces {
            params: self,
            inside: [false; 2],
            held: Default::default(),
        }
    }
}

/// Returns the index of a stream in arrays of two: 0 for standard output, 1 for standard error.
pub fn index(stream: Output) -> usize {
    match stream {
        Output::Stdout => 0,
        Output::Stderr => 1,
    }
}

/// Returns the present time in nanoseconds since 1970, for output that has just arrived.
pub fn now_ns() -> u64 {
    u64::try_from(time::now().as_nanos()).unwrap_or(u64::MAX)
}

/// Converts a container's output to the form that a client asks for. If the streams are multiplexed, each line of
/// up to 16 KiB is a frame of its own, as in dockerd: clients take a frame for a line.
#[derive(Clone)]
pub struct Pieces {
    params: LogParams,
    /// Whether each stream is within a line, by index.
    inside: [bool; 2],
    /// The incomplete line of each stream, by index.
    held: [LineStart; 2],
}

/// The beginning of a line.
#[derive(Clone, Default)]
struct LineStart {
    at_ns: u64,
    bytes: Vec<u8>,
}

impl Pieces {
    /// Returns a piece of output, written at `at_ns` (nanoseconds since 1970), in the form that the client asks
    /// for; empty if it does not ask for it. An incomplete last line is held back until the next call.
    pub fn format(&mut self, stream: Output, at_ns: u64, bytes: &[u8]) -> Vec<u8> {
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

    /// Returns the incomplete lines that were held back, at the end of the output.
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
