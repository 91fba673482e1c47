use super::{Position, Reader, Writer, files};
use protocol::process::Output::{Stderr, Stdout};
use std::{fs::OpenOptions, io::Write, path::Path};

fn all(folder: &Path) -> Vec<u8> {
    let mut reader = Reader::from_start(folder).unwrap();
    let mut bytes = Vec::new();
    while let Some(record) = reader.read().unwrap() {
        bytes.extend(record.bytes);
    }
    bytes
}

#[test]
fn bytes_come_out_as_they_went_in_with_their_stream_and_time() {
    let folder = tempfile::tempdir().unwrap();
    let mut reader = Reader::from_start(folder.path()).unwrap();
    assert_eq!(reader.read().unwrap(), None, "nothing is written yet");
    let mut writer = Writer::open(folder.path(), 1 << 20, 2).unwrap();
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
    let mut late = Reader::open(folder.path(), between);
    assert_eq!(late.read().unwrap().unwrap().bytes, b"two");
}

#[test]
fn a_record_that_was_cut_off_is_taken_away_by_the_next_writer() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(folder.path(), 1 << 20, 2).unwrap();
    writer.append(Stdout, 1, b"whole").unwrap();
    let end = writer.end();
    writer.append(Stdout, 2, b"cut off").unwrap();
    drop(writer);
    let file = OpenOptions::new()
        .write(true)
        .open(folder.path().join("log.0"))
        .unwrap();
    file.set_len(end.offset + 15).unwrap();
    assert_eq!(all(folder.path()), b"whole");
    let mut writer = Writer::open(folder.path(), 1 << 20, 2).unwrap();
    assert_eq!(writer.end(), end);
    writer.append(Stdout, 3, b", and more").unwrap();
    assert_eq!(all(folder.path()), b"whole, and more");
}

#[test]
fn only_the_last_files_are_kept_and_a_reader_goes_from_one_to_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(folder.path(), 100, 3).unwrap();
    let mut reader = Reader::from_start(folder.path()).unwrap();
    let mut slow = Reader::from_start(folder.path()).unwrap();
    let mut read = Vec::new();
    let mut written = Vec::new();
    for number in 0..100_u8 {
        writer.append(Stdout, 0, &[number; 40]).unwrap();
        written.extend([number; 40]);
        while let Some(record) = reader.read().unwrap() {
            read.extend(record.bytes);
        }
    }
    assert_eq!(read, written);
    assert_eq!(files(folder.path()).unwrap().len(), 3);
    assert!(written.ends_with(&all(folder.path())));
    let error = slow.read().unwrap_err();
    assert_eq!(
        error.kind(),
        std::io::ErrorKind::NotFound,
        "it was too slow"
    );
}

#[test]
fn what_is_no_record_is_an_error_and_no_panic() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(folder.path().join("log.0"))
        .unwrap();
    file.write_all(&[0xff; 64]).unwrap();
    let mut reader = Reader::open(folder.path(), Position::default());
    assert!(reader.read().is_err());
}
