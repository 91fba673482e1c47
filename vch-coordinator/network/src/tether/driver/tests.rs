//! Sessions over a real Unix socket, with the protocol's own machine as agent.

mod guest;
mod testbed;

use super::super::state::Readiness;
use guest::{Guest, Told, offer_versions};
use protocol::message::{InterfaceReport, InterfaceState, Refusal};
use std::time::Duration;
use testbed::Testbed;

/// Everything here takes milliseconds; this is for a machine that is busy with something else.
const SOON: Duration = Duration::from_secs(20);

#[tokio::test]
async fn an_agent_is_told_its_spec_and_its_report_is_durable() {
    let mut testbed = Testbed::open();
    let container = testbed.add("app").await;
    let spec = testbed.start("app").await.unwrap();
    let mut guest = Guest::spawn(testbed.socket(container));
    assert_eq!(guest.next().await, Told::Established);
    assert_eq!(guest.next().await, Told::Spec(spec));
    let state = testbed
        .known(container, |state| state.reported(spec).is_some())
        .await;
    assert_eq!(state.readiness(spec), Readiness::Ready);
    assert_eq!(state.agent.as_deref(), Some("guest"));
    assert_eq!(testbed.live(), 1);

    let kept = testbed.reopened().await;
    assert_eq!(kept.reports[&container], state.report.unwrap());
}

#[tokio::test]
async fn sessions_and_the_time_to_an_agreement_are_counted() {
    let mut testbed = Testbed::open();
    let registry = testbed.registry();
    let counted = async |samples: &[&str]| {
        let all = || {
            let text = registry.text().unwrap();
            samples
                .iter()
                .all(|sample| text.lines().any(|line| line == *sample))
        };
        let until = std::time::Instant::now() + SOON;
        while !all() {
            assert!(
                std::time::Instant::now() < until,
                "{}",
                registry.text().unwrap()
            );
            tokio::task::yield_now().await;
        }
    };
    let container = testbed.add("app").await;
    counted(&["vch_agent_sessions_awaited 0"]).await;
    testbed.start("app").await.unwrap();
    counted(&["vch_agent_sessions_awaited 1"]).await;
    let guest = Guest::spawn(testbed.socket(container));
    counted(&[
        "vch_agent_sessions_awaited 0",
        "vch_agent_sessions_begun_total 1",
        "vch_agent_sessions{state=\"ready\"} 1",
        "vch_convergence_seconds_count{session=\"awaited\"} 1",
        "vch_convergence_seconds_count{session=\"open\"} 0",
    ])
    .await;
    drop(guest);
    counted(&[
        "vch_agent_sessions_awaited 1",
        "vch_agent_sessions{state=\"ready\"} 0",
    ])
    .await;
    testbed.remove("app").await;
    counted(&["vch_agent_sessions_awaited 0"]).await;
}

#[tokio::test]
async fn a_report_about_a_nic_that_is_not_the_containers_is_dropped() {
    let mut testbed = Testbed::open();
    let container = testbed.add("app").await;
    let spec = testbed.start("app").await.unwrap();
    let foreign = InterfaceReport {
        name: "eth0".parse().unwrap(),
        mac: "02:00:00:00:00:99".parse().unwrap(),
        state: InterfaceState::Up,
        mtu: 1500,
        addresses: Vec::new(),
        routes: Vec::new(),
    };
    let reports = vec![vec![foreign], Vec::new()];
    let mut guest = Guest::spawn_with(testbed.socket(container), reports);
    assert_eq!(guest.next().await, Told::Established);
    assert_eq!(guest.next().await, Told::Spec(spec));
    let state = testbed
        .known(container, |state| state.report.is_some())
        .await;
    let report = state.report.unwrap();
    assert_eq!((report.sequence, report.interfaces.len()), (2, 0));
    assert!(state.agent.is_some(), "the session goes on");
}

#[tokio::test]
async fn a_new_life_ends_the_session_and_is_told_its_spec_anew() {
    let mut testbed = Testbed::open();
    let container = testbed.add("app").await;
    let spec = testbed.start("app").await.unwrap();
    let mut guest = Guest::spawn(testbed.socket(container));
    assert_eq!(guest.next().await, Told::Established);
    assert_eq!(guest.next().await, Told::Spec(spec));
    let later = testbed.start("app").await.unwrap();
    assert_ne!(later.incarnation, spec.incarnation);
    assert_eq!(guest.next().await, Told::Lost);
    assert_eq!(guest.next().await, Told::Established);
    assert_eq!(guest.next().await, Told::Spec(later));
    testbed
        .known(container, |state| state.reported(later).is_some())
        .await;
}

#[tokio::test]
async fn a_container_that_was_not_started_has_no_session_until_it_is() {
    let mut testbed = Testbed::open();
    let container = testbed.add("app").await;
    let mut guest = Guest::spawn(testbed.socket(container));
    let spec = testbed.start("app").await.unwrap();
    loop {
        match guest.next().await {
            Told::Refused(refusal) => assert_eq!(refusal, Refusal::NotStarted),
            told => break assert_eq!(told, Told::Established),
        }
    }
    assert_eq!(guest.next().await, Told::Spec(spec));
}

#[tokio::test]
async fn a_second_agent_is_told_that_there_is_one_and_an_old_version_which_ones_are_spoken() {
    let mut testbed = Testbed::open();
    let container = testbed.add("app").await;
    let spec = testbed.start("app").await.unwrap();
    let refusal = offer_versions(testbed.socket(container), 7, 9).await;
    let (oldest, newest) = (1, 1);
    assert_eq!(refusal, Refusal::Version { oldest, newest });
    let mut guest = Guest::spawn(testbed.socket(container));
    assert_eq!(guest.next().await, Told::Established);
    assert_eq!(guest.next().await, Told::Spec(spec));
    testbed
        .known(container, |state| state.reported(spec).is_some())
        .await;
    let refusal = offer_versions(testbed.socket(container), 1, 1).await;
    assert_eq!(refusal, Refusal::Occupied);
    assert_eq!(testbed.live(), 1, "the first one's session goes on");
    assert!(guest.is_quiet());
}

#[tokio::test]
async fn who_connects_and_is_silent_gives_way_to_an_agent() {
    let mut testbed = Testbed::open();
    let container = testbed.add("app").await;
    testbed.start("app").await.unwrap();
    let socket = testbed.socket(container);
    guest::there(&socket).await;
    let silent = tokio::net::UnixStream::connect(&socket).await.unwrap();
    let mut guest = Guest::spawn(socket);
    assert_eq!(guest.next().await, Told::Established);
    drop(silent);
}

#[tokio::test]
async fn a_flood_of_reports_is_written_ten_times_and_then_once_a_second_the_newest_at_last() {
    const REPORTS: usize = 300;
    let mut testbed = Testbed::open();
    let container = testbed.add("app").await;
    let spec = testbed.start("app").await.unwrap();
    let mut seen = testbed.watch(container);
    let began = std::time::Instant::now();
    let mut guest = Guest::flood(testbed.socket(container), REPORTS);
    assert_eq!(guest.next().await, Told::Established);
    assert_eq!(guest.next().await, Told::Spec(spec));
    let mut written = Vec::new();
    let all = async {
        loop {
            seen.changed().await.unwrap();
            let sequence = seen
                .borrow_and_update()
                .report
                .as_ref()
                .map(|one| one.sequence);
            written.extend(sequence);
            if sequence == Some(REPORTS as u64) {
                return;
            }
        }
    };
    tokio::time::timeout(SOON, all)
        .await
        .expect("the newest is written at last");
    written.dedup();
    let seconds = usize::try_from(began.elapsed().as_secs()).unwrap();
    assert!(
        written.len() <= 10 + seconds + 1,
        "{written:?} in {seconds} s"
    );
    let kept = testbed.reopened().await;
    assert_eq!(kept.reports[&container].sequence, REPORTS as u64);
}

#[tokio::test]
async fn a_removed_container_leaves_neither_session_nor_socket() {
    let mut testbed = Testbed::open();
    let container = testbed.add("app").await;
    let spec = testbed.start("app").await.unwrap();
    let socket = testbed.socket(container);
    let mut guest = Guest::spawn(socket.clone());
    assert_eq!(guest.next().await, Told::Established);
    assert_eq!(guest.next().await, Told::Spec(spec));
    assert!(socket.exists());
    testbed.remove("app").await;
    assert_eq!(guest.next().await, Told::Lost);
    assert!(testbed.state(container).is_none());
    testbed.close().await;
    assert!(!socket.exists());
}
