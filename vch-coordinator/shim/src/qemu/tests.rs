use super::{Qemu, QemuError};
use crate::{
    launch::{Launch, Nic, tests::launch},
    tap::tests::own_namespace_with,
};
use std::{fs::File, os::unix::net::UnixListener, path::Path};
use tempfile::TempDir;

/// Returns the error of starting a machine of a changed launch.
fn refused(dir: &TempDir, change: impl FnOnce(&mut Launch)) -> QemuError {
    let mut launch = launch(dir.path());
    change(&mut launch);
    let tether = dir.path().join("tether.sock");
    // Each try has its own.
    let _ = std::fs::remove_file(&tether);
    let tether = UnixListener::bind(tether).unwrap();
    match Qemu::start(&launch, tether) {
        Ok(_) => panic!("it was started"),
        Err(error) => error,
    }
}

fn with_files(names: &[&str]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for name in names {
        File::create(dir.path().join(name)).unwrap();
    }
    dir
}

const FILES: &[&str] = &["kernel", "initramfs", "image", "upper"];

#[tokio::test]
async fn a_file_that_is_missing_is_named() {
    for missing in FILES {
        let others: Vec<_> = FILES.iter().filter(|name| *name != missing).collect();
        let others: Vec<&str> = others.into_iter().copied().collect();
        let dir = with_files(&others);
        let error = refused(&dir, |_| {});
        let named = |path: &Path| path == dir.path().join(missing);
        assert!(
            matches!(&error, QemuError::Open { path, .. } if named(path)),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_tap_that_is_missing_is_named_and_no_program_is_run() {
    own_namespace_with(&["vt-1"]);
    let dir = with_files(FILES);
    let nic = |id: &str| Nic {
        id: format!("n{id}"),
        mac: [2, 0, 0, 0, 0, 1],
        tap: format!("vt-{id}"),
    };
    let error = refused(&dir, |launch| launch.nics = vec![nic("1"), nic("2")]);
    assert!(
        matches!(&error, QemuError::Tap { tap, .. } if tap == "vt-2"),
        "{error}"
    );
    // The first one was let go.
    let error = refused(&dir, |launch| launch.nics = vec![nic("1")]);
    assert!(matches!(error, QemuError::Program { .. }), "{error}");
}

#[tokio::test]
async fn a_program_that_is_missing_is_named_with_its_package() {
    let dir = with_files(FILES);
    let error = refused(&dir, |_| {});
    let words = error.to_string();
    assert!(
        words.contains(vch_qemu::PACKAGE) && words.contains("/qemu"),
        "{words}"
    );
}

#[tokio::test]
async fn a_template_that_is_missing_is_no_clone() {
    let dir = with_files(FILES);
    let error = refused(&dir, |launch| {
        launch.template = Some(dir.path().join("template"));
    });
    assert!(
        matches!(&error, QemuError::Template { reason } if !reason.is_empty()),
        "{error}"
    );
}
