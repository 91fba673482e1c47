//! Writes the log of a container.
//!
//! The end of the last whole record is noted from time to time in a file beside the log, so that
//! the next writer need not read all of it. A note is used only if it fits the log.

use super::{HEADER, MAX_RECORD, Position, Reader, files, name};
use protocol::process::Output;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// The minimum size of a log file, in bytes, before the next one is begun: each file costs a
/// listing of the directory and an fsync(2).
pub const LEAST_BYTES: u64 = 64 << 10;
/// The file in which the writer notes how far the log is whole: two numbers of 8 bytes, as in [`Position`].
const NOTE: &str = "log.whole";
/// Bytes of the log between two notes: what the next writer has to read at most.
const NOTE_EACH: u64 = 1 << 20;

/// Appends records to a container's log. Only the container's shim has a writer.
#[derive(Debug)]
pub struct Writer {
    dir: PathBuf,
    file: File,
    end: Position,
    noted: Position,
    limits: Limits,
}

#[derive(Clone, Copy, Debug)]
struct Limits {
    bytes: u64,
    files: u64,
}

impl Writer {
    /// Opens the log in the container's directory `dir` for writing behind its last whole record; what follows that
    /// record was cut off, and is removed. The writer begins a new file when one has `bytes` bytes (values below 64 KiB
    /// count as 64 KiB), and then keeps only the last `kept` files (0 counts as 1).
    ///
    /// # Errors
    /// Returns the error of the file system.
    pub fn open(dir: &Path, bytes: u64, kept: u32) -> io::Result<Self> {
        let last = files(dir)?.last().copied().unwrap_or(0);
        let path = dir.join(name(last));
        let file = OpenOptions::new().create(true).append(true).open(&path)?;
        let noted = noted(dir, last, file.metadata()?.len());
        let (from, end) = match last_whole(dir, noted) {
            Ok(end) => (noted, end),
            // The note does not fit the log: all of the file is read.
            Err(_) if noted.offset > 0 => {
                let from = Position { offset: 0, ..noted };
                (from, last_whole(dir, from)?)
            }
            Err(error) => return Err(error),
        };
        file.set_len(end.offset)?;
        Ok(Self {
            dir: dir.to_owned(),
            file,
            end,
            noted: from,
            limits: Limits {
                bytes: bytes.max(LEAST_BYTES),
                files: u64::from(kept.max(1)),
            },
        })
    }

    /// Returns the position behind the last record, at which the next one begins.
    pub fn end(&self) -> Position {
        self.end
    }

    /// Appends bytes that a process wrote to `stream`. `at_ns` is the time of their arrival, in nanoseconds since 1970.
    /// More than 1 MiB becomes several records.
    ///
    /// # Errors
    /// Returns the error of the file system, such as a full disk; a partly written record is removed again.
    pub fn append(&mut self, stream: Output, at_ns: u64, bytes: &[u8]) -> io::Result<()> {
        for piece in bytes.chunks(MAX_RECORD) {
            if self.end.offset >= self.limits.bytes {
                self.rotate()?;
            }
            let mut record = Vec::with_capacity(HEADER + piece.len());
            record.push(u8::from(stream == Output::Stderr));
            record.extend_from_slice(&at_ns.to_le_bytes());
            let length = u32::try_from(piece.len()).unwrap_or(u32::MAX);
            record.extend_from_slice(&length.to_le_bytes());
            record.extend_from_slice(piece);
            if let Err(error) = self.file.write_all(&record) {
                self.file.set_len(self.end.offset)?;
                return Err(error);
            }
            self.end.offset += record.len() as u64;
        }
        if self.end.offset >= self.noted.offset + NOTE_EACH {
            self.note();
        }
        Ok(())
    }

    /// Notes how far the log is whole. Where that fails the next writer reads more.
    fn note(&mut self) {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.end.file.to_le_bytes());
        bytes[8..].copy_from_slice(&self.end.offset.to_le_bytes());
        let _ = fs::write(self.dir.join(NOTE), bytes);
        self.noted = self.end;
    }

    /// Waits until all records are on disk (fdatasync(2)).
    ///
    /// # Errors
    /// Returns the kernel's error.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn rotate(&mut self) -> io::Result<()> {
        self.file.sync_data()?;
        let next = self.end.file + 1;
        self.file = OpenOptions::new()
            .create_new(true)
            .append(true)
            .open(self.dir.join(name(next)))?;
        self.end = Position {
            file: next,
            offset: 0,
        };
        self.noted = self.end;
        for old in files(&self.dir)? {
            if old + self.limits.files <= next {
                fs::remove_file(self.dir.join(name(old)))?;
            }
        }
        Ok(())
    }
}

/// Returns the position up to which a note says that the last file is whole; the file's beginning
/// without a note.
fn noted(dir: &Path, last: u64, length: u64) -> Position {
    let beginning = Position {
        file: last,
        offset: 0,
    };
    let bytes = fs::read(dir.join(NOTE)).unwrap_or_default();
    let Ok([file, offset]) = <[u8; 16]>::try_from(bytes).map(|bytes| {
        let number = |half: &[u8]| {
            half.iter()
                .rev()
                .fold(0, |sum, byte| sum << 8 | u64::from(*byte))
        };
        [number(&bytes[..8]), number(&bytes[8..])]
    }) else {
        return beginning;
    };
    if file == last && offset <= length {
        Position { file, offset }
    } else {
        beginning
    }
}

/// Returns the position behind the last whole record.
fn last_whole(dir: &Path, from: Position) -> io::Result<Position> {
    let mut reader = Reader::open(dir, from);
    while reader.read()?.is_some() {}
    Ok(reader.position())
}
