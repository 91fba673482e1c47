//! What of a log a client wants: by stream, time and number of lines, with times before them.

use super::Shape;
use crate::api::docker::{DockerError, Parameters, time};
use protocol::process::Output;
use std::{
    collections::{BTreeMap, VecDeque},
    io,
    time::Duration,
};
use vch_shim::log::Reader;

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

impl Default for Wish {
    fn default() -> Self {
        Self {
            shape: Shape {
                out: true,
                err: true,
                terminal: false,
            },
            timestamps: false,
            details: false,
            since_ns: 0,
            until_ns: u64::MAX,
            tail: None,
        }
    }
}

impl Wish {
    pub fn of(parameters: &Parameters, shape: Shape) -> Result<Self, DockerError> {
        let moment = |name: &str| match parameters.get(name) {
            None | Some("0") => Ok::<_, DockerError>(None),
            Some(text) => {
                let moment = time::moment(text, time::now());
                let moment = moment.ok_or_else(|| {
                    DockerError::invalid(format!("invalid value for {name:?}: {text}: give seconds since 1970, or an RFC 3339 time"))
                })?;
                Ok(Some(u64::try_from(moment.as_nanos()).unwrap_or(u64::MAX)))
            }
        };
        Ok(Self {
            shape,
            timestamps: parameters.flag("timestamps"),
            details: parameters.flag("details"),
            since_ns: moment("since")?.unwrap_or(0),
            until_ns: moment("until")?.unwrap_or(u64::MAX),
            // As dockerd does, what is no number is all.
            tail: parameters.get("tail").and_then(|text| text.parse().ok()),
        })
    }

    pub fn pieces(self) -> Pieces {
        Pieces {
            wish: self,
            inside: BTreeMap::new(),
        }
    }
}

/// What was written at one time.
pub struct Piece {
    pub stream: Output,
    pub at_ns: u64,
    pub bytes: Vec<u8>,
}

impl Piece {
    /// What has just come.
    pub fn now(stream: Output, bytes: Vec<u8>) -> Self {
        Self {
            stream,
            at_ns: u64::try_from(time::now().as_nanos()).unwrap_or(u64::MAX),
            bytes,
        }
    }
}

/// Shows pieces as a client wants them.
pub struct Pieces {
    wish: Wish,
    /// Whether a stream is within a line.
    inside: BTreeMap<Output, bool>,
}

impl Pieces {
    /// As it goes out: nothing where it is not wanted.
    pub fn shown(&mut self, piece: Piece) -> Vec<u8> {
        let Piece {
            stream,
            at_ns,
            bytes,
        } = piece;
        if at_ns < self.wish.since_ns || at_ns > self.wish.until_ns {
            return Vec::new();
        }
        let text = if self.wish.timestamps || self.wish.details {
            self.headed(stream, at_ns, &bytes)
        } else {
            bytes
        };
        self.wish.shape.framed(stream, &text).unwrap_or_default()
    }

    fn headed(&mut self, stream: Output, at_ns: u64, bytes: &[u8]) -> Vec<u8> {
        let mut text = Vec::new();
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            let inside = self.inside.entry(stream).or_default();
            if !*inside {
                if self.wish.timestamps {
                    text.extend_from_slice(time::rfc3339(Duration::from_nanos(at_ns)).as_bytes());
                    text.push(b' ');
                }
                if self.wish.details {
                    text.push(b' ');
                }
            }
            *inside = !line.ends_with(b"\n");
            text.extend_from_slice(line);
        }
        text
    }
}

/// All that is written so far, as a client wants it.
///
/// # Errors
/// The log can't be read.
pub fn past(reader: &mut Reader, wish: &Wish) -> io::Result<Vec<u8>> {
    let mut pieces = wish.pieces();
    let mut shown = Vec::new();
    let mut last = wish.tail.map(Last::new);
    while let Some(record) = reader.read()? {
        let piece = Piece {
            stream: record.stream,
            at_ns: record.at_ns,
            bytes: record.bytes,
        };
        match &mut last {
            None => shown.extend(pieces.shown(piece)),
            Some(last) if wish.shape.wants(piece.stream) => last.take(&piece),
            Some(_) => {}
        }
    }
    for piece in last.into_iter().flat_map(Last::pieces) {
        shown.extend(pieces.shown(piece));
    }
    Ok(shown)
}

/// The last lines of both streams, by when they began.
struct Last {
    most: usize,
    /// Each line's pieces, with their places in the log.
    lines: VecDeque<Vec<(usize, Piece)>>,
    taken: usize,
}

impl Last {
    fn new(most: usize) -> Self {
        Self {
            most,
            lines: VecDeque::new(),
            taken: 0,
        }
    }

    fn take(&mut self, piece: &Piece) {
        for line in piece.bytes.split_inclusive(|byte| *byte == b'\n') {
            let part = Piece {
                stream: piece.stream,
                at_ns: piece.at_ns,
                bytes: line.to_vec(),
            };
            self.taken += 1;
            let place = self.taken;
            let begun = self.lines.iter_mut().rev().find(|parts| {
                let (_, last) = &parts[parts.len() - 1];
                last.stream == part.stream && !last.bytes.ends_with(b"\n")
            });
            match begun {
                Some(parts) => parts.push((place, part)),
                None => self.lines.push_back(vec![(place, part)]),
            }
            if self.lines.len() > self.most.max(1) {
                self.lines.pop_front();
            }
        }
    }

    /// In the order in which they were written.
    fn pieces(self) -> impl Iterator<Item = Piece> {
        let skipped = self.lines.len().saturating_sub(self.most);
        let mut parts: Vec<_> = self.lines.into_iter().skip(skipped).flatten().collect();
        parts.sort_by_key(|(place, _)| *place);
        parts.into_iter().map(|(_, part)| part)
    }
}

#[cfg(test)]
mod tests;
