//! Which containers reach which: each path that is closed beside one that is open, with the same
//! sender.

use super::frames::{self, ether};
use super::world::{Host, MANAGEMENT, VCH, VCH6, World, ends, in_namespace, v4, v6};
use std::net::{IpAddr, SocketAddr, UdpSocket};

const DATA: &[u8] = b"may I come in";
/// The bytes by which an SCTP packet is recognised: its chunk.
const INIT: &[u8] = &[1, 0, 0, 20, 0, 0, 0, 9];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Udp,
    Tcp,
    Sctp,
    Echo,
}

const KINDS: [Kind; 4] = [Kind::Udp, Kind::Tcp, Kind::Sctp, Kind::Echo];

impl Kind {
    fn packet(self, from: IpAddr, to: IpAddr) -> (u16, Vec<u8>) {
        match self {
            Self::Udp => frames::udp((from, 4000), (to, 4001), DATA),
            Self::Tcp => frames::tcp((from, 4000), (to, 4001), frames::SYN, DATA),
            Self::Sctp => frames::sctp((from, 4000), (to, 4001)),
            Self::Echo => frames::echo(from, to, false, DATA),
        }
    }

    fn bytes(self) -> &'static [u8] {
        match self {
            Self::Sctp => INIT,
            _ => DATA,
        }
    }
}

#[derive(Clone, Copy)]
enum Delivery {
    /// To the other's own MAC address.
    Direct,
    /// By the VCH.
    Routed,
}

use Delivery::{Direct, Routed};

/// From, to, which way, and whether it is open.
const WAYS: [(&str, &str, Delivery, bool); 23] = [
    ("a1", "a2", Direct, true),
    ("a1", "b1", Routed, false),
    ("b1", "a1", Routed, false),
    ("a1", "s1", Routed, false),
    ("s1", "a1", Routed, false),
    ("s1", "s2", Direct, true),
    ("s1", "t1", Direct, false),
    ("t1", "s1", Direct, false),
    ("s1", "t1", Routed, false),
    ("t1", "s1", Routed, false),
    ("a1", "out", Routed, true),
    ("s1", "out", Routed, true),
    ("i1", "out", Routed, false),
    ("out", "i1", Routed, false),
    ("a1", "mgmt", Routed, false),
    ("s1", "mgmt", Routed, false),
    ("out", "a1", Routed, false),
    ("out", "s1", Routed, false),
    ("mgmt", "a1", Routed, false),
    ("e1", "a1", Routed, false),
    ("e1", "s1", Routed, false),
    ("e1", "out", Direct, true),
    ("a1", "i1", Routed, false),
];

fn open_ways(world: &mut World) -> Vec<String> {
    let mut wrong = Vec::new();
    for (from, to, way, open) in WAYS {
        for kind in KINDS {
            for like in [v4("0.0.0.0"), v6("::")] {
                let (sender, receiver) = (&world.hosts[from], &world.hosts[to]);
                let next = match way {
                    Direct => receiver.mac,
                    Routed => sender.gateway,
                };
                let (ether_type, packet) =
                    kind.packet(sender.address(like), receiver.address(like));
                let frame = ether(next, sender.mac, ether_type, &packet);
                if world.passes(from, &frame, to, kind.bytes()) != open {
                    wrong.push(format!(
                        "{from} to {to}, {kind:?} by {like}: open is {open}"
                    ));
                }
            }
        }
    }
    wrong
}

#[test]
fn networks_reach_what_they_may_and_nothing_else() {
    in_namespace(|| {
        let mut world = World::new();
        assert_eq!(open_ways(&mut world), [""; 0]);
    });
}

#[test]
fn a_shared_network_without_a_way_out_has_none() {
    in_namespace(|| {
        let mut world = World::new();
        let id = super::world::id(super::world::S);
        let network = world.delta.networks.get_mut(&id).unwrap();
        network.as_mut().unwrap().internal = true;
        let whole = world.delta.clone();
        world.nat.reconcile(&whole).unwrap();
        let mut out = |from: &str| {
            let sender = &world.hosts[from];
            let (kind, packet) = Kind::Udp.packet(sender.v4.into(), v4("10.2.0.99"));
            let frame = ether(sender.gateway, sender.mac, kind, &packet);
            world.passes(from, &frame, "out", DATA)
        };
        assert!(out("t1"), "another network on the same bridge");
        assert!(!out("s1"));
    });
}

#[test]
fn what_goes_out_bears_the_address_of_the_vch_and_its_answer_comes_back() {
    in_namespace(|| {
        let mut world = World::new();
        for (like, vch) in [(v4("0.0.0.0"), v4(VCH)), (v6("::"), v6(VCH6))] {
            for from in ["a1", "s1"] {
                let (sender, out) = (&world.hosts[from], &world.hosts["out"]);
                let (own, other) = (sender.address(like), out.address(like));
                let gateway = sender.gateway;
                let question = frames::udp((own, 4000), (other, 53), DATA);
                world.host(from).send_ip(gateway, question);
                let (source, _) = ends(&world.host("out").receive(DATA));
                assert_eq!(source.0, vch);
                let answer = frames::udp((other, 53), source, b"an answer");
                let back = world.hosts["out"].gateway;
                world.host("out").send_ip(back, answer);
                let (_, to) = ends(&world.host(from).receive(b"an answer"));
                assert_eq!(to, (own, 4000));
            }
        }
    });
}

fn server(port: u16) -> UdpSocket {
    let socket = UdpSocket::bind(SocketAddr::from(([0u16; 8], port))).unwrap();
    socket.set_nonblocking(true).unwrap();
    socket
}

fn heard(socket: &UdpSocket) -> bool {
    let mut buffer = [0; 100];
    let mut heard = false;
    while socket.recv_from(&mut buffer).is_ok() {
        heard = true;
    }
    heard
}

#[test]
fn of_the_vch_a_container_reaches_its_gateways_names_and_echo_alone() {
    in_namespace(|| {
        let mut world = World::new();
        let (dns, other) = (server(53), server(5000));
        let cases = [
            // From, address of the VCH, port, whether it is heard.
            ("a1", "172.18.0.1", 53, true),
            ("a1", "172.18.0.1", 5000, false),
            ("a1", "fd00:a::1", 53, true),
            ("a1", "fd00:a::1", 5000, false),
            // Another gateway, while that network's NIC is awaited: the name server knows who asks.
            ("a1", "172.19.0.1", 53, true),
            ("a1", "172.19.0.1", 5000, false),
            ("a1", VCH, 53, false),
            ("a1", VCH, 5000, false),
            ("a1", VCH6, 5000, false),
            ("a1", MANAGEMENT, 5000, false),
            ("a1", MANAGEMENT, 53, false),
            ("a1", "2001:db8:9::1", 5000, false),
            ("s1", "10.8.0.1", 53, true),
            ("s1", "10.8.0.1", 5000, false),
            ("s1", VCH, 5000, false),
            ("s1", MANAGEMENT, 5000, false),
            ("out", VCH, 5000, true),
            ("out", "172.18.0.1", 53, false),
            ("out", "fd00:a::1", 53, false),
            ("mgmt", MANAGEMENT, 5000, true),
            ("e1", VCH, 5000, false),
            ("e1", VCH6, 5000, false),
            ("e1", MANAGEMENT, 5000, false),
            ("e1", "172.18.0.1", 53, false),
        ];
        let mut wrong = Vec::new();
        for (from, to, port, open) in cases {
            let to: IpAddr = to.parse().unwrap();
            let sender = &world.hosts[from];
            let packet = frames::udp((sender.address(to), 4000), (to, port), DATA);
            let gateway = sender.gateway;
            world.host(from).send_ip(gateway, packet);
            let socket = if port == 53 { &dns } else { &other };
            if heard(socket) != open {
                wrong.push((from, to, port));
            }
        }
        assert_eq!(wrong, []);
    });
}

#[test]
fn gateways_answer_an_echo_and_no_other_address_does() {
    in_namespace(|| {
        let mut world = World::new();
        let mut answers = |from: &str, to: &str| {
            let to: IpAddr = to.parse().unwrap();
            let sender = world.host(from);
            let packet = frames::echo(sender.address(to), to, false, DATA);
            sender.arrived();
            sender.send_ip(sender.gateway, packet);
            sender.has(DATA)
        };
        for (from, to) in [
            ("a1", "172.18.0.1"),
            ("a1", "fd00:a::1"),
            ("s1", "10.8.0.1"),
            ("e1", VCH),
            ("e1", VCH6),
            ("out", VCH),
        ] {
            assert!(answers(from, to), "{from} to {to}");
        }
        for to in ["172.19.0.1", VCH, VCH6, MANAGEMENT] {
            assert!(!answers("a1", to), "{to}");
        }
    });
}

#[test]
fn an_answer_to_what_the_vch_began_comes_in() {
    in_namespace(|| {
        let mut world = World::new();
        let socket = server(4500);
        let container = world.hosts["a1"].v4;
        socket
            .send_to(b"question", (container, 80))
            .unwrap_or_else(|_| panic!("a socket of both families sends to {container}"));
        let (vch, own) = ends(&world.host("a1").receive(b"question"));
        let gateway = world.hosts["a1"].gateway;
        let answer = frames::udp(own, vch, DATA);
        world.host("a1").send_ip(gateway, answer);
        assert!(heard(&socket));
        let other = frames::udp((own.0, 81), vch, DATA);
        world.host("a1").send_ip(gateway, other);
        assert!(!heard(&socket), "from a port that it did not ask");
    });
}

/// With br_netfilter on, frames that stay on a bridge pass IP's rules too.
#[test]
fn with_br_netfilter_on_again_the_same_ways_are_open() {
    in_namespace(|| {
        let mut world = World::new();
        for family in ["iptables", "ip6tables"] {
            let path = format!("/proc/sys/net/bridge/bridge-nf-call-{family}");
            match std::fs::write(&path, "1") {
                Ok(()) => {}
                Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "{path}"),
            }
        }
        assert_eq!(open_ways(&mut world), [""; 0]);
    });
}

impl Host {
    pub fn says(&mut self, packet: (u16, Vec<u8>)) {
        self.send_ip(self.gateway, packet);
    }
}
