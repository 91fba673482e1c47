//! Unpacks and examines images for the coordinator, which starts this program for each job, with a user ID of its own
//! and confined to one directory.

use std::io;
use std::process::{ExitCode, ExitStatus};
use thiserror::Error;
use vch_image_store::subprocess::{Confinement, Entered, SandboxError, work};

/// The reason for which the program fails.
#[derive(Debug, Error)]
enum ProcessError {
    /// The arguments are not those that the coordinator passes.
    #[error("the coordinator starts this: FOLDER UID FILE_BYTES nothing|network|programs")]
    Usage,
    /// The sandbox can't be entered.
    #[error("{0}: {cause}", cause = cause(.0))]
    Sandbox(#[source] SandboxError),
    /// The answer can't be written.
    #[error("can't answer: {0}")]
    Answer(#[source] io::Error),
    /// A signal ended the process in the sandbox.
    #[error("it ended by {0}")]
    Killed(ExitStatus),
}

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("vch-image: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Enters the sandbox and does the job there; returns the exit code of the process in the sandbox.
///
/// # Errors
/// Returns [`ProcessError`] if the arguments are wrong, the sandbox can't be entered, the answer can't be written or a
/// signal ended the process in the sandbox.
fn run() -> Result<ExitCode, ProcessError> {
    let words = std::env::args_os().skip(1);
    let (confinement, within) = Confinement::parse(words).ok_or(ProcessError::Usage)?;
    match confinement.enter(within).map_err(ProcessError::Sandbox)? {
        Entered::Within => {
            work(io::stdin().lock(), io::stdout().lock()).map_err(ProcessError::Answer)?;
            Ok(ExitCode::SUCCESS)
        }
        Entered::Ended(status) if status.success() => Ok(ExitCode::SUCCESS),
        // It has said why itself, unless it was killed.
        Entered::Ended(status) if status.code().is_some() => Ok(ExitCode::FAILURE),
        Entered::Ended(status) => Err(ProcessError::Killed(status)),
    }
}

/// Returns the text of the source of an error; empty without a source.
fn cause(error: &SandboxError) -> String {
    let source = std::error::Error::source(error).map(ToString::to_string);
    source.unwrap_or_default()
}
