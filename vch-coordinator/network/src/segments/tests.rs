//! Tests with the real kernel, each in a network namespace of its own, which ends with the test's
//! thread.

mod faults;
mod healing;
mod host_routes;
mod shared;
mod users;

use super::{
    events::{Events, SegmentEvent},
    *,
};
use crate::testing::{
    namespace::{eventually, in_namespace, ip, links},
    samples::{self, GATEWAY, bridge, name, spawn, tap, veth},
};
use std::net::UdpSocket;
use tokio::time::{Duration, Instant};

/// Changes of links and addresses that the kernel told of, up to one that this makes itself: what
/// came before that is all that happened.
async fn changes(monitor: &mut Events, mark: &str) -> usize {
    ip(&format!("link set lo alias {mark}"));
    let mut changes = 0;
    loop {
        for event in monitor.next().await.unwrap() {
            match event {
                SegmentEvent::Link(name, _) if name.as_str() == "lo" => return changes,
                _ => changes += 1,
            }
        }
    }
}

#[test]
fn made_a_second_time_nothing_changes_in_the_kernel() {
    in_namespace(async |room| {
        let (segments, _thread) = spawn().await;
        let peer = room.neighbour();
        let bridge = bridge("br-1", &[GATEWAY, "fd00:7::1/64"]);
        let ports = [tap("vt-1"), veth("vt-2", &peer)];
        assert!(segments.ensure_bridge(&bridge).await.unwrap() > 0);
        for port in &ports {
            assert!(segments.ensure_port(port).await.unwrap() > 0);
        }
        let desired = samples::desired(std::slice::from_ref(&bridge), &ports);
        let mut monitor = Events::open().unwrap();
        // The kernel tells of carriers some time after it made the links: a quiet round must come.
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            assert_eq!(segments.ensure_bridge(&bridge).await, Ok(0));
            for port in &ports {
                assert_eq!(segments.ensure_port(port).await, Ok(0));
            }
            let again = segments.reconcile(&desired).await;
            assert_eq!(again, Ok(Reconciled::default()));
            match changes(&mut monitor, "mark").await {
                0 => break,
                seen => assert!(Instant::now() < deadline, "{seen} changes in each round"),
            }
        }
    });
}

#[test]
fn what_is_removed_leaves_nothing() {
    in_namespace(async |room| {
        let before = links();
        let (segments, thread) = spawn().await;
        let peer = room.neighbour();
        let bridge = bridge("br-1", &[GATEWAY]);
        segments.ensure_bridge(&bridge).await.unwrap();
        let ports = [tap("vt-1"), veth("vt-2", &peer)];
        for port in &ports {
            segments.ensure_port(port).await.unwrap();
        }
        assert_eq!(links().len(), before.len() + 3);
        for port in &ports {
            assert_eq!(segments.remove_port(&port.name).await, Ok(true));
            assert_eq!(segments.remove_port(&port.name).await, Ok(false));
        }
        assert_eq!(segments.remove_bridge(&bridge.name).await, Ok(true));
        assert_eq!(segments.remove_bridge(&bridge.name).await, Ok(false));
        assert_eq!(links(), before);
        assert_eq!(peer.run(links), before, "the pair's other end is gone too");
        drop(segments);
        thread.ended().await;
    });
}

#[test]
fn a_packet_from_a_pair_reaches_the_gateway() {
    in_namespace(async |room| {
        let (segments, _thread) = spawn().await;
        let peer = room.neighbour();
        let bridge = bridge("br-1", &[GATEWAY]);
        segments.ensure_bridge(&bridge).await.unwrap();
        let port = veth("vt-2", &peer);
        segments.ensure_port(&port).await.unwrap();
        let gateway = UdpSocket::bind("172.18.0.1:4000").unwrap();
        gateway
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        peer.run(|| {
            ip("addr add 172.18.0.2/16 dev eth0");
            ip("link set eth0 up");
            let socket = UdpSocket::bind("172.18.0.2:0").unwrap();
            socket
                .send_to(b"are you there?", "172.18.0.1:4000")
                .unwrap();
        });
        let mut bytes = [0; 32];
        let (length, from) = gateway.recv_from(&mut bytes).unwrap();
        assert_eq!(&bytes[..length], b"are you there?");
        assert_eq!(from.ip().to_string(), "172.18.0.2");
        let told = peer.run(|| ip("-o link show eth0"));
        assert!(told.contains("02:00:00:00:00:02"), "{told}");
    });
}

#[test]
fn a_gateway_answers_on_its_addresses_at_once_and_forwards() {
    in_namespace(async |_room| {
        let (segments, _thread) = spawn().await;
        let mut bridge = bridge("br-1", &[GATEWAY, "fd00:7::1/64"]);
        bridge.mtu = Some(protocol::spec::Mtu::try_from(1450).unwrap());
        segments.ensure_bridge(&bridge).await.unwrap();
        UdpSocket::bind("172.18.0.1:53").unwrap();
        UdpSocket::bind("[fd00:7::1]:53").unwrap();
        let read = |path| std::fs::read_to_string(path).unwrap();
        assert_eq!(read("/proc/sys/net/ipv4/ip_forward"), "1\n");
        assert_eq!(read("/proc/sys/net/ipv6/conf/all/forwarding"), "1\n");
        assert_eq!(read("/proc/sys/net/ipv6/conf/br-1/accept_ra"), "0\n");
        assert_eq!(read("/proc/sys/net/ipv6/conf/br-1/accept_dad"), "0\n");
        let told = ip("-d link show br-1");
        for setting in [
            "mtu 1450",
            "forward_delay 0",
            "stp_state 0",
            "mcast_snooping 0",
        ] {
            assert!(told.contains(setting), "{setting} in {told}");
        }
    });
}

#[test]
fn ports_make_themselves_no_address_and_leave_the_bridges_alone() {
    in_namespace(async |room| {
        let (segments, _thread) = spawn().await;
        let peer = room.neighbour();
        let bridge = bridge("br-1", &[GATEWAY]);
        segments.ensure_bridge(&bridge).await.unwrap();
        let mac = |told: String| told.split_once("link/ether ").unwrap().1[..17].to_owned();
        let before = mac(ip("-o link show br-1"));
        for port in [tap("vt-1"), veth("vt-2", &peer)] {
            segments.ensure_port(&port).await.unwrap();
        }
        peer.run(|| ip("link set eth0 up"));
        eventually("the pair has a carrier", || {
            ip("-o link show vt-2").contains("LOWER_UP")
        })
        .await;
        assert_eq!(ip("-6 addr show dev vt-2"), "");
        assert_eq!(ip("-6 addr show dev vt-1"), "");
        assert_eq!(mac(ip("-o link show br-1")), before);
    });
}

#[test]
fn a_link_without_ipv6_makes_a_segment_all_the_same() {
    in_namespace(async |_room| {
        let (segments, _thread) = spawn().await;
        let mut bridge = bridge("br-1", &[GATEWAY]);
        // Below what IPv6 needs (RFC 8200, section 5).
        bridge.mtu = Some(protocol::spec::Mtu::try_from(576).unwrap());
        segments.ensure_bridge(&bridge).await.unwrap();
        segments.ensure_port(&tap("vt-1")).await.unwrap();
        assert_eq!(segments.ensure_bridge(&bridge).await, Ok(0));
    });
}

#[test]
fn removals_asked_for_at_once_are_all_made() {
    in_namespace(async |_room| {
        let (segments, _thread) = spawn().await;
        let bridge = bridge("br-1", &[GATEWAY]);
        segments.ensure_bridge(&bridge).await.unwrap();
        for number in 0..20 {
            segments
                .ensure_port(&tap(&format!("vt-{number}")))
                .await
                .unwrap();
        }
        let mut removals = tokio::task::JoinSet::new();
        for number in 0..21 {
            let segments = segments.clone();
            removals.spawn(async move {
                let removed = segments.remove_port(&name(&format!("vt-{number}"))).await;
                (number, removed)
            });
        }
        while let Some(done) = removals.join_next().await {
            let (number, removed) = done.unwrap();
            assert_eq!(removed, Ok(number < 20), "{number}");
        }
        assert_eq!(links(), ["lo", "br-1"].map(ToOwned::to_owned).into());
    });
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// Prints what a tap costs; and finds the end of a bridge.
#[test]
fn a_port_costs_the_same_among_a_thousand_and_a_full_bridge_says_so() {
    in_namespace(async |_room| {
        let (segments, _thread) = spawn().await;
        segments
            .ensure_bridge(&bridge("br-1", &[GATEWAY]))
            .await
            .unwrap();
        let mut costs = Vec::new();
        for number in 0..1023 {
            let port = tap(&format!("vt-{number}"));
            let begin = Instant::now();
            segments.ensure_port(&port).await.unwrap();
            costs.push(begin.elapsed());
        }
        let mut when_right = Vec::new();
        for number in 0..100 {
            let port = tap(&format!("vt-{number}"));
            let begin = Instant::now();
            assert_eq!(segments.ensure_port(&port).await, Ok(0));
            when_right.push(begin.elapsed());
        }
        eprintln!(
            "ensure_port of a tap, medians: {:?} among 10 to 60, {:?} among 960 to 1,010; {:?} when it is right",
            median(&mut costs[10..60]),
            median(&mut costs[960..1010]),
            median(&mut when_right),
        );
        let one_more = tap("vt-full");
        let full = SegmentError::BridgeFull {
            bridge: name("br-1"),
            port: one_more.name.clone(),
        };
        assert_eq!(segments.ensure_port(&one_more).await, Err(full));
        assert!(
            !links().contains("vt-full"),
            "what could not be set up is removed again"
        );
        let begin = Instant::now();
        segments.remove_port(&name("vt-7")).await.unwrap();
        eprintln!("remove_port: {:?}", begin.elapsed());
        let begin = Instant::now();
        let done = segments.reconcile(&Desired::default()).await.unwrap();
        eprintln!(
            "reconcile that removes {} links: {:?}",
            done.steps,
            begin.elapsed()
        );
        assert_eq!(
            done,
            Reconciled {
                steps: done.steps,
                ..Reconciled::default()
            }
        );
        assert_eq!(links(), ["lo".to_owned()].into());
    });
}
