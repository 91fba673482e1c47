//! Reads an archive entry by entry, each with its data, without keeping any.

use super::sparse::Map;
use super::{BLOCK, Entry, Kind, TarError, numbers, pax};
use crate::limits::Limits;
use std::io::{self, Read, Write};

/// How much is moved at a time.
const CHUNK: usize = 64 << 10;

/// Reads a tar archive from a stream, entry by entry, without seeking.
pub struct Reader<R> {
    input: R,
    limits: Limits,
    /// Bytes read so far.
    at: u64,
    entries: u64,
    /// The bytes of the present entry's stored data that are not read yet, with the padding of its
    /// last block.
    left: u64,
    padding: u64,
    size: u64,
    holes: Option<Map>,
    ended: bool,
}

/// The content of extended headers about the entry behind them.
#[derive(Default)]
struct Extra {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
    uid: Option<u64>,
    gid: Option<u64>,
    mtime: Option<i64>,
    xattrs: std::collections::BTreeMap<Vec<u8>, Vec<u8>>,
    sparse: Sparse,
}

#[derive(Default)]
struct Sparse {
    name: Option<Vec<u8>>,
    size: Option<u64>,
    parts: Option<Vec<(u64, u64)>>,
    /// The map stands before the data (form 1.0).
    ahead: bool,
    offset: Option<u64>,
}

/// A header of 512 bytes.
struct Header([u8; BLOCK]);

impl<R: Read> Reader<R> {
    /// Returns a reader of an uncompressed archive, whose entries `limits` bounds. Reads nothing from `input` yet.
    pub fn new(input: R, limits: Limits) -> Self {
        Self {
            input,
            limits,
            at: 0,
            entries: 0,
            left: 0,
            padding: 0,
            size: 0,
            holes: None,
            ended: false,
        }
    }

    /// Returns the stream at its present position: behind the archive, once all entries were read.
    pub fn into_inner(self) -> R {
        self.input
    }

    /// Returns the next entry; `None` at the archive's end. Skips unread data of the last entry.
    ///
    /// # Errors
    /// Returns [`TarError`]: `Header` for bytes that are not a valid header, `Bound` or `Entries`
    /// if a limit is exceeded, `Short` or `Read` if the stream ends or fails.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, TarError> {
        let mut extra = Extra::default();
        loop {
            self.pass()?;
            let at = self.at;
            let wrong = |why| TarError::Header { at, why };
            let Some(header) = self.header()? else {
                return Ok(None);
            };
            let stored = header
                .number(124..136)
                .ok_or(wrong("its size is no number"))?;
            match header.0[156] {
                b'g' => self.begin(stored),
                b'x' => {
                    let records = self.extra(stored)?;
                    extra
                        .read(&records)
                        .ok_or(wrong("its pax records are damaged"))?;
                }
                b'L' => extra.path = Some(cut(&self.extra(stored)?)),
                b'K' => extra.link = Some(cut(&self.extra(stored)?)),
                flag => {
                    let stored = extra.size.unwrap_or(stored);
                    return self.entry(&header, flag, stored, extra, at).map(Some);
                }
            }
        }
    }

    /// Copies the data of the entry that was returned last to `sink`, with zeros for its holes. Copies nothing if the
    /// entry is no regular file or its data was copied already.
    ///
    /// # Errors
    /// Returns [`TarError::Write`] if `sink` fails, [`TarError::Short`] or [`TarError::Read`] if the stream does.
    pub fn copy_data(&mut self, sink: &mut impl Write) -> Result<(), TarError> {
        let mut buffer = vec![0; CHUNK];
        let Some(map) = self.holes.take() else {
            let left = self.left;
            self.move_data(left, sink, &mut buffer)?;
            return self.pass();
        };
        let mut position = 0;
        for (offset, length) in map.parts() {
            zeros(offset - position, sink)?;
            self.move_data(*length, sink, &mut buffer)?;
            position = offset + length;
        }
        zeros(self.size - position, sink)?;
        self.pass()
    }

    fn move_data(
        &mut self,
        mut count: u64,
        sink: &mut impl Write,
        buffer: &mut [u8],
    ) -> Result<(), TarError> {
        while count > 0 {
            let part = usize::try_from(count).map_or(buffer.len(), |all| all.min(buffer.len()));
            self.fill(&mut buffer[..part])?;
            self.left = self.left.saturating_sub(part as u64);
            count -= part as u64;
            sink.write_all(&buffer[..part]).map_err(TarError::Write)?;
        }
        Ok(())
    }

    /// Passes over what is left of the present entry.
    fn pass(&mut self) -> Result<(), TarError> {
        let count = self.left + self.padding;
        let passed = io::copy(&mut self.input.by_ref().take(count), &mut io::sink());
        let passed = passed.map_err(TarError::Read)?;
        self.at += passed;
        // The last block of an archive may be cut by the program that wrote it; its data may not.
        if passed < self.left {
            return Err(TarError::Short);
        }
        (self.left, self.padding, self.size, self.holes) = (0, 0, 0, None);
        Ok(())
    }

    fn begin(&mut self, stored: u64) {
        self.left = stored;
        self.padding = stored.next_multiple_of(BLOCK as u64) - stored;
        self.size = stored;
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), TarError> {
        self.input
            .read_exact(buffer)
            .map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => TarError::Short,
                _ => TarError::Read(error),
            })?;
        self.at += buffer.len() as u64;
        Ok(())
    }

    /// Returns the next block if it is a header; `None` at a block of zeros or at the stream's end.
    fn header(&mut self) -> Result<Option<Header>, TarError> {
        if self.ended {
            return Ok(None);
        }
        let mut block = [0; BLOCK];
        let mut filled = 0;
        while filled < BLOCK {
            match self.input.read(&mut block[filled..]) {
                Ok(0) if filled == 0 => {
                    self.ended = true;
                    return Ok(None);
                }
                Ok(0) => return Err(TarError::Short),
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(TarError::Read(error)),
            }
        }
        let at = self.at;
        self.at += BLOCK as u64;
        if block.iter().all(|byte| *byte == 0) {
            self.ended = true;
            return Ok(None);
        }
        let header = Header(block);
        if !header.sound() {
            let why = "its checksum is wrong";
            return Err(TarError::Header { at, why });
        }
        // Extended headers count too: an archive of nothing else must end.
        self.entries += 1;
        if self.entries > self.limits.entries.saturating_mul(3) {
            return Err(TarError::Entries(self.limits.entries));
        }
        Ok(Some(header))
    }

    /// Returns the data of an extended header.
    fn extra(&mut self, stored: u64) -> Result<Vec<u8>, TarError> {
        let most = self.limits.extra_bytes;
        if stored > most {
            let what = "names and attributes";
            return Err(TarError::Bound { what, most });
        }
        self.begin(stored);
        let mut bytes = vec![0; usize::try_from(stored).unwrap_or(0)];
        self.fill(&mut bytes)?;
        self.left = 0;
        Ok(bytes)
    }

    fn entry(
        &mut self,
        header: &Header,
        flag: u8,
        stored: u64,
        extra: Extra,
        at: u64,
    ) -> Result<Entry, TarError> {
        let wrong = |why| TarError::Header { at, why };
        let path = extra.sparse.name.clone().or(extra.path.clone());
        let path = path.unwrap_or_else(|| header.path());
        let link = extra
            .link
            .clone()
            .unwrap_or_else(|| cut(&header.0[157..257]));
        let most = self.limits.path_bytes as u64;
        if path.len() as u64 > most || link.len() as u64 > most {
            let what = "path";
            return Err(TarError::Bound { what, most });
        }
        let device = || {
            let part = |range| {
                header
                    .number(range)
                    .and_then(|part| u32::try_from(part).ok())
            };
            let (major, minor) = (part(329..337)?, part(337..345)?);
            (major < 1 << 12 && minor < 1 << 20).then_some((major, minor))
        };
        let no_device = wrong("its device number is none");
        let kind = match flag {
            // An old archive's directory is a file whose name ends with a slash.
            0 if path.ends_with(b"/") => Kind::Dir,
            b'0' | 0 | b'7' | b'S' => Kind::File,
            b'1' => Kind::Hardlink(link),
            b'2' => Kind::Symlink(link),
            b'3' => device()
                .map(|(a, b)| Kind::Character(a, b))
                .ok_or(no_device)?,
            b'4' => device().map(|(a, b)| Kind::Block(a, b)).ok_or(no_device)?,
            b'5' => Kind::Dir,
            b'6' => Kind::Pipe,
            _ => return Err(wrong("its kind is unknown")),
        };
        let owner = |said: Option<u64>, range| {
            let owner = said.or_else(|| header.number(range));
            owner
                .and_then(|owner| u32::try_from(owner).ok())
                .ok_or(wrong("its owner is no number of 32 bits"))
        };
        let time = numbers::parse(&header.0[136..148]).and_then(|time| i64::try_from(time).ok());
        let mode = header
            .number(100..108)
            .ok_or(wrong("its mode is no number"))?;
        let mut entry = Entry {
            path,
            mode: u32::try_from(mode & 0o7777).unwrap_or(0),
            uid: owner(extra.uid, 108..116)?,
            gid: owner(extra.gid, 116..124)?,
            mtime: extra.mtime.or(time).ok_or(wrong("its time is no number"))?,
            size: 0,
            xattrs: extra.xattrs,
            kind,
        };
        // As Go's archive/tar, what dockerd reads with: only files have data.
        self.begin(if entry.kind == Kind::File { stored } else { 0 });
        if entry.kind == Kind::File {
            if flag == b'S' {
                self.old_sparse(header)
                    .map_err(|error| error.unwrap_or(wrong(BAD_MAP)))?;
            } else {
                self.pax_sparse(extra.sparse)
                    .map_err(|error| error.unwrap_or(wrong(BAD_MAP)))?;
            }
            entry.size = self.size;
        }
        Ok(entry)
    }

    /// Reads the map of GNU's old form: four parts in the header, 21 in each block that may follow.
    fn old_sparse(&mut self, header: &Header) -> Result<(), Option<TarError>> {
        let size = header.number(483..495).ok_or(None)?;
        let mut parts = Vec::new();
        let mut more = header.0[482] != 0;
        pairs(&header.0[386..482], &mut parts).ok_or(None)?;
        while more {
            if parts.len() as u64 > self.limits.extra_bytes / 16 {
                return Err(None);
            }
            let mut block = [0; BLOCK];
            self.fill(&mut block)?;
            pairs(&block[..504], &mut parts).ok_or(None)?;
            more = block[504] != 0;
        }
        self.sparse(parts, size)
    }

    fn pax_sparse(&mut self, sparse: Sparse) -> Result<(), Option<TarError>> {
        let parts = if sparse.ahead {
            self.map_ahead()?
        } else {
            match sparse.parts {
                Some(parts) => parts,
                None => return Ok(()),
            }
        };
        self.sparse(parts, sparse.size.ok_or(None)?)
    }

    fn sparse(&mut self, parts: Vec<(u64, u64)>, size: u64) -> Result<(), Option<TarError>> {
        self.holes = Some(Map::new(parts, size, self.left).ok_or(None)?);
        self.size = size;
        Ok(())
    }

    /// Reads the map of form 1.0: decimal numbers, each with a newline, in blocks before the data.
    fn map_ahead(&mut self) -> Result<Vec<(u64, u64)>, Option<TarError>> {
        let mut block = [0; BLOCK];
        let mut position = BLOCK;
        let mut line = Vec::new();
        let mut numbers = Vec::new();
        let mut wanted: Option<usize> = None;
        while wanted != Some(numbers.len()) {
            if position == BLOCK {
                self.left = self.left.checked_sub(BLOCK as u64).ok_or(None)?;
                self.fill(&mut block)?;
                position = 0;
            }
            let byte = block[position];
            position += 1;
            if byte != b'\n' {
                line.push(byte);
                if line.len() > 20 {
                    return Err(None);
                }
                continue;
            }
            let number = numbers::decimal(&line).ok_or(None)?;
            line.clear();
            if wanted.is_some() {
                numbers.push(number);
            } else {
                if number > self.limits.extra_bytes / 16 {
                    return Err(None);
                }
                wanted = Some(usize::try_from(number).map_err(|_| None)? * 2);
            }
        }
        Ok(numbers
            .chunks_exact(2)
            .map(|pair| (pair[0], pair[1]))
            .collect())
    }
}

const BAD_MAP: &str = "its map of a sparse file is damaged";

impl Header {
    /// Returns whether the checksum is right: the sum of all bytes, its own counted as spaces; some old programs
    /// summed signed bytes.
    fn sound(&self) -> bool {
        let Some(said) = numbers::parse(&self.0[148..156]) else {
            return false;
        };
        let bytes = || {
            let own = |at: usize| (148..156).contains(&at);
            let bytes = self.0.iter().enumerate();
            bytes.map(move |(at, byte)| if own(at) { b' ' } else { *byte })
        };
        let unsigned: i128 = bytes().map(i128::from).sum();
        let signed: i128 = bytes().map(|byte| i128::from(byte.cast_signed())).sum();
        said == unsigned || said == signed
    }

    /// Returns a number that is not negative.
    fn number(&self, range: std::ops::Range<usize>) -> Option<u64> {
        u64::try_from(numbers::parse(&self.0[range])?).ok()
    }

    fn path(&self) -> Vec<u8> {
        let name = cut(&self.0[..100]);
        let prefix = cut(&self.0[345..500]);
        // GNU's own format has other things where ustar has the prefix.
        if &self.0[257..263] != b"ustar\0" || prefix.is_empty() {
            return name;
        }
        [prefix.as_slice(), b"/", name.as_slice()].concat()
    }
}

impl Extra {
    fn read(&mut self, bytes: &[u8]) -> Option<()> {
        for (key, value) in pax::records(bytes)? {
            match key {
                // An empty value takes back what was said before.
                b"path" => self.path = some(value),
                b"linkpath" => self.link = some(value),
                b"size" => self.size = Some(numbers::decimal(value)?),
                b"uid" => self.uid = Some(numbers::decimal(value)?),
                b"gid" => self.gid = Some(numbers::decimal(value)?),
                b"mtime" => self.mtime = Some(numbers::seconds(value)?),
                _ => {
                    if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
                        self.xattrs.insert(name.to_owned(), value.to_owned());
                    } else if let Some(key) = key.strip_prefix(b"GNU.sparse.") {
                        self.sparse.read(key, value)?;
                    }
                }
            }
        }
        Some(())
    }
}

impl Sparse {
    fn read(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        match key {
            b"name" => self.name = some(value),
            b"size" | b"realsize" => self.size = Some(numbers::decimal(value)?),
            b"major" => self.ahead = value == b"1",
            b"numblocks" => self.parts = Some(Vec::new()),
            b"offset" => self.offset = Some(numbers::decimal(value)?),
            b"numbytes" => {
                let part = (self.offset.take()?, numbers::decimal(value)?);
                self.parts.get_or_insert_default().push(part);
            }
            b"map" => {
                let numbers = value.split(|byte| *byte == b',');
                let numbers = numbers.map(numbers::decimal).collect::<Option<Vec<_>>>()?;
                if numbers.len() % 2 != 0 {
                    return None;
                }
                let parts = numbers.chunks_exact(2).map(|pair| (pair[0], pair[1]));
                self.parts = Some(parts.collect());
            }
            _ => {}
        }
        Some(())
    }
}

fn some(value: &[u8]) -> Option<Vec<u8>> {
    (!value.is_empty()).then(|| value.to_owned())
}

/// Returns the field up to its first zero byte.
fn cut(field: &[u8]) -> Vec<u8> {
    let end = field.iter().position(|byte| *byte == 0);
    field[..end.unwrap_or(field.len())].to_owned()
}

/// Parts of an old sparse header, up to the first that is empty.
fn pairs(field: &[u8], parts: &mut Vec<(u64, u64)>) -> Option<()> {
    for pair in field.chunks_exact(24) {
        if pair[0] == 0 {
            break;
        }
        let number = |field| u64::try_from(numbers::parse(field)?).ok();
        parts.push((number(&pair[..12])?, number(&pair[12..])?));
    }
    Some(())
}

fn zeros(mut count: u64, sink: &mut impl Write) -> Result<(), TarError> {
    const ZEROS: [u8; 4096] = [0; 4096];
    while count > 0 {
        let part = usize::try_from(count).map_or(ZEROS.len(), |all| all.min(ZEROS.len()));
        sink.write_all(&ZEROS[..part]).map_err(TarError::Write)?;
        count -= part as u64;
    }
    Ok(())
}
