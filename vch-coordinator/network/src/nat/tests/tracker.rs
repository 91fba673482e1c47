//! The connection tracker is shared: a container that begins flows without end leaves it to the others.

use super::frames;
use super::world::{World, ends, in_namespace};
use crate::nat::rules::FLOWS_OF_ONE;
use std::net::IpAddr;

/// Flows of the VCH itself, and of a count that is brought up to date once a tick.
const OTHERS: u32 = 64;

fn tracked() -> u32 {
    let count = std::fs::read_to_string("/proc/sys/net/netfilter/nf_conntrack_count").unwrap();
    count.trim().parse().unwrap()
}

/// Returns a packet of a flow of its own for each number.
fn flow(from: IpAddr, to: IpAddr, number: u32, data: &[u8]) -> (u16, Vec<u8>) {
    let port = |offset: u32| u16::try_from(1024 + offset).unwrap();
    let (source, target) = (port(number % 50_000), port(number / 50_000));
    frames::udp((from, source), (to, target), data)
}

#[test]
fn a_container_that_begins_flows_without_end_leaves_room_for_others() {
    for like in ["0.0.0.0", "::"].map(|one| one.parse::<IpAddr>().unwrap()) {
        // One namespace a family: flows of the other one would expire while these are counted.
        in_namespace(move || {
            let mut world = World::new();
            let out = world.hosts["out"].address(like);
            let [greedy, other] = ["a1", "a2"].map(|name| world.hosts[name].address(like));
            let before = tracked();
            // A flow is established once it is answered.
            world
                .host("a1")
                .says(flow(greedy, out, 0, b"the first of many"));
            let first = world.host("out").receive(b"the first of many");
            let (from, to) = ends(&first);
            world.host("out").says(frames::udp(to, from, b"its answer"));
            world.host("a1").receive(b"its answer");
            for number in 1..FLOWS_OF_ONE + 2_000 {
                world
                    .host("a1")
                    .says(flow(greedy, out, number, b"one of many"));
            }
            let begun = tracked() - before;
            assert!(begun <= FLOWS_OF_ONE + OTHERS, "{begun} of {like}");
            assert!(
                begun > FLOWS_OF_ONE / 2,
                "{begun} of {like}: the flood came through"
            );
            world.host("out").arrived();
            world.host("a1").says(flow(greedy, out, 40_000, b"beyond"));
            world
                .host("a2")
                .says(flow(other, out, 1, b"of another container"));
            world.host("out").receive(b"of another container");
            assert!(!world.host("out").has(b"beyond"), "{like}");
            // What is established goes on.
            world
                .host("a1")
                .says(flow(greedy, out, 0, b"of a flow that lives"));
            world.host("out").receive(b"of a flow that lives");
        });
    }
}
