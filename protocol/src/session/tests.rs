mod world;

use super::seeded;
use crate::sample::spec;
use proptest::prelude::*;
use std::time::Duration;
use world::{Faults, Line, World};

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

#[test]
fn both_ends_agree_on_a_clean_line_within_a_round_trip() {
    for line in [Line::Serial, Line::Stream] {
        let mut world = World::new(1, line);
        world.desire(spec(1, 1));
        world.run(Duration::from_millis(300));
        world.assert_converged();
        assert_eq!(world.specs_applied, 1);
    }
}

#[test]
fn a_quiet_session_stands_for_hours_and_applies_nothing_twice() {
    let mut world = World::new(2, Line::Serial);
    world.desire(spec(1, 1));
    world.run(seconds(3 * 3600));
    world.assert_converged();
    assert_eq!((world.sessions, world.specs_applied), (1, 1));
    assert_eq!(
        world.reports_seen, 1,
        "nothing changed, so nothing was reported again"
    );
}

#[test]
fn a_coordinator_that_restarts_resumes_and_learns_the_state_without_a_spec() {
    for line in [Line::Serial, Line::Stream] {
        let mut world = World::new(3, line);
        world.desire(spec(1, 7));
        world.run(seconds(5));
        world.restart_coordinator();
        world.run(seconds(3));
        world.assert_converged();
        assert_eq!(world.specs_applied, 1, "the agent held it");
        assert_eq!(world.specs_sent, 1);
    }
}

#[test]
fn an_agent_that_restarts_is_sent_the_spec_and_reports() {
    let mut world = World::new(4, Line::Serial);
    world.desire(spec(1, 7));
    world.run(seconds(5));
    world.restart_agent();
    world.run(seconds(1));
    world.assert_converged();
    assert_eq!((world.sessions, world.specs_applied), (2, 2));
}

#[test]
fn a_clone_with_anothers_past_is_given_its_own_network() {
    let mut world = World::new(5, Line::Serial);
    world.desire(spec(1, 90));
    world.run(seconds(5));
    world.restart_coordinator_for(spec(2, 1));
    world.run(seconds(5));
    world.assert_converged();
}

#[test]
fn a_new_incarnation_ends_the_session_and_wins_with_a_lower_generation() {
    let mut world = World::new(6, Line::Stream);
    world.desire(spec(1, 90));
    world.run(seconds(5));
    world.desire(spec(2, 91));
    world.run(seconds(3));
    world.assert_converged();
    assert_eq!(world.sessions, 2);
}

#[test]
fn a_change_of_the_kernel_is_observed_by_the_coordinator() {
    let mut world = World::new(7, Line::Serial);
    world.desire(spec(1, 1));
    world.run(seconds(5));
    world.change_kernel(1400);
    world.run(Duration::from_millis(1));
    world.assert_converged();
}

#[test]
fn a_change_of_the_kernel_while_the_line_is_cut_is_observed_after_it() {
    let mut world = World::new(8, Line::Serial);
    world.desire(spec(1, 1));
    world.run(seconds(5));
    world.faults = Faults::cut();
    world.run(seconds(20));
    assert!(!world.is_established(), "both ends have noticed");
    world.change_kernel(1400);
    world.run(seconds(20));
    world.faults = Faults::default();
    world.run(seconds(10));
    world.assert_converged();
}

#[test]
fn a_burst_of_stale_probes_ends_no_session() {
    let mut world = World::new(9, Line::Serial);
    world.desire(spec(1, 1));
    world.agent_absent(seconds(60));
    world.run(seconds(70));
    world.assert_converged();
    assert_eq!(world.sessions, 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn whatever_the_line_did_both_ends_converge_once_it_is_clean(
        seed: u64,
        stream: bool,
        loss in 0u64..60,
        events in proptest::collection::vec((0u64..20_000, 0u8..6), 0..30),
    ) {
        let line = if stream { Line::Stream } else { Line::Serial };
        let mut world = World::new(seed, line);
        world.faults = Faults::percent(loss);
        world.desire(spec(1, 1));
        for (pause, event) in events {
            world.run(Duration::from_millis(pause));
            world.disturb(event);
        }
        world.faults = Faults::default();
        // Five heartbeats of silence, the longest pause, and a handshake.
        world.run(seconds(15));
        world.assert_converged();
    }

    #[test]
    fn on_a_line_that_goes_on_losing_both_ends_come_to_agree(seed: u64, loss in 0u64..15) {
        let mut world = World::new(seed, Line::Serial);
        world.faults = Faults::percent(loss);
        let mut random = seeded(seed);
        for generation in 1..5 {
            world.desire(spec(1, generation));
            world.run(Duration::from_millis(random() % 3000));
        }
        prop_assert!(world.converges_within(seconds(120)));
    }
}

#[test]
fn seeded_numbers_are_those_of_splitmix64() {
    // The first numbers of the reference implementation from seed 0.
    let mut numbers = seeded(0);
    let first = [(); 3].map(|()| numbers());
    let reference = [
        0xe220_a839_7b1d_cdaf,
        0x6e78_9e6a_a1b9_65f4,
        0x06c4_5d18_8009_454f,
    ];
    assert_eq!(first, reference);
}
