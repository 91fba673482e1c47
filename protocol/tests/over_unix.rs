//! The whole of the crate put together as a driver does: openers, framed channels and both session
//! machines, over a real Unix socket.

#![cfg(feature = "transport")]
#![expect(clippy::unwrap_used, reason = "a test")]

use protocol::message::{Hello, Refusal};
use protocol::session::agent::{Agent, AgentInput, AgentOutput, Applied};
use protocol::session::coordinator::{Coordinator, CoordinatorInput, CoordinatorOutput};
use protocol::session::{DEFAULT_HEARTBEAT, seeded};
use protocol::spec::{Generation, Incarnation, NetSpec, NetSpecParts, SpecId};
use protocol::transport::{
    AgentEnd, ChannelAddress, CoordinatorChannel, CoordinatorEnd, Received, agent as agents,
    coordinator as coordinators,
};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};

fn spec(generation: u64) -> NetSpec {
    NetSpecParts {
        id: SpecId {
            incarnation: Incarnation([1; 16]),
            generation: Generation(generation),
        },
        hostname: None,
        interfaces: Vec::new(),
        resolver: None,
        hosts: Vec::new(),
        extension: Vec::new(),
    }
    .try_into()
    .unwrap()
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}

async fn receive_agents(channel: &mut Option<AgentEnd>) -> AgentInput {
    let Some(open) = channel else {
        return std::future::pending().await;
    };
    match open.recv().await {
        Ok(Received::Message(envelope)) => AgentInput::Message(envelope),
        Ok(Received::Skipped(skipped)) => panic!("a Unix socket loses nothing: {skipped}"),
        Err(_) => AgentInput::ChannelClosed,
    }
}

/// An agent whose kernel takes every spec at once.
async fn drive_agent(path: PathBuf, refused: mpsc::Sender<Refusal>) {
    let mut opener = agents::AgentOpener::new(ChannelAddress::Unix(path));
    let entropy = seeded(u64::from(std::process::id()));
    let mut machine = Agent::new(Instant::now(), "test", Vec::new(), entropy);
    let mut channel: Option<AgentEnd> = None;
    loop {
        while let Some(output) = machine.poll() {
            match output {
                AgentOutput::OpenChannel => {
                    let opened = opener.open().await;
                    channel = match opened {
                        Ok(agents::Opened::Stream(stream)) => Some(AgentEnd::new(stream)),
                        Ok(agents::Opened::TurnedAway(_)) | Err(_) => None,
                    };
                    machine.handle(
                        Instant::now(),
                        match channel {
                            Some(_) => AgentInput::ChannelOpened,
                            None => AgentInput::ChannelClosed,
                        },
                    );
                }
                AgentOutput::CloseChannel => channel = None,
                AgentOutput::Send(envelope) => {
                    if let Some(open) = &mut channel
                        && open.send(&envelope).await.is_err()
                    {
                        channel = None;
                        machine.handle(Instant::now(), AgentInput::ChannelClosed);
                    }
                }
                AgentOutput::Apply(spec) => {
                    let applied = Applied {
                        spec: spec.id(),
                        interfaces: Vec::new(),
                        failures: Vec::new(),
                    };
                    machine.handle(Instant::now(), AgentInput::Applied(applied));
                }
                AgentOutput::Refused(refusal) => refused.send(refusal).await.unwrap(),
                AgentOutput::Established(_) | AgentOutput::Lost(_) => {}
            }
        }
        let input = tokio::select! {
            input = receive_agents(&mut channel) => input,
            () = until(machine.deadline()) => AgentInput::Tick,
        };
        if matches!(input, AgentInput::ChannelClosed) {
            channel = None;
        }
        machine.handle(Instant::now(), input);
    }
}

async fn receive_coordinators(channel: &mut Option<CoordinatorEnd>) -> CoordinatorInput {
    let Some(open) = channel else {
        return std::future::pending().await;
    };
    match open.recv().await {
        Ok(Received::Message(envelope)) => CoordinatorInput::Message(envelope),
        Ok(Received::Skipped(skipped)) => panic!("a Unix socket loses nothing: {skipped}"),
        Err(_) => CoordinatorInput::ChannelClosed,
    }
}

/// What the coordinator has seen of one container.
#[derive(Clone, Debug, Default)]
struct Seen {
    hello: Option<Hello>,
    reported: Option<SpecId>,
}

async fn drive_coordinator(
    path: PathBuf,
    mut desired: watch::Receiver<NetSpec>,
    seen: watch::Sender<Seen>,
) {
    let mut opener = coordinators::CoordinatorOpener::new(CoordinatorChannel::Unix(path));
    let mut machine = Coordinator::new(Instant::now(), DEFAULT_HEARTBEAT, seeded(1));
    let mut channel: Option<CoordinatorEnd> = None;
    let first = desired.borrow_and_update().clone();
    machine.handle(Instant::now(), CoordinatorInput::Desired(first));
    loop {
        while let Some(output) = machine.poll() {
            match output {
                // The opener listens and is asked all the time.
                CoordinatorOutput::OpenChannel => {}
                CoordinatorOutput::CloseChannel => channel = None,
                CoordinatorOutput::Send(envelope) => {
                    if let Some(open) = &mut channel
                        && open.send(&envelope).await.is_err()
                    {
                        channel = None;
                        machine.handle(Instant::now(), CoordinatorInput::ChannelClosed);
                    }
                }
                CoordinatorOutput::Established(hello) => {
                    seen.send_modify(|seen| seen.hello = Some(hello));
                }
                CoordinatorOutput::Reported(report) => {
                    seen.send_modify(|seen| seen.reported = Some(report.spec));
                }
                CoordinatorOutput::Refused(_)
                | CoordinatorOutput::Linked(_)
                | CoordinatorOutput::Logged(_)
                | CoordinatorOutput::Lost(_) => {}
            }
        }
        let input = tokio::select! {
            input = receive_coordinators(&mut channel) => input,
            opened = opener.open() => {
                let stream = opened.unwrap();
                if machine.is_established() {
                    coordinators::turn_away(stream, Refusal::Occupied).await.unwrap();
                    continue;
                }
                channel = Some(CoordinatorEnd::new(stream));
                CoordinatorInput::ChannelOpened
            }
            changed = desired.changed() => {
                changed.unwrap();
                CoordinatorInput::Desired(desired.borrow_and_update().clone())
            }
            () = until(machine.deadline()) => CoordinatorInput::Tick,
        };
        if matches!(input, CoordinatorInput::ChannelClosed) {
            channel = None;
        }
        machine.handle(Instant::now(), input);
    }
}

struct Vch {
    desired: watch::Sender<NetSpec>,
    seen: watch::Receiver<Seen>,
    task: tokio::task::JoinHandle<()>,
}

impl Vch {
    fn start(path: &Path, first: NetSpec) -> Self {
        let (desired, receiver) = watch::channel(first);
        let (sender, seen) = watch::channel(Seen::default());
        let task = tokio::spawn(drive_coordinator(path.to_owned(), receiver, sender));
        Self {
            desired,
            seen,
            task,
        }
    }

    async fn sees(&mut self, generation: u64) {
        let reported = |seen: &Seen| seen.reported == Some(spec(generation).id());
        let seen = self.seen.wait_for(reported);
        tokio::time::timeout(Duration::from_secs(20), seen)
            .await
            .unwrap()
            .unwrap();
    }

    async fn kill(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }
}

#[tokio::test]
async fn specs_go_out_reports_come_back_and_a_new_coordinator_resumes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let (refused, _refusals) = mpsc::channel(8);
    let agent = tokio::spawn(drive_agent(path.clone(), refused));

    let mut first = Vch::start(&path, spec(1));
    first.sees(1).await;
    for generation in 2..50 {
        first.desired.send(spec(generation)).unwrap();
    }
    first.sees(49).await;
    first.kill().await;

    let mut second = Vch::start(&path, spec(49));
    second.sees(49).await;
    let held = second.seen.borrow().hello.as_ref().unwrap().held;
    assert_eq!(held, Some(spec(49).id()), "the agent told that it holds it");
    second.kill().await;
    agent.abort();
}

#[tokio::test]
async fn a_second_agent_is_refused_and_the_first_ones_session_stands() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let mut vch = Vch::start(&path, spec(1));
    let (refused, mut first_refusals) = mpsc::channel(8);
    let first = tokio::spawn(drive_agent(path.clone(), refused));
    vch.sees(1).await;

    let (refused, mut second_refusals) = mpsc::channel(8);
    let second = tokio::spawn(drive_agent(path.clone(), refused));
    let refusal = tokio::time::timeout(Duration::from_secs(20), second_refusals.recv());
    assert_eq!(refusal.await.unwrap(), Some(Refusal::Occupied));

    vch.desired.send(spec(2)).unwrap();
    vch.sees(2).await;
    assert!(
        first_refusals.try_recv().is_err(),
        "the first was not disturbed"
    );
    second.abort();
    first.abort();
    vch.kill().await;
}
