use super::*;
use std::process::{Command, Stdio};

fn refused(dir: &Path) -> StoreError {
    match Lock::take(dir) {
        Ok(_) => panic!("the lock is held"),
        Err(error) => error,
    }
}

#[test]
fn a_second_coordinator_is_told_the_firsts_process_and_path() {
    let dir = tempfile::tempdir().unwrap();
    let _first = Lock::take(dir.path()).unwrap();
    let words = refused(dir.path()).to_string();
    let pid = format!("in use by process {} (", std::process::id());
    assert!(words.contains(&pid), "{words}");
    assert!(words.contains(dir.path().to_str().unwrap()), "{words}");
    // The refused one took nothing from the first.
    assert_eq!(refused(dir.path()).to_string(), words);
}

#[test]
fn whichever_process_holds_the_lock_is_named_and_not_the_last_coordinator() {
    let dir = tempfile::tempdir().unwrap();
    drop(Lock::take(dir.path()).unwrap());
    let path = dir.path().join("lock");
    // `flock` becomes `cat` with the lock's descriptor, so that the process is one.
    let mut other = Command::new("flock")
        .args(["--exclusive", "--no-fork"])
        .arg(&path)
        .args(["sh", "-c", "echo held; exec cat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("these tests need `flock`: install the package util-linux");
    let mut told = [0; 5];
    std::io::Read::read_exact(other.stdout.as_mut().unwrap(), &mut told).unwrap();
    let error = refused(dir.path());
    let StoreError::InUse { holder, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!(holder.pid, Some(other.id()));
    drop(other.stdin.take());
    other.wait().unwrap();
    Lock::take(dir.path()).unwrap();
}

#[test]
fn a_lock_goes_with_its_holder() {
    let dir = tempfile::tempdir().unwrap();
    drop(Lock::take(dir.path()).unwrap());
    Lock::take(dir.path()).unwrap();
}

#[test]
fn a_lock_file_that_others_could_open_is_closed_to_them() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lock");
    fs::write(&path, [0xff; 100]).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    let _held = Lock::take(dir.path()).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
}

#[test]
fn the_kernels_list_of_locks_is_read() {
    let locks = "1: POSIX  ADVISORY  WRITE 7 08:01:56789 0 EOF\n\
                 2: FLOCK  ADVISORY  WRITE 8 08:01:56788 0 EOF\n\
                 3: FLOCK  ADVISORY  WRITE 9 08:01:56789 0 EOF\n\
                 3: -> FLOCK  ADVISORY  WRITE 10 08:01:56789 0 EOF\n";
    let device = nix::sys::stat::makedev(8, 1);
    assert_eq!(holder(locks, device, 56_789), Some(9));
    assert_eq!(holder(locks, device, 1), None);
    let nameless = Holder {
        pid: None,
        program: None,
    };
    assert!(nameless.to_string().contains("does not name"));
}

#[test]
fn a_folder_without_a_lock_file_to_write_is_named() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("lock")).unwrap();
    let words = refused(dir.path()).to_string();
    assert!(words.contains("vch.state_dir"), "{words}");
    assert!(words.contains("/lock"), "{words}");
}
