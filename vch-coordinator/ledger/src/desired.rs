//! What a transaction, or a whole ledger, means for the VCH: values, decided by pure functions.
//!
//! Each object stands here as it must be from now on, or as gone; following the same delta twice
//! changes nothing.

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

/// The desired state of what changed: `None` is what must not exist any more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delta {
    /// Networks that something carries.
    pub networks: BTreeMap<NetworkId, Option<NetworkBacking>>,
    /// Endpoints on them: what each was, and what it must be.
    pub endpoints: BTreeMap<EndpointId, EndpointChange>,
    /// Containers' agents.
    pub containers: BTreeMap<ContainerId, Option<AgentTarget>>,
    /// Published ports: what each was, and what it must be.
    pub bindings: BTreeMap<HostPort, BindingChange>,
    /// Names that one container alone has for an address: whether they answer.
    pub links: BTreeMap<PrivateName, bool>,
}

/// Who asks, for which name, and an address that is its answer.
pub type PrivateName = (ContainerId, Hostname, IpAddr);

/// What a network is on the VCH.
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
    /// How long answers about its names may be kept; `None` for the VCH's default.
    pub dns_ttl: Option<DnsTtl>,
    /// No way out.
    pub internal: bool,
    /// Its containers reach one another by published ports alone.
    pub isolated: bool,
    /// What leaves it keeps its containers' addresses.
    pub untranslated: bool,
}

/// The L2 segment that carries a network: a link of the VCH.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// A bridge of its own.
    Dedicated(InterfaceName),
    /// The bridge of all shared networks.
    Shared(InterfaceName),
    /// A link that the configuration names: not ours.
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

/// A published port before and after.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BindingChange {
    /// As it was, as far as this delta knows.
    pub before: Option<PortBinding>,
    /// As it must be.
    pub after: Option<PortBinding>,
}

/// An endpoint before and after.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndpointChange {
    /// As it was, as far as this delta knows.
    pub before: Option<DesiredEndpoint>,
    /// As it must be.
    pub after: Option<DesiredEndpoint>,
}

/// An endpoint, a container's connection to a network, as it must be on the VCH.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DesiredEndpoint {
    /// The network.
    pub network: NetworkId,
    /// The segment of its network.
    pub segment: Segment,
    /// Its link on the VCH.
    pub port: InterfaceName,
    /// What hangs on that.
    pub attachment: Attachment,
    /// What the container calls its end.
    pub interface: InterfaceName,
    /// The link's MTU.
    pub mtu: Option<Mtu>,
    /// How much may pass to the container, and how much from it.
    pub limit: Option<Limit>,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// Its MAC address.
    pub mac: MacAddress,
    /// Every name that answers with them.
    pub names: Vec<Hostname>,
    /// The name that they resolve to.
    pub pointer: Hostname,
    /// What may pass on an external network; `None` on a bridge network.
    pub level: Option<FirewallLevel>,
    /// The ports open there.
    pub opened: Vec<PortNumber>,
    /// The NIC of the VM on it; `None` while the container does not run, and where it is no VM.
    pub nic: Option<Nic>,
}

/// How much may pass by a link, each way by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// How much.
    pub rate: Rate,
    /// The link of the VCH through which what comes from the container is led, to be limited there.
    pub ifb: InterfaceName,
}

/// The NIC of a running VM at an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nic {
    /// The container's name, for people.
    pub container: ContainerName,
    /// The container.
    pub container_id: ContainerId,
    /// The endpoint.
    pub endpoint_id: EndpointId,
    /// The interface's name in the guest.
    pub interface: InterfaceName,
    /// The tap on the VCH.
    pub tap: InterfaceName,
    /// The NIC's MAC address.
    pub mac: MacAddress,
    /// How the agent finds the NIC in the VM.
    pub found_by: NicMatch,
}

/// A container's agent: how it is reached, and what it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentTarget {
    /// The container's name, for people.
    pub name: String,
    /// The channel.
    pub channel: Channel,
    /// What its VM's network must be; `None` before the first start.
    pub spec: Option<NetSpec>,
    /// From which addresses it asks for names, and on which network.
    pub asks_from: Vec<(NetworkId, IpAddr)>,
    /// Which servers are asked for names that nobody here has; empty: the VCH's own.
    pub forwards_to: Vec<IpAddr>,
}

/// The link that carries a network: an interface name has 15 bytes, of which 12 are the short ID.
pub fn bridge_name(network: NetworkId) -> InterfaceName {
    link_name("br", &network.short())
}

/// The VCH's side of an attachment.
pub fn port_name(endpoint: EndpointId) -> InterfaceName {
    link_name("vt", &endpoint.short())
}

/// The link through which what an endpoint sends is led while it is limited: an intermediate functional block.
pub fn ifb_name(endpoint: EndpointId) -> InterfaceName {
    link_name("vi", &endpoint.short())
}

fn link_name(kind: &str, id: &str) -> InterfaceName {
    #[expect(clippy::expect_used, reason = "15 printable characters")]
    format!("{kind}-{id}").parse().expect("an interface name")
}

impl Delta {
    /// All that a ledger holds.
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

/// Returns the segment that carries a network; `None` where nothing does.
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

/// `None` where nothing carries the network.
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

/// The NIC that a running VM has, or must have, for an endpoint.
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

/// What a link is good for: its alias, private to who has the link, is each of these addresses while
/// the container that is meant has names there.
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
