//! `vchctl`: what a person types to a coordinator.

mod arguments;
mod awaited;
mod command;
mod table;

use arguments::Arguments;
use clap::Parser;
use std::process::ExitCode;
use vch_coordinator::api::client::ClientError;

/// The coordinator refused, or answered something odd.
const EXIT_REFUSED: u8 = 1;
/// Nobody listens at the socket. 2 is clap's, for words that make no command.
const EXIT_UNREACHABLE: u8 = 3;
/// Committed, but the agent has not reported in time.
const EXIT_PENDING: u8 = 4;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match command::run(&arguments).await {
        Ok(command::Outcome::Done) => ExitCode::SUCCESS,
        Ok(command::Outcome::Pending) => ExitCode::from(EXIT_PENDING),
        Err(error) => {
            eprintln!("vchctl: {error}");
            let mut source = std::error::Error::source(&error);
            while let Some(cause) = source {
                eprintln!("  because: {cause}");
                source = cause.source();
            }
            ExitCode::from(match error {
                ClientError::Unreachable { .. } => EXIT_UNREACHABLE,
                _ => EXIT_REFUSED,
            })
        }
    }
}
