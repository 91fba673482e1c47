//! Frames delimit messages in a byte stream, even after bytes were lost, repeated, inserted or damaged.
//!
//! ```text
//!   00 │ COBS( version, 1 byte │ nonce, 8 bytes LE │ payload │ CRC-32 of all before, 4 bytes LE ) │ 00
//! ```
//!
//! Consistent Overhead Byte Stuffing (Cheshire and Baker, IEEE/ACM Transactions on Networking 7(2), 1999) leaves no
//! zero byte inside a frame, so a zero byte always ends the frame before it. The zero byte at a frame's beginning
//! separates the frame from stale bytes that a serial line may still hold. The decoder ignores the empty piece between
//! two zero bytes. The CRC-32 is the one of IEEE 802.3.
//!
//! The decoder buffers at most one frame. It reports a longer one once, and skips it.

use crate::session_nonce::SessionNonce;
use thiserror::Error;

/// The greatest length of a frame's payload (an encoded message) in bytes, before the frame's header, checksum and byte
/// stuffing are added.
pub const MAX_PAYLOAD: usize = 64 * 1024;
/// The version of the frame format, which each frame's first byte contains. It is not the version of the messages, on
/// which coordinator and agent agree at the beginning of a session ([`Version`](crate::message::Version)).
pub const FRAME_VERSION: u8 = 1;

const HEADER: usize = 1 + 8;
const CHECKSUM: usize = 4;
const MAX_UNSTUFFED: usize = HEADER + MAX_PAYLOAD + CHECKSUM;
/// Most bytes between two delimiters: COBS adds one byte, and one more for every 254.
const MAX_STUFFED: usize = MAX_UNSTUFFED + MAX_UNSTUFFED / 254 + 1;
const DELIMITER: u8 = 0;
/// A buffer that carried a large frame is not kept for the small ones that follow.
const KEPT_CAPACITY: usize = 4 * 1024;

/// One decoded frame: the unit that [`encode`] writes to a byte stream and [`Decoder`] finds in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The nonce of the session (between shim and init, of the run) to which the frame belongs; [`SessionNonce::NONE`]
    /// if it belongs to none.
    pub nonce: SessionNonce,
    /// The encoded message, at most [`MAX_PAYLOAD`] bytes ([`Message::decode`](crate::message::Message::decode) decodes
    /// it).
    pub payload: Vec<u8>,
}

/// Encodes `payload` (the bytes of a message) as one frame with the session's `nonce`. Appends the frame's bytes to the
/// output buffer `line`, with a zero byte as delimiter at both ends; the caller sends them.
///
/// # Errors
/// Returns [`FrameError::TooLong`] if the payload has more than [`MAX_PAYLOAD`] bytes; `line` is then unchanged.
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

/// Finds the frames in a stream of received bytes. The stream may arrive in pieces of any length, and may contain
/// damaged frames.
#[derive(Debug, Default)]
pub struct Decoder {
    stuffed: Vec<u8>,
    skipping: bool,
}

impl Decoder {
    /// Creates a decoder for a new stream, without buffered bytes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Consumes bytes from the front of `input` up to the end of the next frame, and returns that frame, or the error
    /// of a damaged one. The caller repeats the call until it returns `None`.
    ///
    /// Returns `None` once all of `input` is consumed without the end of a frame; the decoder buffers the frame's
    /// beginning for the next call.
    ///
    /// # Errors
    /// Returns [`FrameError`] for bytes that are not a valid frame. They are skipped (of a frame that is too long, the
    /// rest by the next calls), and the decoder can be used further.
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

/// The reason why received bytes are not a valid frame, or why a payload can't become one. After such an error the
/// stream can still be read: the decoder finds the next valid frame.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum FrameError {
    /// The frame or payload is longer than [`MAX_PAYLOAD`] allows.
    #[error("a frame carries more than {MAX_PAYLOAD} bytes: it is skipped")]
    TooLong,
    /// The bytes between two delimiters are not a frame: bytes were lost, or they are garbage.
    #[error("bytes between two delimiters have not the form of a frame: they are skipped")]
    Malformed,
    /// The frame's CRC-32 is wrong: bytes were changed or lost.
    #[error("a frame's checksum is wrong, bytes were lost or changed: it is skipped")]
    Checksum,
    /// The frame is intact, but its version is this number and not [`FRAME_VERSION`].
    #[error("a frame has version {0}: this build knows {FRAME_VERSION}, update the older side")]
    Version(u8),
}

#[cfg(test)]
mod tests;
