//! Reads the log of a container, while it runs or after it has ended.

use super::{HEADER, MAX_RECORD, Position, files, name};
use protocol::process::Output;
use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

/// A piece of a container's output: the bytes of one stream that arrived in one message of the guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The stream that the process wrote to, standard output or standard error.
    pub stream: Output,
    /// When the output reached the shim on the host, in nanoseconds since 1970 (UTC).
    pub at_ns: u64,
    /// The output, at most 1 MiB. It may begin or end within a line or a character.
    pub bytes: Vec<u8>,
}

/// Reads the records of a container's log in order, also while the log is written.
#[derive(Debug)]
pub struct Reader {
    dir: PathBuf,
    at: Position,
    file: Option<File>,
    /// The bytes that were read of the file from an offset on, since records may be as short as one
    /// byte.
    page: Vec<u8>,
    page_at: u64,
}

/// Bytes that are read at once.
const PAGE: usize = 64 << 10;

impl Reader {
    /// Returns a reader of the log in the container's directory `dir`, which begins at a position.
    /// Opens no file yet.
    pub fn open(dir: &Path, from: Position) -> Self {
        Self {
            dir: dir.to_owned(),
            at: from,
            file: None,
            page: Vec::new(),
            page_at: 0,
        }
    }

    /// Returns a reader that begins at the oldest record that is kept. A missing directory counts as an empty log.
    /// Opens no log file yet.
    ///
    /// # Errors
    /// Returns the error of reading the directory.
    pub fn from_start(dir: &Path) -> io::Result<Self> {
        let first = match files(dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            other => other?.first().copied().unwrap_or(0),
        };
        let from = Position {
            file: first,
            offset: 0,
        };
        Ok(Self::open(dir, from))
    }

    /// Returns the position behind the last record that was read, from which another reader can
    /// continue.
    pub fn position(&self) -> Position {
        self.at
    }

    /// Returns the next record, and moves behind it. Returns `None` if no whole record follows; a later call returns
    /// one that is written meanwhile. The log does not say whether it has ended.
    ///
    /// # Errors
    /// Returns [`io::ErrorKind::NotFound`] if the writer has removed the next record, because this reader was too slow;
    /// [`io::ErrorKind::InvalidData`] if the log is damaged; else the error of reading the file.
    pub fn read(&mut self) -> io::Result<Option<Record>> {
        loop {
            if self.file()?.is_none() {
                return Ok(None);
            }
            if let Some(record) = self.record()? {
                self.at.offset += (HEADER + record.bytes.len()) as u64;
                return Ok(Some(record));
            }
            // The writer goes on to the next file only behind a whole record, and never comes back.
            let next = self.at.file + 1;
            if !self.dir.join(name(next)).exists() {
                return Ok(None);
            }
            if self.record()?.is_none() {
                self.at = Position {
                    file: next,
                    offset: 0,
                };
                self.file = None;
                self.page.clear();
            }
        }
    }

    /// Returns the open file; `None` before the first record of the first file.
    fn file(&mut self) -> io::Result<Option<&mut File>> {
        if self.file.is_none() {
            match File::open(self.dir.join(name(self.at.file))) {
                Ok(file) => self.file = Some(file),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    let later = files(&self.dir).unwrap_or_default();
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

impl Reader {
    /// Returns the record at the present offset, if it is complete.
    fn record(&mut self) -> io::Result<Option<Record>> {
        let Some(header) = self.bytes(HEADER)? else {
            return Ok(None);
        };
        let (stream, rest) = (header[0], &header[1..]);
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
        let Some(whole) = self.bytes(HEADER + length)? else {
            return Ok(None);
        };
        Ok(Some(Record {
            stream: if stream == 0 {
                Output::Stdout
            } else {
                Output::Stderr
            },
            at_ns: u64::from_le_bytes(time),
            bytes: whole[HEADER..].to_vec(),
        }))
    }

    /// Returns `count` bytes at the present offset, if they exist. Only whole records are taken from bytes that were
    /// read before: the writer may remove a record that was cut off.
    fn bytes(&mut self, count: usize) -> io::Result<Option<&[u8]>> {
        let offset = self.at.offset;
        let within = |page: &[u8], page_at: u64| {
            let begin = usize::try_from(offset.checked_sub(page_at)?).ok()?;
            let end = begin.checked_add(count)?;
            (end <= page.len()).then_some(begin..end)
        };
        if within(&self.page, self.page_at).is_none() {
            let Some(file) = &self.file else {
                return Ok(None);
            };
            self.page.resize(count.max(PAGE), 0);
            self.page_at = offset;
            let mut filled = 0;
            while filled < self.page.len() {
                match file.read_at(&mut self.page[filled..], offset + filled as u64) {
                    Ok(0) => break,
                    Ok(read) => filled += read,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => {
                        self.page.clear();
                        return Err(error);
                    }
                }
            }
            self.page.truncate(filled);
        }
        let found = within(&self.page, self.page_at);
        Ok(found.map(|found| &self.page[found]))
    }
}
