//! `vchctl`: what a person types to a coordinator.

mod arguments;
mod awaited;
mod certs;
mod command;
mod table;

use arguments::{Arguments, Command};
use clap::Parser;
use control_api::client::ClientError;
use std::{error::Error, process::ExitCode};

/// The coordinator refused, or answered something odd.
const EXIT_REFUSED: u8 = 1;
/// Nobody listens at the socket. 2 is clap's, for words that make no command.
const EXIT_UNREACHABLE: u8 = 3;
/// Committed, but the agent has not reported in time.
const EXIT_PENDING: u8 = 4;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // The one command that asks no coordinator.
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
