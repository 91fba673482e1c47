//! The life of the VM: one loop, which waits for the line, the agent and the container's processes.

use crate::{
    agent::Agent,
    boot::{self, BootError},
    cgroup,
    confine::Refused,
    container::{self, Namespaces, Started, Unborn},
    devices,
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
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::Pid,
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
    devices::confine().map_err(kernel("confine the container's devices"))?;
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
        processes: BTreeMap::new(),
        killed_for_memory: 0,
    };
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
    processes: BTreeMap<ProcessId, Process>,
    killed_for_memory: u64,
}

/// The container's own process, for which there is no network yet.
struct Waiting {
    start: Box<Start>,
    unborn: Unborn,
    deadline: Instant,
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
        let Some(next) = agent.into_iter().chain(network).min() else {
            return PollTimeout::NONE;
        };
        let left = next.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
        PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
    }

    fn follow(&mut self, message: ToInit) {
        match message {
            ToInit::Hello { now_ms, seed, .. } => {
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
                let started = match &self.namespaces {
                    Some(namespaces) => container::exec(&process, namespaces),
                    None => Err((Fault::Other, "the container does not run".to_owned())),
                };
                self.started(id, started);
            }
            ToInit::Input { id, bytes } => self.with(id, |process| process.give(&bytes)),
            ToInit::InputEnd { id } => self.with(id, Process::end_input),
            ToInit::Taken { id, stream, bytes } => {
                self.with(id, |process| process.taken(stream, bytes));
            }
            ToInit::Resize { id, size } => self.with(id, |process| process.resize(size)),
            ToInit::Signal { id, signal } => self.with(id, |process| process.signal(signal)),
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
            ToInit::Clock { now_ms } => boot::set_clock(now_ms),
            // Ends the loop.
            ToInit::PowerOff => {}
        }
    }

    /// What is meant for a process that has just ended is nothing.
    fn with(&mut self, id: ProcessId, act: impl FnOnce(&mut Process)) {
        if let Some(process) = self.processes.get_mut(&id) {
            act(process);
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

    fn refuse(&mut self, id: ProcessId, (fault, reason): Refused) {
        self.line.tell(&FromInit::NotStarted { id, fault, reason });
    }

    /// Up to the network.
    fn prepare(&mut self, start: Box<Start>) -> Result<(), Refused> {
        rootfs::assemble(&start.image_disk, &start.upper_disk)
            .map_err(|error| (Fault::RootFileSystem, error.to_string()))?;
        self.phase(Phase::Mounted);
        self.agent.root_is_there();
        self.phase(Phase::Agent);
        let patience = Duration::from_millis(start.network_deadline_ms.into());
        self.waiting = Some(Waiting {
            // It takes its place while the agent makes the network.
            unborn: Unborn::begin(&start)?,
            deadline: Instant::now() + patience,
            start,
        });
        Ok(())
    }

    /// Starts the process as soon as the network is there.
    fn begin(&mut self) {
        let ready = self.agent.ready;
        let Some(waiting) = self.waiting.take() else {
            return;
        };
        if ready {
            self.phase(Phase::Network);
            self.killed_for_memory = cgroup::killed_for_memory();
            let started = container::set_network(&waiting.start.sysctls);
            let started = started.and_then(|()| waiting.unborn.run());
            let started = started.map(|(started, namespaces)| {
                self.namespaces = Some(namespaces);
                started
            });
            self.started(ProcessId::MAIN, started);
        } else if waiting.deadline <= Instant::now() {
            let status = &self.agent.status;
            let reason = format!(
                "the network was not there after {} ms: the agent's last word: {status}",
                waiting.start.network_deadline_ms
            );
            self.refuse(ProcessId::MAIN, (Fault::Network, reason));
        } else {
            self.waiting = Some(waiting);
        }
    }

    fn started(&mut self, id: ProcessId, started: Result<Started, Refused>) {
        let process = started.and_then(|Started { pid, ends }| {
            let process = Process::new(id, pid, ends);
            process.map_err(|error| (Fault::Other, format!("hold its streams: {error}")))
        });
        match process {
            Ok(process) => {
                if id == ProcessId::MAIN {
                    self.phase(Phase::Process);
                }
                let pid = inner_number(process.pid);
                self.line.tell(&FromInit::Started { id, pid });
                self.processes.insert(id, process);
            }
            Err(refused) => self.refuse(id, refused),
        }
    }

    /// Every child that ended: the container's processes, the agent, and orphans.
    fn reap(&mut self) {
        while let Ok(Some(_)) = self.children.read_signal() {}
        while let Ok(status) = waitpid(Pid::from_raw(-1), Some(WaitPidFlag::WNOHANG)) {
            let Some(pid) = status.pid().filter(|_| status != WaitStatus::StillAlive) else {
                return;
            };
            if self.agent.ended(pid) {
                eprintln!("init: tether-net ended: {status:?}");
                continue;
            }
            let mut processes = self.processes.values_mut();
            let Some(process) = processes.find(|process| process.pid == pid) else {
                continue;
            };
            let main = process.id == ProcessId::MAIN;
            let out_of_memory = main && cgroup::killed_for_memory() > self.killed_for_memory;
            process.exit = Some(Exit {
                code: u8::try_from(container::code(status)).unwrap_or(u8::MAX),
                out_of_memory,
            });
            if main {
                // With it the container ends; what they wrote is read all the same.
                self.namespaces = None;
                cgroup::kill();
            }
        }
    }

    /// Of the container's own process the last: whoever hears of it ends the VM.
    fn tell_ends(&mut self) {
        let over = self.processes.iter();
        let mut over: Vec<_> = over
            .filter_map(|(id, process)| Some((*id, process.is_over()?)))
            .collect();
        over.reverse();
        let others = self.processes.len() > over.len();
        for (id, exit) in over {
            if id == ProcessId::MAIN && others {
                continue;
            }
            self.processes.remove(&id);
            self.line.tell(&FromInit::Exited { id, exit });
        }
    }

    fn end(&mut self) {
        cgroup::kill();
        self.agent.end();
        rootfs::close();
    }
}

/// A process's number in the container's pid namespace.
fn inner_number(pid: Pid) -> u32 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    let inner = numbers.and_then(|numbers| numbers.split_ascii_whitespace().last()?.parse().ok());
    inner.unwrap_or(0)
}
