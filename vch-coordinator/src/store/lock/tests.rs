use super::*;
use std::fs;

fn refused(dir: &Path) -> String {
    match Lock::take(dir) {
        Ok(_) => panic!("the lock is held"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_second_coordinator_is_told_the_firsts_process_and_path() {
    let dir = tempfile::tempdir().unwrap();
    let _first = Lock::take(dir.path()).unwrap();
    let words = refused(dir.path());
    let pid = format!("in use by process {}:", std::process::id());
    assert!(words.contains(&pid), "{words}");
    assert!(words.contains(dir.path().to_str().unwrap()), "{words}");
    // The refused one took nothing from the first.
    assert_eq!(refused(dir.path()), words);
}

#[test]
fn a_lock_goes_with_its_holder() {
    let dir = tempfile::tempdir().unwrap();
    drop(Lock::take(dir.path()).unwrap());
    Lock::take(dir.path()).unwrap();
}

#[test]
fn a_lock_file_of_garbage_is_no_obstacle() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lock");
    fs::write(&path, [0xff; 100]).unwrap();
    let _held = Lock::take(dir.path()).unwrap();
    let written = fs::read_to_string(&path).unwrap();
    assert_eq!(written, std::process::id().to_string());
    // Another could read it before the holder has written itself.
    fs::write(&path, [0xff; 100]).unwrap();
    assert!(refused(dir.path()).contains("of unknown number"));
}

#[test]
fn a_folder_without_a_lock_file_to_write_is_named() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("lock")).unwrap();
    let words = refused(dir.path());
    assert!(words.contains("vch.state_dir"), "{words}");
    assert!(words.contains("/lock"), "{words}");
}
