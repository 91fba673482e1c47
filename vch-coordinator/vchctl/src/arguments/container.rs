//! Words about containers.

use clap::{Args, Subcommand};
use control_api::shape;

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
    /// Change a container's aliases on a network
    Alias {
        /// Name or ID
        container: String,
        /// Name or ID
        network: String,
        /// All that it has from now on
        aliases: Vec<String>,
    },
    /// Begin a new life of the container's VM: call before it is started, restored or cloned
    Start {
        /// Name or ID
        container: String,
    },
    /// End its life: its names and ports are no longer in force, its addresses stay its own
    Stop {
        /// Name or ID
        container: String,
    },
    /// Give a container another name
    Rename {
        /// Name or ID
        container: String,
        /// Its new name
        name: String,
    },
    /// Say what a container's health check says: where it was connected with --only-healthy, its
    /// names answer while it is healthy
    Health {
        /// Name or ID
        container: String,
        /// What it is
        #[arg(value_parser = ["healthy", "unhealthy"])]
        health: String,
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
    /// Publish a port: [ADDRESS:][HOST PORT:]PORT[/PROTOCOL], ranges as in 8000-8010:80-90; on an
    /// external network it is opened (may be repeated)
    #[arg(long, short, value_name = "PORT")]
    publish: Vec<String>,
    /// Expose a port: it is opened on external networks (may be repeated)
    #[arg(long, value_name = "PORT")]
    expose: Vec<String>,
    /// Publish what is exposed, too, at ports that the VCH chooses
    #[arg(long, short = 'P')]
    publish_all: bool,
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
            publish: self.publish.clone(),
            expose: self.expose.clone(),
            publish_all: self.publish_all,
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
    /// Whose gateway is the container's default: the greatest first
    #[arg(long, default_value_t = 0, allow_hyphen_values = true)]
    gateway_priority: i32,
    /// A name that it alone has for another container of the network (may be repeated)
    #[arg(long, value_name = "CONTAINER:ALIAS")]
    link: Vec<String>,
    /// Its names answer only while it is healthy
    #[arg(long)]
    only_healthy: bool,
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
            gateway_priority: self.gateway_priority,
            links: self.link.clone(),
            only_healthy: self.only_healthy,
        }
    }
}
