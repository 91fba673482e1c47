//! The coordinator's side of one container's session, as a state machine without I/O.

use super::backoff::Backoff;
use super::budget::Budget;
use super::{Entropy, MAX_HEARTBEAT, MIN_HEARTBEAT, MISSED_HEARTBEATS};
use crate::message::{
    Envelope, Hello, LinkEvent, LogLine, NEWEST_VERSION, OLDEST_VERSION, Ping, Pong, Refusal,
    Report, SessionNonce, ToAgent, ToCoordinator, Version, Welcome,
};
use crate::spec::{NetSpec, SpecId};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// First and longest pause between two tries to open the channel, and between two probes: a VM that
/// has just booted waits no longer than this for its network.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));
/// Frames of an unknown session are answered by a probe no more often than this.
const PROBE_GAP: Duration = Duration::from_millis(200);
/// A new hello ends a session that is at least so old; an agent says hello no faster.
const HELLO_GAP: Duration = Duration::from_millis(50);
/// Log lines taken from an agent: 100 at once, then 20 a second, twice what ours sends.
const LOG_BURST: u32 = 100;
const LOG_EVERY: Duration = Duration::from_millis(50);

/// An event that the driver (the task that owns the container's channel) passes to [`Coordinator::handle`].
#[derive(Debug)]
pub enum CoordinatorInput {
    /// The channel is open: [`CoordinatorOutput::OpenChannel`] succeeded, or the agent connected by itself.
    ChannelOpened,
    /// [`CoordinatorOutput::OpenChannel`] failed, or the open channel has ended.
    ChannelClosed,
    /// A valid message arrived from the agent.
    Message(Envelope<ToCoordinator>),
    /// The VM must have this spec from now on. A spec of the same incarnation (run of the container) is ignored unless
    /// its generation is greater. A spec of another incarnation always replaces the present one, and ends the present
    /// session.
    Desired(NetSpec),
    /// The container was stopped: the coordinator forgets the spec, and ends the session and the channel.
    Stopped,
    /// The time that [`Coordinator::deadline`] returned has come.
    Tick,
}

/// An action that the driver (the task that owns the container's channel) must do, or an event that it must know, in
/// the order in which [`Coordinator::poll`] returns them.
#[derive(Debug, PartialEq, Eq)]
pub enum CoordinatorOutput {
    /// Open the channel, then pass in [`CoordinatorInput::ChannelOpened`] or [`CoordinatorInput::ChannelClosed`].
    OpenChannel,
    /// Close the channel. No input answers this.
    CloseChannel,
    /// Send this message to the agent.
    Send(Envelope<ToAgent>),
    /// A session has begun with the agent that sent this [`Hello`].
    Established(Hello),
    /// A session was refused to the agent, with this reason. The channel stays open, since the agent will ask again.
    Refused(Refusal),
    /// The VM's network now has this state. Repeated and outdated reports are not returned.
    Reported(Report),
    /// A network link of the VM appeared, changed or disappeared.
    Linked(LinkEvent),
    /// The agent logged this line. Lines beyond 20 a second (after a burst of 100) are dropped.
    Logged(LogLine),
    /// The session has ended, for this reason.
    Lost(CoordinatorSessionLoss),
}

/// The reason why the session between the coordinator and a container's agent has ended, on the coordinator's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CoordinatorSessionLoss {
    /// The driver reported that the channel has ended, or that a new one was opened in place of it.
    ChannelClosed,
    /// No frame of the session arrived for [`MISSED_HEARTBEATS`] heartbeats.
    Silence,
    /// An agent asked for a new session: it has restarted, or another agent uses the channel.
    Replaced,
    /// The container was started anew: the VM must have a [`NetSpec`] of another incarnation (run of the container).
    NewIncarnation,
    /// The container was stopped.
    Stopped,
}

/// Returns the message that refuses a session to the agent that sent `hello`, for the given reason. The caller sends
/// it.
pub fn refuse(hello: &Hello, refusal: Refusal) -> Envelope<ToAgent> {
    Envelope {
        nonce: hello.nonce,
        message: ToAgent::Refuse(refusal),
    }
}

/// Returns the newest message version that both this build and the agent that sent `hello` support.
///
/// # Errors
/// Returns [`Refusal::Version`] if they have no version in common.
pub fn negotiate(hello: &Hello) -> Result<Version, Refusal> {
    let version = hello.newest.min(NEWEST_VERSION);
    if version < hello.oldest.max(OLDEST_VERSION) {
        return Err(Refusal::Version {
            oldest: OLDEST_VERSION,
            newest: NEWEST_VERSION,
        });
    }
    Ok(version)
}

/// The coordinator's side of one container's session: a state machine that opens the channel, answers the agent's
/// hello, sends the newest spec until the agent has it, and notices when the agent is gone. It does no I/O.
pub struct Coordinator {
    heartbeat: Duration,
    entropy: Entropy,
    desired: Option<NetSpec>,
    state: CoordinatorState,
    reopen: Backoff,
    log_budget: Budget,
    outputs: VecDeque<CoordinatorOutput>,
}

#[derive(Debug)]
enum CoordinatorState {
    Closed { retry: Instant },
    Opening,
    Probing(Probing),
    Established(CoordinatorSession),
}

#[derive(Debug)]
struct Probing {
    probed: Instant,
    again: Instant,
    backoff: Backoff,
}

#[derive(Debug)]
struct CoordinatorSession {
    nonce: SessionNonce,
    welcome: Welcome,
    began: Instant,
    heard: Instant,
    next_ping: Instant,
    ping_sequence: u64,
    /// The first ping that the agent gets behind the newest spec, if that was sent.
    ping_behind_spec: u64,
    report_seen: u64,
}

impl Coordinator {
    /// Creates the state machine of a container that is not started, without [`NetSpec`] and channel. `now` is the
    /// present time. `heartbeat` is the time between two pings, limited to [`MIN_HEARTBEAT`] to [`MAX_HEARTBEAT`].
    /// `entropy` gives the jitter of pauses.
    pub fn new(now: Instant, heartbeat: Duration, entropy: Entropy) -> Self {
        Self {
            heartbeat: heartbeat.clamp(MIN_HEARTBEAT, MAX_HEARTBEAT),
            entropy,
            desired: None,
            state: CoordinatorState::Closed { retry: now },
            reopen: Backoff::new(RETRY.0, RETRY.1),
            log_budget: Budget::new(LOG_BURST, LOG_EVERY),
            outputs: VecDeque::new(),
        }
    }

    /// Handles an event that the driver passes in; `now` is the present time. Afterwards the driver must call
    /// [`Coordinator::poll`] until it returns `None`.
    pub fn handle(&mut self, now: Instant, input: CoordinatorInput) {
        match input {
            CoordinatorInput::ChannelOpened => self.opened(now),
            CoordinatorInput::ChannelClosed => self.channel_closed(now),
            CoordinatorInput::Message(envelope) => self.message(now, envelope),
            CoordinatorInput::Desired(spec) => self.desire(now, spec),
            CoordinatorInput::Stopped => self.stop(now),
            CoordinatorInput::Tick => {}
        }
        self.tick(now);
    }

    /// Returns the next action that the driver must do; `None` if no action is left.
    pub fn poll(&mut self) -> Option<CoordinatorOutput> {
        self.outputs.pop_front()
    }

    /// Returns the time at which the driver has to hand in [`CoordinatorInput::Tick`], if no other event comes
    /// before; `None` while the channel is being opened, and while it is closed and no spec is desired.
    pub fn deadline(&self) -> Option<Instant> {
        match &self.state {
            CoordinatorState::Closed { retry } => self.desired.is_some().then_some(*retry),
            CoordinatorState::Opening => None,
            CoordinatorState::Probing(probing) => Some(probing.again),
            CoordinatorState::Established(session) => {
                Some(session.next_ping.min(self.silent_at(session)))
            }
        }
    }

    /// Returns whether a session with an agent exists; `false` until an agent's [`Hello`] was accepted.
    pub fn is_established(&self) -> bool {
        matches!(self.state, CoordinatorState::Established(_))
    }

    /// Returns the ID of the [`NetSpec`] that the VM must have; `None` if the container is not started.
    pub fn desired(&self) -> Option<SpecId> {
        self.desired.as_ref().map(NetSpec::id)
    }

    fn silent_at(&self, session: &CoordinatorSession) -> Instant {
        session.heard + self.heartbeat * MISSED_HEARTBEATS
    }

    fn tick(&mut self, now: Instant) {
        match &self.state {
            CoordinatorState::Closed { retry } if *retry <= now && self.desired.is_some() => {
                self.state = CoordinatorState::Opening;
                self.outputs.push_back(CoordinatorOutput::OpenChannel);
            }
            CoordinatorState::Probing(probing) if probing.again <= now => self.probe(now),
            CoordinatorState::Established(session) if self.silent_at(session) <= now => {
                self.outputs
                    .push_back(CoordinatorOutput::Lost(CoordinatorSessionLoss::Silence));
                self.outputs.push_back(CoordinatorOutput::CloseChannel);
                self.close(now);
            }
            CoordinatorState::Established(session) if session.next_ping <= now => self.ping(now),
            _ => {}
        }
    }

    fn opened(&mut self, now: Instant) {
        if self.is_established() {
            // A new channel in place of the old one, which nobody closed.
            self.outputs.push_back(CoordinatorOutput::Lost(
                CoordinatorSessionLoss::ChannelClosed,
            ));
        }
        self.begin_probing(now);
    }

    fn channel_closed(&mut self, now: Instant) {
        match self.state {
            CoordinatorState::Closed { .. } => return,
            CoordinatorState::Established(_) => {
                self.outputs.push_back(CoordinatorOutput::Lost(
                    CoordinatorSessionLoss::ChannelClosed,
                ));
            }
            CoordinatorState::Opening | CoordinatorState::Probing(_) => {}
        }
        self.close(now);
    }

    fn close(&mut self, now: Instant) {
        let pause = self.reopen.pause((self.entropy)());
        self.state = CoordinatorState::Closed { retry: now + pause };
    }

    fn begin_probing(&mut self, now: Instant) {
        self.state = CoordinatorState::Probing(Probing {
            probed: now,
            again: now,
            backoff: Backoff::new(RETRY.0, RETRY.1),
        });
        self.probe(now);
    }

    fn probe(&mut self, now: Instant) {
        if let CoordinatorState::Probing(probing) = &mut self.state {
            probing.probed = now;
            probing.again = now + probing.backoff.pause((self.entropy)());
            self.send(SessionNonce::NONE, ToAgent::Probe);
        }
    }

    fn desire(&mut self, now: Instant, spec: NetSpec) {
        let id = spec.id();
        let (newer, same_life) = match self.desired() {
            None => (true, true),
            Some(old) if old.incarnation == id.incarnation => {
                (old.generation < id.generation, true)
            }
            Some(_) => (true, false),
        };
        if !newer {
            return;
        }
        self.desired = Some(spec);
        match &self.state {
            CoordinatorState::Established(_) if same_life => self.send_spec(),
            CoordinatorState::Established(_) => {
                self.outputs.push_back(CoordinatorOutput::Lost(
                    CoordinatorSessionLoss::NewIncarnation,
                ));
                self.begin_probing(now);
            }
            // An agent that was refused for want of a start need not wait any longer.
            CoordinatorState::Probing(_) => self.probe_if_quiet(now),
            CoordinatorState::Closed { .. } | CoordinatorState::Opening => {}
        }
    }

    fn stop(&mut self, now: Instant) {
        self.desired = None;
        match self.state {
            CoordinatorState::Closed { .. } => return,
            CoordinatorState::Established(_) => self
                .outputs
                .push_back(CoordinatorOutput::Lost(CoordinatorSessionLoss::Stopped)),
            CoordinatorState::Opening | CoordinatorState::Probing(_) => {}
        }
        self.outputs.push_back(CoordinatorOutput::CloseChannel);
        self.reopen.reset();
        self.state = CoordinatorState::Closed { retry: now };
    }

    fn message(&mut self, now: Instant, envelope: Envelope<ToCoordinator>) {
        if let ToCoordinator::Hello(hello) = envelope.message {
            if hello.nonce == envelope.nonce && hello.nonce != SessionNonce::NONE {
                self.greeted(now, hello);
            }
            return;
        }
        match &mut self.state {
            CoordinatorState::Established(session) if session.nonce == envelope.nonce => {
                session.heard = now;
                self.session_message(now, envelope.message);
            }
            CoordinatorState::Probing(_) => self.probe_if_quiet(now),
            // What an older session left in the channel.
            _ => {}
        }
    }

    fn probe_if_quiet(&mut self, now: Instant) {
        if matches!(&self.state, CoordinatorState::Probing(k) if k.probed + PROBE_GAP <= now) {
            self.probe(now);
        }
    }

    fn greeted(&mut self, now: Instant, hello: Hello) {
        match &mut self.state {
            CoordinatorState::Closed { .. } | CoordinatorState::Opening => return,
            CoordinatorState::Established(session) if session.nonce == hello.nonce => {
                // It did not hear the welcome.
                session.heard = now;
                let welcome = session.welcome;
                self.send(hello.nonce, ToAgent::Welcome(welcome));
                return;
            }
            CoordinatorState::Established(session) if now < session.began + HELLO_GAP => return,
            CoordinatorState::Established(_) | CoordinatorState::Probing(_) => {}
        }
        let answer = match &self.desired {
            None => Err(Refusal::NotStarted),
            Some(_) => negotiate(&hello),
        };
        match answer {
            Ok(version) => self.welcome(now, version, hello),
            Err(refusal) => {
                self.outputs
                    .push_back(CoordinatorOutput::Send(refuse(&hello, refusal)));
                self.outputs.push_back(CoordinatorOutput::Refused(refusal));
            }
        }
    }

    fn welcome(&mut self, now: Instant, version: Version, hello: Hello) {
        if self.is_established() {
            self.outputs
                .push_back(CoordinatorOutput::Lost(CoordinatorSessionLoss::Replaced));
        }
        let welcome = Welcome {
            version,
            heartbeat_ms: u32::try_from(self.heartbeat.as_millis()).unwrap_or(u32::MAX),
        };
        self.reopen.reset();
        self.state = CoordinatorState::Established(CoordinatorSession {
            nonce: hello.nonce,
            welcome,
            began: now,
            heard: now,
            next_ping: now + self.heartbeat,
            ping_sequence: 0,
            ping_behind_spec: 0,
            report_seen: 0,
        });
        let (nonce, held) = (hello.nonce, hello.held);
        self.outputs
            .push_back(CoordinatorOutput::Established(hello));
        self.send(nonce, ToAgent::Welcome(welcome));
        if self.lacks_desired(held) {
            self.send_spec();
        }
    }

    /// Returns whether an agent that has `received` has to be sent the desired spec.
    fn lacks_desired(&self, received: Option<SpecId>) -> bool {
        let Some(desired) = self.desired() else {
            return false;
        };
        // It would not take an older one than it has.
        received.is_none_or(|received| {
            received.incarnation != desired.incarnation || received.generation < desired.generation
        })
    }

    fn send_spec(&mut self) {
        let (CoordinatorState::Established(session), Some(spec)) = (&mut self.state, &self.desired)
        else {
            return;
        };
        session.ping_behind_spec = session.ping_sequence + 1;
        let envelope = Envelope {
            nonce: session.nonce,
            message: ToAgent::Spec(spec.clone()),
        };
        self.outputs.retain(|output| {
            !matches!(output, CoordinatorOutput::Send(unsent) if matches!(unsent.message, ToAgent::Spec(_)))
        });
        self.outputs.push_back(CoordinatorOutput::Send(envelope));
    }

    fn ping(&mut self, now: Instant) {
        let desired = self.desired();
        if let CoordinatorState::Established(session) = &mut self.state {
            session.next_ping = now + self.heartbeat;
            session.ping_sequence += 1;
            let ping = Ping {
                sequence: session.ping_sequence,
                desired,
                report_seen: session.report_seen,
            };
            let nonce = session.nonce;
            self.send(nonce, ToAgent::Ping(ping));
        }
    }

    fn session_message(&mut self, now: Instant, message: ToCoordinator) {
        match message {
            ToCoordinator::Report(report) => self.reported(report),
            ToCoordinator::Pong(pong) => self.ponged(pong),
            ToCoordinator::Link(event) => self.outputs.push_back(CoordinatorOutput::Linked(event)),
            ToCoordinator::Log(line) => {
                if self.log_budget.take(now) {
                    self.outputs.push_back(CoordinatorOutput::Logged(line));
                }
            }
            ToCoordinator::Hello(_) => {}
        }
    }

    fn reported(&mut self, report: Report) {
        if let CoordinatorState::Established(session) = &mut self.state
            && session.report_seen < report.sequence
        {
            session.report_seen = report.sequence;
            self.outputs.push_back(CoordinatorOutput::Reported(report));
        }
    }

    fn ponged(&mut self, pong: Pong) {
        let CoordinatorState::Established(session) = &self.state else {
            return;
        };
        // A pong for an earlier ping was said before the agent could have had the spec.
        if session.ping_behind_spec <= pong.sequence && self.lacks_desired(pong.received) {
            self.send_spec();
        }
    }

    fn send(&mut self, nonce: SessionNonce, message: ToAgent) {
        self.outputs
            .push_back(CoordinatorOutput::Send(Envelope { nonce, message }));
    }
}

#[cfg(test)]
mod tests;
