use super::*;
use crate::{
    facts::SCHEMA,
    sample::{add, report},
};
use std::fs;
use vch_ledger::{Answer, Change, Command, Environment, Ledger, Settings, Transaction};

fn refused(dir: &Path) -> StoreError {
    match Store::open(dir) {
        Ok(_) => panic!("the store must not open"),
        Err(error) => error,
    }
}

fn decide(ledger: &mut Ledger, command: Command) -> Transaction {
    let mut environment = Environment {
        random: &mut |bytes| bytes.fill(7),
        now_ms: 1,
        host_overlap: &|_| None,
        listener: &|_| None,
    };
    ledger.decide(command, &mut environment).unwrap()
}

/// Returns a group with one container and its report, and the container's ID.
fn one_container(vch: VchId) -> (Group, ContainerId) {
    let mut ledger = Ledger::new(Settings::of(vch));
    let done = decide(&mut ledger, add("web"));
    let Answer::ContainerAdded { container } = done.answer else {
        panic!("{:?}", done.answer);
    };
    let group = Group {
        transactions: vec![Arc::new(Logged {
            revision: done.revision,
            at_ms: 1,
            changes: done.changes,
        })],
        reports: BTreeMap::from([(container, Some(report(9)))]),
    };
    (group, container)
}

#[test]
fn what_was_written_is_there_after_a_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, new) = Store::open(dir.path()).unwrap();
    assert!(new.rows.is_empty() && new.reports.is_empty());
    assert_eq!(new.revision, Revision::default());
    let (group, container) = one_container(new.vch);
    store.write(&group).unwrap();
    drop(store);

    let (mut store, again) = Store::open(dir.path()).unwrap();
    assert_eq!(again.vch, new.vch, "a VCH keeps its identity");
    assert_eq!(again.revision, group.transactions[0].revision);
    let written: Vec<_> = group.transactions[0]
        .changes
        .iter()
        .filter_map(|c| c.after.clone())
        .collect();
    assert_eq!(again.rows, written);
    assert_eq!(again.reports, BTreeMap::from([(container, report(9))]));

    let changes = group.transactions[0].changes.iter();
    let undone = changes.map(|change| Change {
        key: change.key,
        before: change.after.clone(),
        after: None,
    });
    let gone = Group {
        transactions: vec![Arc::new(Logged {
            revision: Revision(again.revision.0 + 1),
            at_ms: 2,
            changes: undone.collect(),
        })],
        reports: BTreeMap::from([(container, None)]),
    };
    store.write(&gone).unwrap();
    drop(store);
    let (_, empty) = Store::open(dir.path()).unwrap();
    assert!(empty.rows.is_empty() && empty.reports.is_empty());
    assert_eq!(empty.revision, gone.transactions[0].revision);
}

#[test]
fn what_was_written_is_there_after_a_crash() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, loaded) = Store::open(dir.path()).unwrap();
    let (group, _) = one_container(loaded.vch);
    store.write(&group).unwrap();
    // The file as a process that dies now leaves it: not closed.
    let after = tempfile::tempdir().unwrap();
    fs::copy(
        dir.path().join("ledger.redb"),
        after.path().join("ledger.redb"),
    )
    .unwrap();
    let (_, again) = Store::open(after.path()).unwrap();
    assert_eq!(again.vch, loaded.vch);
    assert_eq!(again.revision, group.transactions[0].revision);
    assert_eq!(again.rows.len(), group.transactions[0].changes.len());
}

#[test]
fn what_a_crash_left_of_a_store_in_the_making_is_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    // As after a crash between the file's making and its first page.
    let unfinished = dir.path().join("ledger.redb.new");
    fs::write(&unfinished, vec![0; 8192]).unwrap();
    let (_store, new) = Store::open(dir.path()).unwrap();
    assert!(new.rows.is_empty());
    assert!(!unfinished.exists());
}

#[test]
fn an_empty_file_becomes_a_store() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("ledger.redb"), []).unwrap();
    let (_store, new) = Store::open(dir.path()).unwrap();
    assert!(new.rows.is_empty());
}

#[test]
fn a_store_has_one_holder() {
    let dir = tempfile::tempdir().unwrap();
    let (_store, _) = Store::open(dir.path()).unwrap();
    let error = refused(dir.path());
    assert!(matches!(error, StoreError::InUse { .. }), "{error}");
}

#[test]
fn a_file_of_garbage_is_named_with_a_remedy_and_left_alone() {
    for garbage in [b"no store at all".repeat(400), vec![0xff; 8192]] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger.redb");
        fs::write(&path, &garbage).unwrap();
        let error = refused(dir.path());
        assert!(matches!(error, StoreError::Broken { .. }), "{error}");
        let words = error.to_string();
        assert!(words.contains(path.to_str().unwrap()), "{words}");
        assert!(words.contains("move it away"), "{words}");
        assert_eq!(fs::read(&path).unwrap(), garbage);
    }
}

#[test]
fn a_store_that_was_cut_off_is_refused_and_never_half_read() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, loaded) = Store::open(dir.path()).unwrap();
    let (group, _) = one_container(loaded.vch);
    store.write(&group).unwrap();
    drop(store);
    let whole = fs::read(dir.path().join("ledger.redb")).unwrap();
    for part in [1, 2, 3] {
        let torn = tempfile::tempdir().unwrap();
        let kept = whole.len() * part / 4;
        fs::write(torn.path().join("ledger.redb"), &whole[..kept]).unwrap();
        match Store::open(torn.path()) {
            Ok((_, read)) => assert_eq!(
                read.revision, group.transactions[0].revision,
                "{kept} bytes"
            ),
            Err(error) => assert!(matches!(error, StoreError::Broken { .. }), "{error}"),
        }
    }
}

#[test]
fn a_store_of_another_schema_is_refused_with_a_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(dir.path()).unwrap();
    let write = store.database.begin_write().unwrap();
    Facts::open(&write).unwrap().put(SCHEMA, &99_u32).unwrap();
    write.commit().unwrap();
    drop(store);
    let words = refused(dir.path()).to_string();
    assert!(words.contains("schema 99"), "{words}");
    assert!(words.contains("use the release that wrote it"), "{words}");
}

#[test]
fn a_row_of_garbage_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(dir.path()).unwrap();
    let write = store.database.begin_write().unwrap();
    write
        .open_table(ROWS)
        .unwrap()
        .insert([1].as_slice(), [0xff; 40].as_slice())
        .unwrap();
    write.commit().unwrap();
    drop(store);
    let error = refused(dir.path());
    let StoreError::Broken { source, .. } = &error else {
        panic!("{error}");
    };
    assert!(matches!(**source, StoreError::Value { table: "rows", .. }));
}

/// Makes a store with one container and closes it; returns that container's directory.
fn with_a_container(dir: &Path) -> PathBuf {
    let (mut store, new) = Store::open(dir).unwrap();
    let (group, container) = one_container(new.vch);
    store.write(&group).unwrap();
    let disk = dir
        .join("containers")
        .join(container.to_string())
        .join("upper.ext4");
    fs::create_dir_all(disk.parent().unwrap()).unwrap();
    fs::write(&disk, "all that it wrote").unwrap();
    disk
}

fn assert_kept(disk: &Path) {
    assert_eq!(fs::read_to_string(disk).unwrap(), "all that it wrote");
}

#[test]
fn a_store_that_is_missing_beside_containers_is_not_made_unless_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let disk = with_a_container(dir.path());
    fs::remove_file(dir.path().join(dir::FILE)).unwrap();
    let told = refused(dir.path()).to_string();
    assert!(
        told.contains("--begin-anew") && told.contains("of 1 containers"),
        "{told}"
    );
    assert!(!dir.path().join(dir::FILE).exists());
    assert_kept(&disk);
    let (_, loaded) = Store::begin_anew(dir.path()).unwrap();
    assert!(loaded.rows.is_empty());
    assert_kept(&disk);
}

#[test]
fn a_store_with_flipped_bits_is_read_right_or_refused_with_a_remedy_and_nothing_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let disk = with_a_container(dir.path());
    let path = dir.path().join(dir::FILE);
    let (store, right) = Store::open(dir.path()).unwrap();
    drop(store);
    let after_open = fs::read(&path).unwrap();
    // Pages that are in use lie anywhere in the file: a flip in each stretch of it.
    let step = after_open.len() / 97;
    let mut refusals = 0;
    for at in (0..after_open.len()).step_by(step) {
        let mut flipped = after_open.clone();
        flipped[at] ^= 0x10;
        fs::write(&path, &flipped).unwrap();
        match Store::open(dir.path()) {
            Ok((_, loaded)) => {
                let known = loaded.rows == right.rows || loaded.rows.is_empty();
                assert!(known, "byte {at}: rows that were never written");
                assert_eq!(loaded.vch, right.vch, "byte {at}");
            }
            Err(error) => {
                refusals += 1;
                let told = error.to_string();
                let remedy = told.contains("put back a copy") || told.contains("schema");
                assert!(remedy, "byte {at}: {told}");
            }
        }
        assert_kept(&disk);
    }
    assert!(refusals > 0, "some byte matters");
}

#[test]
fn a_store_on_a_read_only_file_system_is_told_so() {
    use nix::sched::{CloneFlags, unshare};
    let dir = tempfile::tempdir().unwrap();
    let disk = with_a_container(dir.path());
    let path = dir.path().join(dir::FILE);
    let shown = path.display().to_string();
    // Mounts of a thread in a mount namespace of its own go with it.
    let mount = |arguments: &[&str]| {
        let status = std::process::Command::new("mount").args(arguments).status();
        assert!(status.unwrap().success(), "mount {arguments:?}");
    };
    let told = std::thread::scope(|scope| {
        let alone = scope.spawn(|| {
            unshare(CloneFlags::CLONE_NEWNS).expect("these tests need root");
            mount(&["--make-rprivate", "/"]);
            mount(&["--bind", &shown, &shown]);
            mount(&["-o", "remount,ro,bind", &shown]);
            refused(dir.path()).to_string()
        });
        alone.join().unwrap()
    });
    assert!(told.contains("mounted read-only"), "{told}");
    assert_kept(&disk);
    Store::open(dir.path()).unwrap();
}
