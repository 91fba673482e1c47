//! The words of the command line.

mod container;
mod network;
mod port;

pub use container::Container;
pub use network::Network;
pub use port::Port;

use crate::certs::Certs;
use clap::{Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Asks a coordinator about networks and containers, and tells it what they must be.
///
/// A network carries containers; a container has an endpoint (address, MAC, names) on each of its
/// networks; `container start` gives its VM a new life and prints what starts it.
#[derive(Parser)]
#[command(
    name = "vchctl",
    version,
    after_help = "Example, a VM reached over hybrid vsock:
  vchctl network create web
  vchctl container add server --channel hybrid-vsock:/run/vms/server.vsock:1023
  vchctl container connect server web --alias www
  vchctl container start server
  vchctl container wait server
  vchctl port add server 8080:80

Exit codes: 0 done, 1 refused, 2 not a command, 3 no coordinator there, 4 agent not ready in time."
)]
pub struct Arguments {
    /// The coordinator's socket
    #[arg(
        long,
        global = true,
        env = "VCH_SOCKET",
        default_value = "/run/vch/api.sock"
    )]
    pub socket: PathBuf,
    /// How answers are printed
    #[arg(long, global = true, value_enum, default_value_t = Format::Table)]
    pub format: Format,
    #[command(subcommand)]
    pub command: Command,
}

/// How answers are printed.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Aligned columns, for people
    Table,
    /// One JSON value, for programs
    Json,
}

#[derive(Subcommand)]
pub enum Command {
    /// Networks: create, ls, inspect, rm
    #[command(subcommand)]
    Network(Network),
    /// Containers and their endpoints: add, connect, start, wait, ...
    #[command(subcommand)]
    Container(Container),
    /// Published ports: add, rm, ls
    #[command(subcommand)]
    Port(Port),
    /// Read vch.toml again: external networks come, change and go
    Reload,
    /// What came when at a container's last start, from the request to its process
    Trace {
        /// Name or ID
        container: String,
    },
    /// What was committed behind a revision, a JSON line for each transaction
    Changes {
        /// The revision (`vchctl status` shows the newest)
        #[arg(long, default_value_t = 0)]
        from: u64,
        /// Go on with what is still to come
        #[arg(long)]
        follow: bool,
    },
    /// Make certificates for the Docker API, and print how its clients are told
    Certs(Certs),
    /// What the coordinator holds, and whether all effects agree with it
    Status,
}

fn key_value(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .ok_or_else(|| "write KEY=VALUE".to_owned())
}
