//! `vchctl`: the command line client of the coordinator.

mod arguments;
mod awaited;
mod certs;
mod command;
mod table;

use arguments::{Arguments, Command};
use clap::Parser;
use control_api::client::ClientError;
use std::{error::Error, process::ExitCode};

/// The exit code if the coordinator refused the request or gave an unexpected answer.
const EXIT_REFUSED: u8 = 1;
/// The exit code if no coordinator listens at the socket. clap exits with 2 for invalid arguments.
const EXIT_UNREACHABLE: u8 = 3;
/// The exit code if the change is committed, but the agent has not applied it in time.
const EXIT_PENDING: u8 = 4;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // `certs` is the only command that needs no coordinator.
    if let Command::Certs(certs) = &arguments.command {
        return match certs::make(certs) {
            Ok(told) => {
                print!("{told}");
                ExitCode::SUCCESS
            }
            Err(error) => {
                complain(&error);
                ExitCode::from(EXIT_REFUSED)
            }
        };
    }
    match command::run(&arguments).await {
        Ok(command::Outcome::Done) => ExitCode::SUCCESS,
        Ok(command::Outcome::Pending) => ExitCode::from(EXIT_PENDING),
        Err(error) => {
            complain(&error);
            ExitCode::from(match error {
                ClientError::Unreachable { .. } => EXIT_UNREACHABLE,
                _ => EXIT_REFUSED,
            })
        }
    }
}

fn complain(error: &dyn Error) {
    eprintln!("vchctl: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        eprintln!("  because: {cause}");
        source = cause.source();
    }
}
