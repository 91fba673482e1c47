//! Readers: of a container that runs, or of one that has ended.

use super::{HEADER, MAX_RECORD, Position, files, name};
use protocol::process::Output;
use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

/// What was written at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// On which stream.
    pub stream: Output,
    /// When it reached the VCH: nanoseconds since 1970.
    pub at_ns: u64,
    /// What.
    pub bytes: Vec<u8>,
}

/// Reads records in their order.
#[derive(Debug)]
pub struct Reader {
    folder: PathBuf,
    at: Position,
    file: Option<File>,
}

impl Reader {
    /// From a place on.
    pub fn open(folder: &Path, from: Position) -> Self {
        Self {
            folder: folder.to_owned(),
            at: from,
            file: None,
        }
    }

    /// From the first record that is kept.
    ///
    /// # Errors
    /// The folder can't be read.
    pub fn from_start(folder: &Path) -> io::Result<Self> {
        let first = match files(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            other => other?.first().copied().unwrap_or(0),
        };
        let from = Position {
            file: first,
            offset: 0,
        };
        Ok(Self::open(folder, from))
    }

    /// Behind the last record that was read.
    pub fn position(&self) -> Position {
        self.at
    }

    /// The next record; `None` where there is none yet.
    ///
    /// # Errors
    /// What the file system says; [`io::ErrorKind::NotFound`] where the writer has taken away what
    /// comes next, because this reader was too slow.
    pub fn read(&mut self) -> io::Result<Option<Record>> {
        loop {
            let offset = self.at.offset;
            let Some(file) = self.file()? else {
                return Ok(None);
            };
            if let Some(record) = record(file, offset)? {
                self.at.offset += (HEADER + record.bytes.len()) as u64;
                return Ok(Some(record));
            }
            // The writer goes on to the next file only behind a whole record, and never comes back.
            let next = self.at.file + 1;
            if !self.folder.join(name(next)).exists() {
                return Ok(None);
            }
            let offset = self.at.offset;
            let Some(file) = self.file()? else {
                return Ok(None);
            };
            if record(file, offset)?.is_none() {
                self.at = Position {
                    file: next,
                    offset: 0,
                };
                self.file = None;
            }
        }
    }

    /// `None` before the first record of the first file.
    fn file(&mut self) -> io::Result<Option<&mut File>> {
        if self.file.is_none() {
            match File::open(self.folder.join(name(self.at.file))) {
                Ok(file) => self.file = Some(file),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    let later = files(&self.folder).unwrap_or_default();
                    if later.iter().any(|file| *file > self.at.file) {
                        return Err(error);
                    }
                    return Ok(None);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(self.file.as_mut())
    }
}

/// The record at an offset, if all of it is there.
fn record(file: &mut File, offset: u64) -> io::Result<Option<Record>> {
    let mut header = [0; HEADER];
    file.seek(SeekFrom::Start(offset))?;
    if !filled(file, &mut header)? {
        return Ok(None);
    }
    let [stream, rest @ ..] = header;
    let mut time = [0; 8];
    let mut length = [0; 4];
    time.copy_from_slice(&rest[..8]);
    length.copy_from_slice(&rest[8..]);
    let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
    if length > MAX_RECORD || stream > 1 {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "the log is damaged: remove the container",
        ));
    }
    let mut bytes = vec![0; length];
    if !filled(file, &mut bytes)? {
        return Ok(None);
    }
    Ok(Some(Record {
        stream: if stream == 0 {
            Output::Stdout
        } else {
            Output::Stderr
        },
        at_ns: u64::from_le_bytes(time),
        bytes,
    }))
}

/// Whether there were so many bytes.
fn filled(file: &mut File, into: &mut [u8]) -> io::Result<bool> {
    match file.read_exact(into) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}
