//! The row of an endpoint.

use super::Rate;
use crate::{ContainerId, ContainerName, EndpointId, NamespacePath, NetworkId, PortNumber};
use ipnet::IpNet;
use protocol::spec::{Hostname, InterfaceName, MacAddress, NicMatch};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The placeholder for the interface's name in the keys of [`Endpoint::sysctls`], as in Docker.
pub const IFNAME: &str = "IFNAME";

/// A container's connection to a network: its addresses, names, and a link of the VCH. It lasts from connect to
/// disconnect, and also while the container is stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// The endpoint's ID.
    pub id: EndpointId,
    /// The container's ID.
    pub container: ContainerId,
    /// The network's ID.
    pub network: NetworkId,
    /// The IP addresses, each with its subnet's prefix length: one for each family that the network has, IPv4 first.
    pub addresses: Vec<IpNet>,
    /// The MAC address, unique on the VCH. It never changes.
    pub mac: MacAddress,
    /// Further DNS names of the container on this network. Other containers may have the same.
    pub aliases: Vec<Hostname>,
    /// The DNS names that the network's containers can resolve to this endpoint at present, in lower case, the
    /// container's name first: see [`published_names`](crate::published_names). Empty while the container is stopped,
    /// and, if `only_healthy` is set, while its health check fails.
    pub names: Vec<Hostname>,
    /// The name that a reverse DNS query for the addresses returns: see [`pointer_name`](crate::pointer_name).
    pub pointer: Hostname,
    /// The interface's name in the VM. It never changes.
    pub interface: InterfaceName,
    /// The property by which the agent in the VM recognises the NIC: MAC address or PCI position.
    pub nic: NicMatch,
    /// The kind of link that attaches the container to the network: a tap, or a veth pair.
    pub attachment: Attachment,
    /// Kernel settings of the interface in the VM, by their names in sysctl(8), with [`IFNAME`] in place of the
    /// interface's name.
    pub sysctls: BTreeMap<String, String>,
    /// The priority of this network's gateway. The container's default route leads to the gateway with the greatest
    /// priority; of equal ones, to that of a network with IPv4 and IPv6, then by network name.
    pub gateway_priority: i32,
    /// Private DNS names for other containers of the network, which only this container can resolve (Docker's links).
    pub links: Vec<Link>,
    /// Whether DNS answers for the container on this network only while its health check does not fail.
    pub only_healthy: bool,
    /// The container's ports that clients on an external network may reach at present if the network's level is
    /// `published`, in ascending order. Empty on a bridge network, and while the container is stopped.
    pub opened: Vec<PortNumber>,
    /// The links to containers that do not exist, or no longer exist. Each becomes one of [`links`](Self::links) when a
    /// container of its name is added, or gets the name. Always empty on the default bridge.
    pub awaited_links: Vec<AwaitedLink>,
    /// The most that the container may receive, and the most that it may send, on this network; `None` for no limit.
    pub rate: Option<Rate>,
}

impl Endpoint {
    /// Turns the links that await a container of this name into links to this container, which was
    /// added.
    pub(crate) fn link(&mut self, container: ContainerId, name: &ContainerName) {
        for awaited in self
            .awaited_links
            .extract_if(.., |one| one.container == *name)
        {
            self.links.push(Link {
                container,
                alias: awaited.alias,
            });
        }
        self.links.sort_unstable();
        self.links.dedup();
    }

    /// Removes the links to this container, which is removed; if `awaits`, they await another
    /// container of its name.
    pub(crate) fn unlink(&mut self, container: ContainerId, name: &ContainerName, awaits: bool) {
        for gone in self.links.extract_if(.., |one| one.container == container) {
            if awaits {
                self.awaited_links.push(AwaitedLink {
                    container: name.clone(),
                    alias: gone.alias,
                });
            }
        }
        self.awaited_links.sort_unstable();
        self.awaited_links.dedup();
    }
}

/// A private DNS name for another container, which only the container that has the link can resolve (Docker's
/// `--link`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Link {
    /// The other container. The name is answered while that container runs and is on the same network.
    pub container: ContainerId,
    /// The private name for the other container.
    pub alias: Hostname,
}

/// A link to a container that does not exist. It becomes a [`Link`] when a container of that name is added, or when one
/// is renamed to it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AwaitedLink {
    /// The name of the missing container.
    pub container: ContainerName,
    /// The private name that the link will give that container.
    pub alias: Hostname,
}

/// The kind of link that attaches an endpoint to its network's bridge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Attachment {
    /// A tap, which the hypervisor opens for a VM's NIC.
    Tap,
    /// A veth pair: one end is on the bridge, the other end in a network namespace of the VCH, in place of a VM's NIC.
    Veth {
        /// The path of the network namespace's file.
        namespace: NamespacePath,
    },
}
