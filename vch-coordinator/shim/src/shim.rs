//! Runs one VM, from its launch to its end: the main function of a shim.

use crate::{
    bounds,
    launch::Launch,
    liveness::Lock,
    log::Writer,
    outcome::Outcome,
    qemu::Qemu,
    run::{failed, note},
    server::{Clients, with_causes},
    sockets,
    stage::Stage,
    stderr, vm,
};
use nix::sys::stat::{Mode, umask};
use protocol::transport::bind_unix;
use std::{fs, io, time::Duration};
use tokio::sync::watch;

/// The mode of a socket that only root opens.
const SOCKET_MODE: u32 = 0o600;
/// For clients to read what is left, once all has ended.
const LAST_READS: Duration = Duration::from_secs(10);

/// Runs the VM that `launch` describes to its end, in this process: starts QEMU, logs the container's output, answers
/// clients, and writes the [`Outcome`]. Calls `ready` once, when clients can connect or the start has failed. A VM that
/// fails is no error: its outcome has the reason.
///
/// # Errors
/// Returns `ResourceBusy` if another shim of this container is alive, else the system's error if the container's
/// directory can't be written or the VM's cgroup can't be joined; nothing was started then.
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

    let (outcome, clients) = match Qemu::start(&launch, tether) {
        Ok(qemu) => {
            note(&stage, "qemu", None);
            vm::live(&launch, qemu, log, own, &stage, ready).await?
        }
        Err(error) => {
            ready();
            drop(own);
            let outcome = failed("vm-not-started", with_causes(&error));
            (outcome, Clients::default())
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
    // Before anybody knows: the container's next shim has its sockets at the same path, and begins at once.
    fs::remove_dir_all(&launch.sockets)?;
    drop(lock);
    stage.send_modify(|stage| stage.ended = Some(ended));
    // Those that watch or read have what is left before the process goes.
    clients.leave(LAST_READS).await;
    Ok(())
}
