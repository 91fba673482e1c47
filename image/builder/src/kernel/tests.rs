use super::*;

/// Returns a bzImage of one setup sector whose payload contains `contents`.
fn bz_image(contents: &[u8]) -> Vec<u8> {
    let mut payload = LZ4_LEGACY_MAGIC.to_vec();
    for block in contents.chunks(LZ4_LEGACY_BLOCK) {
        let block = lz4_flex::block::compress(block);
        payload.extend_from_slice(&u32::try_from(block.len()).unwrap().to_le_bytes());
        payload.extend_from_slice(&block);
    }
    payload.extend_from_slice(&u32::try_from(contents.len()).unwrap().to_le_bytes());
    let mut image = vec![0; 2 * SECTOR];
    image[SETUP_SECTORS_AT] = 1;
    image[MAGIC_AT..MAGIC_AT + 4].copy_from_slice(b"HdrS");
    let length = u32::try_from(payload.len()).unwrap();
    image[PAYLOAD_LENGTH_AT..PAYLOAD_LENGTH_AT + 4].copy_from_slice(&length.to_le_bytes());
    image.extend_from_slice(&payload);
    image
}

#[test]
fn the_payload_comes_out_as_it_went_in() {
    let contents: Vec<u8> = (0..9_000_000_u32).map(|n| n.to_le_bytes()[1]).collect();
    assert_eq!(vmlinux(&bz_image(&contents)).unwrap(), contents);
}

#[test]
fn an_image_cut_anywhere_is_an_error_and_no_panic() {
    let image = bz_image(b"some kernel, some kernel, some kernel");
    for end in 0..image.len() {
        assert!(vmlinux(&image[..end]).is_err(), "cut at {end}");
    }
}

#[test]
fn another_compression_is_named() {
    let mut image = bz_image(b"kernel");
    image[2 * SECTOR..2 * SECTOR + 4].copy_from_slice(&[0x28, 0xb5, 0x2f, 0xfd]);
    assert_eq!(
        vmlinux(&image),
        Err(KernelError::Compression([0x28, 0xb5, 0x2f, 0xfd]))
    );
}
