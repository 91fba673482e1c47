//! Unpacks and examines images for the coordinator, which starts this program as a user of its own, in one directory.

use std::io;
use std::process::ExitCode;
use vch_image_store::subprocess::{Confinement, Entered, work};

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(reason) => {
            eprintln!("vch-image: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<ExitCode, String> {
    let usage = "the coordinator starts this: FOLDER UID FILE_BYTES nothing|network|programs";
    let words = std::env::args_os().skip(1);
    let (confinement, within) = Confinement::parse(words).ok_or(usage)?;
    let entered = confinement.enter(within).map_err(|error| {
        let source = std::error::Error::source(&error).map(ToString::to_string);
        format!("{error}: {}", source.unwrap_or_default())
    })?;
    match entered {
        Entered::Within => {
            work(io::stdin().lock(), io::stdout().lock())
                .map_err(|error| format!("can't answer: {error}"))?;
            Ok(ExitCode::SUCCESS)
        }
        Entered::Ended(status) if status.success() => Ok(ExitCode::SUCCESS),
        // It has said why itself, unless it was killed.
        Entered::Ended(status) if status.code().is_some() => Ok(ExitCode::FAILURE),
        Entered::Ended(status) => Err(format!("it ended by {status}")),
    }
}
