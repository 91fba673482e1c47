//! Words about ports.

use clap::{Args, Subcommand};
use control_api::shape;

#[derive(Subcommand)]
pub enum Port {
    /// Publish ports of a container; of a running one at once
    Add(AddPorts),
    /// Publish ports no longer; flows of theirs end
    Rm(RemovePorts),
    /// List the ports of the VCH that lead to containers now
    Ls {
        /// Of this container only
        container: Option<String>,
    },
}

#[derive(Args)]
pub struct AddPorts {
    /// Name or ID
    pub container: String,
    /// [ADDRESS:][HOST PORT:]PORT[/PROTOCOL], as in 80, 8080:80 or 192.0.2.7:8080:80/udp
    ports: Vec<String>,
    /// Only expose these: they are opened on external networks (may be repeated)
    #[arg(long, value_name = "PORT")]
    expose: Vec<String>,
    /// For clients of this subnet only (may be repeated)
    #[arg(long, value_name = "SUBNET")]
    from: Vec<String>,
}

impl AddPorts {
    pub fn request(&self) -> shape::Ports {
        shape::Ports {
            publish: self.ports.clone(),
            expose: self.expose.clone(),
            clients: self.from.clone(),
        }
    }
}

#[derive(Args)]
pub struct RemovePorts {
    /// Name or ID
    pub container: String,
    /// As they were published
    ports: Vec<String>,
    /// As they were exposed (may be repeated)
    #[arg(long, value_name = "PORT")]
    expose: Vec<String>,
}

impl RemovePorts {
    pub fn request(&self) -> shape::Ports {
        shape::Ports {
            publish: self.ports.clone(),
            expose: self.expose.clone(),
            clients: Vec::new(),
        }
    }
}
