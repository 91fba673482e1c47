//! One VM's life, from its launch to its end.

use crate::{
    guest::{self, Guest, News},
    launch::Launch,
    log::Writer,
    nics::{NicError, Nics},
    outcome::{Failure, Outcome},
    qemu::Qemu,
    qmp::{Qmp, QmpError},
    say::say,
    server::{self, Shared, fault_code, with_causes},
    stage::{Phase, Stage, now_ms, now_us},
    template::{self, TemplateError},
};
use nix::sys::stat::{Mode, umask};
use protocol::process::{Fault, Phase as GuestPhase, ToInit, VERSION};
use std::{
    fs, io,
    os::unix::net::UnixListener,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use thiserror::Error;
use tokio::{
    io::AsyncReadExt,
    net::UnixStream,
    process::Child,
    sync::{Mutex, Notify, mpsc, watch},
    task::JoinHandle,
    time::{Instant, timeout, timeout_at},
};

/// From `PowerOff` until QEMU has ended.
const POWER_OFF: Duration = Duration::from_secs(5);
/// For QEMU to do what it was told.
const GRACE: Duration = Duration::from_secs(2);
/// For clients to read what is left, once all has ended.
const LAST_READS: Duration = Duration::from_secs(10);
/// Most bytes of a VM's console that are kept: its last ones.
const CONSOLE: usize = 64 << 10;
/// Beyond the guest's own deadline for the network.
const NETWORK_SLACK: Duration = Duration::from_secs(15);
/// The phase in which the guest's init has answered.
const INIT: &str = "init";
/// Exit code where a container did not run for another reason than its command, as Docker has it.
const NOT_RUN: u8 = 125;
/// Of one that was killed: 128 + SIGKILL.
const KILLED: u8 = 137;

/// Lives one VM's life. `ready` is told when the sockets are there.
///
/// # Errors
/// The container's folder can't be written: nothing was started.
pub async fn run(launch: Launch, ready: impl FnOnce()) -> io::Result<()> {
    umask(Mode::from_bits_truncate(0o077));
    fs::create_dir_all(&launch.folder)?;
    fs::create_dir_all(&launch.sockets)?;
    Outcome::clear(&launch.folder)?;
    let log = Writer::open(&launch.folder, launch.log_bytes, launch.log_files)?;
    let own = listen(&launch.sockets.join("shim.sock"))?;
    own.set_nonblocking(true)?;
    let tether = listen(&launch.sockets.join("tether.sock"))?;
    // For whoever must end it without asking.
    fs::write(
        launch.sockets.join("shim.pid"),
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
    if let Err(error) = ended.write(&launch.folder) {
        say(format_args!("how it ended is told, and not kept: {error}"));
    }
    if let Some(serving) = serving {
        serving.abort();
    }
    // Before anybody knows: the container's next shim has its sockets at the same place.
    fs::remove_dir_all(&launch.sockets)?;
    stage.send_modify(|stage| stage.ended = Some(ended));
    // Whoever watches or reads has what is left before the process goes.
    let _ = timeout(LAST_READS, stage.closed()).await;
    Ok(())
}

/// A socket that only root opens, in the place of one that a dead shim left.
fn listen(path: &Path) -> io::Result<UnixListener> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    UnixListener::bind(path)
}

fn note(stage: &watch::Sender<Stage>, name: &str, uptime_us: Option<u64>) {
    stage.send_modify(|stage| {
        stage.phases.push(Phase {
            name: name.to_owned(),
            at_us: now_us(),
            uptime_us,
        });
    });
}

fn failed(code: &str, text: String) -> Outcome {
    let code = Failure {
        code: code.to_owned(),
        text,
    };
    Outcome {
        code: NOT_RUN,
        finished_ms: now_ms(),
        failure: Some(code),
        ..Outcome::default()
    }
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
    let console = tokio::spawn(tail(tokio_stream(console)?));
    let (guest, mut news) = Guest::spawn(tokio_stream(process)?, guest::nonce()?, log);
    let shared = Arc::new(Shared {
        folder: launch.folder.clone(),
        guest: guest.clone(),
        nics: Mutex::new(None),
        stage: stage.clone(),
        kill: Notify::new(),
    });
    let own = tokio::net::UnixListener::from_std(own)?;
    let serving = tokio::spawn(server::serve(own, Arc::clone(&shared)));
    ready();
    let control = tokio_stream(control)?;
    let connecting = async {
        let qmp = Qmp::greet(control).await?;
        let nics = match &launch.template {
            None => Nics::new(qmp, taps, &launch.nics),
            Some(template) => {
                let mut clone = cloned(qmp, template, &disks).await?;
                awake(stage).await;
                for nic in &launch.nics {
                    clone.plug(nic).await?;
                }
                clone
            }
        };
        *shared.nics.lock().await = Some(nics);
        Ok::<_, CloneError>(())
    };
    let connecting = async {
        match connecting.await {
            Ok(()) => {}
            // A QEMU that dies before it greets is seen to have died; a clone that is none is of no use.
            Err(CloneError::Control(_)) if launch.template.is_none() => {}
            Err(error) => return failed("vm-not-started", with_causes(&error)),
        }
        std::future::pending().await
    };
    let mut life = Life {
        launch,
        guest: &guest,
        stage,
        news: &mut news,
    };
    let mut outcome = tokio::select! {
        outcome = life.whole() => outcome,
        outcome = connecting => outcome,
        () = shared.kill.notified() => killed(stage),
        status = child.wait() => {
            let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
            died(stage, format!("QEMU ended: {status}"))
        }
    };
    end(&guest, &shared, &mut child).await;
    let console = console.await.unwrap_or_default();
    // For a person who looks for it.
    if let Err(error) = fs::write(launch.folder.join("console.log"), &console) {
        say(format_args!("the VM's console is not kept: {error}"));
    }
    if let Some(failure) = &mut outcome.failure {
        explain(failure, launch, &console);
    }
    Ok((outcome, serving))
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
async fn awake(stage: &watch::Sender<Stage>) {
    let answered = |stage: &Stage| stage.phases.iter().any(|phase| phase.name == INIT);
    // The sender lives as long as the shim.
    let _ = stage.subscribe().wait_for(answered).await;
}

fn tokio_stream(stream: std::os::unix::net::UnixStream) -> io::Result<UnixStream> {
    stream.set_nonblocking(true)?;
    UnixStream::from_std(stream)
}

fn killed(stage: &watch::Sender<Stage>) -> Outcome {
    Outcome {
        code: KILLED,
        started_ms: stage.borrow().started_ms.unwrap_or(0),
        finished_ms: now_ms(),
        ..Outcome::default()
    }
}

/// QEMU ended by itself.
fn died(stage: &watch::Sender<Stage>, text: String) -> Outcome {
    let started_ms = stage.borrow().started_ms.unwrap_or(0);
    Outcome {
        started_ms,
        code: if started_ms > 0 { KILLED } else { NOT_RUN },
        ..failed("vm-died", text)
    }
}

/// Powers the VM off, then sees to it.
async fn end(guest: &Guest, shared: &Shared, child: &mut Child) {
    let asked = timeout(POWER_OFF, async {
        guest.tell(ToInit::PowerOff).await;
        child.wait().await
    });
    if asked.await.is_ok() {
        return;
    }
    if let Some(nics) = &mut *shared.nics.lock().await {
        let _ = timeout(GRACE, nics.quit()).await;
    }
    if timeout(GRACE, child.wait()).await.is_err() {
        // It is waited for; a child that is gone can't be killed.
        let _ = child.kill().await;
    }
}

/// What QEMU and the guest's kernel said last, where the failure is theirs.
fn explain(failure: &mut Failure, launch: &Launch, console: &[u8]) {
    if !matches!(
        &*failure.code,
        "vm-died" | "boot-timeout" | "vm-not-started"
    ) {
        return;
    }
    let said = fs::read(launch.folder.join("qemu.log")).unwrap_or_default();
    for (who, text) in [("QEMU", &said[..]), ("the VM's console", console)] {
        let text = String::from_utf8_lossy(text);
        if let Some(panic) = text.lines().find(|line| line.contains("Kernel panic")) {
            failure.text = format!("{}; {who} said: {}", failure.text, panic.trim());
            continue;
        }
        let last: Vec<&str> = text
            .lines()
            .rev()
            .filter(|line| !line.trim().is_empty())
            .take(5)
            .collect();
        if !last.is_empty() {
            let last: Vec<&str> = last.into_iter().rev().collect();
            failure.text = format!("{}; {who} said: {}", failure.text, last.join(" / "));
        }
    }
}

/// The last bytes of a stream.
async fn tail(mut stream: UnixStream) -> Vec<u8> {
    let mut kept = Vec::new();
    let mut buffer = vec![0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        kept.extend_from_slice(&buffer[..count]);
        if kept.len() > 2 * CONSOLE {
            kept.drain(..kept.len() - CONSOLE);
        }
    }
    kept
}

struct Life<'a> {
    launch: &'a Launch,
    guest: &'a Guest,
    stage: &'a watch::Sender<Stage>,
    news: &'a mut mpsc::Receiver<News>,
}

impl Life<'_> {
    async fn whole(&mut self) -> Outcome {
        let now_ms = now_ms();
        let seed = match guest::random() {
            Ok(seed) => seed,
            Err(error) => return failed("channel", format!("no random bytes: {error}")),
        };
        let hello = ToInit::Hello {
            version: VERSION,
            now_ms,
            seed,
        };
        self.guest.tell(hello).await;
        let deadline = self.launch.boot_deadline();
        let Ok(ready) = timeout(deadline, self.ready()).await else {
            let text = format!("the VM's init has not answered within {deadline:?}");
            return failed("boot-timeout", text);
        };
        if !ready {
            return self.closed().await;
        }
        note(self.stage, INIT, None);
        let start = Box::new(self.launch.start.clone());
        self.guest.tell(ToInit::Start(start)).await;
        let network = Duration::from_millis(self.launch.start.network_deadline_ms.into());
        self.process(Instant::now() + network + NETWORK_SLACK).await
    }

    async fn ready(&mut self) -> bool {
        loop {
            match self.news.recv().await {
                Some(News::Ready) => return true,
                Some(News::Closed) | None => return false,
                Some(_) => {}
            }
        }
    }

    /// From the start of the process to its end.
    async fn process(&mut self, deadline: Instant) -> Outcome {
        loop {
            let started = self.stage.borrow().started_ms;
            let news = match started {
                Some(_) => self.news.recv().await,
                None => match timeout_at(deadline, self.news.recv()).await {
                    Ok(news) => news,
                    Err(_) => {
                        let text = "the VM's init did not start the process in time";
                        return failed("boot-timeout", text.to_owned());
                    }
                },
            };
            match news {
                Some(News::Phase(phase, uptime)) => {
                    note(self.stage, phase_name(phase), Some(uptime));
                }
                Some(News::Started) => {
                    self.stage
                        .send_modify(|stage| stage.started_ms = Some(now_ms()));
                }
                Some(News::NotStarted(fault, reason)) => {
                    return Outcome {
                        code: match fault {
                            Fault::NotFound => 127,
                            Fault::NotExecutable => 126,
                            _ => NOT_RUN,
                        },
                        ..failed(fault_code(fault), reason)
                    };
                }
                Some(News::Exited(exit)) => {
                    return Outcome {
                        code: exit.code,
                        out_of_memory: exit.out_of_memory,
                        started_ms: started.unwrap_or(0),
                        finished_ms: now_ms(),
                        ..Outcome::default()
                    };
                }
                Some(News::Closed) | None => return self.closed().await,
                Some(News::Ready) => {}
            }
        }
    }

    /// The line goes with QEMU, whose end says more.
    async fn closed(&self) -> Outcome {
        tokio::time::sleep(GRACE).await;
        died(self.stage, "the VM closed its line".to_owned())
    }
}

fn phase_name(phase: GuestPhase) -> &'static str {
    match phase {
        GuestPhase::Init => INIT,
        GuestPhase::Devices => "devices",
        GuestPhase::Mounted => "mounted",
        GuestPhase::Agent => "agent",
        GuestPhase::Network => "network",
        GuestPhase::Process => "process",
    }
}
