//! `vch-coordinator`: the daemon.

use anyhow::Context;
use clap::Parser;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::{io::IsTerminal, path::PathBuf, process::ExitCode};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;
use vch_coordinator::{config::Config, serve::serve};

/// Enough open files for 5,000 containers on as many networks.
const FILES: u64 = 16_384;

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
    /// Check the configuration and end
    #[arg(long)]
    check: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("vch-coordinator: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// A gateway takes two files and a session one, so a VCH of some thousand containers needs more than
/// the 1,024 that most shells give: as many as may be had.
fn raise_file_limit() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE).and_then(|(soft, hard)| {
        if hard < FILES {
            tracing::warn!(
                limit = hard,
                "few open files: allow more with `ulimit -Hn {FILES}`"
            );
        }
        if soft < hard {
            setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
        }
        Ok(())
    });
    if let Err(error) = raised {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let config = Config::read(&arguments.config)?;
    if arguments.check {
        println!("{}: all right", arguments.config.display());
        return Ok(());
    }
    raise_file_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("no runtime")?;
    runtime.block_on(async {
        let stop = CancellationToken::new();
        let mut terminate = signal(SignalKind::terminate()).context("no signal handler")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("no signal handler")?;
        let serving = serve(arguments.config.clone(), config, stop.clone());
        tokio::pin!(serving);
        tokio::select! {
            ended = &mut serving => return Ok(ended?),
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
        stop.cancel();
        Ok(serving.await?)
    })
}
