//! Random operations, and the ledger's command for each.

use super::reference::Model;
use crate::{
    Answer, Channel, Command, Connect, ContainerPort, ExternalNetwork,
    ledger::tests::{container, disconnect, external, network, ports::port},
};
use ipnet::IpNet;
use proptest::prelude::*;
use protocol::spec::MacAddress;
use std::net::{IpAddr, Ipv4Addr};

/// The names of networks. No name is the beginning of an ID: a reference would be taken for that ID
/// while no network has the name.
///
/// Two that are always there, three that are made, and two that the configuration has.
pub(super) const NETWORKS: [&str; 7] = ["none", "bridge", "app", "web", "store", "ext", "far"];
/// The index of the first network that the configuration has.
pub(super) const OUTSIDE: usize = 5;
pub(super) const CONTAINERS: [&str; 5] = ["box0", "box1", "box2", "box3", "box4"];
pub(super) const ALIASES: [&str; 2] = ["www", "api"];
/// The subnets; some overlap, from within and from around.
pub(super) const NETS: [&str; 5] = [
    "10.9.8.0/29",
    "10.9.8.8/30",
    "10.9.8.0/28",
    "10.9.8.12/30",
    "10.7.0.0/29",
];
/// The port requests. Some conflict, some only while a certain external network is the default; one
/// is for a family that no endpoint has, one may be chosen at a port that another request names.
pub(super) const PORTS: [&str; 11] = [
    "80",
    "80:80",
    "8080:80",
    "8080:81",
    "0.0.0.0:8080:80",
    "192.0.2.9:8080:80",
    ":80",
    "53:53/udp",
    "[::]:8080:80",
    "10.5.0.2:8080:82",
    "50000:83",
];
/// The ports that the VCH may choose: fewer than there are containers.
pub(super) const EPHEMERAL: std::ops::RangeInclusive<u16> = 50_000..=50_001;

/// Returns the external networks that the configuration may have.
pub(super) fn configurations() -> [Vec<ExternalNetwork>; 6] {
    [
        vec![],
        vec![external("ext", "10.5.0.0/29", true)],
        vec![
            external("ext", "10.5.0.0/28", true),
            external("far", "10.6.0.0/29", false),
        ],
        vec![
            external("ext", "10.5.0.0/29", false),
            external("far", "10.6.0.0/29", true),
        ],
        vec![external("ext", "10.9.8.0/29", true)],
        vec![external("ext", "10.5.0.0/30", true)],
    ]
}

#[derive(Clone, Debug)]
pub(super) enum Op {
    CreateNetwork {
        name: usize,
        net: usize,
    },
    RemoveNetwork(usize),
    AddContainer {
        name: usize,
        cid: u32,
    },
    RemoveContainer {
        name: usize,
        force: bool,
    },
    Connect {
        container: usize,
        network: usize,
        host: Option<u8>,
        mac: Option<u8>,
        /// The other container that an alias is for, if it is a link.
        link: Option<usize>,
        only_healthy: bool,
    },
    Disconnect {
        container: usize,
        network: usize,
    },
    Start(usize),
    Stop(usize),
    Publish {
        container: usize,
        ports: Vec<usize>,
    },
    Unpublish {
        container: usize,
        ports: Vec<usize>,
    },
    Health {
        container: usize,
        unhealthy: bool,
    },
    Alias {
        container: usize,
        network: usize,
        alias: usize,
    },
    Configure(usize),
    Rename {
        from: usize,
        to: usize,
    },
    Route(bool),
    /// An effect fails: the addition before is undone, as `requests` does it.
    Undo,
    /// The VCH loses power: the ledger is read from its rows.
    Reload,
}

pub(super) fn op() -> impl Strategy<Value = Op> {
    let (network, container) = (0..NETWORKS.len(), 0..CONTAINERS.len());
    // Mostly where addresses can be chosen and run out.
    let crowded = prop_oneof![1 => network.clone(), 3 => 2..NETWORKS.len()];
    let endpoint = (container.clone(), crowded);
    let connect = (
        endpoint.clone(),
        prop::option::weighted(0.4, 0u8..9),
        prop::option::weighted(0.2, 0u8..2),
        prop::option::weighted(0.3, container.clone()),
        any::<bool>(),
    );
    // Mostly those for which there is rivalry.
    let port = || prop_oneof![2 => Just(6), 2 => Just(2), 6 => 0..PORTS.len()];
    let ports = || prop::collection::vec(port(), 1..4);
    prop_oneof![
        6 => (2..OUTSIDE + 1, 0..NETS.len()).prop_map(|(name, net)| Op::CreateNetwork { name, net }),
        4 => network.prop_map(Op::RemoveNetwork),
        4 => (container.clone(), 0u32..8).prop_map(|(name, cid)| Op::AddContainer { name, cid }),
        2 => (container.clone(), any::<bool>())
            .prop_map(|(name, force)| Op::RemoveContainer { name, force }),
        24 => connect.prop_map(|((container, network), host, mac, link, only_healthy)| Op::Connect {
            container, network, host, mac, link, only_healthy,
        }),
        12 => endpoint.clone()
            .prop_map(|(container, network)| Op::Disconnect { container, network }),
        8 => container.clone().prop_map(Op::Start),
        4 => container.clone().prop_map(Op::Stop),
        8 => (container.clone(), ports()).prop_map(|(container, ports)| Op::Publish {
            container, ports,
        }),
        4 => (container.clone(), 0..PORTS.len()).prop_map(|(container, port)| Op::Unpublish {
            container, ports: vec![port],
        }),
        3 => (container.clone(), any::<bool>())
            .prop_map(|(container, unhealthy)| Op::Health { container, unhealthy }),
        3 => (endpoint, 0..ALIASES.len()).prop_map(|((container, network), alias)| Op::Alias {
            container, network, alias,
        }),
        4 => (0..configurations().len()).prop_map(Op::Configure),
        2 => (container.clone(), container).prop_map(|(from, to)| Op::Rename { from, to }),
        2 => any::<bool>().prop_map(Op::Route),
        6 => Just(Op::Undo),
        2 => Just(Op::Reload),
    ]
}

pub(super) fn request(port: &usize) -> ContainerPort {
    super::super::ports::port(PORTS[*port])
}

pub(super) fn command(op: &Op, model: &Model) -> Option<Command> {
    Some(match op {
        Op::CreateNetwork { name, net } => {
            Command::CreateNetwork(network(NETWORKS[*name], &[NETS[*net]]))
        }
        Op::RemoveNetwork(name) => Command::RemoveNetwork(NETWORKS[*name].into()),
        Op::AddContainer { name, cid } => {
            let mut request = container(CONTAINERS[*name]);
            request.channel = Channel::Vsock { cid: *cid };
            Command::AddContainer(request)
        }
        Op::RemoveContainer { name, force } => Command::RemoveContainer {
            container: CONTAINERS[*name].into(),
            force: *force,
        },
        Op::Connect {
            container,
            network,
            host,
            mac: chosen,
            link,
            only_healthy,
        } => {
            let mut request = Connect::tap(CONTAINERS[*container], NETWORKS[*network]);
            let net = model.networks.get(network).and_then(|network| network.net);
            request.addresses = host.map(|host| nth(net, host)).into_iter().collect();
            request.mac = chosen.map(mac);
            let link = link.map(|to| (CONTAINERS[to].into(), "peer".parse().unwrap()));
            request.links = link.into_iter().collect();
            request.only_healthy = *only_healthy;
            Command::Connect(request)
        }
        Op::Disconnect { container, network } => {
            disconnect(CONTAINERS[*container], NETWORKS[*network])
        }
        Op::Start(name) => Command::StartContainer(CONTAINERS[*name].into()),
        Op::Stop(name) => Command::StopContainer(CONTAINERS[*name].into()),
        Op::Publish { container, ports } => Command::PublishPorts {
            container: CONTAINERS[*container].into(),
            ports: ports.iter().map(request).collect(),
        },
        Op::Unpublish { container, ports } => Command::UnpublishPorts {
            container: CONTAINERS[*container].into(),
            ports: ports.iter().map(request).collect(),
        },
        Op::Health {
            container,
            unhealthy,
        } => Command::SetHealth {
            container: CONTAINERS[*container].into(),
            unhealthy: *unhealthy,
        },
        Op::Alias {
            container,
            network,
            alias,
        } => Command::SetAliases {
            container: CONTAINERS[*container].into(),
            network: NETWORKS[*network].into(),
            aliases: vec![ALIASES[*alias].parse().unwrap()],
        },
        Op::Configure(n) => Command::Configure(configurations()[*n].clone()),
        Op::Rename { from, to } => Command::RenameContainer {
            container: CONTAINERS[*from].into(),
            name: CONTAINERS[*to].parse().unwrap(),
        },
        Op::Route(_) | Op::Undo | Op::Reload => return None,
    })
}

/// Returns the operation that undoes an addition.
pub(super) fn undo(op: &Op, answer: &Answer) -> Option<Op> {
    Some(match (op, answer) {
        (Op::CreateNetwork { name, .. }, _) => Op::RemoveNetwork(*name),
        (Op::AddContainer { name, .. }, _) => Op::RemoveContainer {
            name: *name,
            force: false,
        },
        (
            Op::Connect {
                container, network, ..
            },
            _,
        ) => Op::Disconnect {
            container: *container,
            network: *network,
        },
        (Op::Start(name), _) => Op::Stop(*name),
        (Op::Publish { container, .. }, Answer::PortsPublished { ports: added, .. }) => {
            let added = |index: &usize| added.contains(&port(PORTS[*index]));
            Op::Unpublish {
                container: *container,
                ports: (0..PORTS.len()).filter(added).collect(),
            }
        }
        _ => return None,
    })
}

pub(super) fn meets(a: &IpNet, b: &IpNet) -> bool {
    a.contains(b) || b.contains(a)
}

pub(super) fn route() -> IpNet {
    "10.7.0.4/30".parse().unwrap()
}

pub(super) fn mac(n: u8) -> MacAddress {
    [0x0a, 0, 0, 0, 0, n].try_into().unwrap()
}

/// Returns the nth address from the network's own on; any address for a network that does not
/// exist.
pub(super) fn nth(net: Option<IpNet>, n: u8) -> IpAddr {
    match net.map(|net| net.network()) {
        Some(IpAddr::V4(v4)) => Ipv4Addr::from(u32::from(v4) + u32::from(n)).into(),
        _ => Ipv4Addr::new(10, 9, 8, n).into(),
    }
}
