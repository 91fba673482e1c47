use super::containers_null;
use nix::{
    sys::stat::{Mode, SFlag, makedev, mknod},
    unistd::mkfifo,
};
use std::{fs, os::unix::fs::symlink, path::Path};

#[test]
fn only_a_null_device_stands_for_null() {
    assert!(containers_null(Path::new("/dev/null")).is_some());
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::write(at("file"), "").unwrap();
    fs::create_dir(at("dir")).unwrap();
    mkfifo(&at("pipe"), Mode::S_IRWXU).unwrap();
    symlink("/dev/null", at("link")).unwrap();
    mknod(&at("zero"), SFlag::S_IFCHR, Mode::S_IRWXU, makedev(1, 5)).unwrap();
    // A pipe without a writer would block a process that opens it.
    for name in ["file", "dir", "pipe", "link", "zero", "missing"] {
        assert!(containers_null(&at(name)).is_none(), "{name}");
    }
    mknod(&at("null"), SFlag::S_IFCHR, Mode::S_IRWXU, makedev(1, 3)).unwrap();
    // A file system may not open devices.
    let opened = containers_null(&at("null"));
    assert_eq!(opened.is_some(), fs::File::open(at("null")).is_ok());
}
