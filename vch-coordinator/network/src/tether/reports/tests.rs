use super::*;
use protocol::message::Failure;
use vch_store::sample;

fn report(sequence: u64, reason: &str) -> Report {
    let failure = Failure {
        action: reason.to_owned(),
        errno: 19,
    };
    Report {
        failures: vec![failure],
        ..sample::report(sequence)
    }
}

#[test]
fn ten_reports_are_written_at_once_and_then_one_a_second_the_newest() {
    let (mut reports, now) = (Reports::new(), Instant::now());
    for n in 1..=10 {
        let written = reports.take(report(n, &n.to_string()), None, now);
        assert_eq!(written.map(|report| report.sequence), Some(n));
        reports.settled(n);
    }
    for n in 11..=500 {
        assert_eq!(reports.take(report(n, &n.to_string()), None, now), None);
    }
    assert_eq!(
        reports.acknowledged(500),
        10,
        "what waits is not acknowledged"
    );
    let due = reports.due().unwrap();
    assert!(due <= now + EVERY);
    assert_eq!(reports.take_due(now), None);
    assert_eq!(
        reports.take_due(due).map(|report| report.sequence),
        Some(500)
    );
    assert_eq!((reports.due(), reports.take_due(due + EVERY)), (None, None));
    reports.settled(500);
    assert_eq!(reports.acknowledged(500), 500);
}

#[test]
fn what_says_nothing_new_is_acknowledged_and_not_written() {
    let (mut reports, now) = (Reports::new(), Instant::now());
    let kept = report(3, "no such device");
    for n in 4..1000 {
        assert_eq!(
            reports.take(report(n, "no such device"), Some(&kept), now),
            None
        );
        assert_eq!(reports.acknowledged(n), n);
    }
    // It cost nothing: what is new is written at once.
    assert!(
        reports
            .take(report(1000, "another"), Some(&kept), now)
            .is_some()
    );
}

#[test]
fn one_that_waits_gives_way_to_one_that_says_what_is_kept() {
    let (mut reports, now) = (Reports::new(), Instant::now());
    let kept = report(1, "kept");
    for n in 2..=12 {
        reports.take(report(n, &n.to_string()), Some(&kept), now);
    }
    assert!(reports.due().is_some());
    assert_eq!(reports.take(report(13, "kept"), Some(&kept), now), None);
    assert_eq!((reports.due(), reports.acknowledged(13)), (None, 13));
}

#[test]
fn a_new_session_counts_anew() {
    let mut reports = Reports::new();
    reports.settled(9);
    reports.begin_session();
    assert_eq!(reports.acknowledged(1), 0);
}
