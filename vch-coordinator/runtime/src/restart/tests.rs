use super::{Tries, after_end, at_start};
use crate::workload::{RestartPolicy, RestartWhen, RunState};
use std::time::Duration;

fn policy(when: RestartWhen, most: u32) -> RestartPolicy {
    RestartPolicy { when, most }
}

fn ended(exit_code: i32) -> RunState {
    RunState {
        exit_code,
        started_ms: 1,
        ..RunState::default()
    }
}

const SHORT: Duration = Duration::from_millis(5);

#[test]
fn only_what_the_policy_means_is_started_again() {
    let again = |when, run_state: &RunState| {
        let mut tries = Tries::default();
        after_end(&policy(when, 0), run_state, SHORT, &mut tries).is_some()
    };
    let stopped = RunState {
        stopped_by_user: true,
        ..ended(137)
    };
    for (when, well, failed) in [
        (RestartWhen::No, false, false),
        (RestartWhen::OnFailure, false, true),
        (RestartWhen::Always, true, true),
        (RestartWhen::UnlessStopped, true, true),
    ] {
        assert_eq!(
            (again(when, &ended(0)), again(when, &ended(1))),
            (well, failed),
            "{when:?}"
        );
        assert!(!again(when, &stopped), "{when:?}: a user stopped it");
    }
}

#[test]
fn failures_are_counted_where_the_policy_counts_them() {
    let mut tries = Tries::default();
    let mut run_state = ended(1);
    let twice = policy(RestartWhen::OnFailure, 2);
    for restarts in 0..2 {
        run_state.restarts = restarts;
        assert!(after_end(&twice, &run_state, SHORT, &mut tries).is_some());
    }
    run_state.restarts = 2;
    assert_eq!(after_end(&twice, &run_state, SHORT, &mut tries), None);
}

#[test]
fn pauses_double_up_to_a_minute_and_begin_anew_for_one_that_ran_well() {
    let mut tries = Tries::default();
    let always = policy(RestartWhen::Always, 0);
    let mut pause = |ran| after_end(&always, &ended(1), ran, &mut tries).unwrap();
    let first: Vec<u128> = (0..4).map(|_| pause(SHORT).as_millis()).collect();
    assert_eq!(first, [100, 200, 400, 800]);
    for _ in 0..40 {
        pause(SHORT);
    }
    assert_eq!(pause(SHORT), Duration::from_secs(60));
    assert_eq!(pause(Duration::from_secs(10)).as_millis(), 100);
}

#[test]
fn a_vch_that_starts_starts_what_ran_and_what_always_runs() {
    let stopped = RunState {
        stopped_by_user: true,
        ..ended(0)
    };
    let never = RunState::default();
    for (when, ran, always, unless, fresh) in [
        (RestartWhen::No, false, false, false, false),
        (RestartWhen::OnFailure, true, false, false, false),
        (RestartWhen::Always, true, true, true, false),
        (RestartWhen::UnlessStopped, true, true, false, false),
    ] {
        let starts = |run_state: &RunState, running| at_start(&policy(when, 0), run_state, running);
        assert_eq!(starts(&ended(0), true), ran, "{when:?}");
        assert_eq!(starts(&ended(0), false), always, "{when:?}");
        assert_eq!(starts(&stopped, false), unless, "{when:?}");
        assert_eq!(starts(&never, false), fresh, "{when:?}");
    }
}
