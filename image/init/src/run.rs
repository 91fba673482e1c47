//! Init's main loop: waits for the line to the shim, the agent and the container's processes, and
//! serves them.

use crate::{
    agent::Agent,
    boot::{self, BootError},
    cgroup,
    clock::{Correction, Follower},
    devices, entropy,
    line::Line,
    process_table::ProcessTable,
    rootfs,
    spawn::PendingChild,
    start_error::{StartError, failed},
    system_clock, usage,
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
use protocol::process::{Fault, FromInit, Phase, ProcessId, Start, ToInit, VERSION};
use std::{
    io,
    os::fd::AsFd,
    time::{Duration, Instant},
};
use thiserror::Error;

/// The reason for which init can't continue, so that the VM ends.
#[derive(Debug, Error)]
pub enum RunError {
    /// The guest can't be prepared.
    #[error(transparent)]
    Boot(#[from] BootError),
    /// The connection to the shim is missing or broken.
    #[error("the line to the VCH is of no use")]
    Line(#[source] io::Error),
    /// The kernel refused something that every container needs.
    #[error("cannot {what}")]
    Kernel {
        /// The step, as the verb of the sentence "cannot {what}".
        what: &'static str,
        /// The system's error.
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

/// Prepares the guest after its boot, and serves the shim until it asks for the VM to be powered
/// off.
///
/// # Errors
/// Returns [`RunError::Boot`] if the guest can't be prepared, [`RunError::Line`] if the connection
/// to the shim is missing or breaks, [`RunError::Kernel`] if the kernel refuses something that
/// every container needs.
pub fn run() -> Result<(), RunError> {
    let began = system_clock::uptime_us();
    boot::prepare()?;
    boot::set_parameters();
    cgroup::make().map_err(kernel("make a cgroup"))?;
    let line = Line::open().map_err(RunError::Line)?;
    serve(line, began)
}

/// Serves a line until it says that the VM is to be powered off. Init began `began` microseconds after the guest booted.
///
/// # Errors
/// Returns [`RunError::Line`] if the line breaks, [`RunError::Kernel`] if the kernel refuses something that every
/// container needs.
fn serve(line: Line, began: u64) -> Result<(), RunError> {
    let mut children = SigSet::empty();
    children.add(Signal::SIGCHLD);
    children.thread_block().map_err(kernel("block SIGCHLD"))?;
    let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
    let children = SignalFd::with_flags(&children, flags).map_err(kernel("hear of children"))?;
    let agent = Agent::start().map_err(kernel("hear tether-net"))?;
    let mut init = Init {
        line,
        children,
        phases: vec![
            (Phase::Init, began),
            (Phase::Devices, system_clock::uptime_us()),
        ],
        agent,
        told: false,
        processes: ProcessTable::new(),
        clock: Follower::default(),
        shim_version: VERSION,
    };
    init.serve()
}

struct Init {
    line: Line,
    children: SignalFd,
    /// Phases that were not told yet.
    phases: Vec<(Phase, u64)>,
    agent: Agent,
    /// The shim was told that init is there.
    told: bool,
    processes: ProcessTable,
    clock: Follower,
    /// The version of vch.process that the shim speaks.
    shim_version: u16,
}

/// The descriptors that woke the loop.
struct Woken {
    line: bool,
    children: bool,
    agent: bool,
}

impl Init {
    fn serve(&mut self) -> Result<(), RunError> {
        loop {
            if !self.told && self.agent.is_held() {
                // Of no life yet: a shim that saves this VM as a template waits for it.
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
            self.processes.advance(&self.agent, &mut self.line);
            self.processes.carry(&mut self.line);
            self.processes.tell_ends(&mut self.line);
        }
    }

    fn wait(&self) -> Result<Woken, RunError> {
        let input = |descriptor| PollFd::new(descriptor, PollFlags::POLLIN);
        let mut wanted = vec![
            self.line.poll(),
            input(self.children.as_fd()),
            input(self.agent.notify()),
        ];
        let children = self.processes.children();
        wanted.extend(children.map(PendingChild::socket).map(input));
        for process in self.processes.running() {
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
        let deadlines = [self.agent.deadline(), self.processes.deadline()];
        let Some(next) = deadlines.into_iter().flatten().min() else {
            return PollTimeout::NONE;
        };
        let left = next.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
        PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
    }

    fn follow(&mut self, message: ToInit) {
        match message {
            ToInit::Hello {
                version,
                now_ms,
                seed,
            } => {
                self.shim_version = version;
                system_clock::set(now_ms);
                entropy::reseed(&seed);
                self.agent.begin();
                self.ready();
                for (phase, uptime_us) in std::mem::take(&mut self.phases) {
                    self.line.tell(&FromInit::Phase { phase, uptime_us });
                }
            }
            ToInit::Start(start) => {
                if let Err(error) = self.start(start) {
                    let main = ProcessId::MAIN;
                    self.processes.refuse(main, error, &mut self.line);
                }
            }
            ToInit::Exec { id, process } => self.processes.exec(id, &process, &mut self.line),
            ToInit::Input { id, .. }
            | ToInit::InputEnd { id }
            | ToInit::Taken { id, .. }
            | ToInit::Resize { id, .. }
            | ToInit::Signal { id, .. } => self.processes.deliver(id, message),
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

    /// Makes all that the container's own process needs but its network, and begins the process.
    fn start(&mut self, start: Box<Start>) -> Result<(), StartError> {
        same_release(self.shim_version)?;
        rootfs::assemble(&start)
            .map_err(|error| StartError::new(Fault::RootFileSystem, error.to_string()))?;
        self.line.tell_phase(Phase::Mounted);
        self.agent.root_is_there();
        self.line.tell_phase(Phase::Agent);
        devices::confine(&start)?;
        if let Some(refused) = cgroup::limit(&start.cgroup).first() {
            return Err(StartError::other(format!("bound the container: {refused}")));
        }
        if !start.domain.is_empty() {
            boot::set_domain(&start.domain).map_err(failed("set the domain name"))?;
        }
        self.processes.begin_main(start)
    }

    fn follow_clock(&mut self, host_ms: u64) {
        let guest_ms = system_clock::now_ms();
        match self.clock.observe(host_ms, guest_ms) {
            Correction::None => {}
            Correction::Slew(by_ms) => system_clock::slew(by_ms),
            Correction::Step(by_ms) => {
                eprintln!("init: the clock is set by {by_ms} ms: it follows the host's");
                system_clock::set(guest_ms.saturating_add_signed(by_ms));
            }
        }
    }

    /// Takes the end of every child: the agent, the container's processes, and orphans.
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
            self.processes.ended(pid, status);
        }
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

/// Refuses a shim that speaks another version than this build.
fn same_release(shim: u16) -> Result<(), StartError> {
    if shim == VERSION {
        return Ok(());
    }
    Err(StartError::other(format!(
        "the VM's init speaks version {VERSION} of vch.process, its shim version {shim}: make the VM's image and the \
         VCH from one release"
    )))
}

#[cfg(test)]
mod tests;
