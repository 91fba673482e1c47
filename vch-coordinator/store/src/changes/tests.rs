use super::*;
use crate::{
    LedgerHandle, SpawnedWriter, Store,
    database::Loaded,
    environment::{HostChecks, SystemEnvironment},
    log::Bounds,
    page::BEHIND,
    sample::add,
};
use redb::{Database, backends::InMemoryBackend};
use std::{future::Future, pin::pin, sync::mpsc, task, time::Duration};
use vch_ledger::{Command, Ledger, Settings};

/// Keeps this much of the past.
fn store(bounds: Bounds) -> (Store, Loaded) {
    let database = Database::builder().create_with_backend(InMemoryBackend::new());
    Store::begin(database.unwrap(), None, bounds, &mut getrandom::fill).unwrap()
}

fn start(bounds: Bounds) -> SpawnedWriter {
    let (store, loaded) = store(bounds);
    let settings = Settings::of(loaded.vch);
    let environment = SystemEnvironment::system(HostChecks::alone());
    LedgerHandle::spawn_amid(environment, store, loaded, settings).unwrap()
}

async fn done(kept: &mut SpawnedWriter, command: Command) -> Revision {
    let (decision, _) = kept.ledger_handle.decide(command).await.unwrap();
    // What is published waits in a channel with an end.
    kept.published.recv().await.unwrap();
    decision.unwrap().revision
}

/// Adds containers with these numbers.
async fn add_many(kept: &mut SpawnedWriter, numbers: std::ops::Range<usize>) -> Revision {
    let mut last = Revision(0);
    for number in numbers {
        last = done(kept, add(&format!("c{number}"))).await;
    }
    last
}

async fn next(changes: &mut Changes) -> Arc<Logged> {
    let next = tokio::time::timeout(Duration::from_secs(10), changes.next());
    next.await.expect("a change comes").unwrap()
}

fn few(transactions: usize) -> Bounds {
    Bounds {
        transactions,
        ..Bounds::default()
    }
}

fn refused(changes: Result<Changes, ChangesError>) -> ChangesError {
    match changes {
        Ok(_) => panic!("the changes must be refused"),
        Err(error) => error,
    }
}

#[tokio::test]
async fn a_follower_hears_what_is_kept_then_what_comes_and_rebuilds_the_ledger() {
    let mut kept = start(Bounds::default());
    // More than a page.
    add_many(&mut kept, 0..300).await;
    let mut changes = kept.ledger_handle.changes_since(Revision(0)).await.unwrap();
    add_many(&mut kept, 300..310).await;
    let remove = Command::RemoveContainer {
        container: "c5".into(),
        force: true,
    };
    let last = done(&mut kept, remove).await;
    let mut rows = std::collections::BTreeMap::new();
    let mut at_ms = 0;
    for revision in 1..=last.0 {
        let logged = next(&mut changes).await;
        assert_eq!(logged.revision, Revision(revision), "no gap, no duplicate");
        assert_eq!(changes.after(), logged.revision);
        assert!(logged.at_ms >= at_ms, "time is told");
        at_ms = logged.at_ms;
        for change in &logged.changes {
            let before = match &change.after {
                Some(row) => rows.insert(change.key, row.clone()),
                None => rows.remove(&change.key),
            };
            assert_eq!(before, change.before);
        }
    }
    let ledger = kept.ledger_handle.read(Ledger::clone).await.unwrap();
    assert_eq!(rows.into_values().collect::<Vec<_>>(), ledger.rows());
}

#[tokio::test]
async fn followers_that_begin_while_much_is_committed_miss_nothing() {
    let mut kept = start(Bounds::default());
    let mut followers = tokio::task::JoinSet::new();
    const LAST: u64 = 201;
    for number in 0..200 {
        if number % 10 == 0 {
            let ledger_handle = kept.ledger_handle.clone();
            followers.spawn(async move {
                let from = Revision(number / 2);
                let mut changes = ledger_handle.changes_since(from).await.unwrap();
                for revision in from.0 + 1..=LAST {
                    assert_eq!(next(&mut changes).await.revision.0, revision);
                }
            });
        }
        let ledger_handle = kept.ledger_handle.clone();
        followers.spawn(async move {
            let (decision, _) = ledger_handle
                .decide(add(&format!("c{number}")))
                .await
                .unwrap();
            decision.unwrap();
        });
        // Followers and callers take turns.
        tokio::task::yield_now().await;
    }
    while let Some(follower) = followers.join_next().await {
        follower.unwrap();
    }
    let mut published = 0;
    while kept.published.try_recv().is_ok() {
        published += 1;
    }
    assert_eq!(published, 200);
}

#[tokio::test]
async fn what_is_not_kept_any_more_is_refused_with_the_oldest_revision_that_is() {
    let mut kept = start(few(5));
    let last = add_many(&mut kept, 0..20).await;
    let oldest = Revision(last.0 - 5);
    let error = refused(kept.ledger_handle.changes_since(Revision(3)).await);
    match &error {
        ChangesError::Compacted {
            after,
            oldest: told,
        } => {
            assert_eq!((*after, *told), (Revision(3), oldest));
        }
        other => panic!("{other}"),
    }
    let words = error.to_string();
    assert!(words.contains("revision 3"), "{words}");
    assert!(words.contains("read everything"), "{words}");
    let mut changes = kept.ledger_handle.changes_since(oldest).await.unwrap();
    assert_eq!(next(&mut changes).await.revision.0, oldest.0 + 1);
}

#[tokio::test]
async fn the_past_is_bounded_in_bytes_and_the_newest_transaction_is_always_kept() {
    let mut kept = start(Bounds {
        transactions: 1_000,
        bytes: 1,
    });
    let last = add_many(&mut kept, 0..20).await;
    let error = refused(kept.ledger_handle.changes_since(Revision(1)).await);
    assert!(
        matches!(error, ChangesError::Compacted { oldest, .. } if oldest.0 == last.0 - 1),
        "{error}"
    );
}

#[tokio::test]
async fn a_revision_that_has_not_come_is_refused() {
    let kept = start(Bounds::default());
    let error = refused(kept.ledger_handle.changes_since(Revision(7)).await);
    assert!(
        matches!(error, ChangesError::Ahead { newest, .. } if newest == Revision(1)),
        "{error}"
    );
}

#[tokio::test]
async fn a_slow_follower_is_told_and_goes_on_without_a_loss() {
    let mut kept = start(Bounds::default());
    let mut changes = kept.ledger_handle.changes_since(Revision(1)).await.unwrap();
    add_many(&mut kept, 0..1).await;
    assert_eq!(next(&mut changes).await.revision, Revision(2));
    let last = add_many(&mut kept, 1..BEHIND + 10).await;
    let error = changes.next().await.unwrap_err();
    assert!(
        matches!(error, ChangesError::Lagged { after } if after == Revision(2)),
        "{error}"
    );
    for revision in 3..=last.0 {
        assert_eq!(next(&mut changes).await.revision.0, revision);
    }
}

#[tokio::test]
async fn a_slow_follower_of_whom_the_past_was_let_go_must_read_everything() {
    let mut kept = start(few(5));
    let mut changes = kept.ledger_handle.changes_since(Revision(1)).await.unwrap();
    add_many(&mut kept, 0..BEHIND + 10).await;
    let error = changes.next().await.unwrap_err();
    assert!(matches!(error, ChangesError::Lagged { .. }), "{error}");
    let error = changes.next().await.unwrap_err();
    assert!(matches!(error, ChangesError::Compacted { .. }), "{error}");
}

#[tokio::test]
async fn a_follower_does_not_keep_the_keeper_alive() {
    let SpawnedWriter {
        ledger_handle,
        thread,
        published,
        ..
    } = start(Bounds::default());
    let mut changes = ledger_handle.changes_since(Revision(0)).await.unwrap();
    assert_eq!(next(&mut changes).await.revision, Revision(1));
    drop((ledger_handle, published));
    let ended = tokio::task::spawn_blocking(|| thread.join());
    ended.await.unwrap().unwrap();
    let error = changes.next().await.unwrap_err();
    assert!(matches!(error, ChangesError::Ended(_)), "{error}");
}

#[tokio::test]
async fn a_change_that_was_waited_for_and_given_up_comes_again() {
    let mut kept = start(Bounds::default());
    let mut changes = kept.ledger_handle.changes_since(Revision(0)).await.unwrap();
    assert_eq!(next(&mut changes).await.revision, Revision(1));
    {
        let waiting = pin!(changes.next());
        let mut nobody = task::Context::from_waker(task::Waker::noop());
        assert!(waiting.poll(&mut nobody).is_pending());
    }
    let last = add_many(&mut kept, 0..1).await;
    assert_eq!(next(&mut changes).await.revision, last);
}

#[tokio::test]
async fn nothing_is_told_before_it_is_durable() {
    let mut kept = start(Bounds::default());
    let mut changes = kept.ledger_handle.changes_since(Revision(1)).await.unwrap();
    // The writer is kept busy between two commits: what waits there is not told.
    let (entered, busy) = oneshot::channel();
    let (release, released) = mpsc::channel::<()>();
    let ledger_handle = kept.ledger_handle.clone();
    let gate = tokio::spawn(async move {
        let look = move |_: &Ledger| {
            let _ = entered.send(());
            let _ = released.recv();
        };
        ledger_handle.read(look).await.unwrap();
    });
    busy.await.unwrap();
    let ledger_handle = kept.ledger_handle.clone();
    let adding =
        tokio::spawn(async move { ledger_handle.decide(add("web")).await.unwrap().0.is_ok() });
    tokio::task::yield_now().await;
    {
        let waiting = pin!(changes.next());
        let mut nobody = task::Context::from_waker(task::Waker::noop());
        assert!(waiting.poll(&mut nobody).is_pending());
    }
    drop(release);
    gate.await.unwrap();
    assert!(adding.await.unwrap());
    kept.published.recv().await.unwrap();
    assert_eq!(next(&mut changes).await.revision, Revision(2));
}

#[tokio::test]
async fn the_past_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let begin = || {
        let (store, loaded) = Store::open(dir.path()).unwrap();
        let settings = Settings::of(loaded.vch);
        LedgerHandle::spawn(store, loaded, settings, HostChecks::alone()).unwrap()
    };
    let mut kept = begin();
    let last = add_many(&mut kept, 0..3).await;
    let SpawnedWriter {
        ledger_handle,
        thread,
        published,
        ..
    } = kept;
    drop((ledger_handle, published));
    thread.join().unwrap();
    let kept = begin();
    let mut changes = kept.ledger_handle.changes_since(Revision(1)).await.unwrap();
    for revision in 2..=last.0 {
        assert_eq!(next(&mut changes).await.revision.0, revision);
    }
}
