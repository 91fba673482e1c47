//! Tests of a run; the guest's init is played by the other end of its line.

use super::Run;
use crate::{
    guest::{Guest, GuestEvent, fake::FakeInit},
    launch::tests::launch,
    outcome::Outcome,
    stage::Stage,
};
use protocol::process::{
    Exit, Fault, FromInit, MAX_CHUNK, Output, Phase, ProcessId, ToInit, VERSION,
};
use std::{convert::Infallible, time::Duration};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, timeout},
};

const SOON: Duration = Duration::from_secs(20);
const MAIN: ProcessId = ProcessId::MAIN;

/// Follows a guest to its end, with deadlines of 20 s for its init and none for its network.
async fn followed(
    guest: &Guest,
    events: &mut mpsc::Receiver<GuestEvent>,
) -> (Option<Outcome>, Stage) {
    let stage = watch::Sender::new(Stage::default());
    let launch = launch(std::path::Path::new("/nowhere"));
    let mut run = Run {
        launch: &launch,
        guest,
        stage: &stage,
        events,
    };
    let outcome = run.whole().await;
    (outcome, stage.borrow().clone())
}

/// Returns the outcome of a run whose init does `playing`.
async fn with_init(playing: impl AsyncFnOnce(FakeInit)) -> (Outcome, Stage) {
    let (init, guest, mut events, _line) = FakeInit::new();
    let following = followed(&guest, &mut events);
    let playing = async {
        playing(init).await;
        std::future::pending::<Infallible>().await
    };
    let lived = timeout(SOON, async {
        tokio::select! {
            lived = following => lived,
            never = playing => match never {},
        }
    });
    let (outcome, stage) = lived.await.unwrap();
    (outcome.unwrap(), stage)
}

/// Plays init up to the launch of the container's process.
async fn begun(init: &mut FakeInit) {
    let hello = init.hears().await.unwrap();
    assert!(
        matches!(hello, ToInit::Hello { version: VERSION, now_ms, .. } if now_ms > 0),
        "{hello:?}"
    );
    init.says(&FromInit::Ready { version: VERSION }).await;
    let start = init.hears().await.unwrap();
    assert!(matches!(start, ToInit::Start(_)), "{start:?}");
}

fn failure(outcome: &Outcome) -> &str {
    &outcome.failure.as_ref().unwrap().code
}

#[tokio::test]
async fn a_process_runs_and_ends_with_its_code() {
    let (outcome, stage) = with_init(async |mut init| {
        begun(&mut init).await;
        for phase in [Phase::Mounted, Phase::Network] {
            let uptime_us = 7;
            init.says(&FromInit::Phase { phase, uptime_us }).await;
        }
        init.says(&FromInit::Started { id: MAIN, pid: 1 }).await;
        let exit = Exit {
            code: 42,
            out_of_memory: true,
        };
        init.says(&FromInit::Exited { id: MAIN, exit }).await;
    })
    .await;
    assert_eq!((outcome.code, outcome.out_of_memory), (42, true));
    assert_eq!(outcome.failure, None);
    assert_eq!(Some(outcome.started_ms), stage.started_ms);
    assert!(outcome.started_ms > 0 && outcome.finished_ms >= outcome.started_ms);
    let names: Vec<_> = stage.phases.iter().map(|phase| &*phase.name).collect();
    assert_eq!(names, ["init", "mounted", "network"]);
    assert_eq!(stage.phases[1].uptime_us, Some(7));
}

#[tokio::test]
async fn a_process_that_does_not_start_has_docker_s_codes() {
    let faults = [
        (Fault::NotFound, 127, "not-found"),
        (Fault::NotExecutable, 126, "not-executable"),
        (Fault::User, 125, "user"),
        (Fault::RootFileSystem, 125, "root-file-system"),
        (Fault::Network, 125, "network"),
        (Fault::Other, 125, "process"),
    ];
    for (fault, code, name) in faults {
        let (outcome, stage) = with_init(async |mut init| {
            begun(&mut init).await;
            let reason = "no \x1bsuch thing".to_owned();
            let id = MAIN;
            init.says(&FromInit::NotStarted { id, fault, reason }).await;
        })
        .await;
        assert_eq!((outcome.code, failure(&outcome)), (code, name));
        assert_eq!(outcome.failure.unwrap().text, "no such thing");
        assert_eq!(stage.started_ms, None);
    }
}

#[tokio::test]
async fn an_init_of_another_version_is_told_nothing_more() {
    let (outcome, _) = with_init(async |mut init| {
        init.hears().await.unwrap();
        init.says(&FromInit::Ready {
            version: VERSION + 1,
        })
        .await;
    })
    .await;
    assert_eq!((outcome.code, failure(&outcome)), (125, "vm-version"));
}

#[tokio::test(start_paused = true)]
async fn an_init_that_says_nothing_has_its_deadline() {
    let began = Instant::now();
    // Its end of the line stays open.
    let (_init, guest, mut events, _line) = FakeInit::new();
    let (outcome, _) = followed(&guest, &mut events).await;
    let outcome = outcome.unwrap();
    assert_eq!((outcome.code, failure(&outcome)), (125, "boot-timeout"));
    assert_eq!(began.elapsed().as_secs(), 20);
}

#[tokio::test]
async fn a_line_that_is_closed_tells_no_outcome() {
    let (mut init, guest, mut events, _line) = FakeInit::new();
    init.says(&FromInit::Ready { version: VERSION }).await;
    init.says(&FromInit::Started { id: MAIN, pid: 1 }).await;
    drop(init);
    let (outcome, stage) = followed(&guest, &mut events).await;
    assert_eq!(outcome, None);
    assert!(stage.started_ms.is_some());
}

#[tokio::test]
async fn a_guest_that_breaks_its_bounds_is_ended_with_a_code_of_its_own() {
    let (mut init, guest, mut events, _line) = FakeInit::new();
    // Nobody takes what this process writes.
    let process = guest.exec(Box::default()).await.unwrap();
    let chunk = FromInit::Output {
        id: process.id,
        stream: Output::Stdout,
        bytes: vec![0; MAX_CHUNK],
    };
    let flooding = async {
        init.says(&FromInit::Ready { version: VERSION }).await;
        init.says(&FromInit::Started { id: MAIN, pid: 1 }).await;
        // The shim may close the line before its outcome is told.
        while init.says(&chunk).await {}
        std::future::pending::<Infallible>().await
    };
    let following = followed(&guest, &mut events);
    let lived = timeout(SOON, async {
        tokio::select! {
            lived = following => lived,
            never = flooding => match never {},
        }
    });
    let outcome = lived.await.unwrap().0.unwrap();
    assert_eq!((outcome.code, failure(&outcome)), (137, "channel"));
}
