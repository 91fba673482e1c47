use super::*;
use std::fs::File;
use vch_ledger::Id;

struct World {
    _dir: tempfile::TempDir,
    folders: Folders,
}

fn id() -> ContainerId {
    ContainerId::from_bytes([7; 32])
}

/// The directory of a container, with its disk.
fn world() -> World {
    let dir = tempfile::tempdir().unwrap();
    let folders = Folders {
        state: dir.path().to_owned(),
        run: dir.path().join("run"),
    };
    fs::create_dir_all(folders.of(id()).join("log")).unwrap();
    fs::write(folders.of(id()).join("upper.ext4"), "all that it wrote").unwrap();
    World { _dir: dir, folders }
}

fn known() -> BTreeSet<String> {
    [id().to_string()].into()
}

#[test]
fn a_directory_that_no_row_names_is_moved_aside_whole_and_told() {
    let World { folders, .. } = &world();
    let swept = folders.sweep(&BTreeSet::new()).unwrap();
    let [lost] = &swept.lost[..] else {
        panic!("{swept:?}");
    };
    assert_eq!(
        fs::read_to_string(lost.join("upper.ext4")).unwrap(),
        "all that it wrote"
    );
    assert!(lost.starts_with(folders.lost()) && !folders.of(id()).exists());
    let words = folders.lost_words();
    assert_eq!(words.len(), 1);
    assert!(words[0].contains(&id().to_string()), "{words:?}");
    // Again, as by another loss within the same second: nothing is overwritten.
    fs::create_dir_all(folders.of(id())).unwrap();
    assert_eq!(folders.sweep(&BTreeSet::new()).unwrap().lost.len(), 1);
    assert_eq!(folders.lost_words().len(), 2);
    assert_eq!(folders.sweep(&BTreeSet::new()).unwrap(), Swept::default());
}

#[test]
fn only_a_removal_that_was_committed_is_ended() {
    let World { folders, .. } = &world();
    folders.mark_removal(id()).unwrap();
    assert_eq!(folders.sweep(&known()).unwrap(), Swept::default());
    assert!(
        folders.of(id()).join("upper.ext4").exists(),
        "it was not committed"
    );
    assert!(
        !folders.of(id()).join(REMOVING).exists(),
        "and is forgotten"
    );
    folders.mark_removal(id()).unwrap();
    let swept = folders.sweep(&BTreeSet::new()).unwrap();
    assert_eq!(swept.removed, [id().to_string()]);
    assert!(!folders.of(id()).exists() && folders.lost_words().is_empty());
}

#[test]
fn a_removal_that_was_refused_leaves_no_mark() {
    let World { folders, .. } = &world();
    folders.mark_removal(id()).unwrap();
    folders.unmark_removal(id());
    assert_eq!(folders.sweep(&BTreeSet::new()).unwrap().lost.len(), 1);
}

#[test]
fn a_container_without_a_directory_is_marked_and_discarded_all_the_same() {
    let World { folders, .. } = &world();
    let other = ContainerId::from_bytes([8; 32]);
    folders.mark_removal(other).unwrap();
    folders.unmark_removal(other);
    folders.discard(other).unwrap();
    assert!(folders.of(id()).exists());
    folders.discard(id()).unwrap();
    assert!(!folders.of(id()).exists());
}

#[test]
fn a_directory_that_a_process_uses_stays_and_the_process_is_named() {
    let World { folders, .. } = &world();
    let open = File::open(folders.of(id()).join("upper.ext4")).unwrap();
    let swept = folders.sweep(&BTreeSet::new()).unwrap();
    let process = format!("process {}", std::process::id());
    assert!(swept.left[0].contains(&process), "{swept:?}");
    assert!(folders.of(id()).exists());
    drop(open);
}

#[test]
fn what_bears_no_containers_name_is_left_alone() {
    let World { folders, .. } = &world();
    let other = folders.containers().join("lost+found");
    fs::create_dir_all(&other).unwrap();
    assert_eq!(folders.sweep(&known()).unwrap(), Swept::default());
    assert!(other.exists());
}
