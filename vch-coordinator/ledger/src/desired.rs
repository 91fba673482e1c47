//! The desired state of the VCH, derived by pure functions from a transaction or from a whole
//! ledger.
//!
//! Each object is given as it must be from now on, or as removed; following the same delta twice
//! changes nothing.

mod follow;

pub use follow::follow;

use crate::{
    Attachment, Channel, Container, ContainerId, ContainerName, DnsTtl, Endpoint, EndpointId,
    External, HostPort, Ledger, Link, Network, NetworkId, NetworkKind, PortBinding, PortNumber,
    SegmentKind, Subnet,
};
use ipnet::IpNet;
use protocol::spec::{FirewallLevel, Hostname, InterfaceName, MacAddress, Mtu, NetSpec, NicMatch};
use std::{collections::BTreeMap, net::IpAddr};

/// The desired state of what changed: `None` is what must not exist any more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delta {
    /// The networks that have a segment.
    pub networks: BTreeMap<NetworkId, Option<NetworkBacking>>,
    /// The endpoints, before and after.
    pub endpoints: BTreeMap<EndpointId, EndpointChange>,
    /// The containers' agents.
    pub containers: BTreeMap<ContainerId, Option<AgentTarget>>,
    /// The published ports, before and after.
    pub bindings: BTreeMap<HostPort, BindingChange>,
    /// The names that only one container has for an address: `true` if the name is answered.
    pub links: BTreeMap<PrivateName, bool>,
}

/// The container that may ask, the name, and the address that is the answer.
pub type PrivateName = (ContainerId, Hostname, IpAddr);

/// A network as it must be on the VCH.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkBacking {
    /// The link that carries it.
    pub segment: Segment,
    /// Its subnets.
    pub subnets: Vec<IpNet>,
    /// The VCH's own addresses on it, each with its subnet's prefix length.
    pub addresses: Vec<IpNet>,
    /// MTU of its interfaces.
    pub mtu: Option<Mtu>,
    /// How long resolvers may cache answers about the network's names; `None` for the VCH's
    /// default.
    pub dns_ttl: Option<DnsTtl>,
    /// Whether the network has no route to the outside.
    pub internal: bool,
    /// Whether the network's containers reach one another by published ports only.
    pub isolated: bool,
    /// Whether packets leave the network with their containers' addresses, without masquerade.
    pub untranslated: bool,
}

/// The L2 segment that carries a network: a link of the VCH.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// A bridge of the network's own.
    Dedicated(InterfaceName),
    /// The bridge of all shared networks.
    Shared(InterfaceName),
    /// A link that the configuration names; the VCH does not make it.
    External(External),
}

impl Segment {
    /// The link's name.
    pub fn link(&self) -> &InterfaceName {
        match self {
            Self::Dedicated(link) | Self::Shared(link) => link,
            Self::External(external) => &external.interface,
        }
    }
}

/// A change of a published port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BindingChange {
    /// The binding before, as far as this delta knows.
    pub before: Option<PortBinding>,
    /// The binding as it must be; `None` if it is removed.
    pub after: Option<PortBinding>,
}

/// A change of an endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndpointChange {
    /// The endpoint before, as far as this delta knows.
    pub before: Option<DesiredEndpoint>,
    /// The endpoint as it must be; `None` if it is removed.
    pub after: Option<DesiredEndpoint>,
}

/// An endpoint, a container's connection to a network, as it must be on the VCH.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DesiredEndpoint {
    /// The network.
    pub network: NetworkId,
    /// The segment of its network.
    pub segment: Segment,
    /// The name of the endpoint's link on the VCH.
    pub port: InterfaceName,
    /// The kind of that link.
    pub attachment: Attachment,
    /// The interface's name in the container.
    pub interface: InterfaceName,
    /// The link's MTU.
    pub mtu: Option<Mtu>,
    /// The endpoint's addresses.
    pub addresses: Vec<IpAddr>,
    /// The endpoint's MAC address.
    pub mac: MacAddress,
    /// Every name that is answered with the addresses.
    pub names: Vec<Hostname>,
    /// The name that the addresses resolve to.
    pub pointer: Hostname,
    /// The firewall level on an external network; `None` on a bridge network.
    pub level: Option<FirewallLevel>,
    /// The container's ports that are open on an external network.
    pub opened: Vec<PortNumber>,
    /// The VM's NIC; `None` while the container does not run, and if the attachment is not a tap.
    pub nic: Option<Nic>,
}

/// The NIC of a running VM at an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nic {
    /// The container's name, for messages.
    pub container: ContainerName,
    /// The container's ID.
    pub container_id: ContainerId,
    /// The endpoint's ID.
    pub endpoint_id: EndpointId,
    /// The interface's name in the guest.
    pub interface: InterfaceName,
    /// The tap on the VCH.
    pub tap: InterfaceName,
    /// The NIC's MAC address.
    pub mac: MacAddress,
    /// The property by which the agent finds the NIC in the VM.
    pub found_by: NicMatch,
}

/// The agent of a container: its channel and the spec that it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentTarget {
    /// The container's name, for messages.
    pub name: String,
    /// The channel to the agent.
    pub channel: Channel,
    /// The spec that the VM's network must have; `None` before the first start.
    pub spec: Option<NetSpec>,
    /// The container's addresses from which it asks the name server, each with its network.
    pub asks_from: Vec<(NetworkId, IpAddr)>,
    /// The servers to which queries for outside names are forwarded; empty for the VCH's own.
    pub forwards_to: Vec<IpAddr>,
}

/// Returns the name of a network's link on the VCH: an interface name has 15 bytes, of which 12 are
/// the short ID.
pub fn bridge_name(network: NetworkId) -> InterfaceName {
    link_name("br", &network.short())
}

/// Returns the name of an endpoint's link on the VCH.
pub fn port_name(endpoint: EndpointId) -> InterfaceName {
    link_name("vt", &endpoint.short())
}

fn link_name(kind: &str, id: &str) -> InterfaceName {
    #[expect(clippy::expect_used, reason = "15 printable characters")]
    format!("{kind}-{id}").parse().expect("an interface name")
}

impl Delta {
    /// Returns the desired state of everything that a ledger holds.
    pub fn whole(ledger: &Ledger) -> Self {
        let mut delta = Self::default();
        for network in ledger.networks() {
            delta.network(ledger, network.id, Some(network));
        }
        for container in ledger.containers() {
            delta.container(ledger, container.id, Some(container));
            for endpoint in ledger.endpoints_of(container.id) {
                let network = ledger.network_by_id(endpoint.network);
                let after = network.and_then(|network| desired_endpoint(ledger, network, endpoint));
                let change = EndpointChange {
                    before: None,
                    after,
                };
                delta.endpoints.insert(endpoint.id, change);
                for link in &endpoint.links {
                    let meant = ledger.endpoint_of(link.container, endpoint.network);
                    let answers = linked(endpoint.container, link, meant);
                    delta
                        .links
                        .extend(answers.into_iter().map(|name| (name, true)));
                }
            }
        }
        for binding in ledger.bindings() {
            let change = BindingChange {
                before: None,
                after: Some(binding.clone()),
            };
            delta.bindings.insert(binding.host, change);
        }
        delta
    }

    fn network(&mut self, ledger: &Ledger, id: NetworkId, network: Option<&Network>) {
        let backing = network.and_then(|network| {
            let segment = segment_of(ledger, network)?;
            Some(NetworkBacking {
                segment,
                subnets: network.subnets.iter().map(|subnet| subnet.net).collect(),
                addresses: network.subnets.iter().filter_map(Subnet::vch_net).collect(),
                mtu: network.mtu,
                dns_ttl: network.dns_ttl,
                internal: network.internal,
                isolated: network.is_bridge() && !network.bridge.icc,
                untranslated: network.is_bridge() && !network.bridge.masquerade,
            })
        });
        self.networks.insert(id, backing);
    }

    fn container(&mut self, ledger: &Ledger, id: ContainerId, container: Option<&Container>) {
        let target = container.map(|container| AgentTarget {
            name: container.name.to_string(),
            channel: container.channel.clone(),
            spec: ledger.spec(id),
            forwards_to: container.dns.servers.clone(),
            asks_from: ledger
                .endpoints_of(id)
                .flat_map(|endpoint| {
                    endpoint
                        .addresses
                        .iter()
                        .map(|net| (endpoint.network, net.addr()))
                })
                .collect(),
        });
        self.containers.insert(id, target);
    }
}

/// Returns the segment that carries a network; `None` if the network has none.
pub fn segment_of(ledger: &Ledger, network: &Network) -> Option<Segment> {
    match &network.kind {
        NetworkKind::Bridge(SegmentKind::Dedicated) => {
            Some(Segment::Dedicated(bridge_name(network.id)))
        }
        NetworkKind::Bridge(SegmentKind::Shared) => {
            Some(Segment::Shared(ledger.settings().shared_link.clone()))
        }
        NetworkKind::External(external) => Some(Segment::External(external.clone())),
        NetworkKind::None | NetworkKind::Configuration(_) => None,
    }
}

/// Returns an endpoint as it must be on the VCH; `None` if its network has no segment.
fn desired_endpoint(
    ledger: &Ledger,
    network: &Network,
    endpoint: &Endpoint,
) -> Option<DesiredEndpoint> {
    Some(DesiredEndpoint {
        network: endpoint.network,
        segment: segment_of(ledger, network)?,
        port: port_name(endpoint.id),
        attachment: endpoint.attachment.clone(),
        interface: endpoint.interface.clone(),
        mtu: network.mtu,
        mac: endpoint.mac,
        level: network.external().map(|external| external.level),
        opened: endpoint.opened.clone(),
        nic: nic(ledger, endpoint),
        addresses: endpoint.addresses.iter().map(IpNet::addr).collect(),
        names: endpoint.names.clone(),
        pointer: endpoint.pointer.clone(),
    })
}

/// Returns the NIC that a running VM has, or must have, for an endpoint.
fn nic(ledger: &Ledger, endpoint: &Endpoint) -> Option<Nic> {
    let container = ledger.container_by_id(endpoint.container)?;
    let runs = container.runs() && endpoint.attachment == Attachment::Tap;
    runs.then(|| Nic {
        container: container.name.clone(),
        container_id: container.id,
        endpoint_id: endpoint.id,
        interface: endpoint.interface.clone(),
        tap: port_name(endpoint.id),
        mac: endpoint.mac,
        found_by: endpoint.nic.clone(),
    })
}

/// Returns the names that a link makes: its alias, private to the container that has the link, for each address of
/// the other container, while that one has names there.
fn linked(asker: ContainerId, link: &Link, meant: Option<&Endpoint>) -> Vec<PrivateName> {
    let answering = meant.filter(|endpoint| !endpoint.names.is_empty());
    let addresses = answering
        .into_iter()
        .flat_map(|endpoint| &endpoint.addresses);
    addresses
        .map(|net| (asker, link.alias.clone(), net.addr()))
        .collect()
}

#[cfg(test)]
mod tests;
