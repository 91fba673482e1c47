//! The command line arguments.

mod container;
mod network;
mod port;

pub use container::{Container, Rate};
pub use network::Network;
pub use port::Port;

use crate::certs::Certs;
use clap::{Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Controls a Virtual Container Host (VCH): its networks, containers and published ports
///
/// Each container is a VM. A container has an endpoint (IP addresses, MAC address, names) on each
/// of its networks. The agent in the VM configures the VM's network accordingly. `vchctl` sends its
/// commands to the coordinator of the VCH over a Unix socket.
#[derive(Parser)]
#[command(
    name = "vchctl",
    version,
    after_help = "Example: a container whose agent is reached over hybrid vsock, published at port 8080:
  vchctl network create web
  vchctl container add server --channel hybrid-vsock:/run/vms/server.vsock:1023
  vchctl container connect server web --alias www
  vchctl container start server
  vchctl container wait server
  vchctl port add server 8080:80

Exit codes: 0 success, 1 refused or failed, 2 invalid arguments, 3 no coordinator at the socket, 4 agent not ready in time."
)]
pub struct Arguments {
    /// The coordinator's Unix socket
    #[arg(
        long,
        global = true,
        env = "VCH_SOCKET",
        default_value = "/run/vch/api.sock"
    )]
    pub socket: PathBuf,
    /// The output format
    #[arg(long, global = true, value_enum, default_value_t = Format::Table)]
    pub format: Format,
    /// The command to carry out
    #[command(subcommand)]
    pub command: Command,
}

/// The format in which `vchctl` prints answers (`--format`).
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Aligned columns, for people
    Table,
    /// JSON, for programs
    Json,
}

/// The commands of `vchctl`.
#[derive(Subcommand)]
pub enum Command {
    /// Create, show, change and remove networks
    #[command(subcommand)]
    Network(Network),
    /// Add containers, connect them to networks, start, stop and remove them
    #[command(subcommand)]
    Container(Container),
    /// Publish ports of containers, and list published ports
    #[command(subcommand)]
    Port(Port),
    /// Read vch.toml again; adds, changes and removes external networks without a restart
    Reload,
    /// Show how long each phase of a container's last start took, from the request to its process
    Trace {
        /// The container's name or ID
        container: String,
    },
    /// Print the transactions that followed a revision, one JSON line each
    Changes {
        /// The revision after which to begin (`vchctl status` shows the newest)
        #[arg(long, default_value_t = 0)]
        from: u64,
        /// Keep running, and print further transactions as they are committed
        #[arg(long)]
        follow: bool,
    },
    /// Create certificates for the Docker API, and print how to configure server and clients
    Certs(Certs),
    /// Show the coordinator's state, warnings, and whatever does not agree with the ledger yet
    Status,
}

fn key_value(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .ok_or_else(|| "write KEY=VALUE".to_owned())
}
