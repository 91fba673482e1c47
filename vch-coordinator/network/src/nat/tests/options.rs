//! The effect of a network's options, tested by packets.

use super::frames::{self, ether};
use super::world::{A, S, VCH, VCH6, World, ends, host_port, id, in_namespace, v4, v6};
use std::net::IpAddr;
use vch_ledger::Protocol;
use vch_ledger::desired::NetworkBacking;

const DATA: &[u8] = b"between containers";
const ANSWER: &[u8] = b"an answer";

fn families() -> [IpAddr; 2] {
    [v4("0.0.0.0"), v6("::")]
}

fn change(world: &mut World, numbers: &[u8], change: impl Fn(&mut NetworkBacking)) {
    for number in numbers {
        let network = world.delta.networks.get_mut(&id(*number)).unwrap();
        change(network.as_mut().unwrap());
    }
    let whole = world.delta.clone();
    world.nat.reconcile(&whole).unwrap();
}

/// Returns whether a datagram arrives: sent to the other's own MAC address if `direct`, else by way
/// of the VCH.
fn passes(world: &mut World, from: &str, to: &str, direct: bool, like: IpAddr) -> bool {
    let (sender, receiver) = (&world.hosts[from], &world.hosts[to]);
    let next = if direct { receiver.mac } else { sender.gateway };
    let ends = (sender.address(like), receiver.address(like));
    let (kind, packet) = frames::udp((ends.0, 4000), (ends.1, 4001), DATA);
    let frame = ether(next, sender.mac, kind, &packet);
    world.passes(from, &frame, to, DATA)
}

#[test]
fn without_icc_containers_of_a_network_meet_by_published_ports_alone() {
    in_namespace(|| {
        let mut world = World::new();
        for like in families() {
            assert!(passes(&mut world, "a1", "a2", true, like));
            assert!(passes(&mut world, "s1", "s2", true, like));
        }
        change(&mut world, &[A, S], |network| network.isolated = true);
        for like in families() {
            for direct in [true, false] {
                for (from, to) in [("a1", "a2"), ("s1", "s2"), ("s1", "t1"), ("t1", "s1")] {
                    let passes = passes(&mut world, from, to, direct, like);
                    assert!(!passes, "{from} to {to}, direct: {direct}, {like}");
                }
            }
            for from in ["a1", "s1"] {
                assert!(passes(&mut world, from, "out", false, like), "{from}");
            }
        }
        world.publish(host_port(Protocol::Udp, None, 8080), "a1", 80, &[]);
        world.publish(host_port(Protocol::Udp, None, 8081), "s1", 80, &[]);
        for (from, port, to) in [("a2", 8080, "a1"), ("s2", 8081, "s1")] {
            for (like, vch) in [(v4("0.0.0.0"), v4(VCH)), (v6("::"), v6(VCH6))] {
                let own = (world.hosts[from].address(like), 4000);
                world.host(from).says(frames::udp(own, (vch, port), DATA));
                let (source, _) = ends(&world.host(to).receive(DATA));
                let server = (world.hosts[to].address(like), 80);
                world.host(to).says(frames::udp(server, source, ANSWER));
                let back = ends(&world.host(from).receive(ANSWER));
                assert_eq!(back, ((vch, port), own));
            }
        }
        change(&mut world, &[A, S], |network| network.isolated = false);
        for like in families() {
            assert!(passes(&mut world, "a1", "a2", true, like));
            assert!(passes(&mut world, "s1", "s2", true, like));
        }
    });
}

#[test]
fn without_masquerade_the_outside_sees_the_containers_own_address_and_answers_it() {
    in_namespace(|| {
        let mut world = World::new();
        change(&mut world, &[A, S], |network| network.untranslated = true);
        for (like, vch) in [(v4("0.0.0.0"), v4(VCH)), (v6("::"), v6(VCH6))] {
            for (from, kept) in [("a1", true), ("s1", true), ("b1", false), ("t1", false)] {
                let own = (world.hosts[from].address(like), 4000);
                let other = (world.hosts["out"].address(like), 53);
                world.host(from).says(frames::udp(own, other, DATA));
                let (source, _) = ends(&world.host("out").receive(DATA));
                let seen = if kept { own.0 } else { vch };
                assert_eq!(source.0, seen, "{from}");
                world.host("out").says(frames::udp(other, source, ANSWER));
                let (_, to) = ends(&world.host(from).receive(ANSWER));
                assert_eq!(to, own, "{from}");
            }
            for to in ["a1", "s1"] {
                let unasked = passes(&mut world, "out", to, false, like);
                assert!(!unasked, "nothing but answers comes in to {to}");
            }
        }
    });
}
