//! The lives of containers: started, stopped, killed, seen to have ended, started again, removed.

use super::{
    Looked, Nic, Nics, Runtime, RuntimeError,
    containers::{document, sockets},
    event::now_ms,
    health,
    hook::HookError,
    launch::{self, Places},
    machine::Machine,
    restart, shim,
    workload::{Life, Status},
};
use futures_util::{FutureExt, future::BoxFuture};
use nix::sys::signal::Signal;
use protocol::process::ProcessId;
use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::time::timeout;
use vch_ledger::{Command, ContainerId, DocumentKind};
use vch_shim::{Client, ClientError, Outcome, Phase, Stage, Stages};

/// Between the signal that stops and the one that kills, as Docker has it.
const STOP_GRACE: Duration = Duration::from_secs(10);
/// From SIGKILL until the VM itself is ended.
const KILL_GRACE: Duration = Duration::from_secs(5);
/// From there until its shim has told the end.
const END_GRACE: Duration = Duration::from_secs(20);
/// For whoever is attached to a container that removes itself.
const LAST_READS: Duration = Duration::from_secs(10);
/// A shim that was lost: as if killed.
const LOST: u8 = 137;

/// Starting, stopping, removing.
impl Runtime {
    /// Starts a container, and answers when its process runs; whether it did not run before.
    ///
    /// # Errors
    /// [`RuntimeError`]; it does not run then.
    pub async fn start(&self, id: ContainerId) -> Result<bool, RuntimeError> {
        let looked = self.must(id).await?;
        let machine = self.machine(id, &looked.life);
        let turn = machine.turn.lock().await;
        let looked = self.must(id).await?;
        if looked.container.runs() {
            return Ok(false);
        }
        let removes = looked.workload.remove_at_end;
        let life = Life {
            restarts: 0,
            stopped_by_user: false,
            ..looked.life
        };
        let begun = self.begin(id, &machine, life).await;
        drop(turn);
        if begun.is_err() && removes {
            // Why it did not start is what the client is to hear.
            if let Err(error) = self.remove(id, false).await {
                tracing::warn!(container = %id, %error, "it is not removed");
            }
        }
        begun.map(|()| true)
    }

    /// Stops a container: its stop signal, then, after `grace`, SIGKILL; whether it ran.
    ///
    /// # Errors
    /// [`RuntimeError`].
    pub async fn stop(
        &self,
        id: ContainerId,
        grace: Option<Duration>,
    ) -> Result<bool, RuntimeError> {
        let looked = self.must(id).await?;
        let machine = self.machine(id, &looked.life);
        let _turn = machine.turn.lock().await;
        let looked = self.must(id).await?;
        if !looked.container.runs() {
            self.give_up_restarting(&looked, &machine).await?;
            return Ok(false);
        }
        self.end(&looked, &machine, grace).await?;
        self.tell_of(&looked, "stop", &[]);
        Ok(true)
    }

    /// Stops a container that runs and starts it.
    ///
    /// # Errors
    /// [`RuntimeError`].
    pub async fn restart(
        &self,
        id: ContainerId,
        grace: Option<Duration>,
    ) -> Result<(), RuntimeError> {
        let looked = self.must(id).await?;
        let machine = self.machine(id, &looked.life);
        let _turn = machine.turn.lock().await;
        let looked = self.must(id).await?;
        if looked.container.runs() {
            self.end(&looked, &machine, grace).await?;
            self.tell_of(&looked, "stop", &[]);
        }
        let looked = self.must(id).await?;
        let life = Life {
            restarts: 0,
            stopped_by_user: false,
            ..looked.life.clone()
        };
        self.begin(id, &machine, life).await?;
        self.tell_of(&looked, "restart", &[]);
        Ok(())
    }

    /// Sends a signal (signal(7)) to a container's process.
    ///
    /// # Errors
    /// [`RuntimeError::NotRunning`].
    pub async fn kill(&self, id: ContainerId, signal: u8) -> Result<(), RuntimeError> {
        let looked = self.must(id).await?;
        let machine = self.machine(id, &looked.life);
        if !looked.container.runs() {
            return Err(RuntimeError::NotRunning(looked.container.id.to_string()));
        }
        let kills = i32::from(signal) == Signal::SIGKILL as i32;
        if kills || signal == stop_signal(&looked) {
            self.note_user(&looked, &machine).await?;
        }
        self.client(&looked)?
            .signal(ProcessId::MAIN, signal)
            .await?;
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

    /// Forgets a container; one that runs is ended first, where `force` says so.
    ///
    /// # Errors
    /// [`RuntimeError::Running`] and others.
    pub async fn remove(&self, id: ContainerId, force: bool) -> Result<(), RuntimeError> {
        let looked = self.must(id).await?;
        let machine = self.machine(id, &looked.life);
        let _turn = machine.turn.lock().await;
        let looked = self.must(id).await?;
        if looked.container.runs() {
            if !force {
                return Err(RuntimeError::Running(looked.container.id.to_string()));
            }
            self.note_user(&looked, &machine).await?;
            self.end_now(&looked, &machine).await;
        }
        let command = Command::RemoveContainer {
            container: id.into(),
            force: true,
        };
        self.0.requests.carry_out(command).await?;
        let folder = self.0.folders.of(id);
        remove_folder(&folder).await?;
        self.tell_of(&looked, "destroy", &[]);
        self.forget(id);
        Ok(())
    }

    /// Takes back what runs, and ends and starts what is to be, when the coordinator starts.
    pub async fn adopt(&self) {
        let all = match self.all().await {
            Ok(all) => all,
            Err(error) => {
                tracing::error!(%error, "containers are not taken back");
                return;
            }
        };
        for looked in all {
            let id = looked.container.id;
            if let Err(error) = self.adopt_one(looked).await {
                tracing::warn!(container = %id, %error, "a container is not as it must be");
            }
        }
    }

    async fn adopt_one(&self, looked: Looked) -> Result<(), RuntimeError> {
        let id = looked.container.id;
        let machine = self.machine(id, &looked.life);
        let was_running = looked.container.runs();
        if was_running {
            if let Ok(stages) = self.client(&looked)?.watch().await {
                tracing::info!(container = %looked.container.name, "its VM runs on");
                self.spawn_follow(id, Arc::clone(&machine), stages);
                return Ok(());
            }
            let outcome = self.outcome(id);
            self.finish(id, &machine, outcome).await?;
        }
        let looked = self.must(id).await?;
        if restart::at_start(&looked.workload.restart, &looked.life, was_running) {
            let runtime = self.clone();
            tokio::spawn(async move {
                if let Err(error) = runtime.start(id).await {
                    tracing::warn!(container = %id, %error, "it is not started again");
                }
            });
        }
        Ok(())
    }

    /// The shim of a container that runs.
    ///
    /// # Errors
    /// [`RuntimeError::NotOurs`].
    pub fn client(&self, looked: &Looked) -> Result<Client, RuntimeError> {
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
        let looked = self.must(id).await?;
        let mut phases = self.machine(id, &looked.life).phases();
        let own = match self.client(&looked)?.watch().await {
            Ok(mut stages) => stages.next().await?.phases,
            Err(_) => Outcome::read(&self.0.folders.of(id))
                .ok()
                .flatten()
                .map(|outcome| outcome.phases)
                .unwrap_or_default(),
        };
        phases.extend(own);
        Ok(phases)
    }

    /// From a container that does not run to its process, or back.
    async fn begin(
        &self,
        id: ContainerId,
        machine: &Arc<Machine>,
        life: Life,
    ) -> Result<(), RuntimeError> {
        let vms = self.0.vms.as_ref().ok_or(RuntimeError::Off)?;
        machine.begin_phases();
        let folder = self.0.folders.of(id);
        let before = self.must(id).await?;
        let image_disk = self.0.disks.root(&before.workload.image).await?;
        let upper_disk = folder.join("upper.ext4");
        if !upper_disk.exists() {
            make_folder(&folder).await?;
            self.0.disks.upper(&upper_disk, vms.disk_bytes).await?;
        }
        machine.phase("disks");
        self.0
            .requests
            .carry_out(Command::StartContainer(id.into()))
            .await?;
        machine.phase("committed");
        let begun = async {
            // As the ledger has it now: whoever connects from here on plugs the NIC.
            let looked = self.must(id).await?;
            let sockets = sockets(&looked.container.channel).ok_or_else(|| not_ours(&looked))?;
            let places = Places {
                folder: &folder,
                sockets,
                image_disk,
                upper_disk,
            };
            let mut launch = launch::launch(&looked, vms, places)
                .map_err(|reason| RuntimeError::NotStarted { code: 128, reason })?;
            if vms.clones {
                launch.template = self.0.templates.of(vms, &launch);
            }
            let pid = shim::spawn(vms, &launch).await?;
            let mut stages = Client::at(sockets).watch().await?;
            let started_ms = started(&mut stages).await?;
            Ok((looked, stages, pid, started_ms))
        };
        match begun.await {
            Ok((looked, stages, pid, started_ms)) => {
                let life = Life {
                    status: Status::Running,
                    started_ms,
                    pid,
                    exit_code: 0,
                    error: String::new(),
                    out_of_memory: false,
                    ..life
                };
                self.keep(id, DocumentKind::Life, &life).await?;
                machine.show_start(life);
                self.tell_of(&looked, "start", &[]);
                self.spawn_follow(id, Arc::clone(machine), stages);
                Ok(())
            }
            Err(error) => {
                let (code, reason) = match &error {
                    RuntimeError::NotStarted { code, reason } => (*code, reason.clone()),
                    other => (128, crate::chain::chain(other).to_string()),
                };
                let life = Life {
                    status: Status::Created,
                    exit_code: code.into(),
                    error: reason,
                    finished_ms: now_ms(),
                    pid: 0,
                    ..life
                };
                self.stopped(id, machine, life).await?;
                Err(error)
            }
        }
    }

    /// Ends a container that runs.
    async fn end(
        &self,
        looked: &Looked,
        machine: &Arc<Machine>,
        grace: Option<Duration>,
    ) -> Result<(), RuntimeError> {
        self.note_user(looked, machine).await?;
        let client = self.client(looked)?;
        let own = looked.workload.stop_timeout;
        let own =
            own.map(|seconds| Duration::from_secs(u64::try_from(seconds).unwrap_or(u64::MAX)));
        let grace = grace.or(own).unwrap_or(STOP_GRACE);
        let signal = stop_signal(looked);
        // One that has just ended hears no signal.
        let _ = client.signal(ProcessId::MAIN, signal).await;
        self.tell_of(looked, "kill", &[("signal", signal.to_string())]);
        if self.ended(machine, grace).await {
            return Ok(());
        }
        self.end_now(looked, machine).await;
        Ok(())
    }

    async fn end_now(&self, looked: &Looked, machine: &Machine) {
        let Ok(client) = self.client(looked) else {
            return;
        };
        let kill = u8::try_from(Signal::SIGKILL as i32).unwrap_or(9);
        let _ = client.signal(ProcessId::MAIN, kill).await;
        self.tell_of(looked, "kill", &[("signal", kill.to_string())]);
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

    async fn note_user(&self, looked: &Looked, machine: &Machine) -> Result<(), RuntimeError> {
        let life = Life {
            stopped_by_user: true,
            ..looked.life.clone()
        };
        self.keep(looked.container.id, DocumentKind::Life, &life)
            .await?;
        machine.show(life, false);
        Ok(())
    }

    /// A container that waits to be started again by its policy is not.
    async fn give_up_restarting(
        &self,
        looked: &Looked,
        machine: &Machine,
    ) -> Result<(), RuntimeError> {
        if looked.life.status != Status::Restarting {
            return Ok(());
        }
        let life = Life {
            status: Status::Exited,
            stopped_by_user: true,
            ..looked.life.clone()
        };
        self.keep(looked.container.id, DocumentKind::Life, &life)
            .await?;
        machine.show(life, false);
        Ok(())
    }

    fn spawn_follow(&self, id: ContainerId, machine: Arc<Machine>, stages: Stages) {
        let runtime = self.clone();
        tokio::spawn(async move { runtime.follow(id, &machine, stages).await });
    }

    /// Up to the container's end, and on to what its policy says.
    async fn follow(&self, id: ContainerId, machine: &Arc<Machine>, mut stages: Stages) {
        let began = Instant::now();
        let ended = async {
            loop {
                match stages.next().await {
                    Ok(Stage {
                        ended: Some(outcome),
                        ..
                    }) => return outcome,
                    Ok(_) => {}
                    // The shim wrote it before it went; or it was killed, and QEMU with it.
                    Err(_) => return self.outcome(id),
                }
            }
        };
        let checked = async {
            health::keep(self.clone(), id, Arc::clone(machine)).await;
            // It can't be checked any more: its end is awaited all the same.
            std::future::pending::<std::convert::Infallible>().await
        };
        let outcome = tokio::select! {
            outcome = ended => outcome,
            never = checked => match never {},
        };
        machine.set_health(None);
        if let Err(error) = self.finish(id, machine, outcome).await {
            tracing::warn!(container = %id, %error, "the end of a container is not kept");
            return;
        }
        self.after(id, machine, began.elapsed()).await;
    }

    fn outcome(&self, id: ContainerId) -> Outcome {
        let folder = self.0.folders.of(id);
        let read = Outcome::read(&folder).ok().flatten();
        read.unwrap_or_else(|| Outcome {
            code: LOST,
            finished_ms: now_ms(),
            failure: Some(vch_shim::Failure {
                code: "shim-lost".to_owned(),
                text: "the VM's shim was killed, and the VM with it".to_owned(),
            }),
            ..Outcome::default()
        })
    }

    /// A container has ended: as one transaction its names and ports go, and how it ended is kept.
    async fn finish(
        &self,
        id: ContainerId,
        machine: &Machine,
        outcome: Outcome,
    ) -> Result<(), RuntimeError> {
        let looked = self.must(id).await?;
        let life = Life {
            status: Status::Exited,
            exit_code: outcome.code.into(),
            error: outcome
                .failure
                .map(|failure| failure.text)
                .unwrap_or_default(),
            out_of_memory: outcome.out_of_memory,
            finished_ms: outcome.finished_ms,
            pid: 0,
            ..looked.life.clone()
        };
        if life.out_of_memory {
            self.tell_of(&looked, "oom", &[]);
        }
        self.stopped(id, machine, life).await?;
        let code = outcome.code.to_string();
        self.tell_of(&looked, "die", &[("exitCode", code)]);
        Ok(())
    }

    async fn stopped(
        &self,
        id: ContainerId,
        machine: &Machine,
        life: Life,
    ) -> Result<(), RuntimeError> {
        let commands = vec![
            Command::StopContainer(id.into()),
            document(&id.into(), DocumentKind::Life, &life),
        ];
        self.0
            .requests
            .carry_out(Command::Together(commands))
            .await?;
        machine.show(life, true);
        Ok(())
    }

    /// What the container's policy says after its end.
    async fn after(&self, id: ContainerId, machine: &Arc<Machine>, ran: Duration) {
        let Ok(looked) = self.must(id).await else {
            return;
        };
        let mut tries = machine.tries();
        let again = restart::after_end(&looked.workload.restart, &looked.life, ran, &mut tries);
        machine.set_tries(tries);
        if let Some(pause) = again {
            let life = Life {
                status: Status::Restarting,
                ..looked.life
            };
            if self.keep(id, DocumentKind::Life, &life).await.is_ok() {
                machine.show(life, false);
                tokio::time::sleep(pause).await;
                self.start_again(id, machine).await;
            }
        } else if looked.workload.remove_at_end {
            // One who reads slowly, or not at all, does not keep it.
            let _ = timeout(LAST_READS, machine.unread()).await;
            if let Err(error) = self.remove(id, false).await {
                tracing::warn!(container = %id, %error, "it is not removed");
            }
        }
    }

    /// Unless it was stopped, started or removed meanwhile.
    fn start_again<'a>(&'a self, id: ContainerId, machine: &'a Arc<Machine>) -> BoxFuture<'a, ()> {
        async move {
            let _turn = machine.turn.lock().await;
            let Ok(looked) = self.must(id).await else {
                return;
            };
            if looked.life.status != Status::Restarting || looked.container.runs() {
                return;
            }
            let life = Life {
                restarts: looked.life.restarts.saturating_add(1),
                ..looked.life
            };
            if let Err(error) = self.begin(id, machine, life).await {
                tracing::warn!(container = %id, %error, "it does not start again");
            }
        }
        .boxed()
    }

    /// A running VM's shim, once nobody is starting or stopping it.
    async fn nic_owner(&self, nic: &Nic) -> Option<(Looked, Client)> {
        let id: ContainerId = nic.container_id.parse().ok()?;
        let looked = self.look(id).await.ok()??;
        let machine = self.machine(id, &looked.life);
        let _turn = machine.turn.lock().await;
        let looked = self.look(id).await.ok()??;
        let client = self.client(&looked).ok()?;
        looked.container.runs().then_some((looked, client))
    }

    async fn nic_changed(
        &self,
        what: &'static str,
        nic: &Nic,
        done: Result<(), ClientError>,
    ) -> Result<(), HookError> {
        match done {
            Ok(()) => Ok(()),
            // The VM has ended meanwhile: it has no NIC any more.
            Err(ClientError::Gone(_)) => Ok(()),
            Err(error) => Err(HookError::Refused {
                what,
                mac: nic.mac.clone(),
                container: nic.container.clone(),
                reason: error.to_string(),
            }),
        }
    }
}

/// NICs of running VMs. A container that somebody else runs is his.
impl Nics for Runtime {
    fn plug<'a>(&'a self, nic: &'a Nic) -> BoxFuture<'a, Result<(), HookError>> {
        async move {
            let Some((_, client)) = self.nic_owner(nic).await else {
                return Ok(());
            };
            let done = match shim::nic(nic) {
                Some(wish) => client.plug(wish).await,
                None => Ok(()),
            };
            self.nic_changed("plug", nic, done).await
        }
        .boxed()
    }

    fn unplug<'a>(&'a self, nic: &'a Nic) -> BoxFuture<'a, Result<(), HookError>> {
        async move {
            let Some((_, client)) = self.nic_owner(nic).await else {
                return Ok(());
            };
            let done = client.unplug(&launch::nic_id(&nic.endpoint_id)).await;
            self.nic_changed("unplug", nic, done).await
        }
        .boxed()
    }

    fn replug<'a>(&'a self, nic: &'a Nic) -> BoxFuture<'a, Result<(), HookError>> {
        async move {
            let Some((_, client)) = self.nic_owner(nic).await else {
                return Ok(());
            };
            let done = match shim::nic(nic) {
                Some(wish) => client.replug(wish).await,
                None => Ok(()),
            };
            self.nic_changed("replug", nic, done).await
        }
        .boxed()
    }
}

fn not_ours(looked: &Looked) -> RuntimeError {
    RuntimeError::NotOurs(looked.container.name.to_string())
}

/// The signal that stops a container: SIGTERM where it names none, or none that there is.
fn stop_signal(looked: &Looked) -> u8 {
    let named = looked
        .workload
        .stop_signal
        .as_deref()
        .and_then(signal_number);
    named.unwrap_or_else(|| u8::try_from(Signal::SIGTERM as i32).unwrap_or(15))
}

/// The number of a signal, given by number or by name, with or without `SIG`.
pub fn signal_number(text: &str) -> Option<u8> {
    if let Ok(number) = text.parse::<u8>() {
        return (1..=64).contains(&number).then_some(number);
    }
    let name = text.to_ascii_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    let signal: Signal = format!("SIG{name}").parse().ok()?;
    u8::try_from(signal as i32).ok()
}

/// When the process started; or why it did not.
async fn started(stages: &mut Stages) -> Result<u64, RuntimeError> {
    loop {
        let stage = stages.next().await?;
        if let Some(started_ms) = stage.started_ms {
            return Ok(started_ms);
        }
        if let Some(outcome) = stage.ended {
            let reason = outcome
                .failure
                .map(|failure| failure.text)
                .unwrap_or_default();
            return Err(RuntimeError::NotStarted {
                code: outcome.code,
                reason,
            });
        }
    }
}

async fn make_folder(folder: &Path) -> Result<(), RuntimeError> {
    tokio::fs::create_dir_all(folder)
        .await
        .map_err(|source| RuntimeError::File {
            what: "make",
            path: folder.to_owned(),
            source,
        })
}

async fn remove_folder(folder: &Path) -> Result<(), RuntimeError> {
    match tokio::fs::remove_dir_all(folder).await {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(RuntimeError::File {
            what: "remove",
            path: folder.to_owned(),
            source,
        }),
        _ => Ok(()),
    }
}
