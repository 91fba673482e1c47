//! Follows one VM, from QEMU's start to its end.

use crate::{
    clock, foreign,
    guest::{self, Guest, GuestEvent},
    launch::Launch,
    log::Writer,
    nics::{NicError, Nics},
    outcome::{Failure, Outcome},
    overheard::{self, Listening},
    qemu::Qemu,
    qmp::{Qmp, QmpError},
    run::{BREACH, INIT, Run, died, failed, killed},
    server::{Clients, ROOM, Server, Shared, with_causes},
    stage::{Stage, now_ms},
    tap::Tap,
    template::{self, TemplateError},
};
use protocol::process::ToInit;
use std::{
    collections::BTreeMap,
    fs::File,
    io,
    os::unix::net::UnixListener,
    path::{Path, PathBuf},
    pin::pin,
    process::ExitStatus,
    sync::Arc,
    time::Duration,
};
use thiserror::Error;
use tokio::{
    net::UnixStream,
    process::Child,
    sync::{Mutex, Notify, mpsc, watch},
    task::JoinSet,
    time::timeout,
};

/// From `PowerOff` until QEMU has ended.
const POWER_OFF: Duration = Duration::from_secs(5);
/// For QEMU to do what it was told, and for its last words to be read.
const GRACE: Duration = Duration::from_secs(2);
/// For what came by the guest's line to be in the log: on a full disk that is tried for 5 s.
const LAST_OUTPUT: Duration = Duration::from_secs(6);
/// How often the guest is told the host's time: an emulated clock drifts by milliseconds in so long.
const CLOCK_PERIOD: Duration = Duration::from_secs(10);

/// Runs a VM whose QEMU was started to its end, and answers clients meanwhile. Calls `ready` when clients can connect.
///
/// Returns the outcome, and the clients that are still connected; the caller publishes the end to them by `stage`.
///
/// # Errors
/// Returns the system's error if a file or socket can't be made.
pub async fn live(
    launch: &Launch,
    qemu: Qemu,
    log: Writer,
    own: UnixListener,
    stage: &watch::Sender<Stage>,
    ready: impl FnOnce(),
) -> io::Result<(Outcome, Clients)> {
    let Qemu {
        mut child,
        control,
        console,
        process,
        taps,
        disks,
    } = qemu;
    let console = Listening::begin(overheard::tail(tokio_stream(console)?));
    let log_file = File::create(launch.dir.join("qemu.log"))?;
    let words = child.stderr.take();
    let words = words.map(|words| Listening::begin(overheard::record(words, log_file)));
    let (guest, mut events, driving) = Guest::new(tokio_stream(process)?, guest::nonce()?, log);
    let mut line = JoinSet::new();
    line.spawn(driving);
    let shared = Arc::new(Shared {
        dir: launch.dir.clone(),
        guest: guest.clone(),
        nics: Mutex::new(None),
        stage: stage.clone(),
        kill: Notify::new(),
    });
    let mut server = Server::new(own, Arc::clone(&shared), ROOM)?;
    ready();
    let control = tokio_stream(control)?;
    let ending = async {
        let connecting = connected(launch, &shared, (control, taps, &disks));
        let outcome = outcome(launch, &shared, &mut events, &mut child, connecting).await;
        let broke = |failure: &Failure| failure.code == BREACH;
        if !outcome.failure.as_ref().is_some_and(broke) {
            end(&guest, &shared, &mut child).await;
        }
        // It is waited for; a child that is gone can't be killed.
        let _ = child.kill().await;
        // Nobody waits for events any more, and the line is closed: what came by it is in the log before the end is told.
        drop(events);
        let _ = timeout(LAST_OUTPUT, line.join_next()).await;
        outcome
    };
    let mut outcome = tokio::select! {
        outcome = ending => outcome,
        never = server.serve() => match never {},
    };
    let console = console.heard(GRACE).await;
    let words = match words {
        Some(words) => words.heard(GRACE).await,
        None => Vec::new(),
    };
    overheard::write(&launch.dir.join("console.log"), &console);
    if let Some(failure) = &mut outcome.failure {
        explain(failure, &words, &console);
    }
    Ok((outcome, server.close()))
}

/// Waits for the first event that ends the VM: of its container's process, QEMU, a client, or a
/// fault.
///
/// The guest's line and QEMU end together. What came by the line says more than QEMU's exit status, so it counts even
/// if it is read after QEMU was seen to end.
async fn outcome(
    launch: &Launch,
    shared: &Shared,
    events: &mut mpsc::Receiver<GuestEvent>,
    child: &mut Child,
    connecting: impl Future<Output = Outcome>,
) -> Outcome {
    let Shared { guest, stage, .. } = shared;
    let mut run = Run {
        launch,
        guest,
        stage,
        events,
    };
    let mut run = pin!(run.whole());
    tokio::select! {
        biased;
        ended = &mut run => match ended {
            Some(outcome) => outcome,
            None => match timeout(GRACE, child.wait()).await {
                Ok(status) => qemu_ended(stage, status),
                Err(_) => died(stage, "the VM closed its line".to_owned()),
            },
        },
        () = shared.kill.notified() => killed(stage),
        status = child.wait() => match timeout(LAST_OUTPUT, run).await {
            Ok(Some(outcome)) => outcome,
            Ok(None) | Err(_) => qemu_ended(stage, status),
        },
        outcome = connecting => outcome,
        never = clock::send(guest.clone(), now_ms, CLOCK_PERIOD) => match never {},
    }
}

fn qemu_ended(stage: &watch::Sender<Stage>, status: io::Result<ExitStatus>) -> Outcome {
    let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
    died(stage, format!("QEMU ended: {status}"))
}

/// Connects to QEMU. Returns the outcome if that fails, and never returns otherwise.
async fn connected(
    launch: &Launch,
    shared: &Shared,
    (control, taps, disks): (UnixStream, BTreeMap<String, Tap>, &[PathBuf; 2]),
) -> Outcome {
    match connect(launch, shared, (control, taps, disks)).await {
        Ok(()) => {}
        // A QEMU that dies before it greets is seen to have died; a clone that is none is of no use.
        Err(CloneError::Control(_)) if launch.template.is_none() => {}
        Err(error @ CloneError::Template(_)) => return failed("no-clone", with_causes(&error)),
        Err(error) => return failed("vm-not-started", with_causes(&error)),
    }
    std::future::pending().await
}

/// Greets QEMU by QMP; a clone wakes up and gets its disks and NICs.
async fn connect(
    launch: &Launch,
    shared: &Shared,
    (control, taps, disks): (UnixStream, BTreeMap<String, Tap>, &[PathBuf; 2]),
) -> Result<(), CloneError> {
    let qmp = Qmp::greet(control).await?;
    let nics = match &launch.template {
        None => Nics::new(qmp, taps, &launch.nics),
        Some(template) => {
            let mut clone = cloned(qmp, template, disks).await?;
            wait_ready(&shared.stage).await;
            for nic in &launch.nics {
                clone.plug(nic).await?;
            }
            clone
        }
    };
    *shared.nics.lock().await = Some(nics);
    Ok(())
}

/// The reason for which QEMU could not be connected to, or a clone could not be completed.
#[derive(Debug, Error)]
enum CloneError {
    #[error(transparent)]
    Control(#[from] QmpError),
    #[error(transparent)]
    Template(#[from] TemplateError),
    #[error(transparent)]
    Nic(#[from] NicError),
}

async fn cloned(mut qmp: Qmp, template: &Path, disks: &[PathBuf; 2]) -> Result<Nics, CloneError> {
    template::restore(&mut qmp, template).await?;
    Ok(Nics::equip(qmp, disks).await?)
}

/// Waits until the guest's init has answered.
async fn wait_ready(stage: &watch::Sender<Stage>) {
    let answered = |stage: &Stage| stage.phases.iter().any(|phase| phase.name == INIT);
    // The sender lives as long as the shim.
    let _ = stage.subscribe().wait_for(answered).await;
}

fn tokio_stream(stream: std::os::unix::net::UnixStream) -> io::Result<UnixStream> {
    stream.set_nonblocking(true)?;
    UnixStream::from_std(stream)
}

/// Powers the VM off, as far as it lets itself be.
async fn end(guest: &Guest, shared: &Shared, child: &mut Child) {
    let asked = timeout(POWER_OFF, async {
        guest.tell(ToInit::PowerOff).await;
        child.wait().await
    });
    if asked.await.is_ok() {
        return;
    }
    let quitting = async {
        if let Some(nics) = &mut *shared.nics.lock().await {
            nics.quit().await;
        }
    };
    let _ = timeout(GRACE, quitting).await;
    let _ = timeout(GRACE, child.wait()).await;
}

/// Adds the last output of QEMU and of the guest's kernel to a failure, if it is theirs.
fn explain(failure: &mut Failure, words: &[u8], console: &[u8]) {
    if matches!(
        &*failure.code,
        "vm-died" | "boot-timeout" | "vm-not-started" | "no-clone"
    ) {
        for (who, said) in [("QEMU", words), ("the VM's console", console)] {
            if let Some(said) = overheard::explanation(said) {
                failure.text = format!("{}; {who} said: {said}", failure.text);
            }
        }
    }
    // It has its room in `exit.json` and in the container's document.
    failure.text = foreign::clean(&failure.text);
}

#[cfg(test)]
mod tests;
