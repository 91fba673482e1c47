//! An agent that reports without end: what it makes the VCH write is bounded, and others' requests are not held up.

#![expect(
    clippy::unwrap_used,
    reason = "what fails here fails the test at its place"
)]

use std::path::Path;
use std::time::{Duration, Instant};

use lab::{Coordinator, Lab, Member, Need, prerequisites};
use protocol::message::{Envelope, Failure, ToCoordinator};
use protocol::session::agent::{Agent, AgentInput, AgentOutput, Applied};
use protocol::session::seeded;
use protocol::transport::{AgentEnd, Received};
use tokio::net::UnixStream;

const SOON: Duration = Duration::from_secs(15);
/// How long it reports without end.
const FLOOD: Duration = Duration::from_secs(6);
/// Failures in a report, each of the longest text that there may be: some 12 KB.
const FAILURES: usize = 50;
const TEXT: usize = 240;
/// Ten reports at once and one a second, each with the pages that the store writes anew for it.
const MOST_BYTES: u64 = 16 << 20;
const CONNECTS: usize = 12;

/// Speaks as an agent does, and reports something new with every breath. Gives the number of reports.
async fn flood(socket: &Path) -> u64 {
    let mut machine = Agent::new(Instant::now(), "hostile", Vec::new(), seeded(7));
    let mut channel = None;
    let (mut spec, mut sent) = (None, 0_u64);
    let end = Instant::now() + FLOOD;
    while Instant::now() < end {
        while let Some(output) = machine.poll() {
            match output {
                AgentOutput::OpenChannel => {
                    let stream = UnixStream::connect(socket).await.unwrap();
                    channel = Some(AgentEnd::new(Box::new(stream)));
                    machine.handle(Instant::now(), AgentInput::ChannelOpened);
                }
                AgentOutput::CloseChannel => channel = None,
                AgentOutput::Send(envelope) => {
                    sent += u64::from(is_report(&envelope));
                    channel.as_mut().unwrap().send(&envelope).await.unwrap();
                }
                AgentOutput::Apply(applied) => spec = Some(applied.id()),
                AgentOutput::Established(_) | AgentOutput::Refused(_) | AgentOutput::Lost(_) => {}
            }
        }
        if let Some(spec) = spec {
            let failure = |n| Failure {
                action: format!("{sent} {n} {}", "x".repeat(TEXT - 20)),
                errno: 1,
            };
            let applied = Applied {
                spec,
                interfaces: Vec::new(),
                failures: (0..FAILURES).map(failure).collect(),
            };
            machine.handle(Instant::now(), AgentInput::Applied(applied));
        }
        let Some(open) = &mut channel else {
            continue;
        };
        // What has come is taken; nothing is waited for once there is something to report.
        let patience = Duration::from_millis(if spec.is_some() { 0 } else { 100 });
        match tokio::time::timeout(patience, open.recv()).await {
            Ok(Ok(Received::Message(envelope))) => {
                machine.handle(Instant::now(), AgentInput::Message(envelope));
            }
            Ok(Ok(Received::Skipped(_))) => {}
            Ok(Err(error)) => panic!("the channel broke: {error}"),
            Err(_) => machine.handle(Instant::now(), AgentInput::Tick),
        }
    }
    sent
}

fn is_report(envelope: &Envelope<ToCoordinator>) -> bool {
    matches!(envelope.message, ToCoordinator::Report(_))
}

/// Bytes that the coordinator has given to disks (proc_pid_io(5)).
fn written(vch: &Coordinator<'_>) -> u64 {
    let io = std::fs::read_to_string(format!("/proc/{}/io", vch.pid().unwrap())).unwrap();
    let line = io.lines().find_map(|line| line.strip_prefix("wchar: "));
    line.unwrap().parse().unwrap()
}

/// The median time of connecting another container and taking it away again.
fn connects(vch: &Coordinator<'_>) -> Duration {
    let mut times: Vec<_> = (0..CONNECTS)
        .map(|_| {
            let began = Instant::now();
            vch.vchctl("container connect victim web").unwrap();
            let took = began.elapsed();
            vch.vchctl("container disconnect victim web").unwrap();
            took
        })
        .collect();
    times.sort_unstable();
    times[CONNECTS / 2]
}

#[test]
fn an_agent_that_reports_without_end_is_written_at_a_bounded_pace_and_holds_nobody_up() {
    prerequisites::check(Need::MEMBERS).unwrap();
    let lab = Lab::of_namespaces("hostile").unwrap();
    let topology = lab.topology().unwrap();
    let vch = Coordinator::start(&lab, &topology.vch).unwrap();
    vch.vchctl("network create web").unwrap();
    vch.vchctl("container add victim").unwrap();
    let mut hostile = Member::add(&lab, &vch, "hostile").unwrap();
    hostile.connect(&vch, "web").unwrap();
    hostile.begin(&vch).unwrap();
    let quiet = connects(&vch);

    let before = written(&vch);
    let socket = hostile.socket().to_owned();
    let flooding = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.unwrap().block_on(flood(&socket))
    });
    lab::eventually(SOON, "it reports", || {
        vch.ask("container inspect hostile").unwrap()["session"]["live"] == true
    })
    .unwrap();
    let beside = connects(&vch);
    let sent = flooding.join().unwrap();
    let bytes = written(&vch) - before;
    eprintln!(
        "{sent} reports, {bytes} bytes written; a connect takes {quiet:?} and beside it {beside:?}"
    );
    assert!(sent > 100, "it is a flood: {sent}");
    assert!(bytes < MOST_BYTES, "{bytes} bytes written");
    assert!(
        beside < 3 * quiet + Duration::from_millis(50),
        "{quiet:?}, then {beside:?}"
    );
}
