//! Published ports, by packets.

use super::frames::{self, SYN};
use super::world::{
    MANAGEMENT, MANAGEMENT6, VCH, VCH6, World, binding, ends, host_port, in_namespace, run, v4, v6,
};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use vch_ledger::Protocol;

const DATA: &[u8] = b"what is published";
const ANSWER: &[u8] = b"an answer";
const INIT: &[u8] = &[1, 0, 0, 20, 0, 0, 0, 9];

fn packet(
    protocol: Protocol,
    from: (IpAddr, u16),
    to: (IpAddr, u16),
) -> ((u16, Vec<u8>), &'static [u8]) {
    match protocol {
        Protocol::Tcp => (frames::tcp(from, to, SYN, DATA), DATA),
        Protocol::Udp => (frames::udp(from, to, DATA), DATA),
        Protocol::Sctp => (frames::sctp(from, to), INIT),
    }
}

/// Sends to a port of the VCH, and says with which source the container got it, if it did.
fn reaches(
    world: &mut World,
    protocol: Protocol,
    (from, port): (&str, u16),
    to: (IpAddr, u16),
    container: &str,
) -> Option<(IpAddr, u16)> {
    world.host(container).arrived();
    let own = world.hosts[from].address(to.0);
    let (packet, bytes) = packet(protocol, (own, port), to);
    world.host(from).says(packet);
    let arrived = world.host(container).arrived();
    let frame = arrived
        .iter()
        .find(|frame| frame.windows(bytes.len()).any(|window| window == bytes))?;
    Some(ends(frame).0)
}

fn vch(like: IpAddr) -> IpAddr {
    match like {
        IpAddr::V4(_) => v4(VCH),
        IpAddr::V6(_) => v6(VCH6),
    }
}

fn families() -> [IpAddr; 2] {
    [v4("0.0.0.0"), v6("::")]
}

#[test]
fn a_port_leads_from_outside_to_its_container_and_the_clients_address_is_kept() {
    in_namespace(|| {
        let mut world = World::new();
        for protocol in [Protocol::Tcp, Protocol::Udp, Protocol::Sctp] {
            for (container, port) in [("a1", 8080), ("s1", 8081)] {
                let host = host_port(protocol, None, port);
                for like in families() {
                    let out = world.hosts["out"].address(like);
                    let to = (vch(like), port);
                    let before = reaches(&mut world, protocol, ("out", 3999), to, container);
                    assert_eq!(before, None, "not published yet");
                    world.publish(host, container, 80, &[]);
                    let source = reaches(&mut world, protocol, ("out", 4000), to, container);
                    assert_eq!(source, Some((out, 4000)), "{protocol} {container} {like}");
                    world.bind(host, None);
                    let after = reaches(&mut world, protocol, ("out", 4001), to, container);
                    assert_eq!(after, None, "not published any more");
                }
            }
        }
    });
}

#[test]
fn the_answer_comes_from_the_port_that_was_asked() {
    in_namespace(|| {
        let mut world = World::new();
        world.publish(host_port(Protocol::Udp, None, 8080), "a1", 80, &[]);
        for like in families() {
            let client = (world.hosts["out"].address(like), 4000);
            let server = (world.hosts["a1"].address(like), 80);
            let to = (vch(like), 8080);
            assert!(reaches(&mut world, Protocol::Udp, ("out", 4000), to, "a1").is_some());
            world.host("a1").says(frames::udp(server, client, ANSWER));
            let (from, to) = ends(&world.host("out").receive(ANSWER));
            assert_eq!((from, to), ((vch(like), 8080), client));
        }
    });
}

#[test]
fn containers_use_a_port_by_the_vchs_address_from_the_same_network_and_from_others() {
    in_namespace(|| {
        let mut world = World::new();
        world.publish(host_port(Protocol::Udp, None, 8080), "a1", 80, &[]);
        world.publish(host_port(Protocol::Udp, None, 8081), "s1", 80, &[]);
        // From, port, container, and whose address it sees.
        let gateway = |address: &str| Some(address.parse::<IpAddr>().unwrap());
        for (from, port, container, seen) in [
            ("a2", 8080, "a1", gateway("172.18.0.1")),
            ("a2", 8080, "a1", gateway("fd00:a::1")),
            ("a1", 8080, "a1", gateway("172.18.0.1")),
            ("a1", 8080, "a1", gateway("fd00:a::1")),
            ("b1", 8080, "a1", None),
            ("s1", 8080, "a1", None),
            ("e1", 8080, "a1", None),
            ("a1", 8081, "s1", None),
            ("s2", 8081, "s1", gateway("10.8.0.1")),
            ("t1", 8081, "s1", gateway("10.8.0.1")),
            ("s1", 8081, "s1", gateway("10.8.0.1")),
        ] {
            let likes = seen.map_or(families().to_vec(), |seen| vec![seen]);
            for like in likes {
                let own = world.hosts[from].address(like);
                let expected = seen.unwrap_or(own);
                let to = (vch(like), port);
                let source = reaches(&mut world, Protocol::Udp, (from, 4000), to, container);
                let (source, source_port) = source
                    .unwrap_or_else(|| panic!("{from} to {container} by {like}: nothing arrived"));
                assert_eq!(source, expected, "{from} to {container}");
                let server = (world.hosts[container].address(like), 80);
                let answer = frames::udp(server, (source, source_port), ANSWER);
                world.host(container).says(answer);
                let (back, end) = ends(&world.host(from).receive(ANSWER));
                assert_eq!((back, end), (to, (own, 4000)), "{from} to {container}");
            }
        }
    });
}

/// Returns whether a datagram from the VCH itself arrives at a1.
fn vch_reaches(world: &mut World, to: &str, port: u16) -> bool {
    let to: IpAddr = to.parse().unwrap();
    let any: IpAddr = if to.is_ipv4() {
        v4("0.0.0.0")
    } else {
        v6("::")
    };
    world.host("a1").arrived();
    let socket = UdpSocket::bind((any, 0)).unwrap();
    // An address without a listener refuses what is sent after this.
    let sent = socket.send_to(DATA, SocketAddr::from((to, port)));
    assert_eq!(sent.unwrap(), DATA.len());
    world.host("a1").has(DATA)
}

#[test]
fn the_vch_itself_uses_a_port_at_each_of_its_addresses() {
    in_namespace(|| {
        let mut world = World::new();
        let everywhere = [None, Some(v4("0.0.0.0")), Some(v6("::"))];
        let hosts = everywhere.map(|address| {
            let port = if address.is_none() { 8080 } else { 8081 };
            host_port(Protocol::Udp, address, port)
        });
        for host in hosts {
            world.publish(host, "a1", 80, &[]);
        }
        for port in [8080, 8081] {
            for to in [
                VCH,
                VCH6,
                "127.0.0.1",
                "127.1.2.3",
                "172.18.0.1",
                "172.19.0.1",
                "fd00:b::1",
            ] {
                assert!(vch_reaches(&mut world, to, port), "{to} {port}");
            }
            for to in [MANAGEMENT, MANAGEMENT6, "::1"] {
                assert!(!vch_reaches(&mut world, to, port), "{to} {port}");
            }
        }
        // An internal network's gateway is one of the VCH's, but not one that is published at by default.
        assert!(!vch_reaches(&mut world, "172.20.0.1", 8080));
    });
}

#[test]
fn an_answer_by_loopback_comes_back_from_the_port_that_was_asked() {
    in_namespace(|| {
        let mut world = World::new();
        world.publish(host_port(Protocol::Udp, None, 8080), "a1", 80, &[]);
        world.publish(
            host_port(Protocol::Udp, Some(v4("127.0.0.1")), 8081),
            "s1",
            80,
            &[],
        );
        for (port, container, seen) in [(8080, "a1", "172.18.0.1"), (8081, "s1", "10.8.0.1")] {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            let to: SocketAddr = format!("127.0.0.1:{port}").parse().unwrap();
            socket.connect(to).unwrap();
            socket.send(DATA).unwrap();
            let (from, server) = ends(&world.host(container).receive(DATA));
            assert_eq!(from.0, v4(seen), "the container can answer");
            world
                .host(container)
                .says(frames::udp(server, from, ANSWER));
            socket
                .set_read_timeout(Some(std::time::Duration::from_secs(5)))
                .unwrap();
            let mut buffer = [0; 64];
            let length = socket.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..length], ANSWER);
        }
    });
}

#[test]
fn a_port_at_loopback_is_the_vchs_alone() {
    in_namespace(|| {
        let mut world = World::new();
        let named = host_port(Protocol::Udp, Some(v4("127.0.0.1")), 8080);
        world.publish(named, "a1", 80, &[]);
        world.publish(host_port(Protocol::Udp, None, 8081), "a1", 80, &[]);
        assert!(vch_reaches(&mut world, "127.0.0.1", 8080));
        assert!(!vch_reaches(&mut world, "127.0.0.2", 8080));
        assert!(!vch_reaches(&mut world, VCH, 8080));
        let senders = ["out", "mgmt", "a2", "b1", "s1", "i1", "e1"];
        for from in senders {
            let mut at = |to: &str, port| {
                reaches(
                    &mut world,
                    Protocol::Udp,
                    (from, 4000),
                    (v4(to), port),
                    "a1",
                )
                .is_some()
            };
            for to in ["127.0.0.1", "127.1.2.3"] {
                assert!(!at(to, 8080) && !at(to, 8081), "{from} {to}");
            }
            if from != "mgmt" && from != "i1" {
                assert!(at(VCH, 8081), "the same path is open: {from}");
            }
            assert!(!at(VCH, 8080), "{from}");
        }
    });
}

#[test]
fn what_says_that_it_comes_from_loopback_reaches_no_service_and_no_container() {
    in_namespace(|| {
        let mut world = World::new();
        world.publish(host_port(Protocol::Udp, None, 8081), "a1", 80, &[]);
        let service = UdpSocket::bind("0.0.0.0:9000").unwrap();
        service
            .set_read_timeout(Some(std::time::Duration::from_millis(50)))
            .unwrap();
        let heard = |service: &UdpSocket| service.recv(&mut [0; 64]).is_ok();
        for from in ["out", "mgmt", "a2", "b1", "s1", "i1", "e1"] {
            let own = world.hosts[from].address(v4(VCH));
            for (source, to) in [
                (v4("127.0.0.1"), VCH),
                (v4("127.0.0.1"), "127.0.0.1"),
                (own, "127.0.0.1"),
            ] {
                world.host("a1").arrived();
                for port in [9000, 8081] {
                    let packet = frames::udp((source, 4000), (v4(to), port), DATA);
                    world.host(from).says(packet);
                }
                assert!(!world.host("a1").has(DATA), "{from} {source} {to}");
                assert!(!heard(&service), "{from} {source} {to}");
            }
        }
        let from_out = frames::udp(
            (world.hosts["out"].address(v4(VCH)), 4000),
            (v4(VCH), 9000),
            DATA,
        );
        world.host("out").says(from_out);
        assert!(heard(&service), "the service hears what may be said to it");
    });
}

#[test]
fn a_port_answers_at_each_gateway_for_containers_and_for_nobody_else() {
    in_namespace(|| {
        let mut world = World::new();
        let services = [
            (None, 8080),
            (Some(v4("0.0.0.0")), 8081),
            (Some(v6("::")), 8081),
        ];
        for (address, port) in services {
            world.publish(host_port(Protocol::Udp, address, port), "a1", 80, &[]);
        }
        for port in [8080, 8081] {
            for (from, to) in [
                ("a1", "172.18.0.1"),
                ("a2", "172.18.0.1"),
                ("a2", "fd00:a::1"),
                ("a2", "172.19.0.1"),
                ("b1", "172.19.0.1"),
                ("b1", "172.18.0.1"),
                ("b1", "fd00:b::1"),
                ("s1", "10.8.0.1"),
                ("t1", "10.8.0.1"),
                ("t1", "fd00:6::1"),
            ] {
                let to: IpAddr = to.parse().unwrap();
                let own = world.hosts[from].address(to);
                let source = reaches(&mut world, Protocol::Udp, (from, 4000), (to, port), "a1");
                let (source, source_port) = source.unwrap_or_else(|| panic!("{from} {to} {port}"));
                let server = (world.hosts["a1"].address(to), 80);
                let answer = frames::udp(server, (source, source_port), ANSWER);
                world.host("a1").says(answer);
                let back = ends(&world.host(from).receive(ANSWER));
                assert_eq!(back, ((to, port), (own, 4000)), "{from} {to} {port}");
            }
            for (from, to) in [
                ("out", "172.18.0.1"),
                ("out", "fd00:a::1"),
                ("mgmt", "172.18.0.1"),
                ("e1", "172.18.0.1"),
                ("i1", "172.20.0.1"),
                ("i1", "172.18.0.1"),
                ("b1", MANAGEMENT),
                ("out", MANAGEMENT),
            ] {
                let to: IpAddr = to.parse().unwrap();
                let source = reaches(&mut world, Protocol::Udp, (from, 4001), (to, port), "a1");
                assert_eq!(source, None, "{from} {to} {port}");
            }
        }
    });
}

#[test]
fn a_port_at_any_address_is_at_none_of_the_management_network() {
    in_namespace(|| {
        let mut world = World::new();
        let any = host_port(Protocol::Tcp, Some(v4("0.0.0.0")), 8080);
        world.publish(any, "a1", 80, &[]);
        let mut at = |from, to| {
            reaches(
                &mut world,
                Protocol::Tcp,
                (from, 4000),
                (v4(to), 8080),
                "a1",
            )
            .is_some()
        };
        assert!(at("out", VCH));
        assert!(at("b1", VCH));
        assert!(
            at("b1", "172.19.0.1"),
            "its own gateway is one of the VCH's"
        );
        assert!(!at("mgmt", MANAGEMENT));
        assert!(!at("mgmt", VCH));
    });
}

#[test]
fn a_port_at_one_address_is_at_no_other() {
    in_namespace(|| {
        let mut world = World::new();
        run("ip addr add 10.2.0.6/16 dev br-ext");
        let one = host_port(Protocol::Udp, Some(v4("10.2.0.6")), 8080);
        world.publish(one, "a1", 80, &[]);
        let mut at = |to| {
            let to = (v4(to), 8080);
            reaches(&mut world, Protocol::Udp, ("out", 4000), to, "a1").is_some()
        };
        assert!(at("10.2.0.6"));
        assert!(!at(VCH));
    });
}

#[test]
fn the_most_particular_binding_of_a_port_decides() {
    in_namespace(|| {
        let mut world = World::new();
        world.publish(
            host_port(Protocol::Udp, Some(v4("0.0.0.0")), 80),
            "s1",
            80,
            &[],
        );
        world.publish(host_port(Protocol::Udp, Some(v4(VCH)), 80), "a1", 80, &[]);
        let to = (v4(VCH), 80);
        assert!(reaches(&mut world, Protocol::Udp, ("out", 1), to, "a1").is_some());
        let to = (v4("172.19.0.1"), 80);
        assert!(reaches(&mut world, Protocol::Udp, ("b1", 1), to, "s1").is_some());
    });
}

#[test]
fn no_container_takes_the_gateways_names_away() {
    in_namespace(|| {
        let mut world = World::new();
        let dns = UdpSocket::bind(("172.19.0.1", 53)).unwrap();
        dns.set_nonblocking(true).unwrap();
        world.publish(
            host_port(Protocol::Udp, Some(v4("0.0.0.0")), 53),
            "a1",
            53,
            &[],
        );
        let at_gateway = (v4("172.19.0.1"), 53);
        let taken = reaches(&mut world, Protocol::Udp, ("b1", 4000), at_gateway, "a1");
        assert_eq!(taken, None);
        let mut buffer = [0; 64];
        assert_eq!(dns.recv(&mut buffer).unwrap(), DATA.len());
        let outside = (v4(VCH), 53);
        assert!(reaches(&mut world, Protocol::Udp, ("out", 4000), outside, "a1").is_some());
    });
}

#[test]
fn a_port_for_some_clients_only_is_closed_to_all_others() {
    in_namespace(|| {
        let mut world = World::new();
        let clients = ["10.2.0.0/24", "2001:db8:2::/120", "172.19.0.0/16"];
        let hosts = [
            host_port(Protocol::Tcp, None, 8080),
            host_port(Protocol::Udp, Some(v4(VCH)), 8080),
            host_port(Protocol::Udp, Some(v6("::")), 8080),
        ];
        for host in hosts {
            world.publish(host, "a1", 80, &clients);
        }
        let lists = || {
            run("nft list chains inet")
                .matches("chain clients-")
                .count()
        };
        assert_eq!(lists(), 1, "one chain for the same list");
        let mut may = |protocol, from, like: IpAddr| {
            let to = (vch(like), 8080);
            reaches(&mut world, protocol, (from, 4000), to, "a1").is_some()
        };
        for like in families() {
            for protocol in [Protocol::Tcp, Protocol::Udp] {
                assert!(may(protocol, "out", like), "{protocol} {like}");
                assert!(!may(protocol, "e1", like), "{protocol} {like}");
            }
        }
        assert!(may(Protocol::Tcp, "b1", v4("0.0.0.0")));
        assert!(!may(Protocol::Tcp, "s1", v4("0.0.0.0")));
        for host in hosts {
            assert_eq!(lists(), 1);
            world.bind(host, None);
        }
        assert_eq!(lists(), 0, "it went with the last binding");
    });
}

#[test]
fn a_port_is_closed_to_every_network_without_a_way_out() {
    in_namespace(|| {
        let mut world = World::new();
        world.publish(host_port(Protocol::Udp, None, 8080), "i1", 80, &[]);
        let to = (v4(VCH), 8080);
        assert_eq!(
            reaches(&mut world, Protocol::Udp, ("out", 1), to, "i1"),
            None
        );
        world.publish(host_port(Protocol::Udp, None, 8081), "a1", 80, &[]);
        let to = (v4(VCH), 8081);
        assert_eq!(
            reaches(&mut world, Protocol::Udp, ("i1", 1), to, "a1"),
            None
        );
        assert!(reaches(&mut world, Protocol::Udp, ("out", 1), to, "a1").is_some());
    });
}

#[test]
fn a_binding_of_one_family_leads_there_alone() {
    in_namespace(|| {
        let mut world = World::new();
        let host = host_port(Protocol::Udp, None, 8080);
        let only = vec![world.hosts["a1"].v4.into()];
        world.bind(host, Some(binding(host, only, 80, &[])));
        let mut by = |like| {
            let to = (vch(like), 8080);
            reaches(&mut world, Protocol::Udp, ("out", 1), to, "a1").is_some()
        };
        assert!(by(v4("0.0.0.0")));
        assert!(!by(v6("::")));
    });
}
