//! An endpoint's row.

use super::Rate;
use crate::{ContainerId, ContainerName, EndpointId, NamespacePath, NetworkId, PortNumber};
use ipnet::IpNet;
use protocol::spec::{Hostname, InterfaceName, MacAddress, NicMatch};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What stands for the interface's name in [`Endpoint::sysctls`], as with Docker.
pub const IFNAME: &str = "IFNAME";

/// A container's connection to a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Its identity.
    pub id: EndpointId,
    /// The container.
    pub container: ContainerId,
    /// On which network.
    pub network: NetworkId,
    /// Its addresses with their subnet's prefix length: one a family that the network has, IPv4
    /// first.
    pub addresses: Vec<IpNet>,
    /// Its MAC address, unique on the VCH, the same for the endpoint's life.
    pub mac: MacAddress,
    /// Further names on this network; other containers may share them.
    pub aliases: Vec<Hostname>,
    /// Every name under which the network's containers find it now, in lower case, the main one
    /// first: see [`published_names`](crate::published_names). Empty while the container does not
    /// run, and where `only_healthy` asks for it, while it is unhealthy.
    pub names: Vec<Hostname>,
    /// The name that its addresses resolve to: see [`pointer_name`](crate::pointer_name).
    pub pointer: Hostname,
    /// What the guest calls the interface; the same for the endpoint's life.
    pub interface: InterfaceName,
    /// By what the agent knows the NIC.
    pub nic: NicMatch,
    /// How it hangs on the network's segment.
    pub attachment: Attachment,
    /// Kernel settings of its interface, as sysctl(8) writes them, with [`IFNAME`] in place of the
    /// interface's name.
    pub sysctls: BTreeMap<String, String>,
    /// Whose gateway is the container's default: the greatest first.
    pub gateway_priority: i32,
    /// Names that this container alone has for others on the network.
    pub links: Vec<Link>,
    /// Its names answer only while the container is healthy.
    pub only_healthy: bool,
    /// The ports that are open to the outside on an external network now, in ascending order.
    pub opened: Vec<PortNumber>,
    /// Links to containers that are not there: each becomes one of [`links`](Self::links) when a container of its
    /// name is. None on the default bridge.
    pub awaited_links: Vec<AwaitedLink>,
    /// How much it may receive, and how much it may send; `None` for no limit.
    pub rate: Option<Rate>,
}

impl Endpoint {
    /// Makes links of those that awaited a container of this name, which is there now.
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

    /// Awaits another container of this name where a link meant one that goes.
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

/// A name that one container alone has for another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Link {
    /// Which container is meant, as long as it is on the network.
    pub container: ContainerId,
    /// By what name.
    pub alias: Hostname,
}

/// A name that one container alone will have for another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AwaitedLink {
    /// The name of the container that is meant.
    pub container: ContainerName,
    /// By what name it will be known.
    pub alias: Hostname,
}

/// How an endpoint hangs on its network's segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Attachment {
    /// A tap, for a VM.
    Tap,
    /// A veth pair, its peer moved into a network namespace.
    Veth {
        /// The namespace's file.
        namespace: NamespacePath,
    },
}
