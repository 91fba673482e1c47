use super::*;
use crate::sample::{id, spec};
use crate::session::{DEFAULT_HEARTBEAT, seeded};

struct CoordinatorBench {
    now: Instant,
    coordinator: Coordinator,
}

impl CoordinatorBench {
    fn new() -> Self {
        let now = Instant::now();
        let coordinator = Coordinator::new(now, DEFAULT_HEARTBEAT, seeded(1));
        Self { now, coordinator }
    }

    fn probing() -> Self {
        let mut bench = Self::new();
        bench.give(CoordinatorInput::Desired(spec(1, 5)));
        bench.give(CoordinatorInput::ChannelOpened);
        bench.outputs();
        bench
    }

    fn established() -> Self {
        let mut bench = Self::probing();
        bench.greet(hello(7, None));
        bench.outputs();
        bench.now += HELLO_GAP;
        bench
    }

    fn give(&mut self, input: CoordinatorInput) {
        self.coordinator.handle(self.now, input);
    }

    fn greet(&mut self, hello: Hello) {
        self.message(hello.nonce, ToCoordinator::Hello(hello));
    }

    fn message(&mut self, nonce: SessionNonce, message: ToCoordinator) {
        self.give(CoordinatorInput::Message(Envelope { nonce, message }));
    }

    fn outputs(&mut self) -> Vec<CoordinatorOutput> {
        std::iter::from_fn(|| self.coordinator.poll()).collect()
    }

    fn sent(&mut self) -> Vec<ToAgent> {
        let sent = |output| match output {
            CoordinatorOutput::Send(envelope) => Some(envelope.message),
            _ => None,
        };
        self.outputs().into_iter().filter_map(sent).collect()
    }

    fn tick_at_deadline(&mut self) -> Duration {
        let deadline = self.coordinator.deadline().unwrap();
        let pause = deadline - self.now;
        self.now = deadline;
        self.give(CoordinatorInput::Tick);
        pause
    }
}

const NONCE: SessionNonce = SessionNonce(7);

fn hello(nonce: u64, held: Option<SpecId>) -> Hello {
    Hello {
        oldest: 1,
        newest: 1,
        nonce: SessionNonce(nonce),
        agent: "test".to_owned(),
        capabilities: Vec::new(),
        held,
    }
}

fn welcome() -> ToAgent {
    ToAgent::Welcome(Welcome {
        version: 1,
        heartbeat_ms: 1000,
    })
}

fn report(sequence: u64) -> Report {
    Report {
        sequence,
        spec: id(1, 5),
        interfaces: Vec::new(),
        failures: Vec::new(),
    }
}

fn pong(sequence: u64, received: Option<SpecId>) -> ToCoordinator {
    ToCoordinator::Pong(Pong {
        sequence,
        received,
        report_sent: 0,
    })
}

#[test]
fn the_channel_of_a_container_that_is_not_started_is_not_opened() {
    let mut bench = CoordinatorBench::new();
    bench.give(CoordinatorInput::Tick);
    assert_eq!(bench.outputs(), []);
    assert_eq!(bench.coordinator.deadline(), None);
    bench.give(CoordinatorInput::Desired(spec(1, 1)));
    assert_eq!(bench.outputs(), [CoordinatorOutput::OpenChannel]);
}

#[test]
fn it_probes_when_the_channel_opens_and_again_with_pauses_of_up_to_a_second() {
    let mut bench = CoordinatorBench::new();
    bench.give(CoordinatorInput::Desired(spec(1, 1)));
    bench.outputs();
    bench.give(CoordinatorInput::ChannelOpened);
    assert_eq!(bench.sent(), [ToAgent::Probe]);
    let pauses: Vec<_> = (0..10).map(|_| bench.tick_at_deadline()).collect();
    assert_eq!(bench.sent().len(), 10);
    assert!(
        pauses[0] <= RETRY.0 && pauses[9] > RETRY.1 / 2,
        "{pauses:?}"
    );
    assert!(pauses.iter().all(|pause| *pause <= RETRY.1), "{pauses:?}");
}

#[test]
fn a_hello_is_welcomed_and_given_the_spec_that_it_lacks() {
    for (held, lacks) in [
        (None, true),
        (Some(id(1, 4)), true),
        (Some(id(2, 5)), true),
        (Some(id(2, 6)), true),
        (Some(id(1, 5)), false),
        (Some(id(1, 6)), false),
    ] {
        let mut bench = CoordinatorBench::probing();
        bench.greet(hello(7, held));
        let mut expected = vec![welcome()];
        expected.extend(lacks.then(|| ToAgent::Spec(spec(1, 5))));
        assert_eq!(bench.sent(), expected, "held {held:?}");
    }
}

#[test]
fn a_hello_that_did_not_hear_its_welcome_is_welcomed_again_in_the_same_session() {
    let mut bench = CoordinatorBench::established();
    bench.greet(hello(7, None));
    let envelope = Envelope {
        nonce: NONCE,
        message: welcome(),
    };
    assert_eq!(bench.outputs(), [CoordinatorOutput::Send(envelope)]);
}

#[test]
fn a_hello_under_another_nonce_replaces_the_session() {
    let mut bench = CoordinatorBench::established();
    let newcomer = hello(8, None);
    bench.greet(newcomer.clone());
    let outputs = bench.outputs();
    assert_eq!(
        outputs[0],
        CoordinatorOutput::Lost(CoordinatorSessionLoss::Replaced)
    );
    assert_eq!(outputs[1], CoordinatorOutput::Established(newcomer));
}

#[test]
fn hellos_faster_than_any_agent_says_them_do_not_replace_sessions() {
    let mut bench = CoordinatorBench::established();
    bench.greet(hello(8, None));
    bench.outputs();
    for nonce in 9..100 {
        bench.greet(hello(nonce, None));
    }
    assert_eq!(bench.outputs(), []);
}

#[test]
fn a_hello_whose_frame_bears_another_nonce_or_none_is_ignored() {
    let mut bench = CoordinatorBench::probing();
    bench.message(NONCE, ToCoordinator::Hello(hello(8, None)));
    bench.greet(hello(0, None));
    assert_eq!(bench.outputs(), []);
}

#[test]
fn an_agent_without_a_common_version_is_refused_with_the_versions_spoken() {
    for (oldest, newest) in [(2, 3), (0, 0), (5, 2)] {
        let mut bench = CoordinatorBench::probing();
        bench.greet(Hello {
            oldest,
            newest,
            ..hello(7, None)
        });
        let refusal = Refusal::Version {
            oldest: OLDEST_VERSION,
            newest: NEWEST_VERSION,
        };
        let envelope = Envelope {
            nonce: NONCE,
            message: ToAgent::Refuse(refusal),
        };
        assert_eq!(
            bench.outputs(),
            [
                CoordinatorOutput::Send(envelope),
                CoordinatorOutput::Refused(refusal)
            ]
        );
    }
}

#[test]
fn an_agent_that_also_speaks_a_later_version_is_welcomed_to_ours() {
    let newer = Hello {
        newest: 9,
        ..hello(7, None)
    };
    assert_eq!(negotiate(&newer), Ok(NEWEST_VERSION));
}

#[test]
fn an_agent_of_a_container_that_is_not_started_is_refused_and_probed_once_it_is() {
    let mut bench = CoordinatorBench::new();
    bench.give(CoordinatorInput::ChannelOpened);
    bench.greet(hello(7, None));
    let refusal = ToAgent::Refuse(Refusal::NotStarted);
    assert_eq!(bench.sent(), [ToAgent::Probe, refusal]);
    bench.now += PROBE_GAP;
    bench.give(CoordinatorInput::Desired(spec(1, 1)));
    assert_eq!(bench.sent(), [ToAgent::Probe]);
}

#[test]
fn frames_of_an_unknown_session_are_probed_for_but_not_each() {
    let mut bench = CoordinatorBench::probing();
    let reports = |bench: &mut CoordinatorBench| {
        for sequence in 1..20 {
            bench.message(NONCE, ToCoordinator::Report(report(sequence)));
        }
        bench.outputs()
    };
    assert_eq!(reports(&mut bench), []);
    // A stretch of time in which no probe was due by itself.
    if let CoordinatorState::Probing(probing) = &mut bench.coordinator.state {
        probing.again += Duration::from_secs(1);
    }
    bench.now += PROBE_GAP;
    let probe = Envelope {
        nonce: SessionNonce::NONE,
        message: ToAgent::Probe,
    };
    assert_eq!(reports(&mut bench), [CoordinatorOutput::Send(probe)]);
}

#[test]
fn frames_of_another_session_change_nothing_in_one_that_stands() {
    let mut bench = CoordinatorBench::established();
    let deadline = bench.coordinator.deadline();
    bench.message(SessionNonce(8), ToCoordinator::Report(report(1)));
    assert_eq!(bench.outputs(), []);
    assert_eq!(bench.coordinator.deadline(), deadline);
}

#[test]
fn it_pings_each_heartbeat_and_loses_the_session_after_five_without_an_answer() {
    let mut bench = CoordinatorBench::probing();
    bench.greet(hello(7, None));
    bench.outputs();
    for sequence in 1..5 {
        assert_eq!(bench.tick_at_deadline(), DEFAULT_HEARTBEAT);
        let ping = ToAgent::Ping(Ping {
            sequence,
            desired: Some(id(1, 5)),
            report_seen: 0,
        });
        assert_eq!(bench.sent(), [ping]);
    }
    bench.tick_at_deadline();
    assert_eq!(
        bench.outputs(),
        [
            CoordinatorOutput::Lost(CoordinatorSessionLoss::Silence),
            CoordinatorOutput::CloseChannel
        ]
    );
    bench.tick_at_deadline();
    assert_eq!(bench.outputs(), [CoordinatorOutput::OpenChannel]);
}

#[test]
fn a_heartbeat_beyond_the_bounds_is_taken_as_the_nearest() {
    let far = Duration::from_secs(u64::MAX);
    for (given, taken) in [(Duration::ZERO, MIN_HEARTBEAT), (far, MAX_HEARTBEAT)] {
        let coordinator = Coordinator::new(Instant::now(), given, seeded(1));
        assert_eq!(coordinator.heartbeat, taken);
    }
}

#[test]
fn a_spec_that_was_lost_is_sent_again_but_not_for_a_pong_that_crossed_it() {
    let mut bench = CoordinatorBench::established();
    bench.tick_at_deadline();
    bench.give(CoordinatorInput::Desired(spec(1, 6)));
    bench.outputs();
    bench.message(NONCE, pong(1, Some(id(1, 5))));
    assert_eq!(bench.sent(), [], "the first ping went out before the spec");
    bench.tick_at_deadline();
    bench.outputs();
    bench.message(NONCE, pong(2, Some(id(1, 5))));
    assert_eq!(bench.sent(), [ToAgent::Spec(spec(1, 6))]);
    bench.tick_at_deadline();
    bench.outputs();
    bench.message(NONCE, pong(3, Some(id(1, 6))));
    assert_eq!(bench.sent(), []);
}

#[test]
fn a_report_is_handed_out_once_and_an_older_one_not_at_all() {
    let mut bench = CoordinatorBench::established();
    for sequence in [1, 1, 3, 2, 3] {
        bench.message(NONCE, ToCoordinator::Report(report(sequence)));
    }
    let handed_out = [1, 3].map(|sequence| CoordinatorOutput::Reported(report(sequence)));
    assert_eq!(bench.outputs(), handed_out);
}

#[test]
fn of_desired_specs_the_newest_wins_whatever_their_order() {
    let mut bench = CoordinatorBench::established();
    for generation in [8, 6, 9, 7, 9] {
        bench.give(CoordinatorInput::Desired(spec(1, generation)));
    }
    assert_eq!(bench.sent(), [ToAgent::Spec(spec(1, 9))]);
    assert_eq!(bench.coordinator.desired(), Some(id(1, 9)));
}

#[test]
fn another_incarnation_ends_the_session_and_probes() {
    let mut bench = CoordinatorBench::established();
    bench.give(CoordinatorInput::Desired(spec(2, 1)));
    let probe = Envelope {
        nonce: SessionNonce::NONE,
        message: ToAgent::Probe,
    };
    assert_eq!(
        bench.outputs(),
        [
            CoordinatorOutput::Lost(CoordinatorSessionLoss::NewIncarnation),
            CoordinatorOutput::Send(probe)
        ]
    );
}

#[test]
fn a_stopped_container_has_no_session_and_no_channel() {
    let mut bench = CoordinatorBench::established();
    bench.give(CoordinatorInput::Stopped);
    assert_eq!(
        bench.outputs(),
        [
            CoordinatorOutput::Lost(CoordinatorSessionLoss::Stopped),
            CoordinatorOutput::CloseChannel
        ]
    );
    assert_eq!(bench.coordinator.deadline(), None);
    bench.give(CoordinatorInput::Desired(spec(2, 1)));
    assert_eq!(bench.outputs(), [CoordinatorOutput::OpenChannel]);
}

#[test]
fn a_flood_of_log_lines_is_cut_to_a_burst() {
    let mut bench = CoordinatorBench::established();
    for _ in 0..1000 {
        let line = LogLine {
            level: crate::message::LogLevel::Error,
            text: "again".to_owned(),
        };
        bench.message(NONCE, ToCoordinator::Log(line));
    }
    assert_eq!(bench.outputs().len(), usize::try_from(LOG_BURST).unwrap());
}

#[test]
fn a_closed_channel_ends_the_session_and_is_opened_again() {
    let mut bench = CoordinatorBench::established();
    bench.give(CoordinatorInput::ChannelClosed);
    assert_eq!(
        bench.outputs(),
        [CoordinatorOutput::Lost(
            CoordinatorSessionLoss::ChannelClosed
        )]
    );
    assert!(bench.tick_at_deadline() <= RETRY.0);
    assert_eq!(bench.outputs(), [CoordinatorOutput::OpenChannel]);
}
