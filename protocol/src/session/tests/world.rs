//! Both ends of a session, a guest's kernel and a line between them, in virtual time.

use crate::frame::{self, Decoder};
use crate::message::{Envelope, InterfaceReport, InterfaceState, Message, Report, ToAgent};
use crate::session::agent::{Agent, AgentInput, AgentOutput, Applied};
use crate::session::coordinator::{Coordinator, CoordinatorInput, CoordinatorOutput};
use crate::session::{DEFAULT_HEARTBEAT, Entropy, seeded};
use crate::spec::{NetSpec, SpecId};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The state of the line between both ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Each end opens on its own; what arrives at one that is not open waits there.
    Serial,
    /// A connection: both ends open together, and one that closes closes the other.
    Stream,
}

/// The rates of faults of the line, in percent of its frames.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Faults {
    lost: u64,
    doubled: u64,
    cut_short: u64,
    spoilt: u64,
}

impl Faults {
    pub(super) fn cut() -> Self {
        Self {
            lost: 100,
            ..Self::default()
        }
    }

    pub(super) fn percent(each: u64) -> Self {
        Self {
            lost: each,
            doubled: each,
            cut_short: each,
            spoilt: each,
        }
    }
}

/// One end's view of the line.
#[derive(Default)]
struct End {
    wanted: bool,
    open: bool,
    arriving: VecDeque<u8>,
    decoder: Decoder,
}

impl End {
    fn frames<M: Message>(&mut self) -> Vec<Envelope<M>> {
        let bytes: Vec<u8> = self.arriving.drain(..).collect();
        let mut input = bytes.as_slice();
        let mut found = Vec::new();
        while let Some(result) = self.decoder.next(&mut input) {
            if let Ok(frame) = result
                && let Ok(message) = M::decode(&frame.payload)
            {
                found.push(Envelope {
                    nonce: frame.nonce,
                    message,
                });
            }
        }
        found
    }
}

pub(super) struct World {
    now: Instant,
    line: Line,
    pub(super) faults: Faults,
    random: Entropy,
    agent: Agent,
    coordinator: Coordinator,
    ends: [End; 2],
    agent_from: Instant,
    desired: Option<NetSpec>,
    kernel: Option<(SpecId, u32)>,
    applying: Option<(Instant, NetSpec)>,
    observed: Option<Report>,
    pub(super) sessions: u32,
    pub(super) specs_sent: u32,
    pub(super) specs_applied: u32,
    pub(super) reports_seen: u32,
}

const AGENT: usize = 0;
const COORDINATOR: usize = 1;

impl World {
    pub(super) fn new(seed: u64, line: Line) -> Self {
        let now = Instant::now();
        let mut random = seeded(seed);
        Self {
            now,
            line,
            faults: Faults::default(),
            agent: Agent::new(now, "test", Vec::new(), seeded(random())),
            coordinator: Coordinator::new(now, DEFAULT_HEARTBEAT, seeded(random())),
            random,
            ends: Default::default(),
            agent_from: now,
            desired: None,
            kernel: None,
            applying: None,
            observed: None,
            sessions: 0,
            specs_sent: 0,
            specs_applied: 0,
            reports_seen: 0,
        }
    }

    pub(super) fn desire(&mut self, spec: NetSpec) {
        self.desired = Some(spec.clone());
        let input = CoordinatorInput::Desired(spec);
        self.coordinator.handle(self.now, input);
        self.settle();
    }

    /// Keeps the agent from opening a channel for this time.
    pub(super) fn agent_absent(&mut self, time: Duration) {
        self.agent_from = self.now + time;
        self.settle();
    }

    pub(super) fn restart_coordinator(&mut self) {
        let spec = self.desired.clone().unwrap();
        self.restart_coordinator_for(spec);
    }

    pub(super) fn restart_coordinator_for(&mut self, spec: NetSpec) {
        self.hang_up(COORDINATOR);
        let entropy = seeded((self.random)());
        self.coordinator = Coordinator::new(self.now, DEFAULT_HEARTBEAT, entropy);
        self.observed = None;
        self.desire(spec);
    }

    pub(super) fn restart_agent(&mut self) {
        self.hang_up(AGENT);
        let entropy = seeded((self.random)());
        self.agent = Agent::new(self.now, "test", Vec::new(), entropy);
        self.applying = None;
        self.settle();
    }

    pub(super) fn change_kernel(&mut self, mtu: u32) {
        if let Some((_, current)) = &mut self.kernel {
            *current = mtu;
            self.report_kernel();
        }
        self.settle();
    }

    /// Causes one of several faults and changes.
    pub(super) fn disturb(&mut self, event: u8) {
        let next = |spec: &NetSpec, step: u8, generation: u64| {
            let id = spec.id();
            crate::sample::spec(id.incarnation.0[0] + step, id.generation.0 + generation)
        };
        let desired = self.desired.clone().unwrap();
        match event {
            0 => self.restart_agent(),
            1 => self.restart_coordinator(),
            2 => self.desire(next(&desired, 0, 1)),
            3 => self.desire(next(&desired, 1, 0)),
            4 => {
                let mtu = u32::try_from((self.random)() % 1000).unwrap();
                self.change_kernel(mtu);
            }
            _ => {
                for end in &mut self.ends {
                    end.arriving.extend([7, 0, 9, 1]);
                }
            }
        }
    }

    pub(super) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        self.settle();
        while let Some(next) = self.next_instant().filter(|next| *next <= end) {
            self.now = next.max(self.now);
            self.agent.handle(self.now, AgentInput::Tick);
            self.coordinator.handle(self.now, CoordinatorInput::Tick);
            self.settle();
        }
        self.now = end;
    }

    pub(super) fn converges_within(&mut self, time: Duration) -> bool {
        let end = self.now + time;
        while self.now < end && !self.is_converged() {
            self.run(Duration::from_millis(50));
        }
        self.is_converged()
    }

    pub(super) fn is_established(&self) -> bool {
        self.agent.is_established() || self.coordinator.is_established()
    }

    fn is_converged(&self) -> bool {
        let desired = self.desired.as_ref().map(NetSpec::id);
        let seen = self
            .observed
            .as_ref()
            .map(|r| (r.spec, r.interfaces[0].mtu));
        self.kernel.map(|(id, _)| id) == desired && seen == self.kernel
    }

    pub(super) fn assert_converged(&self) {
        assert!(self.agent.is_established(), "the agent has a session");
        assert!(self.coordinator.is_established(), "so has the coordinator");
        let desired = self.desired.as_ref().map(NetSpec::id);
        assert_eq!(self.agent.held(), desired);
        assert_eq!(self.kernel.map(|(id, _)| id), desired);
        let seen = self
            .observed
            .as_ref()
            .map(|r| (r.spec, r.interfaces[0].mtu));
        assert_eq!(
            seen, self.kernel,
            "what the coordinator believes is the kernel's state"
        );
    }

    fn next_instant(&self) -> Option<Instant> {
        let waiting = (self.agent_from > self.now).then_some(self.agent_from);
        let applied = self.applying.as_ref().map(|(instant, _)| *instant);
        [
            self.agent.deadline(),
            self.coordinator.deadline(),
            applied,
            waiting,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Does everything that takes no time.
    fn settle(&mut self) {
        loop {
            let mut busy = self.drain_agent() | self.drain_coordinator() | self.open();
            if let Some((_, spec)) = self.applying.take_if(|(at, _)| *at <= self.now) {
                self.kernel = Some((spec.id(), 1500));
                self.specs_applied += 1;
                self.report_kernel();
                busy = true;
            }
            busy |= self.deliver();
            if !busy {
                return;
            }
        }
    }

    fn deliver(&mut self) -> bool {
        let mut busy = false;
        if self.ends[AGENT].open {
            for envelope in self.ends[AGENT].frames() {
                self.agent.handle(self.now, AgentInput::Message(envelope));
                busy = true;
            }
        }
        if self.ends[COORDINATOR].open {
            for envelope in self.ends[COORDINATOR].frames() {
                let input = CoordinatorInput::Message(envelope);
                self.coordinator.handle(self.now, input);
                busy = true;
            }
        }
        busy
    }

    fn report_kernel(&mut self) {
        let Some((spec, mtu)) = self.kernel else {
            return;
        };
        let interface = crate::sample::interface_parts(0);
        let applied = Applied {
            spec,
            interfaces: vec![InterfaceReport {
                name: interface.name,
                mac: interface.mac,
                state: InterfaceState::Up,
                mtu,
                addresses: interface.addresses,
                routes: interface.routes,
            }],
            failures: Vec::new(),
        };
        let input = AgentInput::Applied(applied);
        self.agent.handle(self.now, input);
    }

    fn open(&mut self) -> bool {
        let agent_there = self.agent_from <= self.now;
        let wanted = [
            self.ends[AGENT].wanted && agent_there,
            self.ends[COORDINATOR].wanted,
        ];
        let both = self.ends.iter().all(|end| end.wanted || end.open) && agent_there;
        let mut busy = false;
        for which in [AGENT, COORDINATOR] {
            if wanted[which] && (self.line == Line::Serial || both) {
                self.ends[which].wanted = false;
                self.ends[which].open = true;
                busy = true;
                match which {
                    AGENT => self.agent.handle(self.now, AgentInput::ChannelOpened),
                    _ => self
                        .coordinator
                        .handle(self.now, CoordinatorInput::ChannelOpened),
                }
            }
        }
        busy
    }

    fn hang_up(&mut self, which: usize) {
        self.ends[which] = End::default();
        let other = 1 - which;
        if self.line == Line::Stream {
            let was_open = std::mem::take(&mut self.ends[other]).open;
            match other {
                _ if !was_open => self.ends[other].wanted = true,
                AGENT => self.agent.handle(self.now, AgentInput::ChannelClosed),
                _ => self
                    .coordinator
                    .handle(self.now, CoordinatorInput::ChannelClosed),
            }
        }
    }

    fn drain_agent(&mut self) -> bool {
        let mut busy = false;
        while let Some(output) = self.agent.poll() {
            busy = true;
            match output {
                AgentOutput::OpenChannel => self.ends[AGENT].wanted = true,
                AgentOutput::CloseChannel => self.hang_up(AGENT),
                AgentOutput::Send(envelope) => self.carry(COORDINATOR, &envelope),
                AgentOutput::Apply(spec) => {
                    let takes = Duration::from_millis((self.random)() % 50);
                    self.applying = Some((self.now + takes, spec));
                }
                AgentOutput::Established(_) | AgentOutput::Refused(_) | AgentOutput::Lost(_) => {}
            }
        }
        busy
    }

    fn drain_coordinator(&mut self) -> bool {
        let mut busy = false;
        while let Some(output) = self.coordinator.poll() {
            busy = true;
            match output {
                CoordinatorOutput::OpenChannel => self.ends[COORDINATOR].wanted = true,
                CoordinatorOutput::CloseChannel => self.hang_up(COORDINATOR),
                CoordinatorOutput::Send(envelope) => {
                    self.specs_sent += u32::from(matches!(envelope.message, ToAgent::Spec(_)));
                    self.carry(AGENT, &envelope);
                }
                CoordinatorOutput::Established(_) => self.sessions += 1,
                CoordinatorOutput::Reported(report) => {
                    self.reports_seen += 1;
                    self.observed = Some(report);
                }
                CoordinatorOutput::Refused(_)
                | CoordinatorOutput::Linked(_)
                | CoordinatorOutput::Logged(_)
                | CoordinatorOutput::Lost(_) => {}
            }
        }
        busy
    }

    /// Carries a frame to one end, with the line's faults.
    fn carry<M: Message>(&mut self, to: usize, envelope: &Envelope<M>) {
        let mut bytes = Vec::new();
        let payload = envelope.message.encode().unwrap();
        frame::encode(envelope.nonce, &payload, &mut bytes).unwrap();
        let mut happens = |percent: u64| (self.random)() % 100 < percent;
        let (lost, doubled) = (happens(self.faults.lost), happens(self.faults.doubled));
        let (cut_short, spoilt) = (happens(self.faults.cut_short), happens(self.faults.spoilt));
        let mut at = || usize::try_from((self.random)()).unwrap() % bytes.len();
        let (cut_at, spoilt_at) = (at(), at());
        if lost {
            return;
        }
        if spoilt {
            bytes[spoilt_at] ^= 0x55;
        }
        if cut_short {
            bytes.truncate(cut_at);
        }
        let end = &mut self.ends[to];
        for _ in 0..=u8::from(doubled) {
            end.arriving.extend(&bytes);
        }
    }
}
