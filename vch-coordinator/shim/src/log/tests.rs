use super::{Position, Reader, Writer, files};
use protocol::process::Output::{Stderr, Stdout};
use std::{fs::OpenOptions, io::Write, path::Path};

fn all(dir: &Path) -> Vec<u8> {
    let mut reader = Reader::from_start(dir).unwrap();
    let mut bytes = Vec::new();
    while let Some(record) = reader.read().unwrap() {
        bytes.extend(record.bytes);
    }
    bytes
}

#[test]
fn bytes_come_out_as_they_went_in_with_their_stream_and_time() {
    let dir = tempfile::tempdir().unwrap();
    let mut reader = Reader::from_start(dir.path()).unwrap();
    assert_eq!(reader.read().unwrap(), None, "nothing is written yet");
    let mut writer = Writer::open(dir.path(), 1 << 20, 2).unwrap();
    writer.append(Stdout, 7, b"\xff\x00one\n").unwrap();
    let between = writer.end();
    writer.append(Stderr, 8, b"two").unwrap();
    let first = reader.read().unwrap().unwrap();
    assert_eq!(
        (first.stream, first.at_ns, &*first.bytes),
        (Stdout, 7, &b"\xff\x00one\n"[..])
    );
    assert_eq!(reader.position(), between);
    let second = reader.read().unwrap().unwrap();
    assert_eq!(
        (second.stream, second.at_ns, &*second.bytes),
        (Stderr, 8, &b"two"[..])
    );
    assert_eq!(reader.read().unwrap(), None);
    writer.append(Stdout, 9, b"three").unwrap();
    assert_eq!(reader.read().unwrap().unwrap().bytes, b"three");
    let mut late = Reader::open(dir.path(), between);
    assert_eq!(late.read().unwrap().unwrap().bytes, b"two");
}

#[test]
fn a_record_that_was_cut_off_is_taken_away_by_the_next_writer() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(dir.path(), 1 << 20, 2).unwrap();
    writer.append(Stdout, 1, b"whole").unwrap();
    let end = writer.end();
    writer.append(Stdout, 2, b"cut off").unwrap();
    drop(writer);
    let file = OpenOptions::new()
        .write(true)
        .open(dir.path().join("log.0"))
        .unwrap();
    file.set_len(end.offset + 15).unwrap();
    assert_eq!(all(dir.path()), b"whole");
    let mut writer = Writer::open(dir.path(), 1 << 20, 2).unwrap();
    assert_eq!(writer.end(), end);
    writer.append(Stdout, 3, b", and more").unwrap();
    assert_eq!(all(dir.path()), b"whole, and more");
}

#[test]
fn only_the_last_files_are_kept_and_a_reader_goes_from_one_to_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(dir.path(), 1, 3).unwrap();
    let mut reader = Reader::from_start(dir.path()).unwrap();
    let mut slow = Reader::from_start(dir.path()).unwrap();
    let mut read = Vec::new();
    let mut written = Vec::new();
    for number in 0..100_u8 {
        writer.append(Stdout, 0, &[number; 9000]).unwrap();
        written.extend([number; 9000]);
        while let Some(record) = reader.read().unwrap() {
            read.extend(record.bytes);
        }
    }
    assert_eq!(read, written);
    assert_eq!(files(dir.path()).unwrap().len(), 3);
    assert!(written.ends_with(&all(dir.path())));
    let error = slow.read().unwrap_err();
    assert_eq!(
        error.kind(),
        std::io::ErrorKind::NotFound,
        "it was too slow"
    );
}

#[test]
fn what_is_no_record_is_an_error_and_no_panic() {
    let dir = tempfile::tempdir().unwrap();
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(dir.path().join("log.0"))
        .unwrap();
    file.write_all(&[0xff; 64]).unwrap();
    let mut reader = Reader::open(dir.path(), Position::default());
    assert!(reader.read().is_err());
}

#[test]
fn a_next_writer_reads_what_came_after_the_last_note_and_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(dir.path(), 1 << 30, 2).unwrap();
    for number in 0..40_u8 {
        writer.append(Stdout, 1, &[number; 100_000]).unwrap();
    }
    let end = writer.end();
    drop(writer);
    let path = dir.path().join("log.0");
    // Whatever stands far before the end is not looked at.
    let damaged = OpenOptions::new().write(true).open(&path).unwrap();
    (&damaged).write_all(&[0xff; 64]).unwrap();
    let mut file = OpenOptions::new().append(true).open(&path).unwrap();
    file.write_all(&[0, 1, 2]).unwrap();
    let mut writer = Writer::open(dir.path(), 1 << 30, 2).unwrap();
    assert_eq!(writer.end(), end);
    writer.append(Stdout, 2, b"more").unwrap();
    let mut reader = Reader::open(dir.path(), end);
    assert_eq!(reader.read().unwrap().unwrap().bytes, b"more");
}

#[test]
fn a_note_that_does_not_fit_the_log_is_not_believed() {
    for note in [
        [0xff; 16].to_vec(),
        vec![7; 5],
        [[0; 8], [3, 0, 0, 0, 0, 0, 0, 0]].concat(),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = Writer::open(dir.path(), 1 << 20, 2).unwrap();
        writer.append(Stderr, u64::MAX, &[0xff; 100]).unwrap();
        let end = writer.end();
        drop(writer);
        std::fs::write(dir.path().join("log.whole"), note).unwrap();
        let writer = Writer::open(dir.path(), 1 << 20, 2).unwrap();
        assert_eq!(writer.end(), end);
    }
}
