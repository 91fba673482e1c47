//! One VM's life, from its launch to its end.

use crate::{
    bounds, clock, foreign,
    guest::{self, Guest},
    launch::Launch,
    life::{BREACH, INIT, Life, died, failed, killed, note},
    liveness::Lock,
    log::Writer,
    nics::{NicError, Nics},
    outcome::{Failure, Outcome},
    overheard,
    qemu::Qemu,
    qmp::{Qmp, QmpError},
    server::{self, Shared, with_causes},
    sockets,
    stage::{Stage, now_ms},
    stderr,
    tap::Tap,
    template::{self, TemplateError},
};
use nix::sys::stat::{Mode, umask};
use protocol::{process::ToInit, transport::bind_unix};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    os::unix::net::UnixListener,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use thiserror::Error;
use tokio::{
    net::UnixStream,
    process::Child,
    sync::{Mutex, Notify, watch},
    task::JoinHandle,
    time::timeout,
};

/// From `PowerOff` until QEMU has ended.
const POWER_OFF: Duration = Duration::from_secs(5);
/// Of a socket that root alone opens.
const SOCKET_MODE: u32 = 0o600;
/// For QEMU to do what it was told, and for its last words to be read.
const GRACE: Duration = Duration::from_secs(2);
/// How often the guest is told the host's time: an emulated clock drifts by milliseconds in so long.
const CLOCK_PERIOD: Duration = Duration::from_secs(10);
/// For clients to read what is left, once all has ended.
const LAST_READS: Duration = Duration::from_secs(10);

/// Lives one VM's life. `ready` is told when the sockets are there.
///
/// # Errors
/// Another shim of this container is alive (`ResourceBusy`), the container's directory can't be written, or the VM's
/// cgroup can't be joined: nothing was started.
pub async fn run(launch: Launch, ready: impl FnOnce()) -> io::Result<()> {
    umask(Mode::from_bits_truncate(0o077));
    fs::create_dir_all(&launch.dir)?;
    let lock = Lock::take(&launch.dir, &launch.sockets)?;
    bounds::shim(&launch)?;
    fs::create_dir_all(&launch.sockets)?;
    Outcome::clear(&launch.dir)?;
    let log = Writer::open(&launch.dir, launch.log_bytes, launch.log_files)?;
    let own = bind_unix(&launch.sockets.join(sockets::SHIM), SOCKET_MODE)?;
    let tether = bind_unix(&launch.sockets.join(sockets::TETHER), SOCKET_MODE)?;
    // QEMU listens at it, which expects it as socket(2) makes it.
    tether.set_nonblocking(false)?;
    fs::write(
        launch.sockets.join(sockets::PID),
        std::process::id().to_string(),
    )?;
    let stage = watch::Sender::new(Stage {
        log_from: log.end(),
        ..Stage::default()
    });
    note(&stage, "launched", None);

    let (outcome, serving) = match Qemu::start(&launch, tether) {
        Ok(qemu) => {
            note(&stage, "qemu", None);
            let (outcome, serving) = live(&launch, qemu, log, own, &stage, ready).await?;
            (outcome, Some(serving))
        }
        Err(error) => {
            ready();
            (failed("vm-not-started", with_causes(&error)), None)
        }
    };
    let ended = Outcome {
        phases: stage.borrow().phases.clone(),
        log_from: stage.borrow().log_from,
        ..outcome
    };
    if let Err(error) = ended.write(&launch.dir) {
        stderr::log(format_args!("how it ended is told, and not kept: {error}"));
    }
    if let Some(serving) = serving {
        serving.abort();
    }
    // Before anybody knows: the container's next shim has its sockets at the same path, and begins at once.
    fs::remove_dir_all(&launch.sockets)?;
    drop(lock);
    stage.send_modify(|stage| stage.ended = Some(ended));
    // Whoever watches or reads has what is left before the process goes.
    let _ = timeout(LAST_READS, stage.closed()).await;
    Ok(())
}

async fn live(
    launch: &Launch,
    qemu: Qemu,
    log: Writer,
    own: UnixListener,
    stage: &watch::Sender<Stage>,
    ready: impl FnOnce(),
) -> io::Result<(Outcome, JoinHandle<()>)> {
    let Qemu {
        mut child,
        control,
        console,
        process,
        taps,
        disks,
    } = qemu;
    let console = tokio::spawn(overheard::tail(tokio_stream(console)?));
    let log_file = File::create(launch.dir.join("qemu.log"))?;
    let words = child.stderr.take();
    let words = words.map(|words| tokio::spawn(overheard::record(words, log_file)));
    let (guest, mut events) = Guest::spawn(tokio_stream(process)?, guest::nonce()?, log);
    let shared = Arc::new(Shared {
        dir: launch.dir.clone(),
        guest: guest.clone(),
        nics: Mutex::new(None),
        stage: stage.clone(),
        kill: Notify::new(),
    });
    let own = tokio::net::UnixListener::from_std(own)?;
    let serving = tokio::spawn(server::serve(own, Arc::clone(&shared)));
    ready();
    let control = tokio_stream(control)?;
    let connecting = connect(launch, &shared, stage, (control, taps, &disks));
    let connecting = async {
        match connecting.await {
            Ok(()) => {}
            // A QEMU that dies before it greets is seen to have died; a clone that is none is of no use.
            Err(CloneError::Control(_)) if launch.template.is_none() => {}
            Err(error @ CloneError::Template(_)) => {
                return failed("no-clone", with_causes(&error));
            }
            Err(error) => return failed("vm-not-started", with_causes(&error)),
        }
        std::future::pending().await
    };
    let mut life = Life {
        launch,
        guest: &guest,
        stage,
        events: &mut events,
    };
    let mut outcome = tokio::select! {
        outcome = life.whole() => outcome,
        outcome = connecting => outcome,
        never = clock::send(guest.clone(), now_ms, CLOCK_PERIOD) => match never {},
        () = shared.kill.notified() => killed(stage),
        status = child.wait() => {
            let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
            died(stage, format!("QEMU ended: {status}"))
        }
    };
    if outcome
        .failure
        .as_ref()
        .is_none_or(|failure| failure.code != BREACH)
    {
        end(&guest, &shared, &mut child).await;
    }
    // It is waited for; a child that is gone can't be killed.
    let _ = child.kill().await;
    let console = heard(Some(console)).await;
    let words = heard(words).await;
    overheard::write(&launch.dir.join("console.log"), &console);
    if let Some(failure) = &mut outcome.failure {
        explain(failure, &words, &console);
    }
    Ok((outcome, serving))
}

/// Greets QEMU by QMP; a clone wakes up and gets its disks and NICs.
async fn connect(
    launch: &Launch,
    shared: &Shared,
    stage: &watch::Sender<Stage>,
    (control, taps, disks): (UnixStream, BTreeMap<String, Tap>, &[PathBuf; 2]),
) -> Result<(), CloneError> {
    let qmp = Qmp::greet(control).await?;
    let nics = match &launch.template {
        None => Nics::new(qmp, taps, &launch.nics),
        Some(template) => {
            let mut clone = cloned(qmp, template, disks).await?;
            wait_ready(stage).await;
            for nic in &launch.nics {
                clone.plug(nic).await?;
            }
            clone
        }
    };
    *shared.nics.lock().await = Some(nics);
    Ok(())
}

/// Why a VM is no clone.
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

/// What was said up to the end. QEMU has ended; what it may have left behind is not waited for.
async fn heard(listening: Option<JoinHandle<Vec<u8>>>) -> Vec<u8> {
    let Some(mut listening) = listening else {
        return Vec::new();
    };
    let Ok(heard) = timeout(GRACE, &mut listening).await else {
        listening.abort();
        return Vec::new();
    };
    heard.unwrap_or_default()
}

/// What QEMU and the guest's kernel said last, where the failure is theirs.
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
