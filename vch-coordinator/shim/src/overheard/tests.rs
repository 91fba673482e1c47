use super::{FIRST, KEPT, explanation, record, tail};
use std::fs::File;

#[tokio::test]
async fn the_last_bytes_of_a_console_are_kept() {
    let mut said = vec![b'x'; 3 * KEPT];
    said.extend_from_slice(b"the end");
    let kept = tail(&said[..]).await;
    assert_eq!(kept.len(), KEPT);
    assert!(kept.ends_with(b"xthe end"));
    assert_eq!(tail(&b"short"[..]).await, b"short");
}

#[tokio::test]
async fn a_log_has_what_was_said_first_and_last_and_is_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("qemu.log");
    let mut said = b"first \x1b[31mwords\n".to_vec();
    said.extend(std::iter::repeat_n(b'x', 40 * FIRST));
    said.extend_from_slice(b"\nlast words\n");
    let kept = record(&said[..], File::create(&path).unwrap()).await;
    let written = std::fs::read_to_string(&path).unwrap();
    assert!(kept.ends_with(b"\nlast words\n"));
    assert!(written.starts_with("first [31mwords\nxxx"));
    assert!(written.ends_with("x\nlast words\n"));
    assert!(written.len() <= FIRST + 8192 + KEPT, "{}", written.len());
}

#[test]
fn a_panic_explains_more_than_the_last_lines() {
    let said = b"one\n\ntwo\x1b[0m\r\nKernel panic - not syncing: no init\nthree\n";
    let panic = explanation(said).unwrap();
    assert_eq!(panic, "Kernel panic - not syncing: no init");
    let last = explanation(b"1\n2\n3\n4\n5\n\n6\x07\n").unwrap();
    assert_eq!(last, "2 / 3 / 4 / 5 / 6");
    assert_eq!(explanation(b"\n \n"), None);
    let long = explanation(&[b'y'; 64 << 10]).unwrap();
    assert_eq!(long.len(), 4096);
}
