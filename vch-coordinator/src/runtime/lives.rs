//! The lives of containers: started, stopped, killed, seen to have ended, started again, removed.
//!
//! ```text
//!   start ──► begin: disks, ledger, shim ──► follow ──► end: ledger ──► started again, or removed, by its policy
//!   adopt ─────────────────────────────────────┘            (what a coordinator that died left)
//! ```
//!
//! Whoever starts, stops or removes a container has its turn; what is written of its life goes through
//! [`change`] alone, one change after the other. All of it is carried out in tasks of the runtime's own:
//! a client that goes away does not leave a container half started.

mod adopt;
mod begin;
mod change;
mod follow;
mod plug;
mod signal;

pub use signal::signal_number;

use super::{
    ContainerSnapshot, Runtime, RuntimeError,
    containers::sockets,
    machine::Machine,
    workload::{Life, Status},
};
use crate::store::WriterError;
use change::Change;
use protocol::process::ProcessId;
use signal::{KILL, stop_signal};
use std::{io, time::Duration};
use tokio::time::timeout;
use vch_ledger::{Command, ContainerId};
use vch_shim::{Client, Outcome, Phase};

/// The exit code of a container that could not be launched, as Docker has it.
const NOT_LAUNCHED: u8 = 128;
/// Between the signal that stops and the one that kills, as Docker has it.
const STOP_GRACE: Duration = Duration::from_secs(10);
/// From SIGKILL until the VM itself is ended.
const KILL_GRACE: Duration = Duration::from_secs(5);
/// From there until its shim has told the end.
const END_GRACE: Duration = Duration::from_secs(20);

/// How a container is stopped, as far as it is not its own choice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stop {
    /// Between the signal and SIGKILL; `None` for the container's own.
    pub grace: Option<Duration>,
    /// The signal (signal(7)); `None` for the container's own.
    pub signal: Option<u8>,
}

/// Starting, stopping, removing.
impl Runtime {
    /// Starts a container, and answers when its process runs; whether it did not run before.
    ///
    /// # Errors
    /// [`RuntimeError`]; it does not run then.
    pub async fn start(&self, id: ContainerId) -> Result<bool, RuntimeError> {
        let runtime = self.clone();
        self.owned(async move { runtime.start_now(id).await }).await
    }

    /// Stops a container: a signal, then, after a time, SIGKILL. Returns whether it ran.
    ///
    /// # Errors
    /// [`RuntimeError`].
    pub async fn stop(&self, id: ContainerId, how: Stop) -> Result<bool, RuntimeError> {
        let runtime = self.clone();
        self.owned(async move { runtime.stop_now(id, how).await })
            .await
    }

    /// Stops a container that runs and starts it.
    ///
    /// # Errors
    /// [`RuntimeError`].
    pub async fn restart(&self, id: ContainerId, how: Stop) -> Result<(), RuntimeError> {
        let runtime = self.clone();
        self.owned(async move { runtime.restart_now(id, how).await })
            .await
    }

    /// Forgets a container; one that runs is ended first, where `force` says so.
    ///
    /// # Errors
    /// [`RuntimeError::Running`] and others.
    pub async fn remove(&self, id: ContainerId, force: bool) -> Result<(), RuntimeError> {
        let runtime = self.clone();
        self.owned(async move { runtime.remove_now(id, force).await })
            .await
    }

    /// Carries something out whether or not whoever asked for it waits.
    async fn owned<T: Send + 'static>(
        &self,
        task: impl Future<Output = Result<T, RuntimeError>> + Send + 'static,
    ) -> Result<T, RuntimeError> {
        // The coordinator stops: the next one finds how far it came.
        let stopping = || Err(WriterError::Ended.into());
        match self.0.tasks.spawn(task).await {
            Ok(Some(done)) => done,
            Ok(None) | Err(_) => stopping(),
        }
    }

    async fn start_now(&self, id: ContainerId) -> Result<bool, RuntimeError> {
        let looked = self.require(id).await?;
        let machine = self.machine(id, &looked.life);
        let turn = machine.turn.lock().await;
        let looked = self.require(id).await?;
        if looked.container.runs() {
            return Ok(false);
        }
        let begun = self.begin(id, &machine, 0).await;
        drop(turn);
        if begun.is_err() && looked.workload.remove_at_end {
            // Why it did not start is what the client is to hear.
            if let Err(error) = self.remove_now(id, false).await {
                tracing::warn!(container = %id, %error, "it is not removed");
            }
        }
        begun.map(|()| true)
    }

    /// Keeps why a container was not started, in the words of whoever was asked to start it.
    ///
    /// # Errors
    /// [`RuntimeError`].
    pub async fn not_started(&self, id: ContainerId, reason: &str) -> Result<(), RuntimeError> {
        let looked = self.require(id).await?;
        let machine = self.machine(id, &looked.life);
        self.change(id, &machine, |looked| {
            let life = Life {
                exit_code: NOT_LAUNCHED.into(),
                error: reason.to_owned(),
                ..looked.life.clone()
            };
            (!looked.container.runs()).then(|| Change::same(life))
        })
        .await
    }

    async fn stop_now(&self, id: ContainerId, how: Stop) -> Result<bool, RuntimeError> {
        let looked = self.require(id).await?;
        let machine = self.machine(id, &looked.life);
        let _turn = machine.turn.lock().await;
        let looked = self.require(id).await?;
        if !looked.container.runs() {
            self.give_up_restarting(id, &machine).await?;
            return Ok(false);
        }
        self.end(&looked, &machine, how).await?;
        self.tell_of(&looked, "stop", &[]);
        Ok(true)
    }

    async fn restart_now(&self, id: ContainerId, how: Stop) -> Result<(), RuntimeError> {
        let looked = self.require(id).await?;
        let machine = self.machine(id, &looked.life);
        let _turn = machine.turn.lock().await;
        let looked = self.require(id).await?;
        if looked.container.runs() {
            self.end(&looked, &machine, how).await?;
            self.tell_of(&looked, "stop", &[]);
        }
        self.begin(id, &machine, 0).await?;
        self.tell_of(&looked, "restart", &[]);
        Ok(())
    }

    /// Sends a signal (signal(7)) to a container's process.
    ///
    /// # Errors
    /// [`RuntimeError::NotRunning`].
    pub async fn kill(&self, id: ContainerId, signal: u8) -> Result<(), RuntimeError> {
        let looked = self.require(id).await?;
        let machine = self.machine(id, &looked.life);
        if !looked.container.runs() {
            return Err(RuntimeError::NotRunning(looked.container.id.to_string()));
        }
        let kills = signal == KILL;
        if kills || signal == stop_signal(&looked) {
            self.note_user(id, &machine).await?;
        }
        let signalled = self.client(&looked)?.signal(ProcessId::MAIN, signal).await;
        // A guest that does not hear SIGKILL is ended by its VM's end, below.
        if !kills {
            signalled?;
        }
        self.tell_of(&looked, "kill", &[("signal", signal.to_string())]);
        if kills {
            let ended = self.ended(&machine, KILL_GRACE);
            if !ended.await {
                self.client(&looked)?.kill().await?;
                self.ended(&machine, END_GRACE).await;
            }
        }
        Ok(())
    }

    async fn remove_now(&self, id: ContainerId, force: bool) -> Result<(), RuntimeError> {
        let looked = self.require(id).await?;
        let machine = self.machine(id, &looked.life);
        let _turn = machine.turn.lock().await;
        let looked = self.require(id).await?;
        let state = match looked.life.status {
            _ if looked.container.runs() => Some("running"),
            Status::Restarting => Some("restarting"),
            _ => None,
        };
        if let Some(state) = state.filter(|_| !force) {
            let name = looked.container.name.to_string();
            return Err(RuntimeError::Running { name, state });
        }
        if looked.container.runs() {
            self.note_user(id, &machine).await?;
            self.end_now(&looked, &machine).await;
        }
        self.remove_row(id).await?;
        self.discard(id).await?;
        self.0.tasks.spawn(self.0.cgroups.clone().remove(id));
        self.tell_of(&looked, "destroy", &[]);
        self.forget(id);
        Ok(())
    }

    /// Commits a removal, with a mark in the container's directory that tells the next coordinator that it
    /// may end it.
    async fn remove_row(&self, id: ContainerId) -> Result<(), RuntimeError> {
        let dirs = self.0.dirs.clone();
        let marked = blocking(move || dirs.mark_removal(id)).await;
        marked.map_err(|source| self.file("mark for removal", id, source))?;
        let command = Command::RemoveContainer {
            container: id.into(),
            force: true,
        };
        if let Err(error) = self.0.requests.carry_out(command).await {
            let dirs = self.0.dirs.clone();
            // It may be that it was committed and its answer is lost: then the ledger does not know it, and
            // its directory is kept aside at the next start.
            let _ = blocking(move || {
                dirs.unmark_removal(id);
                Ok(())
            })
            .await;
            return Err(error.into());
        }
        Ok(())
    }

    /// Removes what is kept of a container that was removed by the native API, which does not know whether
    /// its VM runs: then its directory stays, and is told of at the next start.
    pub async fn discard_removed(&self, id: ContainerId) {
        let dirs = self.0.dirs.clone();
        if let Err(error) = blocking(move || dirs.discard_unused(id)).await {
            tracing::warn!(container = %id, %error, "its directory stays");
        }
        self.forget(id);
    }

    /// Removes the directory of a container that the ledger has forgotten.
    ///
    /// # Errors
    /// [`RuntimeError::File`]; what stays goes at the coordinator's next start.
    async fn discard(&self, id: ContainerId) -> Result<(), RuntimeError> {
        let dirs = self.0.dirs.clone();
        let gone = blocking(move || dirs.discard(id)).await;
        gone.map_err(|source| self.file("remove", id, source))
    }

    fn file(&self, what: &'static str, id: ContainerId, source: io::Error) -> RuntimeError {
        RuntimeError::File {
            what,
            path: self.0.dirs.of(id),
            source,
        }
    }

    /// The shim of a container that runs.
    ///
    /// # Errors
    /// [`RuntimeError::NotOurs`].
    pub fn client(&self, looked: &ContainerSnapshot) -> Result<Client, RuntimeError> {
        let sockets = sockets(&looked.container.channel);
        let sockets = sockets.ok_or_else(|| not_ours(looked))?;
        Ok(Client::at(sockets))
    }

    /// What came when at a container's last start: the coordinator's phases, then the shim's and the
    /// guest's. Without the coordinator's where that was another coordinator's life.
    ///
    /// # Errors
    /// [`RuntimeError`].
    pub async fn trace(&self, id: ContainerId) -> Result<Vec<Phase>, RuntimeError> {
        let looked = self.require(id).await?;
        let mut phases = self.machine(id, &looked.life).phases();
        let own = match self.client(&looked)?.watch().await {
            Ok(mut stages) => stages.next().await?.phases,
            Err(_) => Outcome::read(&self.0.dirs.of(id))
                .ok()
                .flatten()
                .map(|outcome| outcome.phases)
                .unwrap_or_default(),
        };
        phases.extend(own);
        Ok(phases)
    }

    /// Ends a container that runs.
    async fn end(
        &self,
        looked: &ContainerSnapshot,
        machine: &Machine,
        how: Stop,
    ) -> Result<(), RuntimeError> {
        self.note_user(looked.container.id, machine).await?;
        let client = self.client(looked)?;
        let own = looked.workload.stop_timeout;
        let own =
            own.map(|seconds| Duration::from_secs(u64::try_from(seconds).unwrap_or(u64::MAX)));
        let grace = how.grace.or(own).unwrap_or(STOP_GRACE);
        let signal = how.signal.unwrap_or_else(|| stop_signal(looked));
        // One that has just ended hears no signal.
        let _ = client.signal(ProcessId::MAIN, signal).await;
        self.tell_of(looked, "kill", &[("signal", signal.to_string())]);
        if self.ended(machine, grace).await {
            return Ok(());
        }
        self.end_now(looked, machine).await;
        Ok(())
    }

    async fn end_now(&self, looked: &ContainerSnapshot, machine: &Machine) {
        let Ok(client) = self.client(looked) else {
            return;
        };
        // One that has just ended hears no signal.
        let _ = client.signal(ProcessId::MAIN, KILL).await;
        self.tell_of(looked, "kill", &[("signal", KILL.to_string())]);
        if !self.ended(machine, KILL_GRACE).await {
            let _ = client.kill().await;
            self.ended(machine, END_GRACE).await;
        }
    }

    /// Whether it ends within that time.
    async fn ended(&self, machine: &Machine, within: Duration) -> bool {
        let mut seen = machine.watch();
        let ended = seen.wait_for(|seen| seen.life.status != Status::Running || seen.gone);
        timeout(within, ended).await.is_ok()
    }

    /// A user stops it: its policy does not start it again.
    async fn note_user(&self, id: ContainerId, machine: &Machine) -> Result<(), RuntimeError> {
        self.change(id, machine, |looked| {
            let life = Life {
                stopped_by_user: true,
                ..looked.life.clone()
            };
            // It has just ended by itself.
            looked.container.runs().then(|| Change::same(life))
        })
        .await
    }

    /// A container that waits to be started again by its policy is not.
    async fn give_up_restarting(
        &self,
        id: ContainerId,
        machine: &Machine,
    ) -> Result<(), RuntimeError> {
        self.change(id, machine, |looked| {
            let life = Life {
                status: Status::Exited,
                stopped_by_user: true,
                ..looked.life.clone()
            };
            (looked.life.status == Status::Restarting).then(|| Change::same(life))
        })
        .await
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(io::Error::other)?
}

fn not_ours(looked: &ContainerSnapshot) -> RuntimeError {
    RuntimeError::NotOurs(looked.container.name.to_string())
}
