//! Writes an archive: ustar headers, with pax records before those that can't hold everything.

use super::{BLOCK, Entry, Kind, pax};
use std::io::{self, Write};

/// Writes a tar archive to a stream. [`append`](Self::append) writes an entry's header; the data of a file is then
/// written to this value, which implements [`Write`].
pub struct Writer<W> {
    output: W,
    /// The bytes of the present entry's data that are not written yet, with the padding of its last
    /// block.
    left: u64,
    padding: usize,
}

impl<W: Write> Writer<W> {
    /// Returns a writer of an archive that begins at the stream's present position.
    pub fn new(output: W) -> Self {
        Self {
            output,
            left: 0,
            padding: 0,
        }
    }

    /// Writes the header of an entry. The caller must then write as many bytes as `entry.size` by
    /// [`Write`].
    ///
    /// # Errors
    /// Returns an error if the data of the entry before is incomplete, or if the stream can't be
    /// written.
    pub fn append(&mut self, entry: &Entry) -> io::Result<()> {
        self.finish_entry()?;
        let link = match &entry.kind {
            Kind::Symlink(link) | Kind::Hardlink(link) => link.as_slice(),
            _ => &[],
        };
        let size = if entry.kind == Kind::File {
            entry.size
        } else {
            0
        };
        let records = records(entry, link, size);
        if !records.is_empty() {
            let mut header = HeaderBlock::new(b"pax", b'x');
            header.octal(124..136, records.len() as u64);
            self.output.write_all(&header.summed())?;
            self.output.write_all(&records)?;
            self.pad(records.len().next_multiple_of(BLOCK) - records.len())?;
        }
        let (flag, (major, minor)) = match entry.kind {
            Kind::File => (b'0', (0, 0)),
            Kind::Hardlink(_) => (b'1', (0, 0)),
            Kind::Symlink(_) => (b'2', (0, 0)),
            Kind::Character(major, minor) => (b'3', (major, minor)),
            Kind::Block(major, minor) => (b'4', (major, minor)),
            Kind::Dir => (b'5', (0, 0)),
            Kind::Pipe => (b'6', (0, 0)),
        };
        let mut header = HeaderBlock::new(&entry.path, flag);
        header.octal(100..108, u64::from(entry.mode));
        header.octal(108..116, u64::from(entry.uid));
        header.octal(116..124, u64::from(entry.gid));
        header.octal(124..136, size);
        header.octal(136..148, u64::try_from(entry.mtime).unwrap_or(0));
        header.text(157..257, link);
        header.octal(329..337, u64::from(major));
        header.octal(337..345, u64::from(minor));
        self.output.write_all(&header.summed())?;
        self.left = size;
        self.padding = usize::try_from(size % BLOCK as u64)
            .map_or(0, |over| over.next_multiple_of(BLOCK) - over);
        Ok(())
    }

    /// Writes the end of the archive, and returns the stream.
    ///
    /// # Errors
    /// Returns an error if the data of the last entry is incomplete, or if the stream can't be
    /// written.
    pub fn finish(mut self) -> io::Result<W> {
        self.finish_entry()?;
        self.pad(2 * BLOCK)?;
        self.output.flush()?;
        Ok(self.output)
    }

    fn finish_entry(&mut self) -> io::Result<()> {
        if self.left > 0 {
            let missing = format!("{} bytes of an entry's data are missing", self.left);
            return Err(io::Error::new(io::ErrorKind::InvalidData, missing));
        }
        let padding = std::mem::take(&mut self.padding);
        self.pad(padding)
    }

    fn pad(&mut self, count: usize) -> io::Result<()> {
        self.output.write_all(&[0; 2 * BLOCK][..count])
    }
}

impl<W: Write> Write for Writer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = usize::try_from(self.left).map_or(bytes.len(), |left| left.min(bytes.len()));
        let count = self.output.write(&bytes[..room])?;
        self.left -= count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

/// Returns the pax records for the values that don't fit into the header of an entry.
fn records(entry: &Entry, link: &[u8], size: u64) -> Vec<u8> {
    let mut records = Vec::new();
    let plain = |text: &[u8]| text.len() <= 100 && text.is_ascii();
    if !plain(&entry.path) {
        pax::push(&mut records, b"path", &entry.path);
    }
    if !plain(link) {
        pax::push(&mut records, b"linkpath", link);
    }
    let mut number = |key: &[u8], value: u64, digits: u32| {
        if value >= 1 << (3 * digits) {
            pax::push(&mut records, key, value.to_string().as_bytes());
        }
    };
    number(b"uid", u64::from(entry.uid), 7);
    number(b"gid", u64::from(entry.gid), 7);
    number(b"size", size, 11);
    if !(0..1 << 33).contains(&entry.mtime) {
        pax::push(&mut records, b"mtime", entry.mtime.to_string().as_bytes());
    }
    for (name, value) in &entry.xattrs {
        let key = [b"SCHILY.xattr.", name.as_slice()].concat();
        pax::push(&mut records, &key, value);
    }
    records
}

struct HeaderBlock([u8; BLOCK]);

impl HeaderBlock {
    fn new(path: &[u8], flag: u8) -> Self {
        let mut header = Self([0; BLOCK]);
        header.text(0..100, path);
        header.octal(100..108, 0o644);
        for range in [108..116, 116..124, 124..136, 136..148, 329..337, 337..345] {
            header.octal(range, 0);
        }
        header.0[156] = flag;
        header.text(257..265, b"ustar\x0000");
        header
    }

    fn text(&mut self, range: std::ops::Range<usize>, text: &[u8]) {
        let field = &mut self.0[range];
        let count = text.len().min(field.len());
        field[..count].copy_from_slice(&text[..count]);
    }

    /// Writes a number in octal digits; zero if it doesn't fit, since a pax record has it then.
    fn octal(&mut self, range: std::ops::Range<usize>, value: u64) {
        let digits = range.len() - 1;
        let text = format!("{value:0digits$o}");
        let fits = text.len() <= digits;
        let text = if fits { text } else { "0".repeat(digits) };
        self.text(range, text.as_bytes());
    }

    fn summed(mut self) -> [u8; BLOCK] {
        self.text(148..156, b"        ");
        let sum: u32 = self.0.iter().map(|byte| u32::from(*byte)).sum();
        self.text(148..156, format!("{sum:06o}\0 ").as_bytes());
        self.0
    }
}
