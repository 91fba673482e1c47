//! Where the last lines of a log begin.
//!
//! A line of a stream begins with the first byte behind its last newline; lines are counted over both
//! streams, by where they begin. The log's files are read from the newest one back, each forwards, since
//! its records can't be read backwards. What is kept of a file is a mark for each 64 KiB: how many lines
//! begin behind it, and whether each stream is within a line there.

use super::{Shape, lines::index};
use protocol::process::Output;
use std::{
    collections::VecDeque,
    io,
    path::{Path, PathBuf},
};
use vch_shim::log::{Position, Reader, Record, files};

/// Bytes of the log between two marks.
const MARKS: u64 = 64 << 10;

/// What of a stream comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LineState {
    /// It is not known yet: no earlier record of it was read.
    Unknown,
    /// The first byte of a line.
    Begin,
    /// More of a line.
    Rest,
}

impl LineState {
    /// Behind these bytes.
    fn after(self, bytes: &[u8]) -> Self {
        match bytes.last() {
            None => self,
            Some(b'\n') => Self::Begin,
            Some(_) => Self::Rest,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Mark {
    at: Position,
    next: [LineState; 2],
    /// Lines that begin between this mark and the next one.
    begun: usize,
}

/// One file, read up to some position.
struct Scan {
    file: u64,
    reader: Reader,
    marks: Vec<Mark>,
    next: [LineState; 2],
    /// The mark behind which each stream's first record lies.
    first: [Option<usize>; 2],
}

impl Scan {
    fn of(dir: &Path, file: u64) -> Self {
        let at = Position { file, offset: 0 };
        let next = [LineState::Unknown; 2];
        let begun = 0;
        Self {
            file,
            reader: Reader::open(dir, at),
            marks: vec![Mark { at, next, begun }],
            next,
            first: [None; 2],
        }
    }

    /// Reads a record; whether there was one in this file.
    fn step(&mut self, shape: Shape) -> io::Result<bool> {
        let before = self.reader.position();
        let record = match self.reader.read() {
            Ok(Some(record)) => record,
            Ok(None) => return Ok(false),
            // The writer has taken the file away meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        if self.reader.position().file != self.file {
            return Ok(false);
        }
        if shape.wants(record.stream) {
            self.take(before, &record);
        }
        Ok(true)
    }

    fn take(&mut self, before: Position, record: &Record) {
        let marked = self.marks.last().map_or(0, |mark| mark.at.offset);
        if before.offset >= marked + MARKS {
            self.marks.push(Mark {
                at: before,
                next: self.next,
                begun: 0,
            });
        }
        let newest = self.marks.len() - 1;
        let stream = index(record.stream);
        if self.next[stream] == LineState::Unknown && !record.bytes.is_empty() {
            self.first[stream] = Some(newest);
        }
        let newlines = record.bytes.iter().filter(|byte| **byte == b'\n').count();
        let at_end = usize::from(record.bytes.ends_with(b"\n"));
        let at_begin =
            usize::from(self.next[stream] == LineState::Begin && !record.bytes.is_empty());
        self.marks[newest].begun += newlines - at_end + at_begin;
        self.next[stream] = self.next[stream].after(&record.bytes);
    }

    /// Says what stands before the file's first record of a stream.
    fn resolve(&mut self, stream: usize, next: LineState) {
        if let Some(first) = self.first[stream].take() {
            self.marks[first].begun += usize::from(next == LineState::Begin);
        }
        for mark in &mut self.marks {
            if mark.next[stream] == LineState::Unknown {
                mark.next[stream] = next;
            }
        }
        if self.next[stream] == LineState::Unknown {
            self.next[stream] = next;
        }
    }

    fn begun(&self) -> usize {
        self.marks.iter().map(|mark| mark.begun).sum()
    }
}

/// Looks for where the last lines begin.
pub struct Search {
    dir: PathBuf,
    most: usize,
    shape: Shape,
    /// Older files, not read yet.
    left: Vec<u64>,
    /// Those that were read, the oldest first; it may be read still.
    scans: VecDeque<Scan>,
    at_end: bool,
}

impl Search {
    pub fn of(dir: &Path, most: usize, shape: Shape) -> io::Result<Self> {
        let left = match files(dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            other => other?,
        };
        let mut search = Self {
            dir: dir.to_owned(),
            most,
            shape,
            left,
            scans: VecDeque::new(),
            at_end: true,
        };
        search.older();
        Ok(search)
    }

    /// Goes on to the next older file, if there is one.
    fn older(&mut self) -> bool {
        let Some(file) = self.left.pop() else {
            return false;
        };
        self.scans.push_front(Scan::of(&self.dir, file));
        self.at_end = false;
        true
    }

    /// Reads on, up to about so many bytes; what shows the last lines, once it is found.
    pub fn step(&mut self, bytes: u64) -> io::Result<Option<Tail>> {
        let mut read = 0;
        while !self.at_end {
            let Some(scan) = self.scans.front_mut() else {
                break;
            };
            let before = scan.reader.position().offset;
            if scan.step(self.shape)? {
                read += scan.reader.position().offset - before;
                if read >= bytes {
                    return Ok(None);
                }
                continue;
            }
            self.at_end = true;
            self.resolve_newer();
            if !self.has_enough() && self.older() {
                continue;
            }
        }
        Ok(Some(self.found()))
    }

    /// What the newest of the older files says of a stream holds for the first record of it behind that.
    fn resolve_newer(&mut self) {
        for stream in 0..2 {
            let next = self
                .scans
                .front()
                .map_or(LineState::Unknown, |scan| scan.next[stream]);
            if next != LineState::Unknown {
                for newer in self.scans.iter_mut().skip(1) {
                    if newer.first[stream].is_some() || newer.next[stream] == LineState::Unknown {
                        let known = newer.first[stream].is_some();
                        newer.resolve(stream, next);
                        if known {
                            break;
                        }
                    }
                }
            }
        }
    }

    fn has_enough(&self) -> bool {
        let unresolved = self
            .scans
            .iter()
            .any(|scan| scan.first.iter().any(Option::is_some));
        let begun: usize = self.scans.iter().map(Scan::begun).sum();
        self.most == 0 || (begun >= self.most && !unresolved)
    }

    fn found(&mut self) -> Tail {
        // What is not kept any more is not known: the first bytes count as a line.
        for scan in &mut self.scans {
            for stream in 0..2 {
                scan.resolve(stream, LineState::Begin);
            }
        }
        let end = self
            .scans
            .back()
            .map_or_else(Position::default, |scan| Position {
                file: scan.file,
                offset: scan.marks.last().map_or(0, |mark| mark.at.offset),
            });
        if self.most == 0 {
            let from = self.scans.back().map_or(end, |scan| scan.reader.position());
            return Tail::nothing(from);
        }
        let mut begun = 0;
        let mut oldest = None;
        for mark in self
            .scans
            .iter()
            .rev()
            .flat_map(|scan| scan.marks.iter().rev())
        {
            begun += mark.begun;
            oldest = Some(*mark);
            if begun >= self.most {
                return Tail::from(*mark, begun - self.most);
            }
        }
        oldest.map_or_else(|| Tail::nothing(end), |mark| Tail::from(mark, 0))
    }
}

/// Which of the bytes behind a position belong to the last lines.
#[derive(Debug)]
pub struct Tail {
    /// The position.
    pub from: Position,
    /// Lines that begin behind it and are not wanted.
    skipped: usize,
    next: [LineState; 2],
    /// Whether a stream is within a line that is wanted.
    wanted: [bool; 2],
}

impl Tail {
    fn from(mark: Mark, skipped: usize) -> Self {
        Self {
            from: mark.at,
            skipped,
            next: mark.next,
            wanted: [false; 2],
        }
    }

    /// Only what comes behind the end.
    fn nothing(from: Position) -> Self {
        Self {
            from,
            skipped: 0,
            next: [LineState::Begin; 2],
            wanted: [true; 2],
        }
    }

    /// What of a record's bytes is wanted: their end.
    pub fn of<'a>(&mut self, stream: Output, bytes: &'a [u8]) -> &'a [u8] {
        let stream = index(stream);
        let mut begin = 0;
        // Lines are wanted from one on: what is not wanted stands before what is.
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            if self.next[stream] == LineState::Begin {
                self.wanted[stream] = self.skipped == 0;
                self.skipped = self.skipped.saturating_sub(1);
            }
            self.next[stream] = self.next[stream].after(line);
            if !self.wanted[stream] {
                begin += line.len();
            } else if self.skipped == 0 {
                // All that follows is wanted, too.
                self.next[stream] = self.next[stream].after(bytes);
                break;
            }
        }
        &bytes[begin..]
    }
}
