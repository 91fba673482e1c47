//! Arguments about ports.

use clap::{Args, Subcommand};
use control_api::shape;

/// The commands of `vchctl port`.
#[derive(Subcommand)]
pub enum Port {
    /// Publish ports of a container; takes effect at once if the container runs
    Add(AddPorts),
    /// Withdraw published ports, and end their connections
    Rm(RemovePorts),
    /// List the host ports that lead to containers now
    Ls {
        /// Show only this container's ports (name or ID)
        container: Option<String>,
    },
}

/// The arguments of `vchctl port add`.
#[derive(Args)]
pub struct AddPorts {
    /// The container's name or ID
    pub container: String,
    /// Ports to publish: [ADDRESS:][HOST PORT:]PORT[/PROTOCOL], such as 80, 8080:80 or
    /// 192.0.2.7:8080:80/udp
    ports: Vec<String>,
    /// A port to expose without publishing: it is opened on external networks (may be repeated)
    #[arg(long, value_name = "PORT")]
    expose: Vec<String>,
    /// Admit only clients of this subnet (may be repeated)
    #[arg(long, value_name = "SUBNET")]
    from: Vec<String>,
}

impl AddPorts {
    /// Returns the body of the request that publishes and exposes the ports.
    pub fn request(&self) -> shape::Ports {
        shape::Ports {
            publish: self.ports.clone(),
            expose: self.expose.clone(),
            clients: self.from.clone(),
        }
    }
}

/// The arguments of `vchctl port rm`.
#[derive(Args)]
pub struct RemovePorts {
    /// The container's name or ID
    pub container: String,
    /// Published ports to withdraw, written as they were published
    ports: Vec<String>,
    /// An exposed port to withdraw, written as it was exposed (may be repeated)
    #[arg(long, value_name = "PORT")]
    expose: Vec<String>,
}

impl RemovePorts {
    /// Returns the body of the request that withdraws the ports.
    pub fn request(&self) -> shape::Ports {
        shape::Ports {
            publish: self.ports.clone(),
            expose: self.expose.clone(),
            clients: Vec::new(),
        }
    }
}
