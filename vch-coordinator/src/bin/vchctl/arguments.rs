//! The words of the command line.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use vch_coordinator::api::shape;

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
    /// What the coordinator holds, and whether all effects agree with it
    Status,
}

#[derive(Subcommand)]
pub enum Network {
    /// Make a bridge network
    Create(CreateNetwork),
    /// List networks
    Ls,
    /// Show a network whole
    Inspect {
        /// Name, ID or unique beginning of the ID
        network: String,
    },
    /// Remove networks that carry no container
    Rm {
        /// Names or IDs
        #[arg(required = true)]
        networks: Vec<String>,
    },
}

#[derive(Args)]
pub struct CreateNetwork {
    /// Its name: letters, digits, `_`, `.` and `-`
    name: String,
    /// A subnet, as in 10.9.0.0/24 or fd00:9::/64 (may be repeated; by default one from the pools)
    #[arg(long, value_name = "SUBNET")]
    subnet: Vec<String>,
    /// The gateway of the subnet at the same place (by default its first address)
    #[arg(long, value_name = "ADDRESS")]
    gateway: Vec<String>,
    /// From where the subnet at the same place gives automatic addresses
    #[arg(long, value_name = "SUBNET")]
    ip_range: Vec<String>,
    /// MTU in bytes
    #[arg(long)]
    mtu: Option<u32>,
    /// No way out: no default route, no masquerade
    #[arg(long)]
    internal: bool,
    /// A note, key=value (may be repeated)
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    label: Vec<(String, String)>,
}

impl CreateNetwork {
    pub fn request(&self) -> shape::CreateNetwork {
        let nth = |list: &[String], index: usize| list.get(index).cloned();
        let count = self
            .subnet
            .len()
            .max(self.gateway.len())
            .max(self.ip_range.len());
        shape::CreateNetwork {
            name: self.name.clone(),
            subnets: (0..count)
                .map(|index| shape::SubnetRequest {
                    subnet: nth(&self.subnet, index).unwrap_or_default(),
                    gateway: nth(&self.gateway, index),
                    range: nth(&self.ip_range, index),
                    ..shape::SubnetRequest::default()
                })
                .collect(),
            mtu: self.mtu,
            internal: self.internal,
            labels: self.label.iter().cloned().collect(),
        }
    }
}

#[derive(Subcommand)]
pub enum Container {
    /// Make a container known, with the channel to its agent
    Add(AddContainer),
    /// Give a container a place on a network
    Connect(Connect),
    /// Take a container from a network
    Disconnect {
        /// Name or ID
        container: String,
        /// Name or ID
        network: String,
    },
    /// Begin a new life of the container's VM: call before it is started, restored or cloned
    Start {
        /// Name or ID
        container: String,
    },
    /// Wait until the agent reports everything up
    Wait {
        /// Name or ID
        container: String,
        /// Seconds to wait
        #[arg(long, default_value_t = 30)]
        timeout: u32,
    },
    /// List containers
    Ls,
    /// Show a container whole
    Inspect {
        /// Name, ID or unique beginning of the ID
        container: String,
    },
    /// Forget containers
    Rm {
        /// Names or IDs
        #[arg(required = true)]
        containers: Vec<String>,
        /// Take them from their networks first
        #[arg(long)]
        force: bool,
    },
}

#[derive(Args)]
pub struct AddContainer {
    /// Its name: letters, digits, `_`, `.` and `-`
    name: String,
    /// The channel to its agent: hybrid-vsock:PATH:PORT, chardev:PATH, unix, unix:PATH or vsock:CID
    #[arg(long, default_value = "unix")]
    channel: String,
    /// Its host name (by default its short ID)
    #[arg(long)]
    hostname: Option<String>,
    /// A name server for names that are not ours (may be repeated)
    #[arg(long, value_name = "ADDRESS")]
    dns: Vec<String>,
    /// A search domain (may be repeated)
    #[arg(long, value_name = "DOMAIN")]
    dns_search: Vec<String>,
    /// A resolver option, as in ndots:1 (may be repeated)
    #[arg(long, value_name = "OPTION")]
    dns_option: Vec<String>,
    /// A line of its hosts file, name:address (may be repeated)
    #[arg(long, value_name = "NAME:ADDRESS")]
    add_host: Vec<String>,
}

impl AddContainer {
    pub fn request(&self) -> shape::AddContainer {
        shape::AddContainer {
            name: self.name.clone(),
            hostname: self.hostname.clone(),
            channel: self.channel.clone(),
            dns: self.dns.clone(),
            dns_search: self.dns_search.clone(),
            dns_options: self.dns_option.clone(),
            extra_hosts: self.add_host.clone(),
        }
    }
}

#[derive(Args)]
pub struct Connect {
    /// Name or ID
    pub container: String,
    /// Name or ID
    network: String,
    /// A static IPv4 address
    #[arg(long)]
    ip: Option<String>,
    /// A static IPv6 address
    #[arg(long)]
    ip6: Option<String>,
    /// The MAC address
    #[arg(long)]
    mac: Option<String>,
    /// A further name on this network (may be repeated)
    #[arg(long)]
    alias: Vec<String>,
    /// tap, or veth:PATH with the path of a network namespace
    #[arg(long, default_value = "tap")]
    attachment: String,
    /// By what the agent finds the NIC: mac, pci:02.0/00.0 or slot:1
    #[arg(long, default_value = "mac")]
    nic: String,
}

impl Connect {
    pub fn request(&self) -> shape::Connect {
        shape::Connect {
            network: self.network.clone(),
            ip: self.ip.clone(),
            ip6: self.ip6.clone(),
            mac: self.mac.clone(),
            aliases: self.alias.clone(),
            attachment: Some(self.attachment.clone()),
            nic: Some(self.nic.clone()),
        }
    }
}

fn key_value(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .ok_or_else(|| "write KEY=VALUE".to_owned())
}
