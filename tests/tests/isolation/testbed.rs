//! Everybody who asks, is asked, or must see nothing.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use lab::{Capture, Coordinator, Lab, Member, Namespace, Responder, Topology};

/// Where everybody listens.
pub const PORT: u16 = 7000;
/// Where the port of `two` is published.
pub const PUBLISHED: u16 = 8080;
const SOON: Duration = Duration::from_secs(10);

/// An address of each family.
pub type Pair = [IpAddr; 2];

/// The networks beside the external ones, with IPv6 addresses that not every topology has: the VCH's and theirs.
const MANAGEMENT: (Ipv6Addr, Ipv6Addr) = (host_interface(1, 2), host_interface(1, 1));
const ENDPOINT: (Ipv6Addr, Ipv6Addr) = (host_interface(2, 2), host_interface(2, 1));

const fn host_interface(network: u16, host: u16) -> Ipv6Addr {
    Ipv6Addr::new(0xfd00, 0x77, network, 0, 0, 0, 0, host)
}

/// Containers with the network that they are on.
const CONTAINERS: [(&str, &str); 6] = [
    ("one", "alpha"),
    ("two", "alpha"),
    ("other", "beta"),
    ("hidden", "inside"),
    ("peer", "inside"),
    ("server", "vic-production"),
];

/// A VCH with containers on two bridge networks, on an internal one and on an external one; everybody answers on
/// [`PORT`], knows a way to everybody, and is watched.
pub struct Testbed<'a> {
    pub vch: Coordinator<'a>,
    topology: &'a Topology,
    members: BTreeMap<&'static str, Member>,
    addresses: BTreeMap<&'static str, Pair>,
    captures: BTreeMap<&'static str, Capture>,
    /// Who listens on the VCH itself.
    pub service: Responder,
    _responders: Vec<Responder>,
}

impl<'a> Testbed<'a> {
    pub fn build(lab: &Lab, topology: &'a Topology, segment: &str) -> Self {
        let tables = format!("[bridge]\nsegment = \"{segment}\"");
        let vch = Coordinator::start_with(lab, &topology.vch, &tables).unwrap();
        for network in ["alpha --ipv6", "beta --ipv6", "inside --ipv6 --internal"] {
            vch.vchctl(&format!("network create {network}")).unwrap();
        }
        let members: BTreeMap<_, _> = CONTAINERS
            .into_iter()
            .map(|(name, network)| (name, member(lab, &vch, name, network)))
            .collect();
        let mut addresses: BTreeMap<_, Pair> = known(topology);
        for (name, network) in CONTAINERS {
            vch.ready(name, SOON).unwrap();
            let own = members[name].addresses(&vch, network).unwrap();
            addresses.insert(name, own.try_into().unwrap());
        }
        for (name, network) in [("alpha's gateway", "alpha"), ("beta's gateway", "beta")] {
            let gateways = vch.gateways(network).unwrap();
            addresses.insert(name, gateways.try_into().unwrap());
        }
        let mut testbed = Self {
            service: Responder::start(&topology.vch, "vch", PORT).unwrap(),
            vch,
            topology,
            members,
            addresses,
            captures: BTreeMap::new(),
            _responders: Vec::new(),
        };
        testbed.show_ways();
        for name in CONTAINERS
            .map(|(name, _)| name)
            .into_iter()
            .chain(["outside", "admin", "clients"])
        {
            let namespace = testbed.namespace(name);
            let (responder, capture) = (
                Responder::start(namespace, name, PORT).unwrap(),
                Capture::start(namespace).unwrap(),
            );
            testbed._responders.push(responder);
            testbed.captures.insert(name, capture);
        }
        testbed
    }

    /// Adds routes for packets that a kernel would not send for want of a route: the VCH must not let them through.
    fn show_ways(&self) {
        let ways = [
            (
                "outside",
                [IpAddr::from(Topology::VCH), Topology::VCH6.into()],
            ),
            (
                "server",
                [
                    Topology::PRODUCTION_VCH.into(),
                    Topology::PRODUCTION_VCH6.into(),
                ],
            ),
        ];
        for (from, via) in ways {
            for to in ["two", "other", "admin", "clients", "alpha's gateway"] {
                for (address, via) in self.addresses(to).into_iter().zip(via) {
                    let family = if address.is_ipv4() { "-4" } else { "-6" };
                    self.namespace(from)
                        .ip(&format!("{family} route add {address} via {via}"))
                        .unwrap();
                }
            }
        }
    }

    pub fn namespace(&self, name: &str) -> &Namespace {
        match name {
            "outside" => &self.topology.outside,
            "admin" => &self.topology.admin,
            "clients" => &self.topology.clients,
            member => self.members[member].namespace(),
        }
    }

    pub fn member(&self, name: &str) -> &Member {
        &self.members[name]
    }

    pub fn addresses(&self, name: &str) -> Pair {
        self.addresses[name]
    }

    pub fn capture(&self, name: &str) -> &Capture {
        &self.captures[name]
    }
}

fn member(lab: &Lab, vch: &Coordinator<'_>, name: &str, network: &str) -> Member {
    let options = match name {
        "two" => format!("--publish {PUBLISHED}:{PORT} --publish {PUBLISHED}:{PORT}/udp"),
        _ => String::new(),
    };
    let mut member = Member::add(lab, vch, &format!("{name} {options}")).unwrap();
    member.connect(vch, network).unwrap();
    member.begin(vch).unwrap();
    member.restart_agent().unwrap();
    member
}

/// Gives the networks beside the external ones IPv6 addresses, and their hosts a route back; returns the addresses
/// that are known before there is a container.
fn known(topology: &Topology) -> BTreeMap<&'static str, Pair> {
    let host_interfaces = [
        (
            Topology::MANAGEMENT_INTERFACE,
            &topology.admin,
            MANAGEMENT,
            Topology::MANAGEMENT,
        ),
        (
            Topology::ENDPOINT_INTERFACE,
            &topology.clients,
            ENDPOINT,
            Topology::ENDPOINT,
        ),
    ];
    for (interface, neighbour, (own, theirs), v4) in host_interfaces {
        topology
            .vch
            .ip(&format!("address add {own}/64 dev {interface} nodad"))
            .unwrap();
        neighbour
            .ip(&format!("address add {theirs}/64 dev vch nodad"))
            .unwrap();
        neighbour
            .ip(&format!("route add default via {v4}"))
            .unwrap();
        neighbour
            .ip(&format!("-6 route add default via {own}"))
            .unwrap();
    }
    let pair = |v4: Ipv4Addr, v6: Ipv6Addr| [v4.into(), v6.into()];
    BTreeMap::from([
        ("outside", pair(Topology::GATEWAY, Topology::GATEWAY6)),
        (
            "outside of production",
            pair(Topology::PRODUCTION_GATEWAY, Topology::PRODUCTION_GATEWAY6),
        ),
        ("beyond", pair(Topology::BEYOND, Topology::BEYOND6)),
        ("the VCH outside", pair(Topology::VCH, Topology::VCH6)),
        (
            "the VCH on management",
            pair(Topology::MANAGEMENT, MANAGEMENT.0),
        ),
        (
            "the VCH at the endpoint",
            pair(Topology::ENDPOINT, ENDPOINT.0),
        ),
        ("admin", pair(Topology::ADMIN, MANAGEMENT.1)),
        ("clients", pair(Topology::CLIENT, ENDPOINT.1)),
    ])
}
