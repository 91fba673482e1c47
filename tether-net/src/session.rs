//! Drives the session machine of `protocol`: opens the channel, sends and receives the machine's
//! messages, passes received specs to the converge loop, and the loop's events to the machine.
//!
//! There are two futures. [`open_channels`] opens channels, [`Session::run`] does the rest. They
//! are separate so that other events do not restart a connection that is being made.

use protocol::message::{LinkEvent, LogLine};
use protocol::session::Entropy;
use protocol::session::agent::{Agent, AgentInput, AgentOutput, Applied};
use protocol::spec::NetSpec;
use protocol::transport::agent::{AgentOpener, Opened};
use protocol::transport::{AgentEnd, ChannelError, ChannelStream, OpenError, Received};
use std::error::Error;
use std::fmt::Write;
use std::time::Instant;
use tokio::sync::{mpsc, watch};

/// An event for the coordinator. The loop that configures the network passes it to the session,
/// which sends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AgentEvent {
    /// The network has this state, after a spec was applied or when something has changed since.
    Applied(Applied),
    /// A network link appeared, changed or disappeared.
    Link(LinkEvent),
}

/// Opens channels and sends them to `opened`: each connection that the coordinator makes if the
/// opener listens, otherwise one for each request. It sends `None` if a requested channel can't be
/// opened.
///
/// Returns when the other end of `requests` or `opened` is gone.
pub async fn open_channels(
    mut opener: AgentOpener,
    mut requests: mpsc::Receiver<()>,
    opened: mpsc::Sender<Option<ChannelStream>>,
) {
    let mut last_refusal = String::new();
    loop {
        if !opener.listens() && requests.recv().await.is_none() {
            return;
        }
        let stream = match opener.open().await {
            Ok(Opened::Stream(stream)) => {
                last_refusal.clear();
                Some(stream)
            }
            Ok(Opened::TurnedAway(peer)) => {
                tracing::warn!("closed a connection from {peer}: only the host may connect");
                continue;
            }
            Err(error) => {
                note_refusal(&mut last_refusal, &error);
                if opener.listens() {
                    continue;
                }
                None
            }
        };
        if opened.send(stream).await.is_err() {
            return;
        }
    }
}

/// Logs why a channel can't be opened, once for each reason.
fn note_refusal(last: &mut String, error: &OpenError) {
    let refusal = with_sources(error);
    if *last != refusal {
        tracing::warn!("{refusal}; trying on");
        *last = refusal;
    }
}

/// Returns an error with its causes, on one line.
pub(crate) fn with_sources(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        // Writing into a String does not fail.
        let _ = write!(text, ": {cause}");
        source = cause.source();
    }
    text
}

/// The session's ends of the channels (of tokio) to the agent's other futures.
pub struct Ends {
    /// Sends a request to open a channel to the coordinator.
    pub requests: mpsc::Sender<()>,
    /// Receives an open channel, or `None` if a requested one can't be opened.
    pub opened: mpsc::Receiver<Option<ChannelStream>>,
    /// Publishes the newest spec to the converge loop; `None` until the first arrives.
    pub desired: watch::Sender<Option<NetSpec>>,
    /// Receives the converge loop's events.
    pub events: mpsc::Receiver<AgentEvent>,
    /// Receives the agent's log lines, to be sent to the coordinator.
    pub logs: mpsc::Receiver<LogLine>,
}

/// The agent's sessions with the coordinator, one after the other, until the agent ends.
pub struct Session {
    machine: Agent,
    channel: Option<AgentEnd>,
    skipped: u64,
    ends: Ends,
}

enum SessionEvent {
    Opened(Option<ChannelStream>),
    Received(Result<Received<protocol::message::ToAgent>, ChannelError>),
    Input(AgentInput),
    Over,
}

impl Session {
    /// Creates the session's task, which does nothing until [`Session::run`]. `entropy` gives
    /// random numbers for nonces.
    pub fn new(ends: Ends, entropy: Entropy) -> Self {
        let name = concat!("tether-net ", env!("CARGO_PKG_VERSION"));
        let capabilities = crate::converge::CAPABILITIES.to_vec();
        Self {
            machine: Agent::new(Instant::now(), name, capabilities, entropy),
            channel: None,
            skipped: 0,
            ends,
        }
    }

    /// Runs until one of the agent's other futures has ended.
    pub async fn run(mut self) {
        loop {
            while let Some(output) = self.machine.poll() {
                self.carry_out(output).await;
            }
            match self.next_event().await {
                SessionEvent::Opened(Some(stream)) => {
                    tracing::debug!("the channel is open");
                    self.channel = Some(AgentEnd::new(stream));
                    self.skipped = 0;
                    self.handle(AgentInput::ChannelOpened);
                }
                SessionEvent::Opened(None) => self.handle(AgentInput::ChannelClosed),
                SessionEvent::Received(Ok(Received::Message(envelope))) => {
                    self.handle(AgentInput::Message(envelope));
                }
                SessionEvent::Received(Ok(Received::Skipped(skipped))) => {
                    self.skipped += 1;
                    if self.skipped.is_power_of_two() {
                        let count = self.skipped;
                        tracing::warn!(
                            "skipped {count} on this channel: {}",
                            with_sources(&skipped)
                        );
                    }
                }
                SessionEvent::Received(Err(error)) => self.ended(&error),
                SessionEvent::Input(input) => self.handle(input),
                SessionEvent::Over => return,
            }
        }
    }

    /// Waits for the next event. Every arm is cancel-safe. Messages that have arrived are taken
    /// before the clock is compared with the peer's silence: the converge loop may have held the
    /// thread.
    async fn next_event(&mut self) -> SessionEvent {
        let deadline = self.machine.deadline();
        let ends = &mut self.ends;
        tokio::select! {
            biased;
            received = receive(&mut self.channel) => SessionEvent::Received(received),
            opened = ends.opened.recv() => opened.map_or(SessionEvent::Over, SessionEvent::Opened),
            event = ends.events.recv() => match event {
                Some(AgentEvent::Applied(applied)) => SessionEvent::Input(AgentInput::Applied(applied)),
                Some(AgentEvent::Link(link)) => SessionEvent::Input(AgentInput::Link(link)),
                None => SessionEvent::Over,
            },
            line = ends.logs.recv() => {
                line.map_or(SessionEvent::Over, |line| SessionEvent::Input(AgentInput::Log(line)))
            }
            () = at(deadline) => SessionEvent::Input(AgentInput::Tick),
        }
    }

    fn handle(&mut self, input: AgentInput) {
        self.machine.handle(Instant::now(), input);
    }

    fn ended(&mut self, error: &ChannelError) {
        tracing::debug!("the channel has ended: {}", with_sources(error));
        self.channel = None;
        self.handle(AgentInput::ChannelClosed);
    }

    async fn carry_out(&mut self, output: AgentOutput) {
        match output {
            AgentOutput::OpenChannel => {
                // One request lies there already if this one has no room.
                let _ = self.ends.requests.try_send(());
            }
            AgentOutput::CloseChannel => self.channel = None,
            AgentOutput::Send(envelope) => {
                let Some(channel) = &mut self.channel else {
                    return;
                };
                match channel.send(&envelope).await {
                    Ok(()) => {}
                    Err(error @ ChannelError::Unsendable(_)) => {
                        tracing::error!("{}", with_sources(&error));
                    }
                    Err(error) => self.ended(&error),
                }
            }
            AgentOutput::Apply(spec) => {
                tracing::info!("spec {} is to be applied", spec.id());
                self.ends.desired.send_replace(Some(spec));
            }
            AgentOutput::Established(welcome) => {
                tracing::info!("the session stands, protocol version {}", welcome.version);
            }
            AgentOutput::Refused(refusal) => tracing::warn!("no session: {refusal:?}; asking on"),
            AgentOutput::Lost(lost) => tracing::warn!("the session is over: {lost:?}"),
        }
    }
}

async fn receive(
    channel: &mut Option<AgentEnd>,
) -> Result<Received<protocol::message::ToAgent>, ChannelError> {
    match channel {
        Some(channel) => channel.recv().await,
        None => std::future::pending().await,
    }
}

/// Waits until a deadline, or for ever.
pub(crate) async fn at(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}
