//! Limits of ports are made, changed, mended and removed with the real kernel.

use super::*;
use crate::testing::{namespace::tc, samples::limited};
use std::collections::BTreeSet;

async fn with_bridge() -> (Segments, ActorThread) {
    let (segments, thread) = spawn().await;
    let bridge = bridge("br-1", &[GATEWAY]);
    segments.ensure_bridge(&bridge).await.unwrap();
    (segments, thread)
}

/// Checks that `tc` shows a limit: the buckets of both links, and the redirection.
fn assert_limited(port: &str, rate: &str) {
    let ifb = port.replace("vt-", "vi-");
    for link in [port, &ifb] {
        let told = tc(&format!("qdisc show dev {link} root"));
        assert!(told.contains("qdisc tbf 7663: root"), "{told}");
        assert!(told.contains(&format!("rate {rate} ")), "{told}");
    }
    let told = tc(&format!("filter show dev {port} ingress"));
    assert!(
        told.contains(&format!("Egress Redirect to device {ifb}")),
        "{told}"
    );
    assert!(ip(&format!("-o link show {ifb}")).contains(",UP"));
    assert_eq!(ip(&format!("-6 addr show dev {ifb}")), "");
}

fn assert_unlimited(port: &str) {
    let told = tc(&format!("qdisc show dev {port}"));
    assert!(!told.contains("tbf") && !told.contains("ingress"), "{told}");
    assert!(!links().contains(&port.replace("vt-", "vi-")));
}

#[test]
fn every_kind_of_port_is_limited_and_a_second_time_nothing_changes() {
    in_namespace(async |room| {
        let (segments, _thread) = with_bridge().await;
        ip("link add office type bridge");
        let outside = Port {
            bridge: name("office"),
            foreign: true,
            ..tap("vt-3")
        };
        let peer = room.neighbour();
        let ports = [tap("vt-1"), veth("vt-2", &peer), outside];
        let ports = ports.map(|port| limited(port, "10mbit"));
        for port in &ports {
            segments.ensure_port(port).await.unwrap();
            assert_limited(port.name.as_str(), "10Mbit");
        }
        let mut watch = segments.watch();
        for port in &ports {
            assert_eq!(segments.ensure_port(port).await, Ok(0));
        }
        let desired = samples::desired(&[bridge("br-1", &[GATEWAY])], &ports);
        assert_eq!(
            segments.reconcile(&desired).await,
            Ok(Reconciled::default())
        );
        // An own change is nobody's.
        let told = tokio::time::timeout(Duration::from_millis(300), watch.changed()).await;
        assert!(told.is_err(), "{told:?}");
    });
}

#[test]
fn a_limit_changes_goes_and_comes_while_its_tap_stays() {
    in_namespace(async |_room| {
        let (segments, _thread) = with_bridge().await;
        let index = || {
            ip("-o link show vt-1")
                .split(':')
                .next()
                .unwrap()
                .to_owned()
        };
        segments.ensure_port(&tap("vt-1")).await.unwrap();
        let before = index();
        for (rate, shown) in [
            ("10mbit", "10Mbit"),
            ("2gbit", "2Gbit"),
            ("100gbit", "100Gbit"),
            ("128kbit", "128Kbit"),
        ] {
            let port = limited(tap("vt-1"), rate);
            assert!(segments.ensure_port(&port).await.unwrap() > 0);
            assert_limited("vt-1", shown);
            assert_eq!(segments.ensure_port(&port).await, Ok(0), "{rate}");
        }
        assert_eq!(segments.ensure_port(&tap("vt-1")).await, Ok(3));
        assert_unlimited("vt-1");
        assert_eq!(segments.ensure_port(&tap("vt-1")).await, Ok(0));
        let port = limited(tap("vt-1"), "10mbit");
        segments.ensure_port(&port).await.unwrap();
        assert_limited("vt-1", "10Mbit");
        assert_eq!(index(), before);

        assert_eq!(segments.remove_port(&port.name).await, Ok(true));
        assert_eq!(links(), ["lo", "br-1"].map(ToOwned::to_owned).into());
    });
}

/// Waits until a port is told of as changed.
async fn noticed(watch: &mut LinkWatch) -> BTreeSet<String> {
    let changed = tokio::time::timeout(Duration::from_secs(1), watch.changed()).await;
    let names = changed.expect("it is noticed soon").unwrap();
    names.iter().map(ToString::to_string).collect()
}

#[test]
fn what_others_change_of_a_limit_is_noticed_and_mended() {
    in_namespace(async |_room| {
        let (segments, _thread) = with_bridge().await;
        let port = limited(tap("vt-1"), "10mbit");
        let desired = samples::desired(
            &[bridge("br-1", &[GATEWAY])],
            &[port.clone(), limited(tap("vt-2"), "1gbit")],
        );
        segments.reconcile(&desired).await.unwrap();
        let mut watch = segments.watch();
        for change in [
            "qdisc del dev vt-1 root",
            "qdisc replace dev vt-1 root pfifo",
            "qdisc change dev vt-1 root handle 7663: tbf rate 1gbit burst 64k limit 64k",
            "qdisc del dev vi-1 root",
            "qdisc del dev vt-1 ingress",
            "filter del dev vt-1 ingress",
            "filter add dev vt-1 ingress prio 2 protocol ip u32 match u32 0 0 flowid 1:1",
        ] {
            tc(change);
            assert_eq!(
                noticed(&mut watch).await,
                ["vt-1".to_owned()].into(),
                "{change}"
            );
            assert!(segments.reconcile(&desired).await.unwrap().steps > 0);
            assert_limited("vt-1", "10Mbit");
        }
        for change in [
            "link del vi-1",
            "link set vi-1 down",
            "link set vt-1 mtu 9000",
        ] {
            ip(change);
            assert_eq!(
                noticed(&mut watch).await,
                ["vt-1".to_owned()].into(),
                "{change}"
            );
            // What is named is enough: no need to reconcile all.
            assert!(segments.ensure_port(&port).await.unwrap() > 0, "{change}");
            assert_eq!(segments.ensure_port(&port).await, Ok(0), "{change}");
            assert_limited("vt-1", "10Mbit");
        }
        ip("link del vt-1");
        assert_eq!(noticed(&mut watch).await, ["vt-1".to_owned()].into());
        let done = segments.reconcile(&desired).await.unwrap();
        assert_eq!(done.created, [name("vt-1")].into());
        assert_limited("vt-1", "10Mbit");
        assert_limited("vt-2", "1Gbit");
    });
}

#[test]
fn another_coordinator_keeps_limits_and_removes_those_that_are_not_wanted() {
    in_namespace(async |_room| {
        let (first, thread) = with_bridge().await;
        let kept = limited(tap("vt-1"), "10mbit");
        for port in [
            &kept,
            &limited(tap("vt-2"), "10mbit"),
            &limited(tap("vt-3"), "1mbit"),
        ] {
            first.ensure_port(port).await.unwrap();
        }
        // What others limit by hand is theirs.
        first.ensure_port(&tap("vt-4")).await.unwrap();
        tc("qdisc add dev vt-4 root tbf rate 5mbit burst 10k limit 64k");
        drop(first);
        thread.ended().await;

        let (second, _thread) = spawn().await;
        let bridges = [bridge("br-1", &[GATEWAY])];
        let ports = [kept, tap("vt-2"), tap("vt-4")];
        let desired = samples::desired(&bridges, &ports);
        assert!(second.reconcile(&desired).await.unwrap().steps > 0);
        assert_limited("vt-1", "10Mbit");
        assert_unlimited("vt-2");
        assert!(tc("qdisc show dev vt-4").contains("rate 5Mbit"));
        let expected = ["lo", "br-1", "vt-1", "vi-1", "vt-2", "vt-4"];
        assert_eq!(links(), expected.map(ToOwned::to_owned).into());
        assert_eq!(second.reconcile(&desired).await, Ok(Reconciled::default()));
    });
}

#[test]
fn a_limit_that_can_not_be_leaves_nothing_behind() {
    in_namespace(async |_room| {
        let (segments, _thread) = with_bridge().await;
        ip("link add vi-1 type bridge");
        let port = limited(tap("vt-1"), "10mbit");
        let error = segments.ensure_port(&port).await.unwrap_err();
        assert_eq!(error.code(), "link-name-taken");
        assert!(error.to_string().contains("vi-1 is held by a bridge link"));
        assert!(!links().contains("vt-1"));
        ip("link del vi-1");
        segments.ensure_port(&port).await.unwrap();
        assert_limited("vt-1", "10Mbit");
    });
}

/// Prints what a limit costs.
#[test]
fn a_limit_costs_the_same_among_two_hundred() {
    in_namespace(async |_room| {
        let (segments, _thread) = with_bridge().await;
        let mut costs = Vec::new();
        for number in 0..200 {
            let port = limited(tap(&format!("vt-{number}")), "10mbit");
            segments.ensure_port(&port).await.unwrap();
            let begin = Instant::now();
            let port = limited(port, "20mbit");
            assert_eq!(segments.ensure_port(&port).await, Ok(2));
            costs.push(begin.elapsed());
        }
        let [first, last] = [0..50, 150..200].map(|range| median(&mut costs[range]));
        eprintln!("a limit that changes, medians: {first:?} among 50, {last:?} among 200");
        assert!(last < 4 * first, "{first:?}, {last:?}");
        let done = segments.reconcile(&Desired::default()).await.unwrap();
        assert_eq!(done.failed, BTreeMap::new());
        assert_eq!(links(), ["lo".to_owned()].into());
    });
}
