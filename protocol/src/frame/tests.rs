use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

const NONCE: SessionNonce = SessionNonce(0x0102_0304_0506_0708);

fn line_of(payload: &[u8]) -> Vec<u8> {
    let mut line = Vec::new();
    encode(NONCE, payload, &mut line).unwrap();
    line
}

fn decode_in_chunks(line: &[u8], size: usize) -> Vec<Result<Frame, FrameError>> {
    let mut decoder = Decoder::new();
    let mut found = Vec::new();
    for mut chunk in line.chunks(size) {
        while let Some(result) = decoder.next(&mut chunk) {
            found.push(result);
        }
        assert!(decoder.stuffed.capacity() <= 2 * MAX_STUFFED);
    }
    found
}

fn sound(line: &[u8]) -> Vec<Vec<u8>> {
    let found = decode_in_chunks(line, line.len().max(1));
    found.into_iter().flatten().map(|f| f.payload).collect()
}

fn sealed(plain: &[u8]) -> Vec<u8> {
    let mut plain = plain.to_vec();
    plain.extend(crc32fast::hash(&plain).to_le_bytes());
    let mut line = cobs::encode_vec(&plain);
    line.push(0);
    line
}

#[test]
fn a_frame_has_the_bytes_that_the_documentation_draws() {
    assert_eq!(
        line_of(&[0, 0xff]),
        [
            0, 10, 1, 8, 7, 6, 5, 4, 3, 2, 1, 6, 0xff, 0xc6, 0x10, 0x10, 0x13, 0
        ]
    );
}

#[test]
fn a_payload_at_the_limit_goes_through_and_one_beyond_is_refused() {
    let largest = vec![0xab; MAX_PAYLOAD];
    assert_eq!(sound(&line_of(&largest)), [largest]);
    let mut line = vec![1, 2];
    let error = encode(NONCE, &vec![0; MAX_PAYLOAD + 1], &mut line);
    assert_eq!((error, line), (Err(FrameError::TooLong), vec![1, 2]));
}

#[test]
fn lengths_where_stuffing_adds_a_byte_go_through() {
    for length in (230..270).chain(480..530) {
        for fill in [0, 1, 0xff] {
            let payload = vec![fill; length];
            assert_eq!(sound(&line_of(&payload)), [payload]);
        }
    }
}

#[test]
fn a_frame_that_never_ends_is_reported_once_and_skipped_with_bounded_memory() {
    let mut line = vec![1; 10 * MAX_STUFFED];
    line.extend(line_of(b"next"));
    let found = decode_in_chunks(&line, 1000);
    assert_eq!(found.len(), 2);
    assert_eq!(found[0], Err(FrameError::TooLong));
    assert_eq!(found[1].as_ref().unwrap().payload, b"next");
}

#[test]
fn a_frame_over_the_limit_that_ends_in_the_same_read_does_not_swallow_the_next() {
    let mut line = vec![1; MAX_STUFFED + 1];
    line.push(0);
    line.extend(line_of(b"next"));
    let found = decode_in_chunks(&line, line.len());
    assert_eq!(found[0], Err(FrameError::TooLong));
    assert_eq!(found[1].as_ref().unwrap().payload, b"next");
}

#[test]
fn the_longest_line_is_that_of_a_full_frame_and_no_byte_more() {
    // Version, nonce, 64 KiB and checksum, with a byte for every 254 of them and one to begin with.
    let longest = 65_549 + 65_549 / 254 + 1;
    let line = line_of(&vec![1; MAX_PAYLOAD]);
    assert_eq!(line.iter().filter(|byte| **byte == 0).count(), 2);
    assert_eq!(line.len(), longest + 2, "between two delimiters");
    let mut decoder = Decoder::new();
    assert_eq!(decoder.next(&mut &vec![1; longest][..]), None);
    assert_eq!(decoder.next(&mut &[1][..]), Some(Err(FrameError::TooLong)));
}

#[test]
fn a_stale_tail_does_not_swallow_the_frame_behind_it() {
    let mut line = line_of(b"stale")[5..9].to_vec();
    line.extend(line_of(b"fresh"));
    assert_eq!(sound(&line), [b"fresh"]);
}

#[test]
fn a_changed_byte_a_short_frame_and_a_later_form_each_have_their_error() {
    let mut header = vec![FRAME_VERSION];
    header.extend([0; 8]);
    let mut changed = line_of(b"payload");
    changed[5] ^= 0x80;
    let mut later = header.clone();
    later[0] = 9;
    for (line, error) in [
        (changed, FrameError::Checksum),
        (sealed(&header[..8]), FrameError::Malformed),
        (sealed(&[]), FrameError::Malformed),
        (vec![1, 0], FrameError::Malformed),
        (vec![9, 1, 0], FrameError::Malformed),
        (sealed(&later), FrameError::Version(9)),
    ] {
        assert_eq!(decode_in_chunks(&line, line.len()), [Err(error)]);
    }
    assert_eq!(sound(&sealed(&header)), [b""]);
}

/// A fault of the line between two frames or in one.
#[derive(Clone, Debug)]
enum Mishap {
    None,
    Lost,
    Doubled,
    Inserted(Vec<u8>),
    CutAt(usize),
    StartsAt(usize),
    Changed(usize, u8),
}

fn mishaps() -> impl Strategy<Value = Mishap> {
    prop_oneof![
        3 => Just(Mishap::None),
        1 => Just(Mishap::Lost),
        1 => Just(Mishap::Doubled),
        2 => vec(any::<u8>(), 1..40).prop_map(Mishap::Inserted),
        2 => any::<usize>().prop_map(Mishap::CutAt),
        2 => any::<usize>().prop_map(Mishap::StartsAt),
        2 => (any::<usize>(), 1u8..).prop_map(|(at, by)| Mishap::Changed(at, by)),
    ]
}

proptest! {
    #[test]
    fn frames_come_through_whatever_the_chunks(
        payloads in vec(vec(any::<u8>(), 0..600), 0..8),
        size in 1usize..700,
    ) {
        let line: Vec<u8> = payloads.iter().flat_map(|p| line_of(p)).collect();
        let found: Result<Vec<_>, _> = decode_in_chunks(&line, size).into_iter().collect();
        let found: Vec<_> = found.unwrap().into_iter().map(|f| (f.nonce, f.payload)).collect();
        let sent: Vec<_> = payloads.into_iter().map(|p| (NONCE, p)).collect();
        prop_assert_eq!(found, sent);
    }

    #[test]
    fn no_mishap_makes_a_frame_that_was_not_sent_nor_loses_a_clean_one(
        frames in vec((vec(any::<u8>(), 0..80), mishaps()), 1..20),
        size in 1usize..200,
    ) {
        let mut line = Vec::new();
        let mut clean = Vec::new();
        let mut sent = Vec::new();
        for (payload, mishap) in frames {
            let mut bytes = line_of(&payload);
            sent.push(payload.clone());
            match mishap {
                Mishap::None => clean.push(payload),
                Mishap::Doubled => {
                    clean.extend([payload.clone(), payload]);
                    bytes.extend_from_within(..);
                }
                Mishap::Inserted(garbage) => {
                    clean.push(payload);
                    line.extend(garbage);
                }
                Mishap::Lost => bytes.clear(),
                Mishap::CutAt(at) => bytes.truncate(at % bytes.len()),
                Mishap::StartsAt(at) => drop(bytes.drain(..at % bytes.len())),
                Mishap::Changed(at, by) => {
                    let at = at % bytes.len();
                    bytes[at] ^= by;
                }
            }
            line.extend(bytes);
        }
        let found = decode_in_chunks(&line, size);
        let mut expected = clean.iter().peekable();
        for frame in found.into_iter().flatten() {
            prop_assert!(sent.contains(&frame.payload));
            expected.next_if(|clean| **clean == frame.payload);
        }
        prop_assert_eq!(expected.next(), None, "a clean frame was lost");
    }

    #[test]
    fn garbage_is_never_a_frame_and_never_panics(line in vec(any::<u8>(), 0..3000), size in 1usize..99) {
        prop_assert!(decode_in_chunks(&line, size).iter().all(Result::is_err));
    }
}
