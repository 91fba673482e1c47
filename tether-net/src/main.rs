//! The agent's program; see `tether-net --help`.

use std::io::{self, Write};
use std::process::ExitCode;
use tether_net::agent::{Agent, AgentError};
use tether_net::log::Log;
use tether_net::options::{Command, HELP, Options, parse};
use tether_net::resolver::Files;
use thiserror::Error;
use tokio::signal::unix::{SignalKind, signal};

/// Exit code for a command line that can't be followed.
const USAGE: u8 = 2;

#[derive(Debug, Error)]
enum MainError {
    #[error("the log can't be opened: {0}")]
    Log(io::Error),
    #[error("the runtime can't be made: {0}")]
    Runtime(io::Error),
    #[error(transparent)]
    Agent(#[from] AgentError),
}

fn main() -> ExitCode {
    let kernel = std::fs::read_to_string("/proc/cmdline").unwrap_or_default();
    let arguments = std::env::args_os().skip(1);
    let arguments = arguments.map(|word| word.to_string_lossy().into_owned());
    match parse(arguments, &kernel) {
        Ok(Command::Help) => print(HELP),
        Ok(Command::Version) => print(concat!("tether-net ", env!("CARGO_PKG_VERSION"), "\n")),
        Ok(Command::Run(options)) => match run(options) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                complain(&error);
                ExitCode::FAILURE
            }
        },
        Err(error) => {
            complain(&error);
            ExitCode::from(USAGE)
        }
    }
}

fn print(text: &str) -> ExitCode {
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn complain(error: &dyn std::error::Error) {
    // With standard error closed there is nobody to tell.
    let _ = write!(io::stderr(), "tether-net: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        let _ = write!(io::stderr(), ": {cause}");
        source = cause.source();
    }
    let _ = writeln!(io::stderr());
}

fn run(options: Options) -> Result<(), MainError> {
    let (log, logs) = Log::open(options.log, options.verbose).map_err(MainError::Log)?;
    // This process sets it once.
    let _ = tracing::subscriber::set_global_default(log);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(MainError::Runtime)?;
    let agent = Agent {
        channel: options.channel,
        files: Files::new(options.root, options.hostname),
        logs,
        hold: options.hold,
    };
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).map_err(MainError::Runtime)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(MainError::Runtime)?;
        tokio::select! {
            ended = agent.run() => ended.map_err(MainError::from),
            _ = terminate.recv() => Ok(()),
            _ = interrupt.recv() => Ok(()),
        }
    })
}
