//! The processes of the container, from their fork to their end.

use super::{Init, Pending, Waiting};
use crate::{
    boot, cgroup,
    confine::{Refused, failed},
    container::{self, Namespaces, PendingChild, Progress, Started},
    devices,
    process::Process,
    rootfs,
};
use nix::{
    sys::wait::{WaitPidFlag, WaitStatus, waitpid},
    unistd::Pid,
};
use protocol::process::{Exit, Fault, FromInit, Phase, ProcessId, Start, VERSION};
use std::time::{Duration, Instant};

impl Init {
    pub(super) fn refuse(&mut self, id: ProcessId, (fault, reason): Refused) {
        self.early.take(id);
        self.line.tell(&FromInit::NotStarted { id, fault, reason });
    }

    /// Up to the network.
    pub(super) fn prepare(&mut self, start: Box<Start>) -> Result<(), Refused> {
        same_release(self.shim_version)?;
        rootfs::assemble(&start).map_err(|error| (Fault::RootFileSystem, error.to_string()))?;
        self.phase(Phase::Mounted);
        self.agent.root_is_there();
        self.phase(Phase::Agent);
        devices::confine(&start)?;
        if let Some(refused) = cgroup::limit(&start.cgroup).first() {
            return Err((Fault::Other, format!("bound the container: {refused}")));
        }
        if !start.domain.is_empty() {
            boot::set_domain(&start.domain).map_err(failed("set the domain name"))?;
        }
        let patience = Duration::from_millis(start.network_deadline_ms.into());
        self.waiting = Some(Waiting {
            // It takes its place while the agent makes the network.
            child: container::begin(&start)?,
            deadline: Instant::now() + patience,
            start,
        });
        Ok(())
    }

    /// Lets the container's own process run as soon as it is in its place and the network is there.
    pub(super) fn begin(&mut self) {
        let Some(waiting) = self.waiting.take() else {
            return;
        };
        let now = Instant::now();
        let child = match waiting.child.advance(now) {
            Progress::Pending(child) => child,
            Progress::Refused(refused) => return self.refuse(ProcessId::MAIN, refused),
            // It is held: it does not run before it is let go.
            Progress::Started(_) => {
                let reason = "the process did not wait for its network".to_owned();
                return self.refuse(ProcessId::MAIN, (Fault::Other, reason));
            }
        };
        if !self.agent.ready && waiting.deadline <= now {
            child.abandon();
            let status = &self.agent.status;
            let reason = format!(
                "the network was not there after {} ms: the agent's last word: {status}",
                waiting.start.network_deadline_ms
            );
            return self.refuse(ProcessId::MAIN, (Fault::Network, reason));
        }
        if !self.agent.ready || !child.is_held() {
            self.waiting = Some(Waiting { child, ..waiting });
            return;
        }
        self.phase(Phase::Network);
        self.killed_for_memory = cgroup::killed_for_memory();
        match self.release(&waiting.start, child) {
            Ok(child) => {
                let pending = Pending { child, exit: None };
                self.pending.insert(ProcessId::MAIN, pending);
            }
            Err(refused) => self.refuse(ProcessId::MAIN, refused),
        }
    }

    fn release(&mut self, start: &Start, mut child: PendingChild) -> Result<PendingChild, Refused> {
        let released = container::set_network(&start.sysctls).and_then(|()| {
            // Once it is in all of them, and while it waits.
            self.namespaces = Some(Namespaces::of(child.pid())?);
            child.release()
        });
        match released {
            Ok(()) => Ok(child),
            Err(refused) => {
                self.namespaces = None;
                child.abandon();
                Err(refused)
            }
        }
    }

    /// Hears the children that are about to run their programs.
    pub(super) fn advance(&mut self) {
        let now = Instant::now();
        for (id, Pending { child, exit }) in std::mem::take(&mut self.pending) {
            match child.advance(now) {
                Progress::Pending(child) => {
                    self.pending.insert(id, Pending { child, exit });
                }
                Progress::Started(started) => self.started(id, started, exit),
                Progress::Refused(refused) => {
                    if id == ProcessId::MAIN {
                        self.namespaces = None;
                    }
                    self.refuse(id, refused);
                }
            }
        }
    }

    fn started(&mut self, id: ProcessId, started: Started, exit: Option<Exit>) {
        let Started { pid, inner, ends } = started;
        match Process::new(id, pid, ends) {
            Ok(mut process) => {
                if id == ProcessId::MAIN {
                    self.phase(Phase::Process);
                }
                self.line.tell(&FromInit::Started { id, pid: inner });
                process.exit = exit;
                for message in self.early.take(id) {
                    process.follow(message);
                }
                self.processes.insert(id, process);
            }
            Err(error) => {
                cgroup::kill();
                let reason = format!("hold its streams: {error}");
                self.refuse(id, (Fault::Other, reason));
            }
        }
    }

    /// Every child that ended: the container's processes, the agent, and orphans.
    pub(super) fn reap(&mut self) {
        while let Ok(Some(_)) = self.children.read_signal() {}
        while let Ok(status) = waitpid(Pid::from_raw(-1), Some(WaitPidFlag::WNOHANG)) {
            let Some(pid) = status.pid().filter(|_| status != WaitStatus::StillAlive) else {
                return;
            };
            if self.agent.ended(pid) {
                eprintln!("init: tether-net ended: {status:?}");
                continue;
            }
            self.ended(pid, status);
        }
    }

    /// A child of init's ended: a process of the container, one that was about to be, or an orphan.
    fn ended(&mut self, pid: Pid, status: WaitStatus) {
        let running = self.processes.values_mut();
        let running = running.map(|process| (process.id, process.pid, &mut process.exit));
        let pending = self.pending.iter_mut();
        let pending = pending.map(|(id, pending)| (*id, pending.child.pid(), &mut pending.exit));
        let Some((id, _, exit)) = running.chain(pending).find(|(_, own, _)| *own == pid) else {
            return;
        };
        let main = id == ProcessId::MAIN;
        let out_of_memory = main && cgroup::killed_for_memory() > self.killed_for_memory;
        *exit = Some(Exit {
            code: u8::try_from(container::code(status)).unwrap_or(u8::MAX),
            out_of_memory,
        });
        if main {
            // With it the container ends; what they wrote is read all the same.
            self.namespaces = None;
            cgroup::kill();
        }
    }

    /// Tells the end of the container's own process last: the shim ends the VM when it hears of it.
    pub(super) fn tell_ends(&mut self) {
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
}

/// Refuses a shim that speaks another version than this build.
fn same_release(shim: u16) -> Result<(), Refused> {
    if shim == VERSION {
        return Ok(());
    }
    let reason = format!(
        "the VM's init speaks version {VERSION} of vch.process, its shim version {shim}: make the VM's image and the \
         VCH from one release"
    );
    Err((Fault::Other, reason))
}

#[cfg(test)]
mod tests {
    use super::{VERSION, same_release};

    #[test]
    fn a_shim_of_another_release_starts_nothing() {
        assert!(same_release(VERSION).is_ok());
        let (_, reason) = same_release(VERSION + 1).unwrap_err();
        assert!(
            reason.contains(&format!("shim version {}", VERSION + 1)),
            "{reason}"
        );
    }
}
