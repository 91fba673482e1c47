//! Extracts the uncompressed `vmlinux` from a bzImage (the usual kernel file). QEMU enters it
//! directly (PVH): under emulation the kernel's own decompressor takes a fifth of the boot time.
//!
//! Format: the kernel's `Documentation/arch/x86/boot.rst`; the payload is an LZ4 legacy frame
//! (Debian's choice).

use thiserror::Error;

#[cfg(test)]
mod tests;

const SETUP_SECTORS_AT: usize = 0x1f1;
const MAGIC_AT: usize = 0x202;
const PAYLOAD_OFFSET_AT: usize = 0x248;
const PAYLOAD_LENGTH_AT: usize = 0x24c;
const SECTOR: usize = 512;
const LZ4_LEGACY_MAGIC: [u8; 4] = 0x184c_2102_u32.to_le_bytes();
/// The largest block of the LZ4 legacy format, in bytes (lz4's `doc/lz4_Frame_format.md`).
const LZ4_LEGACY_BLOCK: usize = 8 << 20;
/// A bound on what a broken image can make us allocate; Debian's vmlinux is about 60 MB.
const LARGEST_KERNEL: usize = 512 << 20;

/// The reason for which no `vmlinux` can be extracted from a kernel file.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum KernelError {
    /// The file is not a bzImage, for this reason: it ends too early, or lacks the magic number of
    /// the boot protocol.
    #[error("the kernel image is no bzImage: {0}")]
    NotBzImage(&'static str),
    /// The payload is not compressed by LZ4; it begins with these four bytes.
    #[error(
        "the kernel image's payload is not LZ4 (it begins with {0:02x?}): use Debian's cloud kernel"
    )]
    Compression([u8; 4]),
    /// The compressed data is damaged, for this reason.
    #[error("the kernel image's payload is damaged: {0}")]
    Damaged(String),
}

/// Extracts the uncompressed kernel (`vmlinux`, an ELF file) from the content of a bzImage.
///
/// # Errors
/// Returns [`KernelError`] if the bytes are not a bzImage whose payload is an LZ4 frame, or if the
/// frame is damaged.
pub fn vmlinux(bz_image: &[u8]) -> Result<Vec<u8>, KernelError> {
    let short = || KernelError::NotBzImage("it ends before its payload");
    if bz_image.get(MAGIC_AT..MAGIC_AT + 4) != Some(b"HdrS") {
        return Err(KernelError::NotBzImage("no boot protocol header"));
    }
    // Boot protocol: 0 setup sectors mean 4.
    let sectors = match bz_image.get(SETUP_SECTORS_AT) {
        None => return Err(short()),
        Some(0) => 4,
        Some(sectors) => usize::from(*sectors),
    };
    let offset = usize_at(bz_image, PAYLOAD_OFFSET_AT).ok_or_else(short)?;
    let length = usize_at(bz_image, PAYLOAD_LENGTH_AT).ok_or_else(short)?;
    let start = (sectors + 1) * SECTOR + offset;
    let payload = bz_image
        .get(start..)
        .and_then(|rest| rest.get(..length))
        .ok_or_else(short)?;
    // The last four bytes are the size of what comes out, not part of the frame.
    let (frame, _) = payload.split_last_chunk::<4>().ok_or_else(short)?;
    unpack(frame)
}

/// Unpacks an LZ4 legacy frame: a magic number, then blocks, each behind its compressed size.
fn unpack(frame: &[u8]) -> Result<Vec<u8>, KernelError> {
    let magic = frame.first_chunk::<4>().copied().unwrap_or_default();
    if magic != LZ4_LEGACY_MAGIC {
        return Err(KernelError::Compression(magic));
    }
    let mut out = Vec::new();
    let mut block = vec![0; LZ4_LEGACY_BLOCK];
    let mut at = 4;
    while at < frame.len() {
        let cut = || KernelError::Damaged("a block is cut short".to_owned());
        let size = usize_at(frame, at).ok_or_else(cut)?;
        let data = frame
            .get(at + 4..)
            .and_then(|rest| rest.get(..size))
            .ok_or_else(cut)?;
        let written = lz4_flex::block::decompress_into(data, &mut block)
            .map_err(|error| KernelError::Damaged(error.to_string()))?;
        if out.len() + written > LARGEST_KERNEL {
            return Err(KernelError::Damaged(
                "more than 512 MiB come out".to_owned(),
            ));
        }
        out.extend_from_slice(&block[..written]);
        at += 4 + size;
    }
    Ok(out)
}

fn usize_at(bytes: &[u8], at: usize) -> Option<usize> {
    let value = bytes.get(at..)?.first_chunk::<4>()?;
    usize::try_from(u32::from_le_bytes(*value)).ok()
}
