//! An agent that reports every spec as applied at once.

use super::SOON;
use protocol::{
    message::{
        Envelope, Failure, Hello, InterfaceReport, Refusal, SessionNonce, ToAgent, ToCoordinator,
        Version,
    },
    session::{
        agent::{Agent, AgentInput, AgentOutput, Applied},
        seeded,
    },
    spec::SpecId,
    transport::{AgentEnd, Received},
};
use std::{
    path::{Path, PathBuf},
    time::Instant,
};
use tokio::{net::UnixStream, sync::mpsc, task::JoinSet};

/// Events of the session that the agent tells the test.
#[derive(Debug, PartialEq, Eq)]
pub enum Told {
    Established,
    Spec(SpecId),
    Refused(Refusal),
    Lost,
}

/// An agent in a task that ends when this is dropped.
pub struct Guest {
    told: mpsc::Receiver<Told>,
    _task: JoinSet<()>,
}

impl Guest {
    /// Starts an agent for a container without interfaces.
    pub fn spawn(socket: PathBuf) -> Self {
        Self::spawn_with(socket, vec![Vec::new()])
    }

    /// Starts an agent that sends `reports` of its interfaces, one after the other, whatever the
    /// spec.
    pub fn spawn_with(socket: PathBuf, reports: Vec<Vec<InterfaceReport>>) -> Self {
        let (tell, told) = mpsc::channel(64);
        let mut task = JoinSet::new();
        task.spawn(run(socket, reports, tell));
        Self { told, _task: task }
    }

    /// Starts an agent that answers every spec with `reports` different reports, as fast as it can.
    pub fn flood(socket: PathBuf, reports: usize) -> Self {
        let (tell, told) = mpsc::channel(64);
        let mut task = JoinSet::new();
        task.spawn(run(socket, vec![Vec::new(); reports], tell));
        Self { told, _task: task }
    }

    pub async fn next(&mut self) -> Told {
        let told = tokio::time::timeout(SOON, self.told.recv()).await;
        told.unwrap().unwrap()
    }

    pub fn is_quiet(&mut self) -> bool {
        self.told.try_recv().is_err()
    }
}

async fn run(socket: PathBuf, reports: Vec<Vec<InterfaceReport>>, tell: mpsc::Sender<Told>) {
    let mut machine = Agent::new(Instant::now(), "guest", Vec::new(), seeded(7));
    let mut channel = None;
    loop {
        while let Some(output) = machine.poll() {
            let input = match output {
                AgentOutput::OpenChannel => {
                    channel = open(&socket).await;
                    let opened = channel.is_some();
                    Some(if opened {
                        AgentInput::ChannelOpened
                    } else {
                        AgentInput::ChannelClosed
                    })
                }
                AgentOutput::CloseChannel => {
                    channel = None;
                    None
                }
                AgentOutput::Send(envelope) => send(&mut channel, &envelope).await,
                AgentOutput::Apply(spec) => {
                    tell.send(Told::Spec(spec.id())).await.unwrap();
                    for (n, interfaces) in reports.iter().enumerate() {
                        let applied = Applied {
                            spec: spec.id(),
                            interfaces: interfaces.clone(),
                            failures: failures(n, reports.len()),
                        };
                        machine.handle(Instant::now(), AgentInput::Applied(applied));
                    }
                    None
                }
                AgentOutput::Established(_) => {
                    tell.send(Told::Established).await.unwrap();
                    None
                }
                AgentOutput::Refused(refusal) => {
                    tell.send(Told::Refused(refusal)).await.unwrap();
                    None
                }
                AgentOutput::Lost(_) => {
                    tell.send(Told::Lost).await.unwrap();
                    None
                }
            };
            if let Some(input) = input {
                machine.handle(Instant::now(), input);
            }
        }
        let input = next(&mut channel, machine.deadline()).await;
        machine.handle(Instant::now(), input);
    }
}

/// Returns failures that make a flood's reports differ.
fn failures(n: usize, reports: usize) -> Vec<Failure> {
    const FLOOD: usize = 10;
    let failure = Failure {
        action: format!("attempt {n}"),
        errno: 1,
    };
    if reports > FLOOD {
        vec![failure]
    } else {
        Vec::new()
    }
}

async fn open(socket: &Path) -> Option<AgentEnd> {
    let stream = UnixStream::connect(socket).await.ok()?;
    Some(AgentEnd::new(Box::new(stream)))
}

async fn send(
    channel: &mut Option<AgentEnd>,
    envelope: &Envelope<ToCoordinator>,
) -> Option<AgentInput> {
    let sent = channel.as_mut()?.send(envelope).await;
    sent.is_err().then(|| {
        *channel = None;
        AgentInput::ChannelClosed
    })
}

async fn next(channel: &mut Option<AgentEnd>, deadline: Option<Instant>) -> AgentInput {
    let received = async {
        match channel {
            Some(open) => open.recv().await,
            None => std::future::pending().await,
        }
    };
    let at = deadline.unwrap_or_else(|| Instant::now() + SOON);
    let received = tokio::time::timeout_at(at.into(), received).await;
    match received {
        Err(_) => AgentInput::Tick,
        Ok(Ok(Received::Message(envelope))) => AgentInput::Message(envelope),
        Ok(Ok(Received::Skipped(skipped))) => panic!("a Unix socket loses nothing: {skipped}"),
        Ok(Err(_)) => {
            *channel = None;
            AgentInput::ChannelClosed
        }
    }
}

/// Waits until the coordinator listens at the socket.
pub async fn there(socket: &Path) {
    let listening = async {
        while !socket.exists() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, listening).await.unwrap();
}

/// Sends a hello with a range of versions on a new connection; returns the coordinator's refusal.
pub async fn offer_versions(socket: PathBuf, oldest: Version, newest: Version) -> Refusal {
    there(&socket).await;
    let nonce = SessionNonce(0x5a5a);
    let message = ToCoordinator::Hello(Hello {
        oldest,
        newest,
        nonce,
        agent: "stranger".to_owned(),
        capabilities: Vec::new(),
        held: None,
    });
    let talk = async {
        let mut channel = open(&socket).await.unwrap();
        channel.send(&Envelope { nonce, message }).await.unwrap();
        loop {
            if let Received::Message(envelope) = channel.recv().await.unwrap()
                && let ToAgent::Refuse(refusal) = envelope.message
            {
                return refusal;
            }
        }
    };
    tokio::time::timeout(SOON, talk).await.unwrap()
}
