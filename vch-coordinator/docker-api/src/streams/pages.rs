//! A log as an answer's body: a page at a time, read where blocking does no harm, and only when the client
//! has taken what was read before. A request that is given up reads no further page.

use super::{
    Shape,
    lines::{LogParams, Pieces},
    tail::{Search, Tail},
};
use axum::body::Bytes;
use futures_util::{Stream, stream};
use std::{io, path::PathBuf};
use vch_shim::log::{Position, Reader, Record};

/// A page is at its end behind so many bytes.
const PAGE: usize = 64 << 10;
/// Most bytes of the log that are read for a page, of which nothing may be wanted.
const READ: u64 = 4 << 20;
/// Bytes of a record that are shown at once: with a time before each of them they are 32 times as many.
const PIECE: usize = 4 << 10;

/// What a log has, as a client wants it.
pub struct Pages {
    dir: PathBuf,
    reader: Reader,
    pieces: Pieces,
    shape: Shape,
    /// What was written later, in nanoseconds since 1970, is not wanted.
    until_ns: u64,
    search: Option<Search>,
    tail: Option<Tail>,
    /// A record of which a part is shown.
    record: Option<(Record, usize)>,
    /// Whether somebody goes on behind the last page.
    followed: bool,
}

impl Pages {
    /// Of the log in a directory.
    ///
    /// # Errors
    /// The directory can't be read.
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

    /// A line without an end is not shown: it goes on behind the last page.
    pub fn followed(self) -> Self {
        Self {
            followed: true,
            ..self
        }
    }

    /// Behind what was read, and what is within a line there.
    pub fn position(&self) -> (Position, Pieces) {
        (self.reader.position(), self.pieces.clone())
    }

    /// What is there of lines without an end.
    pub fn rest(&mut self) -> Vec<u8> {
        self.pieces.rest()
    }

    /// The next page, which may be empty; `None` behind what is written so far, or is wanted. It blocks.
    ///
    /// # Errors
    /// The log can't be read.
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
                // However fast the container writes: all that follows is later.
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
            let text = self.pieces.shown(record.stream, record.at_ns, piece);
            page.extend_from_slice(&text);
            let shown = shown + piece.len();
            if shown < record.bytes.len() {
                self.record = Some((record, shown));
            }
        }
        Ok(Some(page))
    }

    /// The next record. A client that is slower than the container goes on with the oldest one that is kept.
    fn read(&mut self) -> io::Result<Option<Record>> {
        match self.reader.read() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.reader = Reader::from_start(&self.dir)?;
                self.reader.read()
            }
            other => other,
        }
    }

    /// As [`Pages::next`], beside the asynchronous tasks.
    ///
    /// # Errors
    /// The log can't be read.
    pub async fn turn(mut self) -> io::Result<(Self, Option<Vec<u8>>)> {
        let turned = tokio::task::spawn_blocking(move || {
            let page = self.next()?;
            Ok((self, page))
        });
        turned
            .await
            .unwrap_or_else(|error| Err(io::Error::other(error)))
    }

    /// All pages.
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
