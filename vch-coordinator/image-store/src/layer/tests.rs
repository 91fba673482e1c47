use super::*;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

fn unpacked(bytes: &[u8], most: u64) -> io::Result<(Packing, Digest, u64)> {
    let unpacked = Unpacked::new(bytes, most)?;
    let packing = unpacked.packing();
    let (digest, count) = unpacked.finish()?;
    Ok((packing, digest, count))
}

#[test]
fn frames_of_zstd_are_read_one_behind_the_other_and_skippable_ones_passed_over() {
    let (one, two) = (vec![1; 300_000], b"two".to_vec());
    let packed = |bytes: &Vec<u8>| compress_to_vec(bytes.as_slice(), CompressionLevel::Fastest);
    let skippable = [&[0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"xyz"].concat();
    let bytes = [packed(&one), skippable, packed(&two)].concat();
    let expected = (Packing::Zstd, Digest::of(&[one, two].concat()), 300_003);
    assert_eq!(unpacked(&bytes, 1 << 20).expect("unpacked"), expected);
    assert!(
        unpacked(&bytes[..bytes.len() - 2], 1 << 20).is_err(),
        "cut short"
    );
}

#[test]
fn what_unpacks_beyond_its_bound_is_refused_while_it_is_read() {
    let bomb = compress_to_vec(&[0; 1 << 20][..], CompressionLevel::Fastest);
    let error = unpacked(&bomb, 1 << 16).expect_err("a bomb").to_string();
    assert!(error.contains("more than the 65536 bytes"), "{error}");
}
