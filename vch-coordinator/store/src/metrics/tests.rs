use crate::{
    HostChecks, LedgerHandle, Store,
    crash::{Dice, Disk, Power, open},
    sample::{add, report},
};
use std::{
    sync::mpsc,
    time::{Duration, Instant},
};
use vch_ledger::{Answer, Settings};
use vch_metrics::Registry;

const SOON: Duration = Duration::from_secs(20);

fn registry(ledger_handle: &LedgerHandle) -> Registry {
    let registry = Registry::default();
    ledger_handle.register_metrics(&registry).unwrap();
    registry
}

/// The value of a sample.
fn value(registry: &Registry, sample: &str) -> f64 {
    let text = registry.text().unwrap();
    let mut lines = text.lines();
    let value = lines.find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    value
        .unwrap_or_else(|| panic!("{sample}: {text}"))
        .parse()
        .unwrap()
}

#[tokio::test]
async fn each_commit_is_counted_and_a_refusal_or_a_look_is_none() {
    let dir = tempfile::tempdir().unwrap();
    let (store, loaded) = Store::open(dir.path()).unwrap();
    let settings = Settings::of(loaded.vch);
    let kept = LedgerHandle::spawn(store, loaded, settings, HostChecks::alone()).unwrap();
    let registry = registry(&kept.ledger_handle);
    let commits = || value(&registry, "vch_store_commit_seconds_count");
    assert!(commits().abs() < f64::EPSILON);
    let (decided, _) = kept.ledger_handle.decide(add("web")).await.unwrap();
    assert!((commits() - 1.0).abs() < f64::EPSILON);
    assert!(value(&registry, "vch_store_commit_seconds_sum") > 0.0);
    kept.ledger_handle
        .decide(add("web"))
        .await
        .unwrap()
        .0
        .unwrap_err();
    kept.ledger_handle.read(|_| ()).await.unwrap();
    assert!((commits() - 1.0).abs() < f64::EPSILON);
    let Answer::ContainerAdded { container } = decided.unwrap().answer else {
        panic!("another answer");
    };
    kept.ledger_handle
        .record(container, report(1))
        .await
        .unwrap();
    assert!((commits() - 2.0).abs() < f64::EPSILON);
    assert!(value(&registry, "vch_store_commits_failed_total").abs() < f64::EPSILON);
}

#[tokio::test]
async fn a_commit_that_fails_is_counted_as_that() {
    let disk = Disk::holding(Vec::new(), Power::Good);
    let (store, loaded) = open(&disk, &mut Dice::new(1)).unwrap();
    let settings = Settings::of(loaded.vch);
    drop(LedgerHandle::spawn(store, loaded, settings, HostChecks::alone()).unwrap());
    // From here on the disk fails, sooner or later.
    for syncs in 1..12 {
        let disk = Disk::holding(disk.cached(), Power::Syncs(syncs));
        let Ok((store, loaded)) = open(&disk, &mut Dice::new(syncs)) else {
            continue;
        };
        let settings = Settings::of(loaded.vch);
        let Ok(kept) = LedgerHandle::spawn(store, loaded, settings, HostChecks::alone()) else {
            continue;
        };
        let registry = registry(&kept.ledger_handle);
        let mut done = 0;
        while kept
            .ledger_handle
            .decide(add(&format!("c{done}")))
            .await
            .is_ok()
        {
            done += 1;
        }
        kept.thread.join().unwrap_err();
        let failed = value(&registry, "vch_store_commits_failed_total");
        assert!((failed - 1.0).abs() < f64::EPSILON, "{failed}");
        let commits = value(&registry, "vch_store_commit_seconds_count");
        assert!(
            (commits - f64::from(done)).abs() < f64::EPSILON,
            "{commits}"
        );
        // It has ended: nothing waits for it.
        assert!(value(&registry, "vch_store_queue_depth").abs() < f64::EPSILON);
        return;
    }
    panic!("the disk never failed amid a commit");
}

#[tokio::test]
async fn the_queue_is_read_while_the_writer_is_held_up() {
    const WAITING: u32 = 5;
    let dir = tempfile::tempdir().unwrap();
    let (store, loaded) = Store::open(dir.path()).unwrap();
    let settings = Settings::of(loaded.vch);
    let kept = LedgerHandle::spawn(store, loaded, settings, HostChecks::alone()).unwrap();
    let registry = registry(&kept.ledger_handle);
    let depth = || value(&registry, "vch_store_queue_depth");
    let (entered, enters) = tokio::sync::oneshot::channel();
    let (release, released) = mpsc::channel::<()>();
    let mut callers = tokio::task::JoinSet::new();
    let ledger_handle = kept.ledger_handle.clone();
    callers.spawn(async move {
        let held = ledger_handle.read(move |_| {
            entered.send(()).unwrap();
            released.recv().unwrap();
        });
        held.await.unwrap();
    });
    enters.await.unwrap();
    for number in 0..WAITING {
        let ledger_handle = kept.ledger_handle.clone();
        callers.spawn(async move {
            let decided = ledger_handle.decide(add(&format!("c{number}"))).await;
            decided.unwrap().0.unwrap();
        });
    }
    let until = Instant::now() + SOON;
    while (depth() - f64::from(WAITING)).abs() > f64::EPSILON {
        assert!(Instant::now() < until, "{} jobs wait", depth());
        tokio::task::yield_now().await;
    }
    release.send(()).unwrap();
    callers.join_all().await;
    assert!(depth().abs() < f64::EPSILON);
}
