//! A log as a response body: one page at a time, read on a thread where blocking is possible, and
//! only when the client has received the previous page. A cancelled request reads no further page.

use super::{
    Shape,
    lines::{LogParams, Pieces},
    tail::{Search, Tail},
};
use axum::body::Bytes;
use futures_util::{Stream, stream};
use std::{io, path::PathBuf};
use vch_shim::log::{Position, Reader, Record};

/// The length in bytes at which a page ends.
const PAGE: usize = 64 << 10;
/// The maximum number of log bytes that are read for a page, since possibly none of them are
/// requested.
const READ: u64 = 4 << 20;
/// The number of bytes of a record that are converted at once: with a time before each of them they
/// become 32 times as many.
const PIECE: usize = 4 << 10;

/// The part of a container's log that a client asks for, read in pages of about 64 KiB.
pub struct Pages {
    dir: PathBuf,
    reader: Reader,
    pieces: Pieces,
    shape: Shape,
    /// The latest time of requested output, in nanoseconds since 1970.
    until_ns: u64,
    search: Option<Search>,
    tail: Option<Tail>,
    /// A record that is partly converted.
    record: Option<(Record, usize)>,
    /// Whether the output is followed after the last page.
    followed: bool,
}

impl Pages {
    /// Opens the log in the directory `dir`.
    ///
    /// # Errors
    /// Returns the error of the system if the directory cannot be read.
    pub fn of(dir: PathBuf, params: LogParams) -> io::Result<Self> {
        let search = params.tail.map(|most| Search::of(&dir, most, params.shape));
        Ok(Self {
            reader: Reader::from_start(&dir)?,
            pieces: params.pieces(),
            shape: params.shape,
            until_ns: params.until_ns,
            search: search.transpose()?,
            tail: None,
            record: None,
            followed: false,
            dir,
        })
    }

    /// Returns the same pages, with an incomplete last line held back, since it continues after the last page.
    pub fn followed(self) -> Self {
        Self {
            followed: true,
            ..self
        }
    }

    /// Returns the position in the log after the output that was read, and the converter with the incomplete lines
    /// there.
    pub fn position(&self) -> (Position, Pieces) {
        (self.reader.position(), self.pieces.clone())
    }

    /// Returns the incomplete lines that were held back.
    pub fn rest(&mut self) -> Vec<u8> {
        self.pieces.rest()
    }

    /// Returns the next page, which may be empty; `None` at the end. Blocks on the disk.
    ///
    /// # Errors
    /// Returns the error of the system if the log cannot be read.
    pub fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        if let Some(search) = &mut self.search {
            let Some(tail) = search.step(READ)? else {
                return Ok(Some(Vec::new()));
            };
            self.reader = Reader::open(&self.dir, tail.from);
            self.tail = Some(tail);
            self.search = None;
        }
        let mut page = Vec::new();
        let mut read = 0;
        while page.len() < PAGE && read < READ {
            let Some((record, shown)) = self.record.take() else {
                let before = self.reader.position();
                let Some(record) = self.read()? else {
                    if !self.followed {
                        page.append(&mut self.pieces.rest());
                    }
                    return Ok((!page.is_empty()).then_some(page));
                };
                // Ends even if the container keeps writing, since all further output is later.
                if record.at_ns > self.until_ns {
                    self.reader = Reader::open(&self.dir, before);
                    return Ok((!page.is_empty()).then_some(page));
                }
                read += record.bytes.len() as u64;
                let shown = match &mut self.tail {
                    Some(tail) if self.shape.wants(record.stream) => {
                        record.bytes.len() - tail.of(record.stream, &record.bytes).len()
                    }
                    _ => 0,
                };
                self.record = Some((record, shown));
                continue;
            };
            let rest = &record.bytes[shown..];
            if rest.is_empty() {
                continue;
            }
            let piece = &rest[..rest.len().min(PIECE)];
            let text = self.pieces.format(record.stream, record.at_ns, piece);
            page.extend_from_slice(&text);
            let shown = shown + piece.len();
            if shown < record.bytes.len() {
                self.record = Some((record, shown));
            }
        }
        Ok(Some(page))
    }

    /// Returns the next record. If the container has overtaken the client and files were deleted,
    /// continues with the oldest record.
    ///
    /// # Errors
    /// Returns an error if the log can't be read.
    fn read(&mut self) -> io::Result<Option<Record>> {
        match self.reader.read() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.reader = Reader::from_start(&self.dir)?;
                self.reader.read()
            }
            other => other,
        }
    }

    /// Calls [`Pages::next`] on a thread for blocking work, and returns the pages together with the result.
    ///
    /// # Errors
    /// Returns the error of the system if the log cannot be read.
    pub async fn turn(mut self) -> io::Result<(Self, Option<Vec<u8>>)> {
        let turned = tokio::task::spawn_blocking(move || {
            let page = self.next()?;
            Ok((self, page))
        });
        turned
            .await
            .unwrap_or_else(|error| Err(io::Error::other(error)))
    }

    /// Returns a stream of all pages that are not empty. A page is read when the previous one was taken.
    pub fn stream(self) -> impl Stream<Item = io::Result<Bytes>> {
        stream::try_unfold(self, |mut pages| async {
            loop {
                let (later, page) = pages.turn().await?;
                match page {
                    None => return Ok(None),
                    Some(page) if page.is_empty() => pages = later,
                    Some(page) => return Ok(Some((Bytes::from(page), later))),
                }
            }
        })
    }
}

#[cfg(test)]
mod tests;
