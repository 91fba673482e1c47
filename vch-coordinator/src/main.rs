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

/// Runs the networks and containers of a Virtual Container Host (VCH)
///
/// The coordinator owns bridges, addresses, names and NAT, serves the Docker API, and configures
/// the network in each container's VM through the VM's agent. It runs as root, in the network
/// namespace in which it is started. Its decisions are in its store. When it ends, links, nftables
/// rules and VMs stay; when it starts again, it takes them over.
#[derive(Parser)]
#[command(
    version,
    after_help = "Once it runs, `vchctl status` shows its state.
The log goes to standard error; RUST_LOG=debug logs more, RUST_LOG=warn logs less."
)]
struct Arguments {
    /// The configuration file, which declares the four kinds of network: see vch.example.toml
    #[arg(long, short, default_value = "/etc/vch/vch.toml")]
    config: PathBuf,
    /// Create a new store although directories of containers exist without one; the directories are
    /// moved to `lost` in the state directory
    #[arg(long)]
    begin_anew: bool,
    /// Check the configuration file and exit
    #[arg(long)]
    check: bool,
}

/// How long to wait at the end for blocking work in threads.
const END: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // Must come first: shims, their VMs and the image helper then inherit only the descriptors that
    // they are given.
    if let Err(error) = vch_shim::descriptors::close_at_exec() {
        eprintln!("vch-coordinator: inherited descriptors can't be kept from VMs: {error}");
        return ExitCode::FAILURE;
    }
    // Files of the coordinator and its helpers are accessible by root only, unless they are opened
    // to others on purpose.
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
        // The subscriber would panic if the log is a file on a full disk.
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
    // Blocking work in threads, such as disk I/O, must not delay the end.
    runtime.shutdown_timeout(END);
    served
}
