use super::{STATE, TemplateError, create, is_there, restore};
use crate::memory::{CHUNK, FILE, copy, of_template};
use crate::qmp::fake::{FakeQemu, done};
use serde_json::{Value, json};
use std::{
    fs::File,
    io::{Read, Seek, SeekFrom, Write},
    os::unix::fs::{MetadataExt, PermissionsExt},
};

#[test]
fn a_copy_has_the_same_bytes_and_no_room_for_what_is_not_there() {
    let dir = tempfile::tempdir().unwrap();
    let mut from = create(&dir.path().join(FILE)).unwrap();
    let mode = from.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    from.set_len(64 << 20).unwrap();
    for offset in [0, 5 * CHUNK as u64 + 17, (64 << 20) - 4] {
        from.seek(SeekFrom::Start(offset)).unwrap();
        from.write_all(b"here").unwrap();
    }
    let mut to = create(&dir.path().join("copy")).unwrap();
    copy(&mut from, &mut to).unwrap();
    let clone = File::from(of_template(dir.path()).unwrap());
    let whole = std::fs::read(dir.path().join(FILE)).unwrap();
    for mut copied in [to, clone] {
        assert!(copied.metadata().unwrap().blocks() < 16 << 10);
        let mut bytes = Vec::new();
        copied.seek(SeekFrom::Start(0)).unwrap();
        copied.read_to_end(&mut bytes).unwrap();
        assert!(bytes == whole);
    }
}

/// Restores a template by a QEMU that gives these answers to the queries of its progress.
async fn restored(states: &'static [&'static str]) -> (Result<(), TemplateError>, Vec<Value>) {
    let dir = tempfile::tempdir().unwrap();
    File::create(dir.path().join(STATE)).unwrap();
    let mut states = states.iter();
    let (qemu, mut qmp) = FakeQemu::new(move |command| {
        if command["execute"] != "query-migrate" {
            return vec![done()];
        }
        let state = states.next().unwrap();
        vec![json!({"return": {"status": state, "error-desc": "bad \u{1b}magic"}})]
    })
    .await;
    let done = restore(&mut qmp, dir.path()).await;
    drop(qmp);
    (done, qemu.heard().await)
}

#[tokio::test]
async fn a_clone_is_restored_when_qemu_says_that_it_has_all() {
    let (done, heard) = restored(&["setup", "active", "completed"]).await;
    done.unwrap();
    let names: Vec<_> = heard.iter().map(|command| &command["execute"]).collect();
    let expected = [
        "getfd",
        "migrate-set-capabilities",
        "migrate-incoming",
        "query-migrate",
        "query-migrate",
        "query-migrate",
    ];
    assert_eq!(names, expected);
    assert_eq!(heard[2]["arguments"]["uri"], "fd:state");
}

#[tokio::test]
async fn a_state_that_qemu_can_t_read_says_so_in_clean_words() {
    let (done, _) = restored(&["active", "failed"]).await;
    let error = done.unwrap_err();
    assert!(
        matches!(&error, TemplateError::Migration(reason) if reason == "bad magic"),
        "{error}"
    );
}

#[tokio::test]
async fn a_template_without_a_state_is_none() {
    let dir = tempfile::tempdir().unwrap();
    let (_qemu, mut qmp) = FakeQemu::new(|_| vec![done()]).await;
    let error = restore(&mut qmp, dir.path()).await.unwrap_err();
    assert!(matches!(error, TemplateError::File { .. }), "{error}");
    assert!(!is_there(dir.path()));
    for file in [FILE, STATE] {
        File::create(dir.path().join(file)).unwrap();
    }
    assert!(is_there(dir.path()));
}
