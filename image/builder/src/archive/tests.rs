use super::*;

fn sample() -> Archive {
    let mut archive = Archive::new();
    archive
        .file("/sbin/agent", b"agent".to_vec(), true)
        .unwrap();
    archive.device("/dev/console", 5, 1).unwrap();
    archive.link("/bin/sh", "busybox").unwrap();
    archive
}

#[test]
fn the_folders_above_an_entry_come_before_it() {
    let archive = sample();
    let paths: Vec<_> = archive.paths().collect();
    assert_eq!(
        paths,
        ["bin", "bin/sh", "dev", "dev/console", "sbin", "sbin/agent"]
    );
}

#[test]
fn the_order_of_additions_does_not_change_the_bytes() {
    let mut other = Archive::new();
    other.link("/bin/sh", "busybox").unwrap();
    other.dir("/sbin").unwrap();
    other.file("/sbin/agent", b"agent".to_vec(), true).unwrap();
    other.device("/dev/console", 5, 1).unwrap();
    assert_eq!(other.to_newc(), sample().to_newc());
}

#[test]
fn a_small_archive_has_the_bytes_of_the_format() {
    let mut archive = Archive::new();
    archive.file("/init", b"hello".to_vec(), true).unwrap();
    let bytes = archive.to_newc();
    let (inode, mode, owner, links, time) = (
        "00000001",
        "000081ed",
        "0000000000000000",
        "00000001",
        "00000000",
    );
    let (size, devices, name_size, check) =
        ("00000005", "00000000".repeat(4), "00000005", "00000000");
    let mut expected =
        format!("070701{inode}{mode}{owner}{links}{time}{size}{devices}{name_size}{check}init")
            .into_bytes();
    expected.extend(*b"\0\0hello\0\0\0");
    assert_eq!(
        String::from_utf8_lossy(&bytes[..expected.len()]),
        String::from_utf8_lossy(&expected)
    );
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.trim_end_matches('\0').ends_with(TRAILER));
    assert_eq!(bytes.len() % ALIGNMENT, 0);
}

#[test]
fn a_path_that_leaves_the_root_is_refused() {
    for path in [
        "",
        "/",
        "init",
        "/../init",
        "/a//b",
        "/a/",
        "/a/./b",
        "/a\0b",
        "/TRAILER!!!",
    ] {
        let refused = Archive::new().file(path, Vec::new(), false);
        assert_eq!(
            refused,
            Err(ArchiveError::Path {
                path: path.to_owned()
            })
        );
    }
}

#[test]
fn a_file_can_not_become_a_folder_nor_a_folder_a_file() {
    let mut archive = sample();
    let below = archive.file("/sbin/agent/x", Vec::new(), false);
    assert!(matches!(below, Err(ArchiveError::Taken { .. })));
    let over = archive.file("/sbin", Vec::new(), false);
    assert_eq!(
        over,
        Err(ArchiveError::Taken {
            path: "/sbin".to_owned()
        })
    );
    assert_eq!(archive, sample());
}
