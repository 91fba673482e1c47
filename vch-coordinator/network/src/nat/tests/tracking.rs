//! Flows of published ports, when these go or move.

use super::frames::{self, ACK, SYN};
use super::world::{
    DrivenNat, E, VCH, VCH6, World, binding, ends, host_port, id, in_namespace, v4, v6,
};
use std::net::{IpAddr, UdpSocket};
use vch_ledger::Protocol;
use vch_ledger::desired::{BindingChange, Delta};

const DATA: &[u8] = b"of a flow";
const ANSWER: &[u8] = b"an answer of a flow";

type TransportSegment = fn((IpAddr, u16), (IpAddr, u16), bool) -> (u16, Vec<u8>);

fn udp(from: (IpAddr, u16), to: (IpAddr, u16), _: bool) -> (u16, Vec<u8>) {
    frames::udp(from, to, DATA)
}

fn tcp(from: (IpAddr, u16), to: (IpAddr, u16), first: bool) -> (u16, Vec<u8>) {
    frames::tcp(from, to, if first { SYN } else { ACK }, DATA)
}

fn vch(like: IpAddr) -> IpAddr {
    match like {
        IpAddr::V4(_) => v4(VCH),
        IpAddr::V6(_) => v6(VCH6),
    }
}

/// Sends a segment from a client outside; returns the names of the containers at which it arrives.
fn arrives(
    world: &mut World,
    segment: TransportSegment,
    like: IpAddr,
    ports: (u16, u16),
    first: bool,
) -> Vec<&'static str> {
    let containers = ["a1", "a2", "b1", "s1"];
    for container in containers {
        world.host(container).arrived();
    }
    let out = world.hosts["out"].address(like);
    let packet = segment((out, ports.0), (vch(like), ports.1), first);
    world.host("out").says(packet);
    containers
        .into_iter()
        .filter(|container| world.host(container).has(DATA))
        .collect()
}

fn families() -> [IpAddr; 2] {
    [v4("0.0.0.0"), v6("::")]
}

#[test]
fn a_flow_goes_with_its_binding_and_no_other_flow_does() {
    in_namespace(|| {
        let mut world = World::new();
        for (protocol, segment) in [
            (Protocol::Udp, udp as TransportSegment),
            (Protocol::Tcp, tcp),
        ] {
            let (going, staying) = (
                host_port(protocol, None, 8080),
                host_port(protocol, None, 8081),
            );
            // The same port of the same container, by two ports of the VCH.
            world.publish(going, "a1", 80, &[]);
            world.publish(staying, "a1", 80, &[]);
            for like in families() {
                for (client, port) in [(4000, 8080), (4001, 8081)] {
                    let at = arrives(&mut world, segment, like, (client, port), true);
                    assert_eq!(at, ["a1"], "{protocol} {like} {port}");
                    let client = (world.hosts["out"].address(like), client);
                    let server = (world.hosts["a1"].address(like), 80);
                    let answer = match protocol {
                        Protocol::Tcp => frames::tcp(server, client, SYN | ACK, ANSWER),
                        _ => frames::udp(server, client, ANSWER),
                    };
                    world.host("a1").says(answer);
                    world.host("out").receive(ANSWER);
                }
            }
            world.bind(going, None);
            for like in families() {
                let gone = arrives(&mut world, segment, like, (4000, 8080), false);
                assert_eq!(gone, [""; 0], "{protocol} {like}");
                let stays = arrives(&mut world, segment, like, (4001, 8081), false);
                assert_eq!(stays, ["a1"], "{protocol} {like}");
            }
            world.bind(staying, None);
        }
    });
}

#[test]
fn datagrams_follow_a_binding_that_moves() {
    in_namespace(|| {
        let mut world = World::new();
        let host = host_port(Protocol::Udp, Some(v4(VCH)), 8080);
        let like = v4("0.0.0.0");
        world.publish(host, "a1", 80, &[]);
        assert_eq!(arrives(&mut world, udp, like, (4000, 8080), true), ["a1"]);
        world.publish(host, "s1", 80, &[]);
        assert_eq!(arrives(&mut world, udp, like, (4000, 8080), false), ["s1"]);
        world.publish(host, "s1", 80, &["192.0.2.0/24"]);
        let closed = arrives(&mut world, udp, like, (4000, 8080), false);
        assert_eq!(closed, [""; 0], "open to others only now");
    });
}

#[test]
fn datagrams_that_the_vch_itself_got_go_to_a_binding_that_comes() {
    in_namespace(|| {
        let mut world = World::new();
        let vch_itself = UdpSocket::bind((v4(VCH), 8080)).unwrap();
        vch_itself.set_nonblocking(true).unwrap();
        let like = v4("0.0.0.0");
        let mut buffer = [0; 64];
        assert_eq!(arrives(&mut world, udp, like, (4000, 8080), true), [""; 0]);
        assert_eq!(vch_itself.recv(&mut buffer).unwrap(), DATA.len());
        // A container's own flow to that port of another host is no flow of the VCH.
        let (a2, out) = (world.hosts["a2"].v4, world.hosts["out"].v4);
        let question = frames::udp((a2.into(), 4000), (out.into(), 8080), DATA);
        world.host("a2").says(question);
        let (translated, _) = ends(&world.host("out").receive(DATA));

        world.publish(host_port(Protocol::Udp, None, 8080), "a1", 80, &[]);
        assert_eq!(arrives(&mut world, udp, like, (4000, 8080), false), ["a1"]);
        let answer = frames::udp((out.into(), 8080), translated, ANSWER);
        world.host("out").says(answer);
        world.host("a2").receive(ANSWER);
    });
}

#[test]
fn datagrams_to_ports_that_come_together_are_captured_one_by_one() {
    in_namespace(|| {
        let mut world = World::new();
        let like = v4("0.0.0.0");
        let sockets = [8080, 8081, 8082].map(|port| UdpSocket::bind((v4(VCH), port)).unwrap());
        let heard = |socket: &UdpSocket| {
            socket.set_nonblocking(true).unwrap();
            socket.recv(&mut [0; 64]).is_ok()
        };
        for (port, socket) in (8080..).zip(&sockets) {
            assert_eq!(arrives(&mut world, udp, like, (4000, port), true), [""; 0]);
            assert!(heard(socket));
        }
        let target = vec![world.hosts["a1"].v4.into()];
        let come = [8080, 8081].map(|port| {
            let host = host_port(Protocol::Udp, None, port);
            let after = Some(binding(host, target.clone(), 80, &[]));
            (
                host,
                BindingChange {
                    before: None,
                    after,
                },
            )
        });
        let delta = Delta {
            bindings: come.into(),
            ..Delta::default()
        };
        world.nat.follow(&delta).unwrap();
        for port in [8080, 8081] {
            assert_eq!(arrives(&mut world, udp, like, (4000, port), false), ["a1"]);
        }
        assert_eq!(arrives(&mut world, udp, like, (4000, 8082), false), [""; 0]);
        assert!(heard(&sockets[2]), "that one is the VCH's own still");
    });
}

#[test]
fn established_flows_live_through_a_flush_and_a_restart() {
    in_namespace(|| {
        let mut world = World::new();
        let host = host_port(Protocol::Tcp, None, 8080);
        let like = v4("0.0.0.0");
        world.publish(host, "a1", 80, &["10.2.0.0/16"]);
        assert_eq!(arrives(&mut world, tcp, like, (4000, 8080), true), ["a1"]);
        let client = (world.hosts["out"].address(like), 4000);
        let server = (world.hosts["a1"].address(like), 80);
        let answer = frames::tcp(server, client, SYN | ACK, ANSWER);
        world.host("a1").says(answer);
        world.host("out").receive(ANSWER);
        super::world::run("nft flush ruleset");
        let mut again = DrivenNat::open(super::world::environment()).unwrap();
        again.reconcile(&world.delta).unwrap();
        assert_eq!(arrives(&mut world, tcp, like, (4000, 8080), false), ["a1"]);
    });
}

#[test]
fn what_was_left_uncut_when_the_coordinator_died_is_cut_at_its_next_start() {
    in_namespace(|| {
        let mut world = World::new();
        let like = v4("0.0.0.0");
        let (gone, stays) = (
            host_port(Protocol::Udp, None, 8080),
            host_port(Protocol::Udp, None, 8081),
        );
        world.publish(gone, "a1", 80, &[]);
        world.publish(stays, "a1", 80, &[]);
        for port in [8080, 8081] {
            assert_eq!(arrives(&mut world, udp, like, (4000, port), true), ["a1"]);
        }
        // The ledger went on; the kernel did not.
        world.delta.bindings.remove(&gone);
        let mut again = DrivenNat::open(super::world::environment()).unwrap();
        again.reconcile(&world.delta).unwrap();
        assert_eq!(arrives(&mut world, udp, like, (4000, 8080), false), [""; 0]);
        assert_eq!(arrives(&mut world, udp, like, (4000, 8081), false), ["a1"]);
    });
}

#[test]
fn a_flow_to_an_external_network_is_nobodys_to_sweep() {
    in_namespace(|| {
        let mut world = World::new();
        let like = v4("0.0.0.0");
        super::world::run("nft add table ip theirs");
        super::world::run(
            "nft add chain ip theirs pre { type nat hook prerouting priority -90 ; }",
        );
        super::world::run("nft add rule ip theirs pre udp dport 9090 dnat to 10.2.0.99:99");
        let (mgmt, out) = (world.hosts["mgmt"].v4, world.hosts["out"].v4);
        let packet = frames::udp((mgmt.into(), 4000), (v4(VCH), 9090), DATA);
        world.host("mgmt").says(packet);
        world.host("out").receive(DATA);
        let whole = world.delta.clone();
        assert!(whole.networks.contains_key(&id(E)));
        world.nat.reconcile(&whole).unwrap();
        super::world::run("nft delete table ip theirs");
        let packet = frames::udp((mgmt.into(), 4000), (v4(VCH), 9090), ANSWER);
        world.host("mgmt").says(packet);
        let frame = world.host("out").receive(ANSWER);
        assert_eq!(ends(&frame).1, (out.into(), 99), "{like}: its entry lives");
    });
}
