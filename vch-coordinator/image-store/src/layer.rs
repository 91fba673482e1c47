//! Unpacks a layer while it is read. Its compression (none, gzip or zstd) is recognised by its
//! first bytes.

use crate::digest::{Digest, Hasher};
use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::StreamingDecoder;
use serde::{Deserialize, Serialize};
use std::io::{self, BufRead, BufReader, Read};

const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const BZIP2: &[u8] = b"BZh";
const XZ: [u8; 6] = [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00];
const BUFFER: usize = 256 << 10;

/// The compression of a layer's tar archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Packing {
    /// The layer is not compressed.
    Plain,
    /// The layer is compressed by gzip (RFC 1952).
    Gzip,
    /// The layer is compressed by zstd (RFC 8878).
    Zstd,
}

impl Packing {
    /// Returns the media type of a layer with this compression (OCI image-spec, layer.md).
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Plain => "application/vnd.oci.image.layer.v1.tar",
            Self::Gzip => "application/vnd.oci.image.layer.v1.tar+gzip",
            Self::Zstd => "application/vnd.oci.image.layer.v1.tar+zstd",
        }
    }
}

/// A reader of a layer that returns its uncompressed bytes, counts them and computes their digest. Reading fails once
/// they are more than a limit.
pub struct Unpacked<R: Read> {
    inner: Unpacking<BufReader<R>>,
    packing: Packing,
    hasher: Hasher,
    count: u64,
    most: u64,
}

enum Unpacking<R: BufRead> {
    Plain(R),
    Gzip(Box<MultiGzDecoder<R>>),
    Zstd(Frames<R>),
}

impl<R: Read> Unpacked<R> {
    /// Returns a reader of the uncompressed bytes of `packed`, whose compression is recognised by its first bytes.
    /// Reading fails with [`io::ErrorKind::FileTooLarge`] once there are more than `most` uncompressed bytes.
    ///
    /// # Errors
    /// Returns an error if the first bytes can't be read, or if they are of bzip2 or xz, which are not supported.
    pub fn new(packed: R, most: u64) -> io::Result<Self> {
        let mut packed = BufReader::with_capacity(BUFFER, packed);
        let start = packed.fill_buf()?;
        let refused = if start.starts_with(BZIP2) {
            Some("bzip2")
        } else if start.starts_with(&XZ) {
            Some("xz")
        } else {
            None
        };
        if let Some(name) = refused {
            let why = format!("it is packed by {name}: pack it by gzip or zstd, or not at all");
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        let (inner, packing) = if start.starts_with(&GZIP) {
            let decoder = Box::new(MultiGzDecoder::new(packed));
            (Unpacking::Gzip(decoder), Packing::Gzip)
        } else if start.starts_with(&ZSTD) {
            (Unpacking::Zstd(Frames::new(packed)), Packing::Zstd)
        } else {
            (Unpacking::Plain(packed), Packing::Plain)
        };
        Ok(Self {
            inner,
            packing,
            hasher: Hasher::default(),
            count: 0,
            most,
        })
    }

    /// Returns the compression of the layer, as its first bytes show it.
    pub fn packing(&self) -> Packing {
        self.packing
    }

    /// Reads the rest of the layer, and returns the digest and the number of all its uncompressed bytes, those that
    /// were read before included.
    ///
    /// # Errors
    /// Returns an error if the rest can't be read or unpacked, or exceeds the limit.
    pub fn finish(mut self) -> io::Result<(Digest, u64)> {
        io::copy(&mut self, &mut io::sink())?;
        Ok((self.hasher.finish(), self.count))
    }
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = match &mut self.inner {
            Unpacking::Plain(plain) => plain.read(buffer),
            Unpacking::Gzip(gzip) => gzip.read(buffer),
            Unpacking::Zstd(zstd) => zstd.read(buffer),
        }?;
        self.hasher.update(&buffer[..count]);
        self.count += count as u64;
        if self.count > self.most {
            let why = format!(
                "it unpacks to more than the {} bytes that are left of `images.unpacked_mib`",
                self.most
            );
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, why));
        }
        Ok(count)
    }
}

/// Frames of zstd, one behind the other, skippable ones passed over.
enum Frames<R: BufRead> {
    Between(R),
    Within(Box<StreamingDecoder<R, ruzstd::decoding::FrameDecoder>>),
    Ended,
}

impl<R: BufRead> Frames<R> {
    fn new(packed: R) -> Self {
        Self::Between(packed)
    }
}

impl<R: BufRead> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match std::mem::replace(self, Self::Ended) {
                Self::Ended => return Ok(0),
                Self::Between(packed) => {
                    if let Some(packed) = past_skippable(packed)? {
                        let decoder = StreamingDecoder::new(packed).map_err(io::Error::other)?;
                        *self = Self::Within(Box::new(decoder));
                    }
                }
                Self::Within(mut decoder) => {
                    let count = decoder.read(buffer)?;
                    *self = if count == 0 && !buffer.is_empty() {
                        Self::Between(decoder.into_inner())
                    } else {
                        Self::Within(decoder)
                    };
                    if count > 0 || buffer.is_empty() {
                        return Ok(count);
                    }
                }
            }
        }
    }
}

/// Returns the stream at its next frame; `None` at its end.
fn past_skippable<R: BufRead>(mut packed: R) -> io::Result<Option<R>> {
    while !packed.fill_buf()?.is_empty() {
        let start = packed.fill_buf()?;
        // RFC 8878, 3.1.2: 0x184D2A50 to 0x184D2A5F, then the size.
        if start[0] & 0xf0 != 0x50 {
            return Ok(Some(packed));
        }
        let mut header = [0; 8];
        packed.read_exact(&mut header)?;
        if header[1..4] != [0x2a, 0x4d, 0x18] {
            let why = "its zstd frames are damaged";
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        let size = u32::from_le_bytes([header[4], header[5], header[6], header[7]]);
        let skipped = io::copy(&mut packed.by_ref().take(u64::from(size)), &mut io::sink())?;
        if skipped < u64::from(size) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests;
