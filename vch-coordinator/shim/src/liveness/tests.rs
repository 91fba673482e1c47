use super::{LOCK, Liveness, Lock, liveness};
use crate::sockets::PID;
use std::{fs, os::unix::fs::symlink, path::PathBuf};
use tempfile::TempDir;

/// Makes a container's directory, and a directory of sockets in it.
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
    assert!(Lock::take(dir.path(), &sockets).is_err());
}

#[test]
fn a_shim_that_was_killed_before_it_wrote_its_number_is_in_nobody_s_way() {
    let (dir, sockets) = dirs();
    fs::write(sockets.join(PID), "").unwrap();
    assert!(matches!(liveness(dir.path(), &sockets), Liveness::Dead));
    assert!(Lock::take(dir.path(), &sockets).is_ok());
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
