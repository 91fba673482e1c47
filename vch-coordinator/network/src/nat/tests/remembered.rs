//! The flows that a container on an external network begins are remembered in sets of its own.

use super::frames::{self, ether};
use super::levels::{IN, OUT, families, goes, udp, world};
use super::world::{World, in_namespace, run};
use crate::nat::remembered::FLOWS;
use protocol::spec::FirewallLevel::{Closed, Open, Outbound, Published};
use std::net::IpAddr;

const DATA: &[u8] = b"a question";
const ANSWER: &[u8] = b"its answer";
const OTHERS_OUT: (&str, &str) = ("e2", "out");
const OTHERS_IN: (&str, &str) = ("out", "e2");

/// Begins flows of container e1, each to another port.
fn scan(world: &mut World, like: IpAddr, flows: u32) {
    let (own, other) = (&world.hosts["e1"], &world.hosts["out"]);
    let (from, to) = (own.address(like), other.address(like));
    let (from_mac, to_mac) = (own.mac, other.mac);
    for number in 0..flows {
        let port = u16::try_from(number).unwrap() + 1;
        let (kind, packet) = frames::udp((from, 5000), (to, port), b"scan");
        let frame = ether(to_mac, from_mac, kind, &packet);
        world.host("e1").send(&frame);
    }
}

/// Returns how many flows a set has.
fn flows(port: &str, like: IpAddr) -> usize {
    let version = if like.is_ipv4() { 4 } else { 6 };
    run(&format!("nft list set bridge vch flows{version}-{port}"))
        .matches("expires")
        .count()
}

#[test]
fn a_container_that_scans_fills_its_own_sets_and_another_is_answered() {
    in_namespace(|| {
        let mut world = world(Outbound, &[]);
        for like in families() {
            assert!(goes(&mut world, OUT, like, udp(4000, 53, DATA), DATA));
            scan(&mut world, like, FLOWS + 500);
            assert_eq!(flows("vt-e1", like), usize::try_from(FLOWS).unwrap());
            assert_eq!(flows("vt-e2", like), 0);
            // Its packets leave, and are not answered any more.
            assert!(goes(&mut world, OUT, like, udp(4001, 53, DATA), DATA));
            assert!(!goes(&mut world, IN, like, udp(53, 4001, ANSWER), ANSWER));
            // What it began before goes on.
            assert!(goes(&mut world, IN, like, udp(53, 4000, ANSWER), ANSWER));
            assert!(goes(
                &mut world,
                OTHERS_OUT,
                like,
                udp(4000, 53, DATA),
                DATA
            ));
            assert!(goes(
                &mut world,
                OTHERS_IN,
                like,
                udp(53, 4000, ANSWER),
                ANSWER
            ));
        }
    });
}

#[test]
fn its_sets_are_there_while_its_level_needs_them() {
    in_namespace(|| {
        let mut world = world(Outbound, &[]);
        let first = run("nft list table bridge vch");
        let level = |world: &mut World, level| {
            world.endpoint("e1", |endpoint| endpoint.level = Some(level));
        };
        let like = families()[0];
        assert!(goes(&mut world, OUT, like, udp(4000, 53, DATA), DATA));
        level(&mut world, Published);
        assert!(goes(&mut world, IN, like, udp(53, 4000, ANSWER), ANSWER));
        for other in [Open, Closed] {
            level(&mut world, other);
            let listed = run("nft list table bridge vch");
            assert!(!listed.contains("-vt-e1"), "{listed}");
            assert!(listed.contains("flows4-vt-e2"), "{listed}");
            level(&mut world, Outbound);
            let again = run("nft list table bridge vch");
            assert_eq!(again.len(), first.len(), "{again}");
            assert!(!goes(&mut world, IN, like, udp(53, 4000, ANSWER), ANSWER));
        }
    });
}
