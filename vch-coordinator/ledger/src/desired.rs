//! The desired state: which links, nftables rules, DNS names and agent specifications the VCH must have. Pure functions
//! derive it from one transaction ([`follow()`]) or from the whole ledger ([`Delta::whole`]).
//!
//! A [`Delta`] states for each object how it must be from now on, or that it is removed. Applying the same delta twice
//! therefore changes nothing.

mod follow;

pub use follow::follow;

use crate::{
    Attachment, Channel, Container, ContainerId, ContainerName, DnsTtl, Endpoint, EndpointId,
    External, HostPort, Ledger, Link, Network, NetworkId, NetworkKind, PortBinding, PortNumber,
    Rate, SegmentKind, Subnet,
};
use ipnet::IpNet;
use protocol::spec::{FirewallLevel, Hostname, InterfaceName, MacAddress, Mtu, NetSpec, NicMatch};
use std::{collections::BTreeMap, net::IpAddr};

/// The desired state of the objects that changed. `None` in place of an object means that the object must not exist any
/// more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delta {
    /// The changed networks, by ID, each with the bridge or link that it must have on the VCH. `None` for a network
    /// without one: it was removed, or is of a kind that carries no containers.
    pub networks: BTreeMap<NetworkId, Option<NetworkBacking>>,
    /// The changed endpoints (connections of containers to networks), each before and after the change.
    pub endpoints: BTreeMap<EndpointId, EndpointChange>,
    /// The changed containers, by ID, each with the data for its agent and its DNS queries; `None` for a removed
    /// container.
    pub containers: BTreeMap<ContainerId, Option<AgentTarget>>,
    /// The changed published ports, by port of the VCH, each before and after the change.
    pub bindings: BTreeMap<HostPort, BindingChange>,
    /// The changed private DNS names (Docker's links): `true` if the name is answered from now on, `false` if it no
    /// longer is.
    pub links: BTreeMap<PrivateName, bool>,
}

/// A DNS name that only one container can resolve: the container that may ask, the name, and one address of the answer.
pub type PrivateName = (ContainerId, Hostname, IpAddr);

/// The bridge or link that carries a network on the VCH, and the network's addresses and settings there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkBacking {
    /// The bridge or link that carries the network.
    pub segment: Segment,
    /// The network's subnets.
    pub subnets: Vec<IpNet>,
    /// The VCH's own addresses on it, each with its subnet's prefix length.
    pub addresses: Vec<IpNet>,
    /// The MTU of the network's own bridge, of its endpoints' links and of their interfaces in the VMs, in bytes;
    /// `None` for the kernel's default. The MTU of a shared bridge or an external link is not set.
    pub mtu: Option<Mtu>,
    /// How long DNS resolvers may cache answers about the network's names; `None` for the default of the VCH's
    /// configuration.
    pub dns_ttl: Option<DnsTtl>,
    /// Whether the network has no route beyond the VCH, as Docker's `--internal`. The VCH itself can be reached.
    pub internal: bool,
    /// Whether the network's containers reach one another only by published ports (Docker's `enable_icc=false`). Always
    /// false on an external network.
    pub isolated: bool,
    /// Whether packets leave the network with their containers' own source addresses, because masquerading was turned
    /// off. Always false on an external network, which has no NAT at all.
    pub untranslated: bool,
}

/// The layer 2 segment that carries a network: a bridge, or another link, of the VCH.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// A bridge for this network alone, with this name.
    Dedicated(InterfaceName),
    /// The bridge that all shared networks use, with this name.
    Shared(InterfaceName),
    /// The link of an external network. The configuration names it; the coordinator neither makes nor removes it.
    External(External),
}

impl Segment {
    /// Returns the name of the bridge or link.
    pub fn link(&self) -> &InterfaceName {
        match self {
            Self::Dedicated(link) | Self::Shared(link) => link,
            Self::External(external) => &external.interface,
        }
    }
}

/// A published port before and after a change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BindingChange {
    /// The binding (host port that leads to a container) before the change. `None` if it is new, and in a
    /// [`Delta::whole`], which does not know what was before.
    pub before: Option<PortBinding>,
    /// The binding as it must be; `None` if it is removed.
    pub after: Option<PortBinding>,
}

/// An endpoint before and after a change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndpointChange {
    /// The endpoint before the change. `None` if it is new, and in a [`Delta::whole`], which does not know what was
    /// before.
    pub before: Option<DesiredEndpoint>,
    /// The endpoint as it must be; `None` if it is removed.
    pub after: Option<DesiredEndpoint>,
}

/// The desired state of an endpoint (a container's connection to a network) on the VCH.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DesiredEndpoint {
    /// The ID of the endpoint's network.
    pub network: NetworkId,
    /// The bridge or link that carries the network.
    pub segment: Segment,
    /// The name of the endpoint's own link on the VCH, a port of the bridge: a tap, or one end of a veth pair.
    pub port: InterfaceName,
    /// The kind of the endpoint's own link.
    pub attachment: Attachment,
    /// The interface's name in the container's VM; of a veth pair, the name of the end in the network namespace.
    pub interface: InterfaceName,
    /// The MTU of the endpoint's own link, in bytes; `None` for the kernel's default.
    pub mtu: Option<Mtu>,
    /// The limit on the traffic in each direction; `None` for no limit.
    pub limit: Option<Limit>,
    /// The endpoint's IP addresses, IPv4 first.
    pub addresses: Vec<IpAddr>,
    /// The endpoint's MAC address.
    pub mac: MacAddress,
    /// Every DNS name of the endpoint that is answered now; the answer is `addresses`. Empty while the container is
    /// stopped, and while its failing health check keeps it out of DNS: see [`Endpoint::names`].
    pub names: Vec<Hostname>,
    /// The name that a reverse DNS query for the addresses returns.
    pub pointer: Hostname,
    /// The firewall level of an external network: which traffic may pass between the network and the container; `None`
    /// on a bridge network.
    pub level: Option<FirewallLevel>,
    /// The container's ports that clients on an external network may reach if the network's level is `published`. Empty
    /// on a bridge network, and while the container is stopped.
    pub opened: Vec<PortNumber>,
    /// The VM's NIC on the tap; `None` while the container is stopped, and for a veth pair.
    pub nic: Option<Nic>,
}

/// The limit of an endpoint's traffic. It applies to each direction separately.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// The most that the endpoint may receive, and the most that it may send, in bits per second.
    pub rate: Rate,
    /// The name of the link through which the VCH leads what the container sends, to limit it: an intermediate
    /// functional block (IFB) of Linux. What the container receives is limited on the endpoint's own link.
    pub ifb: InterfaceName,
}

/// The NIC by which a running VM uses an endpoint (connection to a network).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nic {
    /// The container's name, for log messages and errors.
    pub container: ContainerName,
    /// The container's ID.
    pub container_id: ContainerId,
    /// The endpoint's ID.
    pub endpoint_id: EndpointId,
    /// The interface's name in the VM.
    pub interface: InterfaceName,
    /// The name of the tap on the VCH to which the NIC is attached.
    pub tap: InterfaceName,
    /// The NIC's MAC address.
    pub mac: MacAddress,
    /// The property by which the agent in the VM recognises the NIC: MAC address or PCI position.
    pub found_by: NicMatch,
}

/// The data by which the coordinator talks to the agent in one container's VM and answers the container's DNS queries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentTarget {
    /// The container's name, for log messages.
    pub name: String,
    /// The channel by which the agent is reached.
    pub channel: Channel,
    /// The network specification that the agent must carry out in the VM; `None` while the container is stopped.
    pub spec: Option<NetSpec>,
    /// The container's own addresses, each with its network. The name server recognises the container's queries by
    /// them.
    pub asks_from: Vec<(NetworkId, IpAddr)>,
    /// The DNS servers to which the VCH forwards this container's queries for outside names; empty for the servers of
    /// the VCH's configuration.
    pub forwards_to: Vec<IpAddr>,
}

/// Returns the name of a network's own bridge on the VCH: `br-` and the first 12 digits of the network's ID. An
/// interface name has at most 15 bytes.
pub fn bridge_name(network: NetworkId) -> InterfaceName {
    link_name("br", &network.short())
}

/// Returns the name of an endpoint's link on the VCH: `vt-` and the first 12 digits of the endpoint's ID.
pub fn port_name(endpoint: EndpointId) -> InterfaceName {
    link_name("vt", &endpoint.short())
}

/// Returns the name of the link that limits what an endpoint sends, an intermediate functional block (IFB) of Linux:
/// `vi-` and the first 12 digits of the endpoint's ID. The link exists only while the endpoint has a limit.
pub fn ifb_name(endpoint: EndpointId) -> InterfaceName {
    link_name("vi", &endpoint.short())
}

fn link_name(kind: &str, id: &str) -> InterfaceName {
    #[expect(clippy::expect_used, reason = "15 printable characters")]
    format!("{kind}-{id}").parse().expect("an interface name")
}

impl Delta {
    /// Returns the desired state of everything in a ledger, with `None` in each `before`. The caller that applies it
    /// must also remove every link, rule, name and session of the VCH that it does not contain.
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

/// Returns the bridge or link that carries a network; `None` for the network `none`, and for a network of kind
/// configuration, which carries no containers (Docker's `--config-only`).
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
        limit: endpoint.rate.map(|rate| Limit {
            rate,
            ifb: ifb_name(endpoint.id),
        }),
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
