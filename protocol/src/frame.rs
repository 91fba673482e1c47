//! Frames over any byte stream, told apart again after garbage, loss, repetition and insertion.
//!
//! ```text
//!   00 │ COBS( version, 1 byte │ nonce, 8 bytes LE │ payload │ CRC-32 of all before, 4 bytes LE ) │ 00
//! ```
//!
//! Consistent Overhead Byte Stuffing (Cheshire and Baker, IEEE/ACM Transactions on Networking 7(2),
//! 1999) leaves no zero inside, so a zero byte always ends what came before. The zero in front cuts
//! off a stale tail that a serial line still held; between two zeros lies nothing, and nothing is
//! made of it. CRC-32 is that of IEEE 802.3.
//!
//! The decoder holds at most one frame; what grows beyond the limit is reported once and skipped.

use crate::session_nonce::SessionNonce;
use thiserror::Error;

/// The most bytes of payload, before framing and stuffing.
pub const MAX_PAYLOAD: usize = 64 * 1024;
/// The version of the form of frames, and of the messages that are sent before a version is agreed
/// on.
pub const FRAME_VERSION: u8 = 1;

const HEADER: usize = 1 + 8;
const CHECKSUM: usize = 4;
const MAX_UNSTUFFED: usize = HEADER + MAX_PAYLOAD + CHECKSUM;
/// Most bytes between two delimiters: COBS adds one byte, and one more for every 254.
const MAX_STUFFED: usize = MAX_UNSTUFFED + MAX_UNSTUFFED / 254 + 1;
const DELIMITER: u8 = 0;
/// A buffer that carried a large frame is not kept for the small ones that follow.
const KEPT_CAPACITY: usize = 4 * 1024;

/// The content of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The session that it belongs to.
    pub nonce: SessionNonce,
    /// The encoded message.
    pub payload: Vec<u8>,
}

/// Appends to `line` the bytes that carry `payload`, with a delimiter on both sides.
///
/// # Errors
/// Returns [`FrameError::TooLong`] for a payload of more than [`MAX_PAYLOAD`] bytes; `line` is then
/// as it was.
pub fn encode(nonce: SessionNonce, payload: &[u8], line: &mut Vec<u8>) -> Result<(), FrameError> {
    if payload.len() > MAX_PAYLOAD {
        return Err(FrameError::TooLong);
    }
    let mut plain = Vec::with_capacity(HEADER + payload.len() + CHECKSUM);
    plain.push(FRAME_VERSION);
    plain.extend_from_slice(&nonce.0.to_le_bytes());
    plain.extend_from_slice(payload);
    let checksum = crc32fast::hash(&plain);
    plain.extend_from_slice(&checksum.to_le_bytes());

    line.push(DELIMITER);
    let start = line.len();
    line.resize(start + cobs::max_encoding_length(plain.len()), 0);
    let stuffed = cobs::encode(&plain, &mut line[start..]);
    line.truncate(start + stuffed);
    line.push(DELIMITER);
    Ok(())
}

/// Finds the frames in a stream of bytes.
#[derive(Debug, Default)]
pub struct Decoder {
    stuffed: Vec<u8>,
    skipping: bool,
}

impl Decoder {
    /// Makes a decoder at the start of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes bytes off the front of `input` up to the end of the next frame, valid or not.
    ///
    /// Returns `None` if the input is used up and the frame that it began is not complete.
    pub fn next(&mut self, input: &mut &[u8]) -> Option<Result<Frame, FrameError>> {
        while !input.is_empty() {
            let end = input.iter().position(|byte| *byte == DELIMITER);
            let piece = &input[..end.unwrap_or(input.len())];
            *input = &input[end.map_or(input.len(), |at| at + 1)..];
            if !self.skipping && self.stuffed.len() + piece.len() > MAX_STUFFED {
                self.stuffed = Vec::new();
                self.skipping = end.is_none();
                return Some(Err(FrameError::TooLong));
            }
            if !self.skipping {
                self.stuffed.extend_from_slice(piece);
            }
            if end.is_some() {
                self.skipping = false;
                if !self.stuffed.is_empty() {
                    return Some(self.finish());
                }
            }
        }
        None
    }

    fn finish(&mut self) -> Result<Frame, FrameError> {
        let frame = unstuff(&mut self.stuffed);
        self.stuffed.clear();
        self.stuffed.shrink_to(KEPT_CAPACITY);
        frame
    }
}

fn unstuff(stuffed: &mut [u8]) -> Result<Frame, FrameError> {
    let length = cobs::decode_in_place(stuffed).map_err(|_| FrameError::Malformed)?;
    let (covered, checksum) = stuffed[..length]
        .split_last_chunk::<CHECKSUM>()
        .ok_or(FrameError::Malformed)?;
    let (version, rest) = covered.split_first().ok_or(FrameError::Malformed)?;
    if crc32fast::hash(covered) != u32::from_le_bytes(*checksum) {
        return Err(FrameError::Checksum);
    }
    if *version != FRAME_VERSION {
        return Err(FrameError::Version(*version));
    }
    let (nonce, payload) = rest.split_first_chunk::<8>().ok_or(FrameError::Malformed)?;
    Ok(Frame {
        nonce: SessionNonce(u64::from_le_bytes(*nonce)),
        payload: payload.to_vec(),
    })
}

/// The reason for which bytes are not a frame. The stream goes on: the next valid frame is found.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum FrameError {
    /// The frame is longer than the protocol allows.
    #[error("a frame carries more than {MAX_PAYLOAD} bytes: it is skipped")]
    TooLong,
    /// The bytes do not have the form of a frame: they are garbage, or bytes were lost.
    #[error("bytes between two delimiters have not the form of a frame: they are skipped")]
    Malformed,
    /// The frame's checksum is wrong.
    #[error("a frame's checksum is wrong, bytes were lost or changed: it is skipped")]
    Checksum,
    /// The frame has a form of this other version, which this build does not know.
    #[error("a frame has version {0}: this build knows {FRAME_VERSION}, update the older side")]
    Version(u8),
}

#[cfg(test)]
mod tests;
