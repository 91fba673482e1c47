//! The agent's side of a session, as a state machine without I/O.

mod applied;

pub use applied::Applied;

use super::backoff::Backoff;
use super::budget::Budget;
use super::{Entropy, MAX_HEARTBEAT, MIN_HEARTBEAT, MISSED_HEARTBEATS};
use crate::message::{
    Capability, Envelope, Hello, LinkEvent, LogLevel, LogLine, MAX_AGENT_NAME, MAX_CAPABILITIES,
    MAX_LOG_TEXT, NEWEST_VERSION, OLDEST_VERSION, Ping, Pong, Refusal, SessionNonce, ToAgent,
    ToCoordinator, Welcome,
};
use crate::spec::{NetSpec, SpecId};
use applied::{cut, report};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// First and longest pause between two hellos, and between two tries to open the channel.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// So many hellos without an answer, and the channel is opened anew: it may lead nowhere.
const HELLOS_ON_A_CHANNEL: u32 = 10;
/// Two hellos are at least so far apart, however often the coordinator probes.
const HELLO_GAP: Duration = Duration::from_millis(50);
/// A probe does not end a session that began less than so long ago: it was sent before it.
const PROBE_QUIET: Duration = Duration::from_secs(1);
/// Log lines kept until they can be sent; the oldest go first.
const LOG_LINES: usize = 64;
/// Log lines go out 50 at once, then 10 a second: at 512 bytes a tenth of a serial line.
const LOG_BURST: u32 = 50;
const LOG_EVERY: Duration = Duration::from_millis(100);

/// An event that the driver (the task that owns the agent's channel) passes to [`Agent::handle`].
#[derive(Debug)]
pub enum AgentInput {
    /// The channel is open: [`AgentOutput::OpenChannel`] succeeded, or the coordinator connected by
    /// itself.
    ChannelOpened,
    /// [`AgentOutput::OpenChannel`] failed, or the open channel has ended.
    ChannelClosed,
    /// A valid message arrived from the coordinator. The machine ignores a message of another session.
    Message(Envelope<ToAgent>),
    /// The agent has applied a [`NetSpec`], or the state of the guest's kernel has changed since.
    /// This is the present state.
    Applied(Applied),
    /// A network link of the guest appeared, changed or disappeared. Without a session, the event is dropped.
    Link(LinkEvent),
    /// The agent logged this line. It is sent to the coordinator when a session exists, 50 at once and then ten a
    /// second; beyond 64 waiting lines the oldest is dropped.
    Log(LogLine),
    /// The time that [`Agent::deadline`] returned has come.
    Tick,
}

/// An action that the driver (the task that owns the agent's channel) must do, in the order in which [`Agent::poll`]
/// returns them.
#[derive(Debug, PartialEq, Eq)]
pub enum AgentOutput {
    /// Open the channel, then pass in [`AgentInput::ChannelOpened`] or [`AgentInput::ChannelClosed`].
    OpenChannel,
    /// Close the channel. No input answers this.
    CloseChannel,
    /// Send this message to the coordinator.
    Send(Envelope<ToCoordinator>),
    /// Make the guest's network agree with this spec, and stop applying any earlier one. The result is passed in as
    /// [`AgentInput::Applied`], at once and whenever the state changes later.
    Apply(NetSpec),
    /// A session with the coordinator has begun; this is the coordinator's message that began it.
    Established(Welcome),
    /// The coordinator refused a session, for this reason. The agent keeps asking.
    Refused(Refusal),
    /// The session has ended, for this reason.
    Lost(AgentSessionLoss),
}

/// The reason why the session between the agent and the coordinator has ended, on the agent's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgentSessionLoss {
    /// The driver reported that the channel has ended, or that a new one was opened in place of it.
    ChannelClosed,
    /// No frame of the session arrived for [`MISSED_HEARTBEATS`] heartbeats.
    Silence,
    /// The coordinator does not know the session, since it has restarted, for example. It has sent
    /// [`ToAgent::Probe`].
    Probed,
}

/// The agent's side of a session: a state machine that opens the channel, asks the coordinator for
/// a session, receives specs, and sends reports and log lines. It does no I/O.
pub struct Agent {
    name: String,
    capabilities: Vec<Capability>,
    entropy: Entropy,
    state: AgentState,
    reopen: Backoff,
    held: Option<SpecId>,
    newest: Option<Applied>,
    logs: VecDeque<LogLine>,
    logs_left_out: u64,
    log_budget: Budget,
    outputs: VecDeque<AgentOutput>,
}

#[derive(Debug)]
enum AgentState {
    Closed { retry: Instant },
    Opening,
    Greeting(Greeting),
    Established(AgentSession),
}

#[derive(Debug)]
struct Greeting {
    nonce: SessionNonce,
    greeted: Instant,
    again: Instant,
    backoff: Backoff,
}

#[derive(Debug)]
struct AgentSession {
    nonce: SessionNonce,
    began: Instant,
    heard: Instant,
    silence: Duration,
    report_sent: u64,
}

impl Agent {
    /// Creates the state machine of an agent that has no [`NetSpec`], session or channel yet. The first action that
    /// [`Agent::poll`] returns is to open the channel.
    ///
    /// `now` is the present time. `name` is the agent's program name and release for the coordinator's log, cut to
    /// [`MAX_AGENT_NAME`] bytes. `capabilities` are cut to [`MAX_CAPABILITIES`]. `entropy` gives the sessions' nonces,
    /// and the jitter of pauses.
    pub fn new(
        now: Instant,
        name: &str,
        mut capabilities: Vec<Capability>,
        entropy: Entropy,
    ) -> Self {
        capabilities.truncate(MAX_CAPABILITIES);
        let mut agent = Self {
            name: cut(name.to_owned(), MAX_AGENT_NAME),
            capabilities,
            entropy,
            state: AgentState::Closed { retry: now },
            reopen: Backoff::new(RETRY.0, RETRY.1),
            held: None,
            newest: None,
            logs: VecDeque::new(),
            logs_left_out: 0,
            log_budget: Budget::new(LOG_BURST, LOG_EVERY),
            outputs: VecDeque::new(),
        };
        agent.tick(now);
        agent
    }

    /// Handles an event that the driver passes in; `now` is the present time. Afterwards the driver must call
    /// [`Agent::poll`] until it returns `None`.
    pub fn handle(&mut self, now: Instant, input: AgentInput) {
        match input {
            AgentInput::ChannelOpened => self.opened(now),
            AgentInput::ChannelClosed => self.channel_closed(now),
            AgentInput::Message(envelope) => self.message(now, envelope),
            AgentInput::Applied(applied) => self.applied(applied),
            AgentInput::Link(event) => self.send_in_session(ToCoordinator::Link(event)),
            AgentInput::Log(line) => self.keep_log(line),
            AgentInput::Tick => {}
        }
        self.tick(now);
        self.send_logs(now);
    }

    /// Returns the next action that the driver must do; `None` if no action is left.
    pub fn poll(&mut self) -> Option<AgentOutput> {
        self.outputs.pop_front()
    }

    /// Returns the time at which the driver has to hand in [`AgentInput::Tick`], if no other event comes before; `None`
    /// while the channel is being opened.
    pub fn deadline(&self) -> Option<Instant> {
        match &self.state {
            AgentState::Closed { retry } => Some(*retry),
            AgentState::Opening => None,
            AgentState::Greeting(greeting) => Some(greeting.again),
            AgentState::Established(session) => {
                let lost = session.heard + session.silence;
                let logs = self.log_budget.next().filter(|_| !self.logs.is_empty());
                Some(logs.map_or(lost, |logs| logs.min(lost)))
            }
        }
    }

    /// Returns whether a session with the coordinator exists; `false` while the channel is closed or being opened, and
    /// until the coordinator's [`Welcome`] arrives.
    pub fn is_established(&self) -> bool {
        matches!(self.state, AgentState::Established(_))
    }

    /// Returns the ID of the newest [`NetSpec`] that the agent has received, applied or not; `None`
    /// if it has none.
    pub fn held(&self) -> Option<SpecId> {
        self.held
    }

    fn tick(&mut self, now: Instant) {
        match &self.state {
            AgentState::Closed { retry } if *retry <= now => {
                self.state = AgentState::Opening;
                self.outputs.push_back(AgentOutput::OpenChannel);
            }
            AgentState::Greeting(greeting) if greeting.again <= now => {
                if greeting.backoff.tries() >= HELLOS_ON_A_CHANNEL {
                    self.outputs.push_back(AgentOutput::CloseChannel);
                    self.close(now);
                } else {
                    self.hello(now);
                }
            }
            AgentState::Established(session) if session.heard + session.silence <= now => {
                self.outputs
                    .push_back(AgentOutput::Lost(AgentSessionLoss::Silence));
                self.outputs.push_back(AgentOutput::CloseChannel);
                self.close(now);
            }
            _ => {}
        }
    }

    fn opened(&mut self, now: Instant) {
        if self.is_established() {
            // A new channel in place of the old one, which nobody closed.
            self.outputs
                .push_back(AgentOutput::Lost(AgentSessionLoss::ChannelClosed));
        }
        self.greet(now);
    }

    fn channel_closed(&mut self, now: Instant) {
        match self.state {
            AgentState::Closed { .. } => return,
            AgentState::Established(_) => {
                self.outputs
                    .push_back(AgentOutput::Lost(AgentSessionLoss::ChannelClosed));
            }
            AgentState::Opening | AgentState::Greeting(_) => {}
        }
        self.close(now);
    }

    fn close(&mut self, now: Instant) {
        let pause = self.reopen.pause((self.entropy)());
        self.state = AgentState::Closed { retry: now + pause };
    }

    /// Begins anew under a fresh nonce.
    fn greet(&mut self, now: Instant) {
        let nonce = SessionNonce((self.entropy)().max(1));
        self.state = AgentState::Greeting(Greeting {
            nonce,
            greeted: now,
            again: now,
            backoff: Backoff::new(RETRY.0, RETRY.1),
        });
        self.hello(now);
    }

    fn hello(&mut self, now: Instant) {
        let AgentState::Greeting(greeting) = &mut self.state else {
            return;
        };
        greeting.greeted = now;
        greeting.again = now + greeting.backoff.pause((self.entropy)());
        let hello = Hello {
            oldest: OLDEST_VERSION,
            newest: NEWEST_VERSION,
            nonce: greeting.nonce,
            agent: self.name.clone(),
            capabilities: self.capabilities.clone(),
            held: self.held,
        };
        self.outputs.push_back(AgentOutput::Send(Envelope {
            nonce: hello.nonce,
            message: ToCoordinator::Hello(hello),
        }));
    }

    fn message(&mut self, now: Instant, envelope: Envelope<ToAgent>) {
        if envelope.message == ToAgent::Probe {
            self.probed(now);
            return;
        }
        match &mut self.state {
            AgentState::Greeting(greeting) if greeting.nonce == envelope.nonce => {
                match envelope.message {
                    ToAgent::Welcome(welcome) => self.welcomed(now, envelope.nonce, welcome),
                    ToAgent::Refuse(refusal) => {
                        // Asking again soon would not change the answer; a probe tells when it did.
                        greeting.again = now + RETRY.1;
                        self.outputs.push_back(AgentOutput::Refused(refusal));
                    }
                    ToAgent::Probe | ToAgent::Spec(_) | ToAgent::Ping(_) => {}
                }
            }
            AgentState::Established(session) if session.nonce == envelope.nonce => {
                session.heard = now;
                match envelope.message {
                    ToAgent::Spec(spec) => self.desired(spec),
                    ToAgent::Ping(ping) => self.pinged(ping),
                    ToAgent::Probe | ToAgent::Welcome(_) | ToAgent::Refuse(_) => {}
                }
            }
            _ => {}
        }
    }

    fn probed(&mut self, now: Instant) {
        match &mut self.state {
            AgentState::Greeting(greeting) => {
                greeting.again = greeting.again.min(greeting.greeted + HELLO_GAP);
            }
            AgentState::Established(session) if session.began + PROBE_QUIET <= now => {
                self.outputs
                    .push_back(AgentOutput::Lost(AgentSessionLoss::Probed));
                self.greet(now);
            }
            _ => {}
        }
    }

    fn welcomed(&mut self, now: Instant, nonce: SessionNonce, welcome: Welcome) {
        if !(OLDEST_VERSION..=NEWEST_VERSION).contains(&welcome.version) {
            return;
        }
        let heartbeat = Duration::from_millis(u64::from(welcome.heartbeat_ms));
        let heartbeat = heartbeat.clamp(MIN_HEARTBEAT, MAX_HEARTBEAT);
        self.state = AgentState::Established(AgentSession {
            nonce,
            began: now,
            heard: now,
            silence: heartbeat * MISSED_HEARTBEATS,
            report_sent: 0,
        });
        self.reopen.reset();
        self.outputs.push_back(AgentOutput::Established(welcome));
        self.send_newest(Numbering::New);
    }

    fn desired(&mut self, spec: NetSpec) {
        let id = spec.id();
        let newer = self.held.is_none_or(|held| {
            held.incarnation != id.incarnation || held.generation < id.generation
        });
        if newer {
            self.held = Some(id);
            self.newest = None;
            self.outputs.retain(|o| !matches!(o, AgentOutput::Apply(_)));
            self.outputs.push_back(AgentOutput::Apply(spec));
        } else if self.held == Some(id) {
            self.send_newest(Numbering::Same);
        }
    }

    fn pinged(&mut self, ping: Ping) {
        let AgentState::Established(session) = &self.state else {
            return;
        };
        let report_sent = session.report_sent;
        if ping.report_seen < report_sent {
            self.send_newest(Numbering::Same);
        }
        self.send_in_session(ToCoordinator::Pong(Pong {
            sequence: ping.sequence,
            received: self.held,
            report_sent,
        }));
    }

    fn applied(&mut self, applied: Applied) {
        // What became of a spec that has been superseded is of no use to anyone.
        if self.held == Some(applied.spec) {
            self.newest = Some(applied);
            self.send_newest(Numbering::New);
        }
    }

    fn send_newest(&mut self, numbering: Numbering) {
        let (AgentState::Established(session), Some(newest)) = (&mut self.state, &self.newest)
        else {
            return;
        };
        // One that was superseded before it got out was never sent.
        if numbering == Numbering::New || session.report_sent == 0 {
            session.report_sent += 1;
        }
        let message = ToCoordinator::Report(report(newest, session.report_sent));
        self.send_in_session(message);
    }

    fn send_in_session(&mut self, message: ToCoordinator) {
        if let AgentState::Established(session) = &self.state {
            let nonce = session.nonce;
            self.outputs
                .push_back(AgentOutput::Send(Envelope { nonce, message }));
        }
    }

    fn keep_log(&mut self, line: LogLine) {
        if self.logs.len() == LOG_LINES {
            self.logs.pop_front();
            self.logs_left_out += 1;
        }
        self.logs.push_back(LogLine {
            level: line.level,
            text: cut(line.text, MAX_LOG_TEXT),
        });
    }

    fn send_logs(&mut self, now: Instant) {
        while self.is_established() && !self.logs.is_empty() && self.log_budget.take(now) {
            let line = if self.logs_left_out > 0 {
                let left_out = std::mem::take(&mut self.logs_left_out);
                Some(LogLine {
                    level: LogLevel::Warn,
                    text: format!("{left_out} log lines were left out here"),
                })
            } else {
                self.logs.pop_front()
            };
            if let Some(line) = line {
                self.send_in_session(ToCoordinator::Log(line));
            }
        }
    }
}

/// The number that a report gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Numbering {
    /// The next: it says something new.
    New,
    /// That of the report that was sent last, whose content it repeats.
    Same,
}

#[cfg(test)]
mod tests;
