use super::*;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

#[test]
fn a_socket_that_is_found_is_never_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("socket");
    let (done, connected) = (AtomicBool::new(false), AtomicU32::new(0));
    thread::scope(|scope| {
        let client = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                match UnixStream::connect(&path) {
                    Ok(_) => drop(connected.fetch_add(1, Ordering::Relaxed)),
                    Err(error) => assert_eq!(error.kind(), io::ErrorKind::NotFound),
                }
            }
        });
        // All of them stay: a client may have looked the path up just before its file goes.
        let listeners: Vec<_> = (0..500)
            .map(|_| {
                let listener = bind_unix(&path, 0o600).unwrap();
                fs::remove_file(&path).unwrap();
                listener
            })
            .collect();
        // The last one stays in place, so that a client that was never scheduled meanwhile shows that it connects at all.
        let last = bind_unix(&path, 0o600).unwrap();
        while connected.load(Ordering::Relaxed) == 0 && !client.is_finished() {
            thread::yield_now();
        }
        done.store(true, Ordering::Relaxed);
        client.join().unwrap();
        drop((listeners, last));
    });
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
