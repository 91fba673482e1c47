use super::*;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

#[test]
fn a_socket_that_is_found_is_never_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("socket");
    let done = AtomicBool::new(false);
    let connected = thread::scope(|scope| {
        let client = scope.spawn(|| {
            let mut connected = 0_u32;
            while !done.load(Ordering::Relaxed) {
                match UnixStream::connect(&path) {
                    Ok(_) => connected += 1,
                    Err(error) => assert_eq!(error.kind(), io::ErrorKind::NotFound),
                }
            }
            connected
        });
        // All of them stay: a client may have looked the path up just before its file goes.
        let listeners: Vec<_> = (0..500)
            .map(|_| {
                let listener = bind_unix(&path, 0o600).unwrap();
                fs::remove_file(&path).unwrap();
                listener
            })
            .collect();
        done.store(true, Ordering::Relaxed);
        let connected = client.join().unwrap();
        drop(listeners);
        connected
    });
    assert!(connected > 0);
}

#[test]
fn a_socket_of_a_dead_process_is_replaced_and_has_its_mode() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("socket");
    drop(bind_unix(&path, 0o600).unwrap());
    let listener = bind_unix(&path, 0o660).unwrap();
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o660
    );
    UnixStream::connect(&path).unwrap();
    listener.accept().unwrap();
    let names = fs::read_dir(dir.path()).unwrap();
    assert_eq!(names.count(), 1);
}

#[test]
fn a_directory_in_its_place_stays_and_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("socket");
    fs::create_dir(&path).unwrap();
    bind_unix(&path, 0o600).unwrap_err();
    assert!(path.is_dir());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}
