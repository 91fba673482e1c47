//! A container sends as itself, in both modes of bridge networks.

use super::frames::{self, BROADCAST, Mac, arp, ether, neighbour, tagged, udp};
use super::world::{World, in_namespace, v4, v6};
use crate::{
    nat::things::link_local,
    testing::namespace::{ip, tc},
};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const DATA: &[u8] = b"genuine or not";

struct Case {
    what: &'static str,
    frame: Vec<u8>,
    /// The bytes by which the frame is recognised where it arrives.
    bytes: Vec<u8>,
    passes: bool,
}

/// The name of a frame, the frame, and whether it has to pass.
type Given = (&'static str, Vec<u8>, bool);

struct Sides {
    own: (Mac, Ipv4Addr, Ipv6Addr),
    other: (Mac, Ipv4Addr, Ipv6Addr),
    local: Ipv6Addr,
}

impl Sides {
    fn ip(&self, from: IpAddr, ports: (u16, u16)) -> Vec<u8> {
        self.ip_as(self.own.0, from, ports)
    }

    fn ip_as(&self, mac: Mac, from: IpAddr, (source, destination): (u16, u16)) -> Vec<u8> {
        let to = match from {
            IpAddr::V4(_) => self.other.1.into(),
            IpAddr::V6(_) => self.other.2.into(),
        };
        let (kind, packet) = udp((from, source), (to, destination), DATA);
        ether(self.other.0, mac, kind, &packet)
    }

    fn arp(&self, mac: Mac, operation: u8, sender: (Mac, Ipv4Addr)) -> Vec<u8> {
        ether(
            BROADCAST,
            mac,
            0x0806,
            &arp(operation, sender, (self.other.0, self.other.1)),
        )
    }

    fn nd(&self, kind: u8, from: Ipv6Addr, target: Ipv6Addr) -> Vec<u8> {
        let mac = (from != Ipv6Addr::UNSPECIFIED).then_some(self.own.0);
        let (ether_type, packet) = neighbour(kind, (from, self.other.2), target, mac);
        ether(self.other.0, self.own.0, ether_type, &packet)
    }

    fn icmp6(&self, from: Ipv6Addr, kind: u8) -> Vec<u8> {
        let (ether_type, packet) = frames::icmp(from.into(), self.other.2.into(), kind, DATA);
        ether(self.other.0, self.own.0, ether_type, &packet)
    }

    fn icmp4(&self, kind: u8) -> Vec<u8> {
        let (ether_type, packet) = frames::icmp(self.own.1.into(), self.other.1.into(), kind, DATA);
        ether(self.other.0, self.own.0, ether_type, &packet)
    }

    /// Returns genuine and forged frames in turn: each forged one follows a genuine one, which
    /// shows that the path is open.
    fn cases(&self) -> Vec<Given> {
        [
            self.addresses(),
            self.arp_cases(),
            self.nd_cases(),
            self.messages(),
            self.others(),
        ]
        .concat()
    }

    fn addresses(&self) -> Vec<Given> {
        let (_, own4, own6) = self.own;
        let (their_mac, their4, their6) = self.other;
        let stranger: Mac = [2, 0, 0, 0, 9, 9];
        let any = Ipv6Addr::UNSPECIFIED;
        let to = (4000, 4001);
        vec![
            ("its own IPv4 address", self.ip(own4.into(), to), true),
            ("another's IPv4 address", self.ip(their4.into(), to), false),
            (
                "nobody's IPv4 address",
                self.ip(v4("203.0.113.7"), to),
                false,
            ),
            ("no IPv4 address", self.ip(v4("0.0.0.0"), to), false),
            ("its own IPv6 address", self.ip(own6.into(), to), true),
            ("another's IPv6 address", self.ip(their6.into(), to), false),
            (
                "nobody's IPv6 address",
                self.ip(v6("2001:db8::7"), to),
                false,
            ),
            ("no IPv6 address", self.ip(any.into(), to), false),
            (
                "its own link-local address",
                self.ip(self.local.into(), to),
                true,
            ),
            (
                "another link-local address",
                self.ip(v6("fe80::1"), to),
                false,
            ),
            (
                "another's MAC address",
                self.ip_as(their_mac, own4.into(), to),
                false,
            ),
            (
                "nobody's MAC address",
                self.ip_as(stranger, own4.into(), to),
                false,
            ),
            (
                "nobody's MAC address, IPv6",
                self.ip_as(stranger, own6.into(), to),
                false,
            ),
        ]
    }

    fn arp_cases(&self) -> Vec<Given> {
        let (mac, own4, _) = self.own;
        let (their_mac, their4, _) = self.other;
        let stranger: Mac = [2, 0, 0, 0, 9, 9];
        vec![
            ("ARP, it asks", self.arp(mac, 1, (mac, own4)), true),
            ("ARP, it answers", self.arp(mac, 2, (mac, own4)), true),
            (
                "ARP, is an address free",
                self.arp(mac, 1, (mac, Ipv4Addr::UNSPECIFIED)),
                true,
            ),
            (
                "ARP, an answer for nobody",
                self.arp(mac, 2, (mac, Ipv4Addr::UNSPECIFIED)),
                false,
            ),
            (
                "ARP, it asks as another",
                self.arp(mac, 1, (mac, their4)),
                false,
            ),
            (
                "ARP, it answers for another",
                self.arp(mac, 2, (mac, their4)),
                false,
            ),
            (
                "ARP, another's MAC inside",
                self.arp(mac, 2, (their_mac, own4)),
                false,
            ),
            (
                "ARP, another's MAC outside",
                self.arp(stranger, 2, (mac, own4)),
                false,
            ),
        ]
    }

    fn nd_cases(&self) -> Vec<Given> {
        let own6 = self.own.2;
        let their6 = self.other.2;
        let any = Ipv6Addr::UNSPECIFIED;
        vec![
            ("ND, it asks", self.nd(135, own6, their6), true),
            ("ND, it answers", self.nd(136, own6, own6), true),
            (
                "ND, it answers link-locally",
                self.nd(136, self.local, self.local),
                true,
            ),
            (
                "ND, it answers for another",
                self.nd(136, own6, their6),
                false,
            ),
            ("ND, another answers", self.nd(136, their6, their6), false),
            ("ND, it asks as another", self.nd(135, their6, own6), false),
            ("ND, is its address free", self.nd(135, any, own6), true),
            (
                "ND, is another's address free",
                self.nd(135, any, their6),
                false,
            ),
            ("ND, nobody advertises", self.nd(136, any, own6), false),
        ]
    }

    fn messages(&self) -> Vec<Given> {
        let own6 = self.own.2;
        let any = Ipv6Addr::UNSPECIFIED;
        vec![
            ("listeners, without an address", self.icmp6(any, 143), true),
            (
                "RA from its own address",
                self.icmp6(self.local, 134),
                false,
            ),
            (
                "RA from another's address",
                self.icmp6("fe80::1".parse().unwrap(), 134),
                false,
            ),
            ("a redirect, IPv6", self.icmp6(self.local, 137), false),
            ("an echo, IPv6", self.icmp6(own6, 128), true),
            ("a redirect, IPv4", self.icmp4(5), false),
            ("a router, IPv4", self.icmp4(9), false),
            ("an echo, IPv4", self.icmp4(8), true),
        ]
    }

    fn others(&self) -> Vec<Given> {
        let (mac, own4, own6) = self.own;
        let their_mac = self.other.0;
        let to = (4000, 4001);
        vec![
            ("a DHCP server", self.ip(own4.into(), (67, 68)), false),
            (
                "a DHCP client with its address",
                self.ip(own4.into(), (68, 67)),
                true,
            ),
            ("a DHCPv6 server", self.ip(own6.into(), (547, 546)), false),
            ("a VLAN", tagged(&self.ip(own4.into(), to)), false),
            (
                "another EtherType",
                ether(their_mac, mac, 0x88b5, DATA),
                false,
            ),
            (
                "a length, not a type",
                ether(their_mac, mac, 60, DATA),
                false,
            ),
            ("and at last again its own", self.ip(own4.into(), to), true),
        ]
    }
}

impl From<Given> for Case {
    fn from((what, frame, passes): Given) -> Self {
        // A tag is taken off before a port without VLANs hands the frame on.
        let bytes = frame[frame.len() - 20..].to_vec();
        Self {
            what,
            frame,
            bytes,
            passes,
        }
    }
}

fn check(from: &'static str, to: &'static str) {
    check_behind(from, to, || {});
}

/// The same, after something was done to the links.
fn check_behind(from: &'static str, to: &'static str, change: impl FnOnce() + Send + 'static) {
    in_namespace(move || {
        let mut world = World::new();
        change();
        let side = |host: &super::world::Host| (host.mac, host.v4, host.v6);
        let sides = Sides {
            own: side(&world.hosts[from]),
            other: side(&world.hosts[to]),
            local: link_local(world.hosts[from].mac.try_into().unwrap()),
        };
        let mut wrong = Vec::new();
        for case in sides.cases().into_iter().map(Case::from) {
            let passed = world.passes(from, &case.frame, to, &case.bytes);
            if passed != case.passes {
                wrong.push((case.what, passed));
            }
        }
        assert_eq!(
            wrong,
            [],
            "from {from} to {to}: what, and whether it passed"
        );
    });
}

#[test]
fn a_container_on_a_bridge_of_its_own_sends_as_itself() {
    check("a1", "a2");
}

#[test]
fn a_container_on_the_shared_bridge_sends_as_itself() {
    check("s1", "s2");
}

/// Tests that the rules see what such a container sends, which comes in by its port for a second time.
#[test]
fn a_container_with_a_rate_sends_as_itself() {
    check_behind("s1", "s2", || {
        ip("link add vi-s1 type ifb");
        ip("link set vi-s1 up");
        for link in ["vi-s1", "vt-s1"] {
            tc(&format!(
                "qdisc add dev {link} root tbf rate 100mbit burst 100k limit 1m"
            ));
        }
        tc("qdisc add dev vt-s1 ingress");
        tc(
            "filter add dev vt-s1 ingress protocol all u32 match u32 0 0 action mirred egress redirect dev vi-s1",
        );
    });
}

#[test]
fn a_container_on_an_external_bridge_sends_as_itself() {
    check("e1", "out");
}

#[test]
fn what_comes_from_a_foreign_port_is_not_looked_at() {
    in_namespace(|| {
        let mut world = World::new();
        run_open(&mut world);
        let (e1, out) = (&world.hosts["e1"], &world.hosts["out"]);
        let (kind, packet) = udp((v4("203.0.113.7"), 1), (e1.v4.into(), 2), DATA);
        let frame = ether(e1.mac, out.mac, kind, &packet);
        let tagged = tagged(&frame);
        assert!(world.passes("out", &frame, "e1", DATA));
        assert!(world.passes("out", &tagged, "e1", DATA));
    });
}

fn run_open(world: &mut World) {
    world.endpoint("e1", |endpoint| {
        endpoint.level = Some(protocol::spec::FirewallLevel::Open);
    });
}

#[test]
fn a_port_that_no_set_knows_yet_sends_nothing() {
    in_namespace(|| {
        let mut world = World::new();
        let (a1, a2) = (&world.hosts["a1"], &world.hosts["a2"]);
        let (kind, packet) = udp((a1.v4.into(), 1), (a2.v4.into(), 2), DATA);
        let frame = ether(a2.mac, a1.mac, kind, &packet);
        assert!(world.passes("a1", &frame, "a2", DATA));
        let id = *world.delta.endpoints.keys().next().unwrap();
        let gone = vch_ledger::desired::Delta {
            endpoints: [(id, vch_ledger::desired::EndpointChange::default())].into(),
            ..Default::default()
        };
        world.nat.follow(&gone).unwrap();
        assert!(!world.passes("a1", &frame, "a2", DATA));
    });
}

#[test]
fn what_stands_in_a_later_fragment_is_not_taken_for_a_type_or_a_port() {
    in_namespace(|| {
        let mut world = World::new();
        let (own, other) = (&world.hosts["a1"], &world.hosts["a2"]);
        let (own_mac, other_mac) = (own.mac, other.mac);
        let frame = |from: IpAddr, to: IpAddr, protocol, data: &[u8]| {
            let (kind, packet) = match from {
                IpAddr::V4(_) => {
                    let (kind, mut packet) = frames::ip(from, to, protocol, data);
                    packet[7] = 1;
                    (kind, packet)
                }
                IpAddr::V6(_) => {
                    let header = [protocol, 0, 0, 8, 0, 0, 0, 7];
                    frames::ip(from, to, 44, &[&header, data].concat())
                }
            };
            ether(other_mac, own_mac, kind, &packet)
        };
        let (own4, other4) = (own.v4.into(), other.v4.into());
        let (own6, other6) = (own.v6.into(), other.v6.into());
        for (from, protocol, data) in [
            // What would be a redirect, a DHCP server's port, an advertisement for nobody.
            (own4, 1, &[5; 16][..]),
            (own4, frames::UDP, &[0, 67, 0, 68, 9, 9, 9, 9]),
            (own6, 58, &[136; 24]),
            (own6, frames::UDP, &[2, 35, 2, 34, 9, 9, 9, 9]),
        ] {
            let to = if from == own4 { other4 } else { other6 };
            let genuine = frame(from, to, protocol, data);
            assert!(
                world.passes("a1", &genuine, "a2", data),
                "{from} {protocol}"
            );
            let forged = frame(to, from, protocol, data);
            assert!(
                !world.passes("a1", &forged, "a2", data),
                "{from} {protocol}"
            );
        }
    });
}
