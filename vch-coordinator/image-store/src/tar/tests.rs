use super::*;
use crate::limits::Limits;
use std::io::Write as _;

fn read(archive: &[u8]) -> Result<Vec<(Entry, Vec<u8>)>, TarError> {
    let mut reader = Reader::new(archive, Limits::default());
    let mut found = Vec::new();
    while let Some(entry) = reader.next_entry()? {
        let mut data = Vec::new();
        reader.copy_data(&mut data)?;
        found.push((entry, data));
    }
    Ok(found)
}

#[test]
fn what_is_written_is_read_again_with_long_names_large_numbers_and_attributes() {
    let entry = Entry {
        path: [vec![b'd'; 200], b"/\xff\n".to_vec()].concat(),
        mode: 0o4755,
        uid: u32::MAX,
        gid: 3,
        mtime: -5,
        size: 513,
        xattrs: [(b"security.capability".to_vec(), vec![1, 0, b'=', b'\n'])].into(),
        kind: Kind::File,
    };
    let link = Entry {
        path: b"l".to_vec(),
        kind: Kind::Symlink(vec![b'x'; 300]),
        ..Entry::default()
    };
    let device = Entry {
        path: b"null".to_vec(),
        kind: Kind::Character(1, 3),
        ..Entry::default()
    };
    let mut writer = Writer::new(Vec::new());
    writer.append(&entry).expect("header");
    writer.write_all(&[7; 513]).expect("data");
    for entry in [&link, &device] {
        writer.append(entry).expect("header");
    }
    let archive = writer.finish().expect("end");
    assert_eq!(archive.len() % BLOCK, 0);
    let found = read(&archive).expect("read");
    assert_eq!(
        found,
        [(entry, vec![7; 513]), (link, vec![]), (device, vec![])]
    );
}

#[test]
fn sparse_files_of_gnu_tar_are_read_in_each_of_its_forms() {
    let dir = tempfile::tempdir().expect("folder");
    let file = std::fs::File::create(dir.path().join("s")).expect("file");
    let mut expected = vec![0; 3 << 20];
    for at in (0..30).map(|part| part * 100_000) {
        std::os::unix::fs::FileExt::write_all_at(&file, b"here", at as u64).expect("data");
        expected[at..at + 4].copy_from_slice(b"here");
    }
    file.set_len(expected.len() as u64).expect("length");
    for form in [
        ["--format=gnu", "--sparse-version=0.0"],
        ["--format=pax", "--sparse-version=0.0"],
        ["--format=pax", "--sparse-version=0.1"],
        ["--format=pax", "--sparse-version=1.0"],
    ] {
        let mut tar = std::process::Command::new("tar");
        tar.args(["-S", "-cf", "-", "-C"]).arg(dir.path());
        let archive = tar.args(form).arg("s").output().expect("tar").stdout;
        assert!(archive.len() < expected.len(), "tar stores no holes");
        let found = read(&archive).expect("read");
        assert_eq!(found[0].0.path, b"s", "{form:?}");
        assert!(found[0].1 == expected, "{form:?}");
    }
}

#[test]
fn damaged_archives_are_refused_and_say_where() {
    let mut writer = Writer::new(Vec::new());
    let entry = Entry {
        path: b"a".to_vec(),
        size: 600,
        ..Entry::default()
    };
    writer.append(&entry).expect("header");
    writer.write_all(&[1; 600]).expect("data");
    let archive = writer.finish().expect("end");
    assert!(matches!(read(&archive[..900]), Err(TarError::Short)));
    let mut damaged = archive.clone();
    damaged[3] ^= 1;
    let error = read(&damaged).expect_err("damaged").to_string();
    assert_eq!(error, "no tar header at byte 0: its checksum is wrong");
}
