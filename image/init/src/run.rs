//! The life of the VM: one loop, which waits for the line, the agent and the container's processes.

mod children;

use crate::{
    agent::Agent,
    boot::{self, BootError},
    cgroup,
    clock::{Correction, Follower},
    container::{self, Namespaces, PendingChild},
    early::Early,
    line::Line,
    process::Process,
    rootfs, usage,
};
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        signal::{SigSet, Signal},
        signalfd::{SfdFlags, SignalFd},
    },
};
use protocol::process::{Exit, Fault, FromInit, Phase, ProcessId, Start, ToInit, VERSION};
use std::{
    collections::BTreeMap,
    io,
    os::fd::AsFd,
    time::{Duration, Instant},
};
use thiserror::Error;

/// Why init can't go on.
#[derive(Debug, Error)]
pub enum RunError {
    /// The guest does not come so far.
    #[error(transparent)]
    Boot(#[from] BootError),
    /// The line to the shim.
    #[error("the line to the VCH is of no use")]
    Line(#[source] io::Error),
    /// Something of the kernel's that every container needs.
    #[error("cannot {what}")]
    Kernel {
        /// What.
        what: &'static str,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

fn kernel<E: Into<io::Error>>(what: &'static str) -> impl FnOnce(E) -> RunError {
    move |source| RunError::Kernel {
        what,
        source: source.into(),
    }
}

/// Lives until the VM is to be powered off.
pub fn run() -> Result<(), RunError> {
    let began = boot::uptime_us();
    boot::prepare()?;
    cgroup::make().map_err(kernel("make a cgroup"))?;
    let mut children = SigSet::empty();
    children.add(Signal::SIGCHLD);
    children.thread_block().map_err(kernel("block SIGCHLD"))?;
    let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
    let children = SignalFd::with_flags(&children, flags).map_err(kernel("hear of children"))?;
    let line = Line::open().map_err(RunError::Line)?;
    let agent = Agent::start().map_err(kernel("hear tether-net"))?;
    let mut init = Init {
        line,
        children,
        phases: vec![(Phase::Init, began), (Phase::Devices, boot::uptime_us())],
        agent,
        told: false,
        waiting: None,
        namespaces: None,
        pending: BTreeMap::new(),
        processes: BTreeMap::new(),
        early: Early::default(),
        clock: Follower::default(),
        shim_version: VERSION,
        killed_for_memory: 0,
    };
    init.early.expect(ProcessId::MAIN);
    init.serve()
}

struct Init {
    line: Line,
    children: SignalFd,
    /// Not told yet.
    phases: Vec<(Phase, u64)>,
    agent: Agent,
    /// Somebody knows that it is there.
    told: bool,
    waiting: Option<Waiting>,
    namespaces: Option<Namespaces>,
    /// Children that do not run their programs yet.
    pending: BTreeMap<ProcessId, Pending>,
    processes: BTreeMap<ProcessId, Process>,
    /// What came for processes that do not run yet.
    early: Early,
    clock: Follower,
    /// The version of vch.process that the shim speaks.
    shim_version: u16,
    killed_for_memory: u64,
}

/// The container's own process, for which there is no network yet.
struct Waiting {
    start: Box<Start>,
    child: PendingChild,
    deadline: Instant,
}

/// A child that does not run its program yet, and how it ended if it has.
struct Pending {
    child: PendingChild,
    exit: Option<Exit>,
}

/// What woke the loop.
struct Woken {
    line: bool,
    children: bool,
    agent: bool,
}

impl Init {
    fn serve(&mut self) -> Result<(), RunError> {
        loop {
            if !self.told && self.agent.is_held() {
                // Of no life yet: whoever saves this VM as a template waits for it.
                self.ready();
            }
            self.line.flush().map_err(RunError::Line)?;
            let woken = self.wait()?;
            if woken.line {
                for message in self.line.receive().map_err(RunError::Line)? {
                    if message == ToInit::PowerOff {
                        self.end();
                        return Ok(());
                    }
                    self.follow(message);
                }
            }
            if woken.agent {
                self.agent.hear();
            }
            self.agent.keep();
            if woken.children {
                self.reap();
            }
            self.begin();
            self.advance();
            for process in self.processes.values_mut() {
                process.read(&mut self.line);
                process.write(&mut self.line);
            }
            self.tell_ends();
        }
    }

    fn wait(&self) -> Result<Woken, RunError> {
        let input = |descriptor| PollFd::new(descriptor, PollFlags::POLLIN);
        let mut wanted = vec![
            self.line.poll(),
            input(self.children.as_fd()),
            input(self.agent.notify()),
        ];
        wanted.extend(self.children().map(|child| input(child.line())));
        for process in self.processes.values() {
            if !self.line.is_full() {
                wanted.extend(process.readable().map(input));
            }
            let output = |descriptor| PollFd::new(descriptor, PollFlags::POLLOUT);
            wanted.extend(process.writable().map(output));
        }
        match poll(&mut wanted, self.timeout()) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(kernel("wait")(error)),
        }
        let woken = |index: usize| {
            let events = wanted.get(index).and_then(PollFd::revents);
            events.is_some_and(|events| !events.is_empty())
        };
        Ok(Woken {
            line: woken(0),
            children: woken(1),
            agent: woken(2),
        })
    }

    fn timeout(&self) -> PollTimeout {
        let agent = self.agent.deadline();
        let network = self.waiting.as_ref().map(|waiting| waiting.deadline);
        let children = self.children().filter_map(PendingChild::deadline);
        let terminals = self.processes.values().filter_map(Process::deadline);
        let all = agent.into_iter().chain(network).chain(children);
        let Some(next) = all.chain(terminals).min() else {
            return PollTimeout::NONE;
        };
        let left = next.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
        PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
    }

    /// Those that do not run their programs yet.
    fn children(&self) -> impl Iterator<Item = &PendingChild> {
        let main = self.waiting.iter().map(|waiting| &waiting.child);
        main.chain(self.pending.values().map(|pending| &pending.child))
    }

    fn follow(&mut self, message: ToInit) {
        match message {
            ToInit::Hello {
                version,
                now_ms,
                seed,
            } => {
                self.shim_version = version;
                boot::set_clock(now_ms);
                boot::reseed(&seed);
                self.agent.begin();
                self.ready();
                for (phase, uptime_us) in std::mem::take(&mut self.phases) {
                    self.line.tell(&FromInit::Phase { phase, uptime_us });
                }
            }
            ToInit::Start(start) => {
                if let Err(refused) = self.prepare(start) {
                    self.refuse(ProcessId::MAIN, refused);
                }
            }
            ToInit::Exec { id, process } => {
                let child = match &self.namespaces {
                    Some(namespaces) => container::exec(&process, namespaces),
                    None => Err((Fault::Other, "the container does not run".to_owned())),
                };
                match child {
                    Ok(child) => {
                        self.early.expect(id);
                        self.pending.insert(id, Pending { child, exit: None });
                    }
                    Err(refused) => self.refuse(id, refused),
                }
            }
            ToInit::Input { id, .. }
            | ToInit::InputEnd { id }
            | ToInit::Taken { id, .. }
            | ToInit::Resize { id, .. }
            | ToInit::Signal { id, .. } => self.deliver(id, message),
            ToInit::List { request } => {
                let processes = usage::processes();
                self.line.tell(&FromInit::Listed { request, processes });
            }
            ToInit::Usage { request } => {
                let usage = usage::usage();
                self.line.tell(&FromInit::Used { request, usage });
            }
            ToInit::Update { request, cgroup } => {
                let refused = cgroup::limit(&cgroup);
                self.line.tell(&FromInit::Updated { request, refused });
            }
            ToInit::Clock { now_ms } => self.follow_clock(now_ms),
            // Ends the loop.
            ToInit::PowerOff => {}
        }
    }

    /// To a process that runs, or will. What is meant for one that has just ended is nothing.
    fn deliver(&mut self, id: ProcessId, message: ToInit) {
        match self.processes.get_mut(&id) {
            Some(process) => process.follow(message),
            None => self.early.keep(id, message),
        }
    }

    fn follow_clock(&mut self, host_ms: u64) {
        let guest_ms = boot::clock_ms();
        match self.clock.observe(host_ms, guest_ms) {
            Correction::None => {}
            Correction::Slew(by_ms) => boot::slew_clock(by_ms),
            Correction::Step(by_ms) => {
                eprintln!("init: the clock is set by {by_ms} ms: it follows the host's");
                boot::set_clock(guest_ms.saturating_add_signed(by_ms));
            }
        }
    }

    fn phase(&mut self, phase: Phase) {
        let uptime_us = boot::uptime_us();
        self.line.tell(&FromInit::Phase { phase, uptime_us });
    }

    fn ready(&mut self) {
        self.told = true;
        self.line.tell(&FromInit::Ready { version: VERSION });
    }

    fn end(&mut self) {
        cgroup::kill();
        self.agent.end();
        rootfs::close();
    }
}
