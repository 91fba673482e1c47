//! Levels of external networks, kept at the container's port.

use super::frames::{self, ACK, FIN, SYN, arp, ether, neighbour};
use super::world::{VCH, VCH6, World, ends, in_namespace, opened, v4, v6};
use protocol::spec::FirewallLevel::{self, Closed, Open, Outbound, Peers, Published};
use std::net::{IpAddr, UdpSocket};
use vch_ledger::{PortNumber, Protocol};

const DATA: &[u8] = b"let me in";
const ANSWER: &[u8] = b"the answer";

pub fn world(level: FirewallLevel, ports: &[PortNumber]) -> World {
    let mut world = World::new();
    for container in ["e1", "e2"] {
        world.endpoint(container, |endpoint| {
            endpoint.level = Some(level);
            endpoint.opened = ports.to_vec();
        });
    }
    world
}

/// Sends the packet that `packet` makes of both hosts' addresses; returns whether it arrives.
pub fn goes(
    world: &mut World,
    (from, to): (&str, &str),
    like: IpAddr,
    packet: impl Fn(IpAddr, IpAddr) -> (u16, Vec<u8>),
    bytes: &[u8],
) -> bool {
    let (sender, receiver) = (&world.hosts[from], &world.hosts[to]);
    let (kind, packet) = packet(sender.address(like), receiver.address(like));
    let frame = ether(receiver.mac, sender.mac, kind, &packet);
    world.passes(from, &frame, to, bytes)
}

pub fn udp(from: u16, to: u16, data: &'static [u8]) -> impl Fn(IpAddr, IpAddr) -> (u16, Vec<u8>) {
    move |own, other| frames::udp((own, from), (other, to), data)
}

fn tcp(from: u16, to: u16, flags: u8) -> impl Fn(IpAddr, IpAddr) -> (u16, Vec<u8>) {
    move |own, other| frames::tcp((own, from), (other, to), flags, DATA)
}

fn echo(answer: bool) -> impl Fn(IpAddr, IpAddr) -> (u16, Vec<u8>) {
    move |own, other| frames::echo(own, other, answer, DATA)
}

pub fn families() -> [IpAddr; 2] {
    [v4("0.0.0.0"), v6("::")]
}

pub const IN: (&str, &str) = ("out", "e1");
pub const OUT: (&str, &str) = ("e1", "out");
const PEER: (&str, &str) = ("e2", "e1");

/// Returns whether ARP and neighbour discovery pass, both ways.
fn neighbours(world: &mut World) -> bool {
    let mut open = true;
    for (from, to) in [IN, OUT] {
        let (one, other) = (&world.hosts[from], &world.hosts[to]);
        let message = arp(1, (one.mac, one.v4), (other.mac, other.v4));
        let frame = ether(other.mac, one.mac, 0x0806, &message);
        let (kind, packet) = neighbour(135, (one.v6, other.v6), other.v6, Some(one.mac));
        let solicitation = ether(other.mac, one.mac, kind, &packet);
        open &= world.passes(from, &frame, to, &message);
        open &= world.passes(from, &solicitation, to, &packet);
    }
    open
}

#[test]
fn a_closed_container_has_neighbours_and_nothing_else() {
    in_namespace(|| {
        let mut world = world(Closed, &[opened(Protocol::Tcp, 80)]);
        assert!(neighbours(&mut world));
        for like in families() {
            for way in [IN, OUT, PEER] {
                assert!(
                    !goes(&mut world, way, like, udp(1, 2, DATA), DATA),
                    "{way:?}"
                );
                assert!(
                    !goes(&mut world, way, like, tcp(1, 80, SYN), DATA),
                    "{way:?}"
                );
                assert!(!goes(&mut world, way, like, echo(false), DATA), "{way:?}");
            }
        }
    });
}

#[test]
fn an_open_container_is_open() {
    in_namespace(|| {
        let mut world = world(Open, &[]);
        assert!(neighbours(&mut world));
        for like in families() {
            for way in [IN, OUT, PEER] {
                assert!(
                    goes(&mut world, way, like, udp(1, 2, DATA), DATA),
                    "{way:?}"
                );
                assert!(
                    goes(&mut world, way, like, tcp(1, 80, SYN), DATA),
                    "{way:?}"
                );
                assert!(goes(&mut world, way, like, echo(false), DATA), "{way:?}");
            }
        }
    });
}

/// Checks what is common to all levels under which a container may begin something.
fn only_what_it_began(world: &mut World) {
    assert!(neighbours(world));
    for like in families() {
        assert!(!goes(world, IN, like, udp(53, 4000, ANSWER), ANSWER));
        assert!(goes(world, OUT, like, udp(4000, 53, DATA), DATA));
        assert!(goes(world, IN, like, udp(53, 4000, ANSWER), ANSWER));
        assert!(
            !goes(world, IN, like, udp(54, 4000, ANSWER), ANSWER),
            "another port"
        );
        assert!(
            !goes(world, IN, like, udp(53, 4001, ANSWER), ANSWER),
            "another port"
        );
        assert!(
            !goes(world, IN, like, tcp(53, 4000, SYN), DATA),
            "another protocol"
        );

        assert!(!goes(world, IN, like, tcp(443, 5000, SYN | ACK), DATA));
        assert!(goes(world, OUT, like, tcp(5000, 443, SYN), DATA));
        assert!(goes(world, IN, like, tcp(443, 5000, SYN | ACK), DATA));
        assert!(goes(world, OUT, like, tcp(5000, 443, ACK), DATA));
        assert!(goes(world, IN, like, tcp(443, 5000, ACK), DATA));
        assert!(goes(world, IN, like, tcp(443, 5000, FIN | ACK), DATA));
        assert!(!goes(world, IN, like, tcp(443, 5001, ACK), DATA));

        assert!(!goes(world, IN, like, echo(false), DATA));
        assert!(
            !goes(world, IN, like, echo(true), DATA),
            "an answer to nothing"
        );
        assert!(goes(world, OUT, like, echo(false), DATA));
        assert!(goes(world, IN, like, echo(true), DATA));
        let unreachable = move |own: IpAddr, other| {
            let kind = if own.is_ipv4() { 3 } else { 1 };
            frames::icmp(own, other, kind, DATA)
        };
        assert!(goes(world, IN, like, unreachable, DATA), "an error");
    }
}

#[test]
fn an_outbound_container_gets_answers_and_nothing_else() {
    in_namespace(|| {
        let mut world = world(Outbound, &[opened(Protocol::Tcp, 80)]);
        only_what_it_began(&mut world);
        for like in families() {
            assert!(!goes(&mut world, IN, like, tcp(1, 80, SYN), DATA));
            assert!(!goes(&mut world, PEER, like, tcp(1, 80, SYN), DATA));
            assert!(!goes(&mut world, PEER, like, udp(1, 2, DATA), DATA));
        }
    });
}

#[test]
fn peers_reach_each_other_and_nobody_else_reaches_them() {
    in_namespace(|| {
        let mut world = world(Peers, &[opened(Protocol::Tcp, 80)]);
        only_what_it_began(&mut world);
        for like in families() {
            assert!(!goes(&mut world, IN, like, tcp(1, 80, SYN), DATA));
            assert!(goes(&mut world, PEER, like, tcp(1, 80, SYN), DATA));
            assert!(goes(&mut world, PEER, like, udp(1, 2, DATA), DATA));
            assert!(goes(&mut world, PEER, like, echo(false), DATA));
        }
    });
}

#[test]
fn a_published_container_answers_at_opened_ports_alone() {
    in_namespace(|| {
        let ports = [opened(Protocol::Tcp, 80), opened(Protocol::Udp, 5353)];
        let mut world = world(Published, &ports);
        only_what_it_began(&mut world);
        for like in families() {
            for way in [IN, PEER] {
                assert!(
                    goes(&mut world, way, like, tcp(6000, 80, SYN), DATA),
                    "{way:?}"
                );
                assert!(
                    !goes(&mut world, way, like, tcp(6000, 81, SYN), DATA),
                    "{way:?}"
                );
                assert!(
                    goes(&mut world, way, like, udp(6000, 5353, DATA), DATA),
                    "{way:?}"
                );
                assert!(
                    !goes(&mut world, way, like, udp(6000, 80, DATA), DATA),
                    "{way:?}"
                );
            }
            assert!(goes(&mut world, OUT, like, tcp(80, 6000, SYN | ACK), DATA));
        }
        world.endpoint("e1", |endpoint| endpoint.opened.clear());
        assert!(
            !goes(&mut world, IN, v4("0.0.0.0"), tcp(6000, 80, SYN), DATA),
            "closed again"
        );
        assert!(goes(
            &mut world,
            ("out", "e2"),
            v4("0.0.0.0"),
            tcp(6000, 80, SYN),
            DATA
        ));
    });
}

#[test]
fn what_an_opened_port_answers_fills_no_set() {
    in_namespace(|| {
        let mut world = world(Published, &[opened(Protocol::Tcp, 80)]);
        let flows = || super::world::run("nft list set bridge vch flows4-vt-e1");
        assert!(goes(
            &mut world,
            OUT,
            v4("0.0.0.0"),
            tcp(80, 6000, SYN | ACK),
            DATA
        ));
        assert!(!flows().contains("10.2.0.99"), "{}", flows());
        assert!(goes(
            &mut world,
            OUT,
            v4("0.0.0.0"),
            tcp(5000, 80, SYN),
            DATA
        ));
        assert!(flows().contains("10.2.0.99 . 80 . 5000"), "{}", flows());
    });
}

#[test]
fn the_vch_itself_meets_the_same_level() {
    in_namespace(|| {
        let mut world = world(Published, &[opened(Protocol::Udp, 80)]);
        for (vch, like) in [(VCH, v4("0.0.0.0")), (VCH6, v6("::"))] {
            let vch: IpAddr = vch.parse().unwrap();
            let socket = UdpSocket::bind((vch, 0)).unwrap();
            let container = world.hosts["e1"].address(like);
            socket.send_to(DATA, (container, 81)).unwrap();
            socket.send_to(ANSWER, (container, 80)).unwrap();
            let arrived = world.host("e1").arrived();
            let ports: Vec<u16> = arrived
                .iter()
                .filter(|frame| frame.windows(9).any(|w| w == DATA || w == &ANSWER[..9]))
                .map(|frame| ends(frame).1.1)
                .collect();
            assert_eq!(ports, [80], "{like}");
        }
    });
}

#[test]
fn the_rest_of_a_fragmented_answer_comes_in() {
    in_namespace(|| {
        let mut world = world(Outbound, &[]);
        // RFC 791: the offset of what follows a first fragment of 8 bytes.
        let later = |own, other| {
            let (kind, mut packet) = frames::ip(own, other, frames::UDP, DATA);
            packet[7] = 1;
            (kind, packet)
        };
        // RFC 8200, 4.5: next header, reserved, offset and flags, identification.
        let later6 = |own, other| {
            let fragment = [&[frames::UDP, 0, 0, 8, 0, 0, 0, 7], DATA].concat();
            frames::ip(own, other, 44, &fragment)
        };
        let first6 = |own, other| {
            let (_, packet) = frames::udp((own, 1), (other, 2), DATA);
            let fragment = [&[frames::UDP, 0, 0, 1, 0, 0, 0, 7], &packet[40..]].concat();
            frames::ip(own, other, 44, &fragment)
        };
        for like in families() {
            let whole = udp(1, 2, DATA);
            assert!(
                !goes(&mut world, IN, like, whole, DATA),
                "a first one has ports"
            );
        }
        assert!(goes(&mut world, IN, v4("0.0.0.0"), later, DATA));
        assert!(goes(&mut world, IN, v6("::"), later6, DATA));
        assert!(
            !goes(&mut world, IN, v6("::"), first6, DATA),
            "a first one has ports"
        );
        let flows = super::world::run("nft list set bridge vch flows4-vt-e1");
        assert!(goes(&mut world, OUT, v4("0.0.0.0"), later, DATA));
        assert_eq!(
            super::world::run("nft list set bridge vch flows4-vt-e1"),
            flows
        );
    });
}

#[test]
fn containers_of_two_external_networks_on_one_bridge_are_apart() {
    in_namespace(|| {
        let mut world = world(Open, &[]);
        assert!(goes(&mut world, PEER, v4("0.0.0.0"), udp(1, 2, DATA), DATA));
        world.endpoint("e2", |endpoint| endpoint.network = super::world::id(9));
        assert!(!goes(
            &mut world,
            PEER,
            v4("0.0.0.0"),
            udp(1, 2, DATA),
            DATA
        ));
        assert!(goes(&mut world, IN, v4("0.0.0.0"), udp(1, 2, DATA), DATA));
    });
}
