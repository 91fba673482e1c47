use super::*;
use crate::{
    crash::{Dice, Disk, Power, open},
    sample::{add, report},
};
use std::path::Path;
use vch_ledger::{Answer, CreateNetwork};

fn start(dir: &Path) -> SpawnedWriter {
    let (store, loaded) = Store::open(dir).unwrap();
    let settings = Settings::of(loaded.vch);
    LedgerHandle::spawn(store, loaded, settings, HostChecks::alone()).unwrap()
}

fn stop(kept: SpawnedWriter) {
    let SpawnedWriter {
        ledger_handle,
        thread,
        published,
        ..
    } = kept;
    drop((ledger_handle, published));
    thread.join().unwrap();
}

fn remove(name: &str) -> Command {
    Command::RemoveContainer {
        container: name.into(),
        force: true,
    }
}

async fn done(ledger_handle: &LedgerHandle, command: Command) -> Arc<Committed> {
    ledger_handle.decide(command).await.unwrap().0.unwrap()
}

async fn ledger(ledger_handle: &LedgerHandle) -> Ledger {
    ledger_handle.read(Ledger::clone).await.unwrap()
}

#[tokio::test]
async fn what_was_answered_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let kept = start(dir.path());
    let committed = done(&kept.ledger_handle, add("web")).await;
    let network = Command::CreateNetwork(CreateNetwork::named("app".parse().unwrap()));
    let last = done(&kept.ledger_handle, network).await;
    assert_eq!(last.revision.0, committed.revision.0 + 1);
    let before = ledger(&kept.ledger_handle).await;
    stop(kept);

    let again = start(dir.path());
    assert_eq!(ledger(&again.ledger_handle).await, before);
    assert_eq!(again.whole, Delta::whole(&before));
    stop(again);
}

#[tokio::test]
async fn a_refusal_leaves_everything_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let mut kept = start(dir.path());
    done(&kept.ledger_handle, add("web")).await;
    assert!(kept.published.recv().await.is_some());
    let before = ledger(&kept.ledger_handle).await;
    let (decision, settled) = kept.ledger_handle.decide(add("web")).await.unwrap();
    assert_eq!(decision.unwrap_err().code(), "container-name-taken");
    assert!(settled.is_none(), "nothing follows a refusal");
    assert!(kept.published.try_recv().is_err());
    assert_eq!(ledger(&kept.ledger_handle).await, before);
    stop(kept);
    let again = start(dir.path());
    assert_eq!(ledger(&again.ledger_handle).await, before);
    stop(again);
}

#[tokio::test]
async fn many_at_once_are_published_in_the_order_of_their_revisions() {
    let dir = tempfile::tempdir().unwrap();
    let mut kept = start(dir.path());
    let mut callers = tokio::task::JoinSet::new();
    const CALLERS: usize = 200;
    for number in 0..CALLERS {
        let ledger_handle = kept.ledger_handle.clone();
        callers.spawn(async move {
            // Each name is asked for twice: one of the two is refused.
            let command = add(&format!("c{}", number / 2));
            ledger_handle.decide(command).await.unwrap().0.is_ok()
        });
    }
    let taken = callers
        .join_all()
        .await
        .into_iter()
        .filter(|ok| *ok)
        .count();
    assert_eq!(taken, CALLERS / 2);
    let mut last = None;
    while let Ok(published) = kept.published.try_recv() {
        let revision = published.committed.revision;
        if let Some(Revision(last)) = last {
            assert_eq!(revision.0, last + 1);
        }
        last = Some(revision);
    }
    let before = ledger(&kept.ledger_handle).await;
    assert_eq!(Some(before.revision()), last);
    assert_eq!(before.containers().len(), CALLERS / 2);
    stop(kept);
    let again = start(dir.path());
    assert_eq!(ledger(&again.ledger_handle).await, before);
    stop(again);
}

#[tokio::test]
async fn a_report_is_kept_until_its_container_goes() {
    let dir = tempfile::tempdir().unwrap();
    let kept = start(dir.path());
    let Answer::ContainerAdded { container } = done(&kept.ledger_handle, add("web")).await.answer
    else {
        panic!("another answer");
    };
    kept.ledger_handle
        .record(container, report(1))
        .await
        .unwrap();
    stop(kept);

    let (store, loaded) = Store::open(dir.path()).unwrap();
    assert_eq!(loaded.reports.get(&container), Some(&report(1)));
    drop((store, loaded));
    let kept = start(dir.path());
    done(&kept.ledger_handle, remove("web")).await;
    // Too late: its container is gone.
    kept.ledger_handle
        .record(container, report(1))
        .await
        .unwrap();
    stop(kept);
    let (_store, loaded) = Store::open(dir.path()).unwrap();
    assert!(loaded.reports.is_empty());
}

#[tokio::test]
async fn a_keeper_that_was_ended_says_so_and_has_kept_what_came_before() {
    let dir = tempfile::tempdir().unwrap();
    let kept = start(dir.path());
    let ledger_handle = kept.ledger_handle.clone();
    done(&ledger_handle, add("web")).await;
    ledger_handle.end().await;
    ledger_handle.ended().await;
    let error = ledger_handle.decide(add("db")).await.err();
    assert!(error.unwrap().to_string().contains("stopping"));
    ledger_handle.end().await;
    // Ended although a handle is still held.
    kept.thread.join().unwrap();
    let again = start(dir.path());
    let containers = ledger(&again.ledger_handle).await.containers().len();
    assert_eq!(containers, 1);
    stop(again);
}

#[tokio::test]
async fn a_commit_that_fails_ends_the_keeper_and_nobody_is_told_that_it_came_through() {
    // The disk fails in one of the first commits, and is whole again at the next start.
    for syncs in 4..12 {
        let disk = Disk::holding(Vec::new(), Power::Syncs(syncs));
        let Ok((store, loaded)) = open(&disk, &mut Dice::new(syncs)) else {
            continue;
        };
        let settings = Settings::of(loaded.vch);
        let Ok(kept) = LedgerHandle::spawn(store, loaded, settings, HostChecks::alone()) else {
            continue;
        };
        let mut acknowledged = 0;
        while let Ok((decision, _)) = kept
            .ledger_handle
            .decide(add(&format!("c{acknowledged}")))
            .await
        {
            decision.unwrap();
            acknowledged += 1;
        }
        kept.ledger_handle.ended().await;
        let error = kept.thread.join().unwrap_err();
        assert!(matches!(error, StoreError::Database { .. }), "{error}");

        let again = Disk::holding(disk.cached(), Power::Good);
        let (store, loaded) = open(&again, &mut Dice::new(1)).unwrap();
        let settings = Settings::of(loaded.vch);
        let kept = LedgerHandle::spawn(store, loaded, settings, HostChecks::alone()).unwrap();
        let there = ledger(&kept.ledger_handle).await.containers().len();
        // The last one may have come through although nobody could say so.
        assert!(
            (acknowledged..=acknowledged + 1).contains(&there),
            "{there}"
        );
        stop(kept);
        if acknowledged > 1 {
            return;
        }
    }
    panic!("the disk never failed amid a commit");
}
