//! What must hold for any bytes. The fuzz targets call these, and so does `tests/corpora.rs`.

use protocol::frame::{self, Decoder};
use protocol::message::{Message, ToAgent, ToCoordinator};
use protocol::process::{FromInit, ToInit};

/// The first byte is the size of the chunks in which the rest arrives. What is found is the same in
/// any chunks, and a frame that is found goes through again.
pub fn check_frame(data: &[u8]) {
    let Some((size, line)) = data.split_first() else {
        return;
    };
    let mut whole = Decoder::new();
    let mut chunked = Decoder::new();
    let mut rest = line;
    let mut expected = Vec::new();
    while let Some(found) = whole.next(&mut rest) {
        expected.push(found);
    }
    let mut found = Vec::new();
    for mut chunk in line.chunks(usize::from(*size) + 1) {
        while let Some(result) = chunked.next(&mut chunk) {
            found.push(result);
        }
    }
    assert_eq!(found, expected);
    for frame in found.into_iter().flatten() {
        let mut again = Vec::new();
        let encoded = frame::encode(frame.nonce, &frame.payload, &mut again);
        assert_eq!(encoded, Ok(()), "what was decoded fits a frame");
        let mut input = again.as_slice();
        assert_eq!(Decoder::new().next(&mut input), Some(Ok(frame)));
    }
}

/// The first byte says which way the message goes. What is decoded is within its bounds and goes
/// through again.
pub fn check_message(data: &[u8]) {
    let Some((way, bytes)) = data.split_first() else {
        return;
    };
    match way % 4 {
        0 => check_direction::<ToAgent>(bytes),
        1 => check_direction::<ToCoordinator>(bytes),
        2 => check_direction::<ToInit>(bytes),
        _ => check_direction::<FromInit>(bytes),
    }
}

fn check_direction<M: Message + PartialEq + std::fmt::Debug>(bytes: &[u8]) {
    let Ok(message) = M::decode(bytes) else {
        return;
    };
    assert!(message.check().is_ok());
    if let Ok(again) = message.encode() {
        let decoded = M::decode(&again);
        assert!(decoded.is_ok_and(|decoded| decoded == message));
    }
}
