//! The one writer.

use super::{HEADER, MAX_RECORD, Position, Reader, files, name};
use protocol::process::Output;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// Appends records; the shim is the only one.
#[derive(Debug)]
pub struct Writer {
    folder: PathBuf,
    file: File,
    end: Position,
    limits: Limits,
}

#[derive(Clone, Copy, Debug)]
struct Limits {
    bytes: u64,
    files: u64,
}

impl Writer {
    /// Goes on behind the last whole record; at most `files` files of `bytes` bytes are kept.
    ///
    /// # Errors
    /// What the file system says.
    pub fn open(folder: &Path, bytes: u64, kept: u32) -> io::Result<Self> {
        let last = files(folder)?.last().copied().unwrap_or(0);
        let path = folder.join(name(last));
        let file = OpenOptions::new().create(true).append(true).open(&path)?;
        let mut reader = Reader::open(
            folder,
            Position {
                file: last,
                offset: 0,
            },
        );
        while reader.read()?.is_some() {}
        let end = reader.position();
        file.set_len(end.offset)?;
        Ok(Self {
            folder: folder.to_owned(),
            file,
            end,
            limits: Limits {
                bytes: bytes.max(1),
                files: u64::from(kept.max(1)),
            },
        })
    }

    /// Behind the last record.
    pub fn end(&self) -> Position {
        self.end
    }

    /// Appends what was written on a stream.
    ///
    /// # Errors
    /// What the file system says: a full disk. What was appended of the record is taken away again.
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
        Ok(())
    }

    /// Lets all of it be on disk.
    ///
    /// # Errors
    /// As fsync(2).
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn rotate(&mut self) -> io::Result<()> {
        self.file.sync_data()?;
        let next = self.end.file + 1;
        self.file = OpenOptions::new()
            .create_new(true)
            .append(true)
            .open(self.folder.join(name(next)))?;
        self.end = Position {
            file: next,
            offset: 0,
        };
        for old in files(&self.folder)? {
            if old + self.limits.files <= next {
                fs::remove_file(self.folder.join(name(old)))?;
            }
        }
        Ok(())
    }
}
