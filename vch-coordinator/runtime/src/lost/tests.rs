use super::*;
use std::fs::File;
use vch_ledger::Id;

struct StateDir {
    _dir: tempfile::TempDir,
    dirs: Dirs,
}

fn id() -> ContainerId {
    ContainerId::from_bytes([7; 32])
}

/// Returns a state directory with one container's directory and disk.
fn world() -> StateDir {
    let dir = tempfile::tempdir().unwrap();
    let dirs = Dirs {
        state: dir.path().to_owned(),
        run: dir.path().join("run"),
    };
    fs::create_dir_all(dirs.of(id()).join("log")).unwrap();
    fs::write(dirs.of(id()).join("upper.ext4"), "all that it wrote").unwrap();
    StateDir { _dir: dir, dirs }
}

fn known() -> BTreeSet<String> {
    [id().to_string()].into()
}

#[test]
fn a_directory_that_no_row_names_is_moved_aside_whole_and_told() {
    let StateDir { dirs, .. } = &world();
    let swept = dirs.sweep(&BTreeSet::new()).unwrap();
    let [lost] = &swept.lost[..] else {
        panic!("{swept:?}");
    };
    assert_eq!(
        fs::read_to_string(lost.join("upper.ext4")).unwrap(),
        "all that it wrote"
    );
    assert!(lost.starts_with(dirs.lost()) && !dirs.of(id()).exists());
    let words = dirs.lost_words();
    assert_eq!(words.len(), 1);
    assert!(words[0].contains(&id().to_string()), "{words:?}");
    // The same container is lost again within the same second: nothing is overwritten.
    fs::create_dir_all(dirs.of(id())).unwrap();
    assert_eq!(dirs.sweep(&BTreeSet::new()).unwrap().lost.len(), 1);
    assert_eq!(dirs.lost_words().len(), 2);
    assert_eq!(dirs.sweep(&BTreeSet::new()).unwrap(), Swept::default());
}

#[test]
fn only_a_removal_that_was_committed_is_ended() {
    let StateDir { dirs, .. } = &world();
    dirs.mark_removal(id()).unwrap();
    assert_eq!(dirs.sweep(&known()).unwrap(), Swept::default());
    assert!(
        dirs.of(id()).join("upper.ext4").exists(),
        "it was not committed"
    );
    assert!(!dirs.of(id()).join(REMOVING).exists(), "and is forgotten");
    dirs.mark_removal(id()).unwrap();
    let swept = dirs.sweep(&BTreeSet::new()).unwrap();
    assert_eq!(swept.removed, [id().to_string()]);
    assert!(!dirs.of(id()).exists() && dirs.lost_words().is_empty());
}

#[test]
fn a_removal_that_was_refused_leaves_no_mark() {
    let StateDir { dirs, .. } = &world();
    dirs.mark_removal(id()).unwrap();
    dirs.unmark_removal(id());
    assert_eq!(dirs.sweep(&BTreeSet::new()).unwrap().lost.len(), 1);
}

#[test]
fn a_container_without_a_directory_is_marked_and_discarded_all_the_same() {
    let StateDir { dirs, .. } = &world();
    let other = ContainerId::from_bytes([8; 32]);
    dirs.mark_removal(other).unwrap();
    dirs.unmark_removal(other);
    dirs.discard(other).unwrap();
    assert!(dirs.of(id()).exists());
    dirs.discard(id()).unwrap();
    assert!(!dirs.of(id()).exists());
}

#[test]
fn a_directory_that_a_process_uses_stays_and_the_process_is_named() {
    let StateDir { dirs, .. } = &world();
    let open = File::open(dirs.of(id()).join("upper.ext4")).unwrap();
    let swept = dirs.sweep(&BTreeSet::new()).unwrap();
    let process = format!("process {}", std::process::id());
    assert!(swept.left[0].contains(&process), "{swept:?}");
    assert!(dirs.of(id()).exists());
    drop(open);
}

#[test]
fn what_bears_no_containers_name_is_left_alone() {
    let StateDir { dirs, .. } = &world();
    let other = dirs.containers().join("lost+found");
    fs::create_dir_all(&other).unwrap();
    assert_eq!(dirs.sweep(&known()).unwrap(), Swept::default());
    assert!(other.exists());
}
