//! `vch-coordinator`: the daemon.

use anyhow::Context;
use clap::Parser;
use nix::sys::stat::{Mode, umask};
use std::{io::IsTerminal, path::PathBuf, process::ExitCode, time::Duration};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;
use vch_coordinator::{
    config::Config,
    logging::LogWriter,
    serve::{Begin, serve},
};

/// Owns the network of a Virtual Container Host: bridges, addresses, names, NAT, and the session
/// with the agent in each container VM.
///
/// Runs in the network namespace in which it is started, as root. What it has decided lies in its
/// store; links and rules stay when it ends, and it takes them up again when it starts.
#[derive(Parser)]
#[command(
    version,
    after_help = "Then, in another shell:  vchctl status
Logs go to stderr; RUST_LOG=debug says more, RUST_LOG=warn less."
)]
struct Arguments {
    /// The configuration, which declares the four kinds of network: see vch.example.toml
    #[arg(long, short, default_value = "/etc/vch/vch.toml")]
    config: PathBuf,
    /// Make a new store where there is none although directories of containers are there: they are
    /// kept in `lost` of the state directory
    #[arg(long)]
    begin_anew: bool,
    /// Check the configuration and end
    #[arg(long)]
    check: bool,
}

/// For work in threads that has not ended with the coordinator.
const END: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // Before anything is started: shims, their VMs and the images' helper inherit what they are given alone.
    if let Err(error) = vch_shim::descriptors::close_at_exec() {
        eprintln!("vch-coordinator: inherited descriptors can't be kept from VMs: {error}");
        return ExitCode::FAILURE;
    }
    // Whatever it or a helper makes is root's alone, unless it is opened on purpose.
    umask(Mode::from_bits_truncate(0o077));
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let (log, flush) = match LogWriter::spawn(std::io::stderr()) {
        Ok(spawned) => spawned,
        Err(error) => {
            eprintln!("vch-coordinator: no thread for the log: {error}");
            return ExitCode::FAILURE;
        }
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(log)
        .with_ansi(std::io::stderr().is_terminal())
        // It would panic where the log is a file on a full disk.
        .log_internal_errors(false)
        .init();
    let ended = run(&arguments);
    drop(flush);
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("vch-coordinator: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let config = Config::read(&arguments.config)?;
    if arguments.check {
        println!("{}: all right", arguments.config.display());
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("no runtime")?;
    let served = runtime.block_on(async {
        let stop = CancellationToken::new();
        let begin = match arguments.begin_anew {
            true => Begin::Anew,
            false => Begin::AsBefore,
        };
        let mut terminate = signal(SignalKind::terminate()).context("no signal handler")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("no signal handler")?;
        let serving = serve(arguments.config.clone(), config, begin, stop.clone());
        tokio::pin!(serving);
        tokio::select! {
            ended = &mut serving => return Ok(ended?),
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
        stop.cancel();
        Ok(serving.await?)
    });
    // What blocks in a thread of its own, on a disk, does not hold the end up.
    runtime.shutdown_timeout(END);
    served
}
