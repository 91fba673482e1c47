use super::*;
use protocol::{
    message::{Failure, Report},
    spec::{Generation, Incarnation},
};
use std::time::Duration;

const FIRST: SpecId = spec(1, 1);
const SECOND: SpecId = spec(1, 2);

const fn spec(incarnation: u8, generation: u64) -> SpecId {
    SpecId {
        incarnation: Incarnation([incarnation; 16]),
        generation: Generation(generation),
    }
}

/// Returns what is known of an agent that is there or not, and has reported that it agrees or not.
fn state(there: bool, reported: Option<(SpecId, bool)>) -> SessionState {
    SessionState {
        agent: there.then(|| "guest".to_owned()),
        report: reported.map(|(spec, agrees)| Report {
            sequence: 1,
            spec,
            interfaces: Vec::new(),
            failures: match agrees {
                true => Vec::new(),
                false => vec![Failure {
                    action: "add the route".to_owned(),
                    errno: 0,
                }],
            },
        }),
        held: None,
    }
}

/// Returns the gauges: awaited, pending, ready, failed.
fn counted(metrics: &SessionMetrics) -> [i64; 4] {
    let gauges = [
        &metrics.awaited,
        &metrics.pending,
        &metrics.ready,
        &metrics.failed,
    ];
    gauges.map(Gauge::get)
}

/// Returns what was measured where a session was open, and where none was.
fn measured(metrics: &SessionMetrics) -> [(u64, f64); 2] {
    [&metrics.convergence, &metrics.convergence_awaited]
        .map(|one| (one.get_sample_count(), one.get_sample_sum()))
}

#[test]
fn a_session_counts_in_one_state_at_a_time_and_in_none_at_its_end() {
    let metrics = SessionMetrics::new();
    let now = Instant::now();
    let mut progress = Progress::new(metrics.clone());
    let none = state(false, None);
    progress.published(None, now, &none);
    progress.follow(&none, now);
    assert_eq!(counted(&metrics), [0, 0, 0, 0]);
    progress.published(Some(FIRST), now, &none);
    for (known, expected) in [
        (none, [1, 0, 0, 0]),
        (state(true, None), [0, 1, 0, 0]),
        (state(true, Some((FIRST, false))), [0, 0, 0, 1]),
        (state(true, Some((FIRST, true))), [0, 0, 1, 0]),
        (state(false, Some((FIRST, true))), [1, 0, 0, 0]),
        (state(true, Some((FIRST, true))), [0, 0, 1, 0]),
    ] {
        progress.follow(&known, now);
        assert_eq!(counted(&metrics), expected);
        let open: i64 = expected[1..].iter().sum();
        assert_eq!(metrics.open(), usize::try_from(open).unwrap());
    }
    assert_eq!(metrics.begun.get(), 2);
    drop(progress);
    assert_eq!(counted(&metrics), [0, 0, 0, 0]);
}

#[test]
fn the_time_to_an_agreement_counts_from_the_newest_publication_and_once() {
    let metrics = SessionMetrics::new();
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    let mut progress = Progress::new(metrics.clone());
    let none = state(false, None);
    progress.published(Some(FIRST), at(0), &none);
    progress.follow(&state(true, None), at(5));
    let agreed = state(true, Some((FIRST, true)));
    progress.follow(&agreed, at(8));
    assert_eq!(measured(&metrics), [(0, 0.0), (1, 8.0)]);
    // The same again is no other publication, and no other agreement.
    progress.published(Some(FIRST), at(9), &agreed);
    progress.follow(&agreed, at(10));
    assert_eq!(measured(&metrics), [(0, 0.0), (1, 8.0)]);
    // An agent that failed agrees later; the spec in between is wanted no more.
    let third = spec(1, 3);
    progress.published(Some(SECOND), at(20), &agreed);
    progress.follow(&state(true, Some((SECOND, false))), at(21));
    progress.published(Some(third), at(22), &agreed);
    progress.follow(&state(true, Some((SECOND, true))), at(23));
    progress.follow(&state(true, Some((third, true))), at(25));
    assert_eq!(measured(&metrics), [(1, 3.0), (1, 8.0)]);
}

#[test]
fn what_was_agreed_before_a_restart_is_not_measured_again() {
    let metrics = SessionMetrics::new();
    let now = Instant::now();
    let mut progress = Progress::new(metrics.clone());
    let kept = state(false, Some((FIRST, true)));
    progress.published(Some(FIRST), now, &kept);
    progress.follow(&kept, now);
    progress.follow(&state(true, Some((FIRST, true))), now);
    assert_eq!(counted(&metrics), [0, 0, 1, 0]);
    assert_eq!(measured(&metrics), [(0, 0.0), (0, 0.0)]);
}
