//! Finds where the last lines of a log begin.
//!
//! A line of a stream begins with the first byte after its last newline. The lines of both streams are
//! counted together, by where they begin. The log's files are read from the newest to the oldest, each
//! forwards, since its records cannot be read backwards. For every 64 KiB of a file a mark is kept: how many
//! lines begin after it, and whether each stream is within a line there.

use super::{Shape, lines::index};
use protocol::process::Output;
use std::{
    collections::VecDeque,
    io,
    path::{Path, PathBuf},
};
use vch_shim::log::{Position, Reader, Record, files};

/// The distance of marks in bytes of the log.
const MARKS: u64 = 64 << 10;

/// What the next byte of a stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LineState {
    /// Unknown: no earlier record of the stream was read.
    Unknown,
    /// The first byte of a line.
    Begin,
    /// A further byte of a line.
    Rest,
}

impl LineState {
    /// Returns the state after these bytes.
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
    /// The number of lines that begin between this mark and the next one.
    begun: usize,
}

/// One file, read up to a position.
struct Scan {
    file: u64,
    reader: Reader,
    marks: Vec<Mark>,
    next: [LineState; 2],
    /// The mark after which each stream's first record is.
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

    /// Reads a record. Returns whether the file had one.
    ///
    /// # Errors
    /// Returns an error if the file can't be read.
    fn step(&mut self, shape: Shape) -> io::Result<bool> {
        let before = self.reader.position();
        let record = match self.reader.read() {
            Ok(Some(record)) => record,
            Ok(None) => return Ok(false),
            // The writer has deleted the file meanwhile.
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

    /// Sets the state of a stream before its first record in the file.
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

/// Searches a log for the beginning of its last lines.
pub struct Search {
    dir: PathBuf,
    most: usize,
    shape: Shape,
    /// Older files that are not read yet.
    left: Vec<u64>,
    /// The files that were read, oldest first; the oldest may still be read.
    scans: VecDeque<Scan>,
    at_end: bool,
}

impl Search {
    /// Begins a search for the last `most` lines of the log in the directory `dir`.
    ///
    /// # Errors
    /// Returns the error of the system if the directory cannot be read.
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

    /// Continues with the next older file. Returns whether there is one.
    fn older(&mut self) -> bool {
        let Some(file) = self.left.pop() else {
            return false;
        };
        self.scans.push_front(Scan::of(&self.dir, file));
        self.at_end = false;
        true
    }

    /// Reads about `bytes` bytes of the log. Returns the last lines once they are found; `None` if the search has
    /// to continue.
    ///
    /// # Errors
    /// Returns the error of the system if a file cannot be read.
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

    /// Applies the state at the end of an older file to the first record of the stream after it.
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
        // Bytes before the log's beginning are unknown: the first bytes count as the beginning of a
        // line.
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

/// The last lines of a log: where they begin, and which bytes behind that position belong to them.
#[derive(Debug)]
pub struct Tail {
    /// The position in the log from which to read.
    pub from: Position,
    /// The number of lines after the position that are not requested.
    skipped: usize,
    next: [LineState; 2],
    /// Whether each stream is within a requested line.
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

    /// Returns the selection of only what follows the end.
    fn nothing(from: Position) -> Self {
        Self {
            from,
            skipped: 0,
            next: [LineState::Begin; 2],
            wanted: [true; 2],
        }
    }

    /// Returns the part of a record's bytes that belongs to the last lines, which is its end. Records must be
    /// passed in their order in the log.
    pub fn of<'a>(&mut self, stream: Output, bytes: &'a [u8]) -> &'a [u8] {
        let stream = index(stream);
        let mut begin = 0;
        // The requested lines follow those that are not requested.
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            if self.next[stream] == LineState::Begin {
                self.wanted[stream] = self.skipped == 0;
                self.skipped = self.skipped.saturating_sub(1);
            }
            self.next[stream] = self.next[stream].after(line);
            if !self.wanted[stream] {
                begin += line.len();
            } else if self.skipped == 0 {
                // All further bytes are requested, too.
                self.next[stream] = self.next[stream].after(bytes);
                break;
            }
        }
        &bytes[begin..]
    }
}
