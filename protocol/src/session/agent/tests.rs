use super::*;
use crate::message::{Failure, InterfaceReport, InterfaceState};
use crate::sample::{id, interface_parts, spec};
use crate::session::seeded;

struct AgentBench {
    now: Instant,
    agent: Agent,
}

impl AgentBench {
    fn new() -> Self {
        let now = Instant::now();
        let agent = Agent::new(now, "test", Vec::new(), seeded(1));
        Self { now, agent }
    }

    /// Returns an agent whose session has stood long enough for a probe to count.
    fn established() -> (Self, SessionNonce) {
        let mut bench = Self::new();
        bench.give(AgentInput::ChannelOpened);
        let nonce = bench.hello().nonce;
        bench.message(nonce, ToAgent::Welcome(welcome()));
        bench.now += PROBE_QUIET;
        (bench, nonce)
    }

    fn give(&mut self, input: AgentInput) {
        self.agent.handle(self.now, input);
    }

    fn message(&mut self, nonce: SessionNonce, message: ToAgent) {
        self.give(AgentInput::Message(Envelope { nonce, message }));
    }

    fn outputs(&mut self) -> Vec<AgentOutput> {
        std::iter::from_fn(|| self.agent.poll()).collect()
    }

    fn sent(&mut self) -> Vec<ToCoordinator> {
        let sent = |output| match output {
            AgentOutput::Send(envelope) => Some(envelope.message),
            _ => None,
        };
        self.outputs().into_iter().filter_map(sent).collect()
    }

    fn hello(&mut self) -> Hello {
        match self.sent().pop() {
            Some(ToCoordinator::Hello(hello)) => hello,
            other => panic!("expected a hello, got {other:?}"),
        }
    }

    fn tick_at_deadline(&mut self) -> Duration {
        let deadline = self.agent.deadline().unwrap();
        let pause = deadline - self.now;
        self.now = deadline;
        self.give(AgentInput::Tick);
        pause
    }
}

fn welcome() -> Welcome {
    Welcome {
        version: 1,
        heartbeat_ms: 1000,
    }
}

fn applied(spec: SpecId) -> Applied {
    Applied {
        spec,
        interfaces: Vec::new(),
        failures: Vec::new(),
    }
}

fn log(text: &str) -> AgentInput {
    AgentInput::Log(LogLine {
        level: LogLevel::Info,
        text: text.to_owned(),
    })
}

#[test]
fn it_opens_its_channel_first_and_says_hello_on_it_at_once() {
    let mut bench = AgentBench::new();
    assert_eq!(bench.outputs(), [AgentOutput::OpenChannel]);
    bench.give(AgentInput::ChannelOpened);
    let hello = bench.hello();
    assert_eq!(
        (hello.oldest, hello.newest),
        (OLDEST_VERSION, NEWEST_VERSION)
    );
    assert_eq!(hello.held, None);
    assert_ne!(hello.nonce, SessionNonce::NONE);
}

#[test]
fn hellos_without_an_answer_grow_apart_to_five_seconds_then_the_channel_is_opened_anew() {
    let mut bench = AgentBench::new();
    bench.give(AgentInput::ChannelOpened);
    let nonce = bench.hello().nonce;
    let mut pauses = Vec::new();
    for _ in 1..HELLOS_ON_A_CHANNEL {
        pauses.push(bench.tick_at_deadline());
        assert_eq!(bench.hello().nonce, nonce, "it is still the same try");
    }
    assert!(
        pauses[0] >= RETRY.0 / 2 && pauses[0] <= RETRY.0,
        "{pauses:?}"
    );
    assert!(
        pauses[8] > RETRY.1 / 2 && pauses[8] <= RETRY.1,
        "{pauses:?}"
    );
    bench.tick_at_deadline();
    assert_eq!(bench.outputs(), [AgentOutput::CloseChannel]);
    bench.tick_at_deadline();
    assert_eq!(bench.outputs(), [AgentOutput::OpenChannel]);
}

#[test]
fn a_channel_that_can_not_be_opened_is_tried_again_with_growing_pauses() {
    let mut bench = AgentBench::new();
    let mut longest = Duration::ZERO;
    for _ in 0..20 {
        bench.give(AgentInput::ChannelClosed);
        longest = longest.max(bench.tick_at_deadline());
    }
    assert!(longest > RETRY.1 / 2 && longest <= RETRY.1, "{longest:?}");
}

#[test]
fn a_welcome_for_another_nonce_changes_nothing() {
    let mut bench = AgentBench::new();
    bench.give(AgentInput::ChannelOpened);
    let nonce = bench.hello().nonce;
    bench.message(SessionNonce(nonce.0 ^ 1), ToAgent::Welcome(welcome()));
    assert!(!bench.agent.is_established());
    bench.message(nonce, ToAgent::Welcome(welcome()));
    assert!(bench.agent.is_established());
}

#[test]
fn a_welcome_to_a_version_that_it_does_not_speak_changes_nothing() {
    let mut bench = AgentBench::new();
    bench.give(AgentInput::ChannelOpened);
    let nonce = bench.hello().nonce;
    let version = NEWEST_VERSION + 1;
    bench.message(
        nonce,
        ToAgent::Welcome(Welcome {
            version,
            ..welcome()
        }),
    );
    assert!(!bench.agent.is_established());
}

#[test]
fn a_heartbeat_beyond_the_bounds_is_taken_as_the_nearest() {
    for (given, taken) in [(0, MIN_HEARTBEAT), (u32::MAX, MAX_HEARTBEAT)] {
        let mut bench = AgentBench::new();
        bench.give(AgentInput::ChannelOpened);
        let nonce = bench.hello().nonce;
        let heartbeat_ms = given;
        bench.message(
            nonce,
            ToAgent::Welcome(Welcome {
                heartbeat_ms,
                ..welcome()
            }),
        );
        let lost_after = bench.agent.deadline().unwrap() - bench.now;
        assert_eq!(lost_after, taken * MISSED_HEARTBEATS);
    }
}

#[test]
fn after_a_refusal_it_asks_again_only_after_the_longest_pause_or_a_probe() {
    let mut bench = AgentBench::new();
    bench.give(AgentInput::ChannelOpened);
    let nonce = bench.hello().nonce;
    bench.message(nonce, ToAgent::Refuse(Refusal::NotStarted));
    assert_eq!(bench.outputs(), [AgentOutput::Refused(Refusal::NotStarted)]);
    assert_eq!(bench.agent.deadline(), Some(bench.now + RETRY.1));
    bench.now += Duration::from_millis(200);
    bench.message(SessionNonce::NONE, ToAgent::Probe);
    assert_eq!(bench.hello().nonce, nonce);
}

#[test]
fn a_burst_of_probes_is_answered_by_one_hello() {
    let mut bench = AgentBench::new();
    bench.give(AgentInput::ChannelOpened);
    bench.hello();
    for _ in 0..100 {
        bench.message(SessionNonce::NONE, ToAgent::Probe);
    }
    assert_eq!(bench.sent(), []);
    assert!(bench.tick_at_deadline() <= HELLO_GAP);
    assert_eq!(bench.sent().len(), 1);
}

#[test]
fn a_probe_in_a_session_begins_anew_under_a_fresh_nonce_and_tells_what_is_held() {
    let (mut bench, nonce) = AgentBench::established();
    bench.message(nonce, ToAgent::Spec(spec(1, 3)));
    bench.outputs();
    bench.message(SessionNonce::NONE, ToAgent::Probe);
    let hello = bench.hello();
    assert_ne!(hello.nonce, nonce);
    assert_eq!(hello.held, Some(id(1, 3)));
}

#[test]
fn a_probe_sent_before_the_session_began_does_not_end_it() {
    let (mut bench, _) = AgentBench::established();
    bench.now -= Duration::from_millis(1);
    bench.message(SessionNonce::NONE, ToAgent::Probe);
    assert!(bench.agent.is_established());
}

#[test]
fn five_missed_heartbeats_lose_the_session_and_close_the_channel() {
    let (mut bench, nonce) = AgentBench::established();
    let ping = Ping {
        sequence: 1,
        desired: None,
        report_seen: 0,
    };
    bench.message(nonce, ToAgent::Ping(ping));
    bench.outputs();
    assert_eq!(bench.tick_at_deadline(), Duration::from_secs(5));
    assert_eq!(
        bench.outputs(),
        [
            AgentOutput::Lost(AgentSessionLoss::Silence),
            AgentOutput::CloseChannel
        ]
    );
}

#[test]
fn frames_of_another_session_do_not_keep_it_alive() {
    let (mut bench, nonce) = AgentBench::established();
    let deadline = bench.agent.deadline();
    let ping = Ping {
        sequence: 1,
        desired: None,
        report_seen: 0,
    };
    bench.message(SessionNonce(nonce.0 ^ 1), ToAgent::Ping(ping));
    assert_eq!(bench.agent.deadline(), deadline);
    assert_eq!(bench.sent(), []);
}

#[test]
fn of_one_incarnation_only_a_greater_generation_is_applied_of_another_any() {
    let (mut bench, nonce) = AgentBench::established();
    bench.outputs();
    for (given, is_applied) in [
        (spec(1, 5), true),
        (spec(1, 5), false),
        (spec(1, 4), false),
        (spec(1, 6), true),
        (spec(2, 1), true),
        (spec(1, 6), true),
    ] {
        bench.message(nonce, ToAgent::Spec(given.clone()));
        let expected: Vec<_> = is_applied
            .then_some(AgentOutput::Apply(given))
            .into_iter()
            .collect();
        assert_eq!(bench.outputs(), expected);
    }
}

#[test]
fn of_specs_that_come_faster_than_they_are_taken_only_the_newest_is_applied() {
    let (mut bench, nonce) = AgentBench::established();
    bench.outputs();
    for generation in 1..50 {
        bench.message(nonce, ToAgent::Spec(spec(1, generation)));
    }
    assert_eq!(bench.outputs(), [AgentOutput::Apply(spec(1, 49))]);
}

#[test]
fn what_became_of_a_superseded_spec_is_not_reported() {
    let (mut bench, nonce) = AgentBench::established();
    bench.message(nonce, ToAgent::Spec(spec(1, 1)));
    bench.message(nonce, ToAgent::Spec(spec(1, 2)));
    bench.outputs();
    bench.give(AgentInput::Applied(applied(id(1, 1))));
    assert_eq!(bench.sent(), []);
    bench.give(AgentInput::Applied(applied(id(1, 2))));
    assert_eq!(bench.sent().len(), 1);
}

#[test]
fn a_report_that_was_not_seen_is_sent_again_under_its_number() {
    let (mut bench, nonce) = AgentBench::established();
    bench.message(nonce, ToAgent::Spec(spec(1, 1)));
    bench.give(AgentInput::Applied(applied(id(1, 1))));
    let first = bench.sent();
    let ping = |report_seen| {
        ToAgent::Ping(Ping {
            sequence: 9,
            desired: Some(id(1, 1)),
            report_seen,
        })
    };
    bench.message(nonce, ping(0));
    let pong = ToCoordinator::Pong(Pong {
        sequence: 9,
        received: Some(id(1, 1)),
        report_sent: 1,
    });
    assert_eq!(bench.sent(), [first[0].clone(), pong.clone()]);
    bench.message(nonce, ping(1));
    assert_eq!(bench.sent(), [pong]);
}

#[test]
fn a_spec_that_is_held_is_answered_by_its_report_again_and_an_older_one_by_nothing() {
    let (mut bench, nonce) = AgentBench::established();
    bench.message(nonce, ToAgent::Spec(spec(1, 2)));
    bench.give(AgentInput::Applied(applied(id(1, 2))));
    let report = bench.sent();
    assert_eq!(report.len(), 1);
    bench.message(nonce, ToAgent::Spec(spec(1, 2)));
    assert_eq!(bench.sent(), report);
    bench.message(nonce, ToAgent::Spec(spec(1, 1)));
    assert_eq!(bench.sent(), []);
}

#[test]
fn the_newest_report_follows_the_welcome_of_every_session() {
    let (mut bench, nonce) = AgentBench::established();
    bench.message(nonce, ToAgent::Spec(spec(1, 1)));
    bench.give(AgentInput::Applied(applied(id(1, 1))));
    bench.give(AgentInput::ChannelClosed);
    bench.give(AgentInput::Applied(applied(id(1, 1))));
    bench.give(AgentInput::ChannelOpened);
    let hello = bench.hello();
    assert_eq!(hello.held, Some(id(1, 1)));
    bench.message(hello.nonce, ToAgent::Welcome(welcome()));
    let report = report(&applied(id(1, 1)), 1);
    assert_eq!(bench.sent(), [ToCoordinator::Report(report)]);
}

#[test]
fn log_lines_from_before_a_session_are_sent_in_it_the_oldest_left_out() {
    let mut bench = AgentBench::new();
    for number in 0..LOG_LINES + 3 {
        bench.give(log(&number.to_string()));
    }
    bench.give(AgentInput::ChannelOpened);
    let nonce = bench.hello().nonce;
    bench.message(nonce, ToAgent::Welcome(welcome()));
    let lines = bench.sent();
    assert_eq!(lines.len(), 50);
    let text = |line: &ToCoordinator| match line {
        ToCoordinator::Log(line) => line.text.clone(),
        other => panic!("expected a line, got {other:?}"),
    };
    assert_eq!(text(&lines[0]), "3 log lines were left out here");
    assert_eq!(text(&lines[1]), "3");
}

#[test]
fn a_flood_of_log_lines_is_sent_at_ten_a_second() {
    let (mut bench, nonce) = AgentBench::established();
    bench.outputs();
    let mut sent = 0;
    for step in 0..400u32 {
        for _ in 0..10 {
            bench.give(log("again"));
        }
        if step % 50 == 0 {
            bench.message(nonce, ToAgent::Welcome(welcome()));
        }
        bench.now += Duration::from_millis(25);
        sent += bench.sent().len();
    }
    assert!((145..=151).contains(&sent), "{sent} in 10 s");
}

#[test]
fn a_log_line_is_cut_at_a_whole_character() {
    let (mut bench, _) = AgentBench::established();
    bench.outputs();
    bench.give(log(&"ä".repeat(400)));
    match &bench.sent()[..] {
        [ToCoordinator::Log(line)] => assert_eq!(line.text, "ä".repeat(256)),
        other => panic!("expected a line, got {other:?}"),
    }
}

#[test]
fn a_report_larger_than_a_frame_leaves_out_routes_then_addresses_and_says_so() {
    use crate::message::Message;
    let addresses = (0..=255u8).map(|n| format!("fd00::{n:x}/64").parse().unwrap());
    let interface = InterfaceReport {
        name: "eth0".parse().unwrap(),
        mac: interface_parts(0).mac,
        state: InterfaceState::Failed(Failure {
            action: "x".repeat(5000),
            errno: 1,
        }),
        mtu: 1500,
        addresses: addresses.collect(),
        routes: vec![interface_parts(0).routes[0].clone(); 1000],
    };
    let failure = Failure {
        action: "y".repeat(5000),
        errno: 1,
    };
    let applied = Applied {
        spec: id(1, 1),
        interfaces: vec![interface; 100],
        failures: vec![failure; 1000],
    };
    let report = report(&applied, 1);
    assert_eq!(report.failures.len(), crate::message::MAX_FAILURES);
    let [.., routes, addresses] = &report.failures[..] else {
        panic!("failures are reported");
    };
    assert_eq!(routes.action, "report routes");
    assert_eq!(addresses.action, "report addresses");
    let bytes = ToCoordinator::Report(report.clone()).encode().unwrap();
    let decoded = ToCoordinator::decode(&bytes).unwrap();
    assert_eq!(decoded, ToCoordinator::Report(report));
}

#[test]
fn a_new_channel_in_place_of_one_that_nobody_closed_ends_the_session() {
    let (mut bench, nonce) = AgentBench::established();
    bench.outputs();
    bench.give(AgentInput::ChannelOpened);
    let outputs = bench.outputs();
    assert_eq!(
        outputs[0],
        AgentOutput::Lost(AgentSessionLoss::ChannelClosed)
    );
    match &outputs[1] {
        AgentOutput::Send(envelope) => assert_ne!(envelope.nonce, nonce),
        other => panic!("expected a hello, got {other:?}"),
    }
}
