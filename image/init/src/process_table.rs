//! The processes of the container, from their fork until their end is reported.

use crate::{
    agent::Agent,
    cgroup,
    container::{self, Namespaces},
    early::EarlyMessages,
    exit_code::exit_code,
    line::Line,
    process::RunningProcess,
    spawn::{PendingChild, Progress, Started},
    start_error::StartError,
};
use nix::{sys::wait::WaitStatus, unistd::Pid};
use protocol::process::{Exit, Fault, FromInit, Phase, Process, ProcessId, Start, ToInit};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// All processes of the container: those that are being started, and those that run.
pub struct ProcessTable {
    /// The container's own process, while there is no network for it.
    waiting: Option<Waiting>,
    namespaces: Option<Namespaces>,
    /// Children that do not run their programs yet.
    pending: BTreeMap<ProcessId, Pending>,
    running: BTreeMap<ProcessId, RunningProcess>,
    /// Messages for processes that do not run yet.
    early: EarlyMessages,
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

/// The fate of a container's own process that waits for its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Decision {
    /// The process goes on waiting.
    Wait,
    /// The process runs its program.
    Release,
    /// The process waited too long for the network.
    Abandon,
}

/// Decides for a process that is in its place (`held`) or not, with a network that is there (`ready`) or not, before or
/// after its deadline (`late`).
fn decide(ready: bool, held: bool, late: bool) -> Decision {
    match (ready, held) {
        (true, true) => Decision::Release,
        (false, _) if late => Decision::Abandon,
        _ => Decision::Wait,
    }
}

impl ProcessTable {
    /// Returns an empty table. Messages for the container's main process are kept from now on.
    pub fn new() -> Self {
        let mut early = EarlyMessages::default();
        early.expect(ProcessId::MAIN);
        Self {
            waiting: None,
            namespaces: None,
            pending: BTreeMap::new(),
            running: BTreeMap::new(),
            early,
            killed_for_memory: 0,
        }
    }

    /// Forks the container's main process, which enters its namespaces while the agent configures the network.
    ///
    /// # Errors
    /// Returns [`Fault::Other`] if the process can't be forked.
    pub fn begin_main(&mut self, start: Box<Start>) -> Result<(), StartError> {
        let patience = Duration::from_millis(start.network_deadline_ms.into());
        self.waiting = Some(Waiting {
            child: container::begin(&start)?,
            deadline: Instant::now() + patience,
            start,
        });
        Ok(())
    }

    /// Forks a further process (`docker exec`) into the container. If that fails, reports it to the shim.
    pub fn exec(&mut self, id: ProcessId, process: &Process, line: &mut Line) {
        let child = match &self.namespaces {
            Some(namespaces) => container::exec(process, namespaces),
            None => Err(StartError::other("the container does not run".to_owned())),
        };
        match child {
            Ok(child) => {
                self.early.expect(id);
                self.pending.insert(id, Pending { child, exit: None });
            }
            Err(error) => self.refuse(id, error, line),
        }
    }

    /// Passes a message to a process that runs, or keeps it for one that is being started. Drops a message for any
    /// other process.
    pub fn deliver(&mut self, id: ProcessId, message: ToInit) {
        match self.running.get_mut(&id) {
            Some(process) => process.follow(message),
            None => self.early.keep(id, message),
        }
    }

    /// Reports to the shim that a process can't be started, and why.
    pub fn refuse(&mut self, id: ProcessId, error: StartError, line: &mut Line) {
        self.early.take(id);
        let StartError { fault, reason } = error;
        line.tell(&FromInit::NotStarted { id, fault, reason });
    }

    /// Returns the children that do not run their programs yet, to poll their sockets.
    pub fn children(&self) -> impl Iterator<Item = &PendingChild> {
        let main = self.waiting.iter().map(|waiting| &waiting.child);
        main.chain(self.pending.values().map(|pending| &pending.child))
    }

    /// Returns the processes that run their programs.
    pub fn running(&self) -> impl Iterator<Item = &RunningProcess> {
        self.running.values()
    }

    /// Returns when [`ProcessTable::advance`] or [`ProcessTable::carry`] must be called even if no descriptor is ready;
    /// `None` for never.
    pub fn deadline(&self) -> Option<Instant> {
        let network = self.waiting.iter().map(|waiting| waiting.deadline);
        let children = self.children().filter_map(PendingChild::deadline);
        let terminals = self.running.values().filter_map(RunningProcess::deadline);
        network.chain(children).chain(terminals).min()
    }

    /// Reads the children's messages, and reports which processes run or failed. Lets the main process run its program
    /// once it is in its namespaces and the network is ready.
    pub fn advance(&mut self, agent: &Agent, line: &mut Line) {
        if let Some(waiting) = self.waiting.take() {
            self.advance_main(waiting, agent, line);
        }
        let now = Instant::now();
        for (id, Pending { child, exit }) in std::mem::take(&mut self.pending) {
            match child.advance(now) {
                Progress::Pending(child) => {
                    self.pending.insert(id, Pending { child, exit });
                }
                Progress::Started(started) => self.started(id, started, exit, line),
                Progress::Failed(error) => {
                    if id == ProcessId::MAIN {
                        self.namespaces = None;
                    }
                    self.refuse(id, error, line);
                }
            }
        }
    }

    fn advance_main(&mut self, waiting: Waiting, agent: &Agent, line: &mut Line) {
        let now = Instant::now();
        let main = ProcessId::MAIN;
        let child = match waiting.child.advance(now) {
            Progress::Pending(child) => child,
            Progress::Failed(error) => return self.refuse(main, error, line),
            // It is held: it does not run before it is let go.
            Progress::Started(_) => {
                let reason = "the process did not wait for its network".to_owned();
                return self.refuse(main, StartError::other(reason), line);
            }
        };
        match decide(agent.ready, child.is_held(), waiting.deadline <= now) {
            Decision::Wait => self.waiting = Some(Waiting { child, ..waiting }),
            Decision::Abandon => {
                child.abandon();
                let reason = format!(
                    "the network was not there after {} ms: the agent's last word: {}",
                    waiting.start.network_deadline_ms, agent.status
                );
                self.refuse(main, StartError::new(Fault::Network, reason), line);
            }
            Decision::Release => {
                line.tell_phase(Phase::Network);
                self.killed_for_memory = cgroup::killed_for_memory();
                match self.release(&waiting.start, child) {
                    Ok(child) => {
                        let pending = Pending { child, exit: None };
                        self.pending.insert(main, pending);
                    }
                    Err(error) => self.refuse(main, error, line),
                }
            }
        }
    }

    fn release(
        &mut self,
        start: &Start,
        mut child: PendingChild,
    ) -> Result<PendingChild, StartError> {
        let released = container::set_network(&start.sysctls).and_then(|()| {
            // Once it is in all of them, and while it waits.
            self.namespaces = Some(Namespaces::of(child.pid())?);
            child.release()
        });
        match released {
            Ok(()) => Ok(child),
            Err(error) => {
                self.namespaces = None;
                child.abandon();
                Err(error)
            }
        }
    }

    fn started(&mut self, id: ProcessId, started: Started, exit: Option<Exit>, line: &mut Line) {
        let Started { pid, inner, ends } = started;
        match RunningProcess::new(id, pid, ends) {
            Ok(mut process) => {
                if id == ProcessId::MAIN {
                    line.tell_phase(Phase::Process);
                }
                line.tell(&FromInit::Started { id, pid: inner });
                process.exit = exit;
                for message in self.early.take(id) {
                    process.follow(message);
                }
                self.running.insert(id, process);
            }
            Err(error) => {
                cgroup::kill();
                let error = StartError::other(format!("hold its streams: {error}"));
                self.refuse(id, error, line);
            }
        }
    }

    /// Passes input and output on between all processes and the line.
    pub fn carry(&mut self, line: &mut Line) {
        for process in self.running.values_mut() {
            process.read(line);
            process.write(line);
        }
    }

    /// Notes that a child has ended. If it was the main process, kills all others. A child that is not in the table (an
    /// orphan of the container) is ignored.
    pub fn ended(&mut self, pid: Pid, status: WaitStatus) {
        let running = self.running.values_mut();
        let running = running.map(|process| (process.id, process.pid, &mut process.exit));
        let pending = self.pending.iter_mut();
        let pending = pending.map(|(id, pending)| (*id, pending.child.pid(), &mut pending.exit));
        let Some((id, _, exit)) = running.chain(pending).find(|(_, own, _)| *own == pid) else {
            return;
        };
        let main = id == ProcessId::MAIN;
        let out_of_memory = main && cgroup::killed_for_memory() > self.killed_for_memory;
        *exit = Some(Exit {
            code: exit_code(status),
            out_of_memory,
        });
        if main {
            // With it the container ends; what they wrote is read all the same.
            self.namespaces = None;
            cgroup::kill();
        }
    }

    /// Reports the processes that have ended and whose output is sent. The main process is reported last, since the
    /// shim then ends the VM.
    pub fn tell_ends(&mut self, line: &mut Line) {
        let over = self.running.iter();
        let mut over: Vec<_> = over
            .filter_map(|(id, process)| Some((*id, process.is_over()?)))
            .collect();
        over.reverse();
        let others = self.running.len() > over.len();
        for (id, exit) in over {
            if id == ProcessId::MAIN && others {
                continue;
            }
            self.running.remove(&id);
            line.tell(&FromInit::Exited { id, exit });
        }
    }
}

#[cfg(test)]
mod tests;
