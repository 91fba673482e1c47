//! What a VM says of itself must be true: frames are written on a tap as a hostile guest would, and read on its
//! neighbour's. Spoofed ones alternate with genuine ones; none of the former arrives, all of the latter do.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod frames;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::process::Command;
use std::time::Duration;

use frames::{
    arp, ethernet, ipv4, ipv6, neighbour_advertisement, redirect, router_advertisement, udp6,
};
use lab::{Coordinator, Lab, Tap, Topology};

/// How many spoofed frames are sent.
const SPOOFED: u32 = 10_000;
const SOON: Duration = Duration::from_secs(10);
const EVERYBODY: [u8; 6] = [0xff; 6];
/// All nodes (RFC 4291, 2.7.1), as a MAC address (RFC 2464, 7).
const ALL_NODES: [u8; 6] = [0x33, 0x33, 0, 0, 0, 1];
/// Behind each frame: what it is known by at the other end.
const MARK: &[u8; 7] = b"VCH-LAB";

#[test]
fn no_spoofed_frame_arrives_on_a_dedicated_bridge() {
    alternate("dedicated", "alpha");
}

#[test]
fn no_spoofed_frame_arrives_on_a_shared_segment() {
    alternate("shared", "alpha");
}

#[test]
fn no_spoofed_frame_arrives_on_an_external_network() {
    alternate("dedicated", "vic-production");
}

/// A container's end of the wire: what its VM would be.
struct Guest {
    tap: Tap,
    mac: [u8; 6],
    v4: Ipv4Addr,
    v6: Ipv6Addr,
}

impl Guest {
    fn create(vch: &Coordinator<'_>, topology: &Topology, name: &str, network: &str) -> Self {
        // Open, so that only what is spoofed is stopped on an external network.
        vch.vchctl(&format!(
            "container add {name} --expose 9/udp --channel unix"
        ))
        .unwrap();
        let shown = vch
            .ask(&format!("container connect {name} {network}"))
            .unwrap();
        vch.vchctl(&format!("container start {name}")).unwrap();
        let address = |index: usize| -> IpAddr {
            let net = shown["addresses"][index].as_str().unwrap();
            net.split('/').next().unwrap().parse().unwrap()
        };
        let (IpAddr::V4(v4), IpAddr::V6(v6)) = (address(0), address(1)) else {
            panic!("{shown:#}");
        };
        let bytes = shown["mac"].as_str().unwrap().split(':');
        let bytes: Vec<u8> = bytes
            .map(|byte| u8::from_str_radix(byte, 16).unwrap())
            .collect();
        Self {
            tap: Tap::open(&topology.vch, shown["link"].as_str().unwrap()).unwrap(),
            mac: bytes.try_into().unwrap(),
            v4,
            v6,
        }
    }

    /// Its address on the link (RFC 4291, 2.5.1: from the MAC address).
    fn link_local(&self) -> Ipv6Addr {
        let [a, b, c, d, e, f] = self.mac;
        let word = |high: u8, low: u8| u16::from_be_bytes([high, low]);
        Ipv6Addr::new(
            0xfe80,
            0,
            0,
            0,
            word(a ^ 2, b),
            word(c, 0xff),
            word(0xfe, d),
            word(e, f),
        )
    }
}

fn alternate(segment: &'static str, network: &str) {
    let lab = Lab::of_namespaces(&format!("spoof-{segment}-{network}")).unwrap();
    let topology = lab.topology().unwrap();
    let tables = format!("[bridge]\nsegment = \"{segment}\"");
    let vch = Coordinator::start_with(&lab, &topology.vch, &tables).unwrap();
    if network == "alpha" {
        vch.vchctl("network create alpha --ipv6").unwrap();
    }
    let guest = |name: &str| Guest::create(&vch, &topology, name, network);
    let (liar, victim, third) = (guest("liar"), guest("victim"), guest("third"));
    let gateway = match vch.gateways(network).unwrap()[..] {
        [IpAddr::V4(v4), IpAddr::V6(v6)] => (v4, v6),
        ref other => panic!("{other:?}"),
    };
    let context = SpoofContext {
        liar: &liar,
        victim: &victim,
        third: &third,
        gateway,
    };
    let kinds = context.spoofed();
    let truthful = truthful(&liar, &victim);
    for number in 0..SPOOFED {
        let index = usize::try_from(number).unwrap();
        let (what, lie) = &kinds[index % kinds.len()];
        let (said, truth) = &truthful[index % truthful.len()];
        liar.tap.send(&marked(lie, b'S', number)).unwrap();
        liar.tap.send(&marked(truth, b'G', number)).unwrap();
        // Frames of one tap keep their order: a lie would come before the truth behind it.
        let arrived = victim
            .tap
            .receive_until(SOON, |frame| mark(frame).is_some())
            .unwrap();
        let arrived = arrived.unwrap_or_else(|| panic!("{number}: {said} does not arrive"));
        assert_eq!(
            mark(&arrived),
            Some((b'G', number)),
            "{what} arrived, or {said} was lost"
        );
    }
    // Without the rules each of them would arrive: it is not the bridge that stops them.
    let mut vch = vch;
    vch.kill().unwrap();
    let mut command = Command::new("nft");
    command.args(["delete", "table", "bridge", "vch"]);
    assert!(topology.vch.output(command).unwrap().status.success());
    for (number, (what, lie)) in kinds.iter().enumerate() {
        let number = SPOOFED + u32::try_from(number).unwrap();
        liar.tap.send(&marked(lie, b'S', number)).unwrap();
        let mine = |frame: &[u8]| mark(frame) == Some((b'S', number));
        let arrived = victim.tap.receive_until(SOON, mine).unwrap();
        assert!(arrived.is_some(), "{what}");
    }
    println!(
        "{segment}, {network}: {SPOOFED} spoofed frames of {} kinds, 0 arrived; {SPOOFED} genuine ones of {} kinds, all arrived",
        kinds.len(),
        truthful.len()
    );
}

type Kind = (&'static str, Vec<u8>);

fn truthful(liar: &Guest, victim: &Guest) -> Vec<Kind> {
    let own6 = neighbour_advertisement(liar.v6, victim.v6, liar.v6, liar.mac);
    let link = neighbour_advertisement(liar.link_local(), victim.v6, liar.link_local(), liar.mac);
    vec![
        (
            "UDP by IPv4",
            ethernet(
                liar.mac,
                victim.mac,
                0x0800,
                &ipv4(liar.v4, victim.v4, (1_000, 9)),
            ),
        ),
        (
            "UDP by IPv6",
            ethernet(
                liar.mac,
                victim.mac,
                0x86dd,
                &udp6(liar.v6, victim.v6, (1_000, 9)),
            ),
        ),
        (
            "an ARP reply",
            ethernet(
                liar.mac,
                victim.mac,
                0x0806,
                &arp(2, (liar.mac, liar.v4), (victim.mac, victim.v4)),
            ),
        ),
        (
            "a neighbour advertisement",
            ethernet(liar.mac, victim.mac, 0x86dd, &own6),
        ),
        (
            "one of its link-local address",
            ethernet(liar.mac, victim.mac, 0x86dd, &link),
        ),
    ]
}

/// What each lie is about: whose they are, and the gateways.
struct SpoofContext<'a> {
    liar: &'a Guest,
    victim: &'a Guest,
    third: &'a Guest,
    gateway: (Ipv4Addr, Ipv6Addr),
}

impl SpoofContext<'_> {
    fn spoofed(&self) -> Vec<Kind> {
        [self.addresses(), self.resolution(), self.servers()].concat()
    }

    fn to_victim(&self, kind: u16, packet: &[u8]) -> Vec<u8> {
        ethernet(self.liar.mac, self.victim.mac, kind, packet)
    }

    fn addresses(&self) -> Vec<Kind> {
        let Self {
            liar,
            victim,
            third,
            gateway,
        } = self;
        let from4 = |from| self.to_victim(0x0800, &ipv4(from, victim.v4, (1_000, 9)));
        let from6 = |from| self.to_victim(0x86dd, &udp6(from, victim.v6, (1_000, 9)));
        let by_third = |from| {
            let packet = ipv4(from, victim.v4, (1_000, 9));
            ethernet(third.mac, victim.mac, 0x0800, &packet)
        };
        vec![
            ("another's IPv4 address", from4(third.v4)),
            ("the gateway's IPv4 address", from4(gateway.0)),
            (
                "a foreign IPv4 address",
                from4(Ipv4Addr::new(198, 18, 5, 5)),
            ),
            ("another's IPv6 address", from6(third.v6)),
            ("the gateway's IPv6 address", from6(gateway.1)),
            ("another's link-local address", from6(third.link_local())),
            ("another's MAC address", by_third(liar.v4)),
            ("both of another's", by_third(third.v4)),
            ("a tagged frame", self.to_victim(0x8100, &[0, 5, 8, 0])),
        ]
    }

    fn resolution(&self) -> Vec<Kind> {
        let Self {
            liar,
            victim,
            third,
            gateway,
        } = self;
        let reply = |mac, address| {
            let packet = arp(2, (mac, address), (victim.mac, victim.v4));
            self.to_victim(0x0806, &packet)
        };
        let announcement = arp(1, (liar.mac, third.v4), ([0; 6], third.v4));
        let advertised = |address| {
            let packet = neighbour_advertisement(liar.v6, victim.v6, address, liar.mac);
            self.to_victim(0x86dd, &packet)
        };
        vec![
            ("an ARP reply for another", reply(liar.mac, third.v4)),
            ("an ARP reply for the gateway", reply(liar.mac, gateway.0)),
            (
                "an ARP reply with another's MAC address",
                reply(third.mac, liar.v4),
            ),
            (
                "an ARP announcement of another's address",
                ethernet(liar.mac, EVERYBODY, 0x0806, &announcement),
            ),
            (
                "a neighbour advertisement for another",
                advertised(third.v6),
            ),
            (
                "a neighbour advertisement for the gateway",
                advertised(gateway.1),
            ),
        ]
    }

    fn servers(&self) -> Vec<Kind> {
        let Self {
            liar,
            victim,
            gateway,
            ..
        } = self;
        let all_nodes = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
        let router = ipv6(
            liar.link_local(),
            all_nodes,
            58,
            255,
            &router_advertisement(),
        );
        let redirect = ipv6(
            liar.link_local(),
            victim.v6,
            58,
            255,
            &redirect(gateway.1, liar.v6),
        );
        let offer = ipv4(liar.v4, Ipv4Addr::BROADCAST, (67, 68));
        let reply = udp6(liar.link_local(), victim.v6, (547, 546));
        vec![
            (
                "a router advertisement",
                ethernet(liar.mac, ALL_NODES, 0x86dd, &router),
            ),
            ("a redirect", self.to_victim(0x86dd, &redirect)),
            (
                "a DHCP server's answer",
                ethernet(liar.mac, EVERYBODY, 0x0800, &offer),
            ),
            ("a DHCPv6 server's answer", self.to_victim(0x86dd, &reply)),
        ]
    }
}

fn marked(frame: &[u8], kind: u8, number: u32) -> Vec<u8> {
    let mut frame = frame.to_vec();
    frame.resize(frame.len().max(60), 0);
    frame.extend_from_slice(MARK);
    frame.push(kind);
    frame.extend_from_slice(&number.to_be_bytes());
    frame
}

fn mark(frame: &[u8]) -> Option<(u8, u32)> {
    let at = frame.len().checked_sub(12)?;
    let (mark, rest) = frame[at..].split_at(MARK.len());
    let number = u32::from_be_bytes(rest[1..].try_into().ok()?);
    (mark == MARK).then_some((rest[0], number))
}
