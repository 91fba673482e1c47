//! What a transaction, or a whole ledger, means for the VCH: values, decided by pure functions.
//!
//! Each object stands here as it must be from now on, or as gone; following the same work twice
//! changes nothing.

use super::segments::{Bridge, Port, PortKind};
use ipnet::IpNet;
use protocol::spec::{Hostname, InterfaceName, NetSpec};
use std::{collections::BTreeMap, net::IpAddr};
use vch_ledger::{
    Attachment, Channel, Container, ContainerId, Endpoint, EndpointId, Ledger, Network, NetworkId,
    NetworkKind, Row, Transaction,
};

/// What must be so: `None` is what must be gone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Bridge networks.
    pub networks: BTreeMap<NetworkId, Option<Segment>>,
    /// Places on them: what each was, and what it must be.
    pub endpoints: BTreeMap<EndpointId, Places>,
    /// Containers' agents.
    pub containers: BTreeMap<ContainerId, Option<Tethered>>,
}

/// A bridge network on the VCH.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The link with the gateways' addresses.
    pub bridge: Bridge,
    /// Its subnets.
    pub subnets: Vec<IpNet>,
    /// No way out.
    pub internal: bool,
}

/// A place before and after.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// As it was, as far as this work knows.
    pub before: Option<Place>,
    /// As it must be.
    pub after: Option<Place>,
}

/// A container's place on a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The network.
    pub network: NetworkId,
    /// The port of its bridge.
    pub port: Port,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// Every name that answers with them.
    pub names: Vec<Hostname>,
    /// The name that they resolve to.
    pub pointer: Hostname,
}

/// A container's agent: how it is reached, and what it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tethered {
    /// The container's name, for people.
    pub name: String,
    /// The channel.
    pub channel: Channel,
    /// What its VM's network must be; `None` before the first start.
    pub spec: Option<NetSpec>,
    /// From which addresses it asks for names, and on which network.
    pub asks_from: Vec<(NetworkId, IpAddr)>,
}

/// The link that carries a network: an interface name has 15 bytes, of which 12 are the short ID.
pub fn bridge_name(network: NetworkId) -> InterfaceName {
    link_name("br", &network.short())
}

/// The VCH's side of an attachment.
pub fn port_name(endpoint: EndpointId) -> InterfaceName {
    link_name("vt", &endpoint.short())
}

fn link_name(kind: &str, id: &str) -> InterfaceName {
    #[expect(clippy::expect_used, reason = "15 printable characters")]
    format!("{kind}-{id}").parse().expect("an interface name")
}

impl Work {
    /// All that a ledger holds.
    pub fn whole(ledger: &Ledger) -> Self {
        let mut work = Self::default();
        for network in ledger.networks() {
            work.network(network.id, Some(network));
        }
        for container in ledger.containers() {
            work.container(ledger, container.id, Some(container));
            for endpoint in ledger.endpoints_of(container.id) {
                let after = place(ledger, endpoint);
                let places = Places {
                    before: None,
                    after,
                };
                work.endpoints.insert(endpoint.id, places);
            }
        }
        work
    }

    fn network(&mut self, id: NetworkId, network: Option<&Network>) {
        let carried = |network: &&Network| network.kind == NetworkKind::Bridge;
        let segment = network.filter(carried).map(|network| Segment {
            bridge: Bridge {
                name: bridge_name(network.id),
                addresses: network
                    .subnets
                    .iter()
                    .map(vch_ledger::Subnet::gateway_net)
                    .collect(),
                mtu: network.mtu,
            },
            subnets: network.subnets.iter().map(|subnet| subnet.net).collect(),
            internal: network.internal,
        });
        self.networks.insert(id, segment);
    }

    fn container(&mut self, ledger: &Ledger, id: ContainerId, container: Option<&Container>) {
        let tethered = container.map(|container| Tethered {
            name: container.name.to_string(),
            channel: container.channel.clone(),
            spec: ledger.spec(id),
            asks_from: ledger
                .endpoints_of(id)
                .flat_map(|place| {
                    place
                        .addresses
                        .iter()
                        .map(|net| (place.network, net.addr()))
                })
                .collect(),
        });
        self.containers.insert(id, tethered);
    }
}

/// What a transaction means; `ledger` is as the transaction left it.
pub fn follow(ledger: &Ledger, transaction: &Transaction) -> Work {
    let mut work = Work::default();
    for change in &transaction.changes {
        match (&change.before, &change.after) {
            (_, Some(Row::Network(network))) => work.network(network.id, Some(network)),
            (Some(Row::Network(network)), None) => work.network(network.id, None),
            (_, Some(Row::Container(container))) => {
                work.container(ledger, container.id, Some(container));
            }
            (Some(Row::Container(container)), None) => work.container(ledger, container.id, None),
            (before, after) => {
                let known = |row: &Option<Row>| match row {
                    Some(Row::Endpoint(endpoint)) => place(ledger, endpoint),
                    _ => None,
                };
                if let Some(Row::Endpoint(endpoint)) = after.as_ref().or(before.as_ref()) {
                    let (before, after) = (known(before), known(after));
                    work.endpoints.insert(endpoint.id, Places { before, after });
                }
            }
        }
    }
    work
}

/// `None` where the network is not carried by a bridge.
fn place(ledger: &Ledger, endpoint: &Endpoint) -> Option<Place> {
    // A network outlives its endpoints: one that is gone was removed with none left, in a later
    // transaction.
    let network = ledger.network_by_id(endpoint.network)?;
    let kind = match &endpoint.attachment {
        Attachment::Tap => PortKind::Tap { owner: None },
        Attachment::Veth { namespace } => PortKind::Veth {
            netns: namespace.as_str().into(),
            peer: endpoint.interface.clone(),
            mac: endpoint.mac,
        },
    };
    Some(Place {
        network: endpoint.network,
        port: Port {
            name: port_name(endpoint.id),
            bridge: bridge_name(endpoint.network),
            kind,
            mtu: network.mtu,
        },
        addresses: endpoint.addresses.iter().map(IpNet::addr).collect(),
        names: endpoint.names.clone(),
        pointer: endpoint.pointer.clone(),
    })
}

#[cfg(test)]
mod tests;
