//! The task of one session: passes events to the session machine, and carries its outputs out.

use super::{
    channel::Opener,
    guest_log::GuestLog,
    progress::Progress,
    report_store::{ReportStore, ReportStoreError},
    reports::Reports,
    state::{AHEAD, SessionState},
};
use protocol::{
    message::{LogLevel, LogLine, Refusal, Report, ToAgent},
    session::{
        Budget, Entropy,
        coordinator::{Coordinator, CoordinatorInput, CoordinatorOutput},
    },
    spec::NetSpec,
    transport::{
        ChannelError, ChannelStream, CoordinatorEnd, OpenError, Received, coordinator::turn_away,
    },
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{sync::watch, task::JoinSet};
use vch_ledger::{ContainerId, desired::AgentTarget};
use vch_log::error_chain;

/// Connections beside the live one that are being told to go, at a time; more are just closed.
const TURNED_AWAY: usize = 4;

/// The network specification and channel for an agent, which the driver is to send.
#[derive(Debug)]
pub(super) struct Wanted {
    /// The container's channel, and the network specification that the agent must carry out.
    pub target: AgentTarget,
    /// The time at which the specification was published.
    pub at: Instant,
}

/// The inputs and the state of the task that runs one container's session.
pub(super) struct Driver {
    /// The ID of the container.
    pub container: ContainerId,
    /// Opens the connections to the container's agent.
    pub opener: Opener,
    /// Receives the newest specification for the agent.
    pub wanted: watch::Receiver<Wanted>,
    /// Publishes the state of the session to the rest of the coordinator.
    pub state: watch::Sender<SessionState>,
    /// Stores the agent's reports.
    pub report_store: Arc<dyn ReportStore>,
    /// The longest time for which the coordinator and the agent send nothing to each other.
    pub heartbeat: Duration,
    /// Follows how far the agent has carried out the newest specification, for the metrics.
    pub progress: Progress,
    /// Limits the log lines that the agent causes.
    pub log: GuestLog,
    /// Decides when the agent's reports are written to the store.
    pub reports: Reports,
    /// Limits the pace at which the agent's messages are taken.
    pub intake: Intake,
}

/// Messages of one guest that are taken at once, and the time in which one more is: many times what an
/// agent sends. Beyond it the guest's channel fills, and the guest waits.
const MESSAGES: u32 = 400;
const MESSAGE_EVERY: Duration = Duration::from_millis(5);

/// The limit on the pace at which a guest's messages are taken.
pub(super) struct Intake {
    budget: Budget,
    paused_until: Option<Instant>,
}

impl Intake {
    /// Makes the limit as it is at the beginning: the guest has sent nothing yet.
    pub fn new() -> Self {
        Self {
            budget: Budget::new(MESSAGES, MESSAGE_EVERY),
            paused_until: None,
        }
    }

    /// Counts a message that was taken.
    fn took(&mut self, now: Instant) {
        let free = self.budget.take(now);
        self.paused_until = if free { None } else { self.budget.next() };
    }

    /// Returns until when no message is taken; `None` if messages are taken now.
    fn paused_until(&mut self, now: Instant) -> Option<Instant> {
        self.paused_until = self.paused_until.filter(|until| *until > now);
        self.paused_until
    }
}

/// An event that the driver waited for.
enum DriverEvent {
    Wanted,
    Opened(Result<ChannelStream, OpenError>),
    Received(Result<Received<protocol::message::ToCoordinator>, ChannelError>),
    Deadline,
    /// A report that waited may be written, or messages are taken again.
    Due,
    Gone,
}

impl Driver {
    /// Runs the session until it is cancelled: connects again whenever the connection ends.
    pub async fn run(mut self) {
        let mut machine = Coordinator::new(Instant::now(), self.heartbeat, entropy());
        let mut channel: Option<CoordinatorEnd> = None;
        let mut opening = false;
        let mut turned_away = JoinSet::new();
        self.desire(&mut machine);
        loop {
            while let Some(output) = machine.poll() {
                match output {
                    CoordinatorOutput::OpenChannel => opening = true,
                    CoordinatorOutput::CloseChannel => (channel, opening) = (None, false),
                    CoordinatorOutput::Send(mut envelope) => {
                        if let ToAgent::Ping(ping) = &mut envelope.message {
                            ping.report_seen = self.reports.acknowledged(ping.report_seen);
                        }
                        if let Some(open) = &mut channel
                            && let Err(error) = open.send(&envelope).await
                        {
                            self.tell(&error_chain(&error));
                            channel = None;
                            machine.handle(Instant::now(), CoordinatorInput::ChannelClosed);
                        }
                    }
                    CoordinatorOutput::Reported(report) => self.reported(report).await,
                    other => self.note(other),
                }
            }
            match self.next(machine.deadline(), &mut channel, opening).await {
                DriverEvent::Gone => return,
                DriverEvent::Wanted => self.desire(&mut machine),
                DriverEvent::Deadline => machine.handle(Instant::now(), CoordinatorInput::Tick),
                DriverEvent::Due => self.write_due_report().await,
                // Who has not become a session, or is none any more, gives way: what only connects
                // and is silent keeps no agent out.
                DriverEvent::Opened(Ok(stream))
                    if channel.is_none() || !machine.is_established() =>
                {
                    (channel, opening) = (Some(CoordinatorEnd::new(stream)), false);
                    machine.handle(Instant::now(), CoordinatorInput::ChannelOpened);
                }
                DriverEvent::Opened(Ok(second)) => {
                    self.tell("a second agent connected: refused");
                    while turned_away.try_join_next().is_some() {}
                    if turned_away.len() < TURNED_AWAY {
                        turned_away.spawn(turn_away(second, Refusal::Occupied));
                    }
                }
                DriverEvent::Opened(Err(error)) => {
                    tracing::debug!(container = ?self.container, error = error_chain(&error), "channel");
                    if opening {
                        opening = false;
                        machine.handle(Instant::now(), CoordinatorInput::ChannelClosed);
                    }
                }
                DriverEvent::Received(Ok(Received::Message(envelope))) => {
                    machine.handle(Instant::now(), CoordinatorInput::Message(envelope));
                }
                DriverEvent::Received(Ok(Received::Skipped(skipped))) => {
                    if self.log.line() {
                        let error = error_chain(&skipped);
                        tracing::debug!(container = ?self.container, error, "skipped");
                    }
                }
                DriverEvent::Received(Err(error)) => {
                    self.tell(&error_chain(&error));
                    channel = None;
                    machine.handle(Instant::now(), CoordinatorInput::ChannelClosed);
                }
            }
        }
    }

    async fn next(
        &mut self,
        deadline: Option<Instant>,
        channel: &mut Option<CoordinatorEnd>,
        opening: bool,
    ) -> DriverEvent {
        let accepting = opening || self.opener.listens();
        let paused = self.intake.paused_until(Instant::now());
        let due = [paused, self.reports.due()].into_iter().flatten().min();
        // Every arm is cancel-safe: `changed`, `open` and `recv` say so, the clock holds nothing.
        // What has come is taken before a deadline that passed meanwhile: a VCH that was stopped
        // for a while has not lost every session.
        tokio::select! {
            biased;
            changed = self.wanted.changed() => match changed {
                Ok(()) => DriverEvent::Wanted,
                Err(_) => DriverEvent::Gone,
            },
            received = async {
                match channel {
                    Some(open) => open.recv().await,
                    None => std::future::pending().await,
                }
            }, if paused.is_none() => {
                self.intake.took(Instant::now());
                DriverEvent::Received(received)
            }
            () = at(due) => DriverEvent::Due,
            opened = self.opener.open(), if accepting => DriverEvent::Opened(opened),
            () = at(deadline) => DriverEvent::Deadline,
        }
    }

    fn desire(&mut self, machine: &mut Coordinator) {
        let (spec, at) = {
            let wanted = self.wanted.borrow_and_update();
            (wanted.target.spec.clone(), wanted.at)
        };
        let id = spec.as_ref().map(NetSpec::id);
        self.progress.published(id, at, &self.state.borrow());
        self.follow_progress();
        if let Some(spec) = spec {
            machine.handle(Instant::now(), CoordinatorInput::Desired(spec));
        } else {
            machine.handle(Instant::now(), CoordinatorInput::Tick);
        }
    }

    /// Takes a report: it is written now, later, or not at all. What waits is not acknowledged, so that
    /// the agent sends it again if this coordinator dies.
    async fn reported(&mut self, report: Report) {
        let sequence = report.sequence;
        if !self.is_plausible(&report) {
            self.tell("a report is about another spec than this container's: dropped");
            self.reports.settled(sequence);
            return;
        }
        let kept = self.state.borrow().report.clone();
        if let Some(report) = self.reports.take(report, kept.as_ref(), Instant::now()) {
            self.write(report).await;
        }
    }

    /// Writes the report that waited, if its time has come.
    async fn write_due_report(&mut self) {
        let Some(report) = self.reports.take_due(Instant::now()) else {
            return;
        };
        // The container may have begun another life meanwhile.
        if self.is_plausible(&report) {
            self.write(report).await;
        } else {
            self.reports.settled(report.sequence);
        }
    }

    fn is_plausible(&self, report: &Report) -> bool {
        let wanted = self.wanted.borrow();
        let spec = wanted.target.spec.as_ref();
        spec.is_some_and(|spec| is_about(report, spec))
    }

    /// Keeps a report; durable when this returns.
    async fn write(&mut self, report: Report) {
        let sequence = report.sequence;
        match self
            .report_store
            .record(self.container, report.clone())
            .await
        {
            // On a full disk it is shown all the same: the agent says it anew in its next session.
            Ok(()) | Err(ReportStoreError::Full) => {
                self.reports.settled(sequence);
                self.state.send_modify(|state| state.report = Some(report));
                self.follow_progress();
            }
            Err(ReportStoreError::Ended) => {}
        }
    }

    fn follow_progress(&mut self) {
        self.progress.follow(&self.state.borrow(), Instant::now());
    }

    fn note(&mut self, output: CoordinatorOutput) {
        let logged = self.log.line();
        let name = self.wanted.borrow().target.name.clone();
        match output {
            CoordinatorOutput::Established(hello) => {
                if logged {
                    tracing::info!(container = name, agent = hello.agent, "session is live");
                }
                self.reports.begin_session();
                self.state.send_modify(|state| {
                    state.agent = Some(hello.agent);
                    state.held = hello.held;
                });
                self.follow_progress();
                let wanted = self.wanted.borrow().target.spec.as_ref().map(NetSpec::id);
                if wanted.is_some_and(|spec| self.state.borrow().is_ahead(spec)) {
                    self.tell(AHEAD);
                }
            }
            CoordinatorOutput::Lost(why) => {
                if logged {
                    tracing::info!(container = name, ?why, "session is over");
                }
                self.state
                    .send_modify(|state| (state.agent, state.held) = (None, None));
                self.follow_progress();
            }
            CoordinatorOutput::Refused(refusal) if logged => {
                tracing::warn!(container = name, ?refusal, "agent refused");
            }
            CoordinatorOutput::Linked(event) if logged => {
                tracing::info!(container = name, link = %event.name, change = ?event.change, "link");
            }
            CoordinatorOutput::Logged(line) if logged => log_line(&name, &line),
            _ => {}
        }
    }

    /// Logs a line about this container.
    fn tell(&mut self, what: &str) {
        if self.log.line() {
            tracing::warn!(container = self.wanted.borrow().target.name, "{what}");
        }
    }
}

/// Waits until a time, or for ever.
async fn at(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time.into()).await,
        None => std::future::pending().await,
    }
}

/// Returns whether a report can be about a container's network: of its present incarnation, of no
/// later generation than it was sent, and about its own interfaces only.
fn is_about(report: &Report, spec: &NetSpec) -> bool {
    let id = spec.id();
    let own = |one: &protocol::message::InterfaceReport| {
        spec.parts()
            .interfaces
            .iter()
            .any(|interface| interface.name == one.name && interface.mac == one.mac)
    };
    report.spec.incarnation == id.incarnation
        && report.spec.generation <= id.generation
        && (report.spec.generation < id.generation || report.interfaces.iter().all(own))
}

/// Logs a line of an agent's log. The guest's text is escaped, since it may hold anything.
fn log_line(container: &str, line: &LogLine) {
    let text = line.text.escape_debug();
    match line.level {
        LogLevel::Error => tracing::error!(container, "agent: {text}"),
        LogLevel::Warn => tracing::warn!(container, "agent: {text}"),
        LogLevel::Info => tracing::info!(container, "agent: {text}"),
        LogLevel::Debug => tracing::debug!(container, "agent: {text}"),
    }
}

fn entropy() -> Entropy {
    // `Store::open` has used getrandom(2) before any session: it does not fail later.
    Box::new(|| getrandom::u64().unwrap_or_default())
}

#[cfg(test)]
mod tests;
