//! Arguments about containers.

use clap::{Args, Subcommand};
use control_api::shape;

/// The commands of `vchctl container`.
#[derive(Subcommand)]
pub enum Container {
    /// Add a container to the VCH, with the channel to the agent in its VM
    Add(AddContainer),
    /// Connect a container to a network
    Connect(Connect),
    /// Disconnect a container from a network
    Disconnect {
        /// The container's name or ID
        container: String,
        /// The network's name or ID
        network: String,
    },
    /// Replace a container's aliases (further DNS names) on a network
    Alias {
        /// The container's name or ID
        container: String,
        /// The network's name or ID
        network: String,
        /// The complete new list of aliases; none to remove them all
        aliases: Vec<String>,
    },
    /// Begin a new run of a container: put its names and ports in force. Call this before its VM is
    /// started, restored or cloned
    Start {
        /// The container's name or ID
        container: String,
    },
    /// End the run of a container: its names and ports are released, it keeps its addresses
    Stop {
        /// The container's name or ID
        container: String,
    },
    /// Rename a container
    Rename {
        /// The container's name or ID
        container: String,
        /// The new name
        name: String,
    },
    /// Report the result of a container's health check. On networks to which it was connected with
    /// --only-healthy, DNS answers its names only while it is healthy
    Health {
        /// The container's name or ID
        container: String,
        /// The result of the health check
        #[arg(value_parser = ["healthy", "unhealthy"])]
        health: String,
    },
    /// Limit the rate at which a container receives, and at which it sends
    Rate(Rate),
    /// Wait until the agent reports that the container's network is configured
    Wait {
        /// The container's name or ID
        container: String,
        /// How many seconds to wait
        #[arg(long, default_value_t = 30)]
        timeout: u32,
    },
    /// List containers
    Ls,
    /// Show a container in detail
    Inspect {
        /// The container's name or ID, or a unique prefix of the ID
        container: String,
    },
    /// Remove containers
    Rm {
        /// Names or IDs of containers
        #[arg(required = true)]
        containers: Vec<String>,
        /// Also remove containers that are connected to networks
        #[arg(long)]
        force: bool,
    },
}

/// The arguments of `vchctl container add`.
#[derive(Args)]
pub struct AddContainer {
    /// The container's name: letters, digits, `_`, `.` and `-`
    name: String,
    /// The channel to the agent: hybrid-vsock:PATH:PORT, chardev:PATH, unix, unix:PATH or vsock:CID
    #[arg(long, default_value = "unix")]
    channel: String,
    /// The host name (by default the container's short ID)
    #[arg(long)]
    hostname: Option<String>,
    /// A DNS server for names that are not the VCH's own (may be repeated)
    #[arg(long, value_name = "ADDRESS")]
    dns: Vec<String>,
    /// A DNS search domain (may be repeated)
    #[arg(long, value_name = "DOMAIN")]
    dns_search: Vec<String>,
    /// A resolver option, such as ndots:1 (may be repeated)
    #[arg(long, value_name = "OPTION")]
    dns_option: Vec<String>,
    /// An entry in the container's hosts file, NAME:ADDRESS (may be repeated)
    #[arg(long, value_name = "NAME:ADDRESS")]
    add_host: Vec<String>,
    /// Publish a port: [ADDRESS:][HOST PORT:]PORT[/PROTOCOL]. Ranges such as 8000-8010:80-90 are
    /// possible. On an external network the port is opened (may be repeated)
    #[arg(long, short, value_name = "PORT")]
    publish: Vec<String>,
    /// Expose a port: it is opened on external networks (may be repeated)
    #[arg(long, value_name = "PORT")]
    expose: Vec<String>,
    /// Also publish exposed ports, at host ports that the VCH chooses
    #[arg(long, short = 'P')]
    publish_all: bool,
}

impl AddContainer {
    /// Returns the body of the request that adds the container.
    pub fn request(&self) -> shape::AddContainer {
        shape::AddContainer {
            name: self.name.clone(),
            hostname: self.hostname.clone(),
            channel: self.channel.clone(),
            dns: self.dns.clone(),
            dns_search: self.dns_search.clone(),
            dns_options: self.dns_option.clone(),
            extra_hosts: self.add_host.clone(),
            publish: self.publish.clone(),
            expose: self.expose.clone(),
            publish_all: self.publish_all,
        }
    }
}

/// The arguments of `vchctl container connect`.
#[derive(Args)]
pub struct Connect {
    /// The container's name or ID
    pub container: String,
    /// The network's name or ID
    network: String,
    /// A static IPv4 address (by default the VCH chooses one)
    #[arg(long)]
    ip: Option<String>,
    /// A static IPv6 address (by default the VCH chooses one)
    #[arg(long)]
    ip6: Option<String>,
    /// The MAC address (by default the VCH chooses one)
    #[arg(long)]
    mac: Option<String>,
    /// A further DNS name of the container on this network (may be repeated)
    #[arg(long)]
    alias: Vec<String>,
    /// How the VM is attached: tap, or veth:PATH with the path of a network namespace
    #[arg(long, default_value = "tap")]
    attachment: String,
    /// How the agent finds the NIC in the VM: mac, pci:PATH (such as pci:02.0/00.0) or slot:NUMBER
    #[arg(long, default_value = "mac")]
    nic: String,
    /// The priority of this network's gateway: the highest one is the container's default gateway
    #[arg(long, default_value_t = 0, allow_hyphen_values = true)]
    gateway_priority: i32,
    /// An alias that only this container has for another container on the network (may be repeated)
    #[arg(long, value_name = "CONTAINER:ALIAS")]
    link: Vec<String>,
    /// Answer the container's names only while it is healthy
    #[arg(long)]
    only_healthy: bool,
    /// How much it may receive, and how much it may send, as in 50mbit
    #[arg(long)]
    rate: Option<String>,
}

impl Connect {
    /// Returns the body of the request that connects the container.
    pub fn request(&self) -> shape::Connect {
        shape::Connect {
            network: self.network.clone(),
            ip: self.ip.clone(),
            ip6: self.ip6.clone(),
            mac: self.mac.clone(),
            aliases: self.alias.clone(),
            attachment: Some(self.attachment.clone()),
            nic: Some(self.nic.clone()),
            gateway_priority: self.gateway_priority,
            links: self.link.clone(),
            only_healthy: self.only_healthy,
            rate: self.rate.clone(),
        }
    }
}

/// The arguments of `vchctl container rate`.
#[derive(Args)]
pub struct Rate {
    /// Name or ID
    pub container: String,
    /// On this network alone (by default on each of its networks)
    #[arg(long, value_name = "NETWORK")]
    network: Option<String>,
    /// Ethernet frames a second, as in 50mbit or 500kbps (bytes); none for no limit
    rate: String,
}

impl Rate {
    /// Returns the body of the request that limits the container's traffic. The word `none` becomes no limit.
    pub fn request(&self) -> shape::Rate {
        shape::Rate {
            rate: (self.rate != "none").then(|| self.rate.clone()),
            network: self.network.clone(),
        }
    }
}
