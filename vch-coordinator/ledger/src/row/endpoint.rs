//! The row of an endpoint.

use crate::{ContainerId, ContainerName, EndpointId, NamespacePath, NetworkId, PortNumber};
use ipnet::IpNet;
use protocol::spec::{Hostname, InterfaceName, MacAddress, NicMatch};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The placeholder of the interface's name in [`Endpoint::sysctls`], as with Docker.
pub const IFNAME: &str = "IFNAME";

/// A container's connection to a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// The endpoint's ID.
    pub id: EndpointId,
    /// The container's ID.
    pub container: ContainerId,
    /// The network's ID.
    pub network: NetworkId,
    /// The endpoint's addresses with their subnets' prefix lengths: one for each family that the
    /// network has, IPv4 first.
    pub addresses: Vec<IpNet>,
    /// The endpoint's MAC address, unique on the VCH; it never changes.
    pub mac: MacAddress,
    /// The container's further names on this network; other containers may have the same.
    pub aliases: Vec<Hostname>,
    /// Every name under which the network's containers find the endpoint now, in lower case, the
    /// main one first: see [`published_names`](crate::published_names). Empty while the container
    /// does not run, and, if `only_healthy` is set, while it is unhealthy.
    pub names: Vec<Hostname>,
    /// The name that the endpoint's addresses resolve to: see
    /// [`pointer_name`](crate::pointer_name).
    pub pointer: Hostname,
    /// The interface's name in the guest; it never changes.
    pub interface: InterfaceName,
    /// The property by which the agent finds the NIC.
    pub nic: NicMatch,
    /// The kind of link that attaches the container to the network's segment.
    pub attachment: Attachment,
    /// The kernel settings of the interface, by sysctl(8) names with [`IFNAME`] in place of the
    /// interface's name.
    pub sysctls: BTreeMap<String, String>,
    /// The priority of this network's gateway as the container's default: the greatest wins.
    pub gateway_priority: i32,
    /// The names that only this container has for other containers on the network.
    pub links: Vec<Link>,
    /// Whether the endpoint's names are answered only while the container is healthy.
    pub only_healthy: bool,
    /// The container's ports that are open on an external network now, in ascending order.
    pub opened: Vec<PortNumber>,
    /// The links to containers that do not exist: each becomes one of [`links`](Self::links) when a container of its
    /// name is added. Always empty on the default bridge.
    pub awaited_links: Vec<AwaitedLink>,
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

/// A name that only one container has for another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Link {
    /// The other container; the link is in force while that container is on the network.
    pub container: ContainerId,
    /// The name.
    pub alias: Hostname,
}

/// A name that only one container will have for another, which does not exist yet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AwaitedLink {
    /// The other container's name.
    pub container: ContainerName,
    /// The name that the link will give it.
    pub alias: Hostname,
}

/// The kind of link that attaches an endpoint to its network's segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Attachment {
    /// A tap, for a VM.
    Tap,
    /// A veth pair, whose other end lies in a network namespace.
    Veth {
        /// The path of the namespace's file.
        namespace: NamespacePath,
    },
}
