use super::{LOCK, Liveness, Lock, liveness};
use crate::sockets::PID;
use std::{fs, os::unix::fs::symlink, path::PathBuf};
use tempfile::TempDir;

/// A container's directory, and one of sockets within.
fn dirs() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let sockets = dir.path().join("sockets");
    fs::create_dir(&sockets).unwrap();
    (dir, sockets)
}

#[test]
fn where_no_shim_ever_was_it_is_dead_and_no_file_is_made() {
    let (dir, sockets) = dirs();
    assert!(matches!(liveness(dir.path(), &sockets), Liveness::Dead));
    assert!(!dir.path().join(LOCK).exists());
    let missing = dir.path().join("missing");
    assert!(matches!(liveness(&missing, &missing), Liveness::Dead));
}

#[test]
fn what_can_t_be_read_says_nothing() {
    let (dir, sockets) = dirs();
    symlink(LOCK, dir.path().join(LOCK)).unwrap();
    let unknown = liveness(dir.path(), &sockets);
    assert!(matches!(unknown, Liveness::Unknown(_)), "{unknown:?}");
    fs::remove_file(dir.path().join(LOCK)).unwrap();
    // As it is between open(2) and write(2) of a shim of 0.1.0.
    fs::write(sockets.join(PID), "").unwrap();
    let unknown = liveness(dir.path(), &sockets);
    assert!(matches!(unknown, Liveness::Unknown(_)), "{unknown:?}");
}

#[test]
fn a_number_that_another_process_has_now_is_no_shim() {
    let (dir, sockets) = dirs();
    // This process has a file of the directory open, as a shim has, and is none.
    let _open = fs::File::create(dir.path().join("log.1")).unwrap();
    fs::write(sockets.join(PID), std::process::id().to_string()).unwrap();
    assert!(matches!(liveness(dir.path(), &sockets), Liveness::Dead));
}

#[test]
fn a_lock_that_is_free_is_taken_and_stays_a_file() {
    let (dir, sockets) = dirs();
    drop(Lock::take(dir.path(), &sockets).unwrap());
    assert!(dir.path().join(LOCK).exists());
    assert!(matches!(liveness(dir.path(), &sockets), Liveness::Dead));
}
