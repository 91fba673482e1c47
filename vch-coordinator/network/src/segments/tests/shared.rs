//! Segments that carry several networks, and bridges that the VCH did not make.

use crate::{
    segments::{Port, Reconciled, SegmentError},
    testing::{
        namespace::{in_namespace, ip, links},
        samples::{self, name, spawn, tap},
    },
};
use ipnet::IpNet;
use tokio::time::{Duration, timeout};

const SOON: Duration = Duration::from_secs(2);

fn nets(texts: &[&str]) -> Vec<IpNet> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

/// Returns the addresses of a link, without those that the kernel makes by itself.
fn addresses(link: &str) -> Vec<String> {
    let listed = ip(&format!("-o address show dev {link} scope global"));
    let words = listed
        .lines()
        .filter_map(|line| line.split_whitespace().nth(3));
    let mut found: Vec<String> = words.map(str::to_owned).collect();
    found.sort();
    found
}

/// Returns a link's own MAC address.
fn address(link: &str) -> String {
    let shown = ip(&format!("-o link show {link}"));
    let mut words = shown
        .split_whitespace()
        .skip_while(|word| *word != "link/ether");
    words.nth(1).unwrap().to_owned()
}

#[test]
fn networks_share_a_bridge_and_the_last_one_takes_it_along() {
    in_namespace(async |_| {
        let (segments, _thread) = spawn().await;
        let all = name("vch-shared");
        let (one, other) = (
            nets(&["172.18.0.1/16", "fd00:7::1/64"]),
            nets(&["172.19.0.1/16"]),
        );
        assert!(segments.add_addresses(&all, &one).await.unwrap() > 0);
        assert_eq!(segments.add_addresses(&all, &other).await, Ok(1));
        assert_eq!(segments.add_addresses(&all, &other).await, Ok(0));
        let both = ["172.18.0.1/16", "172.19.0.1/16", "fd00:7::1/64"];
        assert_eq!(addresses("vch-shared"), both);
        let whole = samples::bridge(
            "vch-shared",
            &["172.18.0.1/16", "fd00:7::1/64", "172.19.0.1/16"],
        );
        let desired = samples::desired(&[whole], &[]);
        assert_eq!(
            segments.reconcile(&desired).await,
            Ok(Reconciled::default())
        );
        assert_eq!(segments.remove_addresses(&all, &one).await, Ok(2));
        assert_eq!(addresses("vch-shared"), ["172.19.0.1/16"]);
        assert_eq!(segments.remove_addresses(&all, &other).await, Ok(1));
        assert!(!links().contains("vch-shared"));
        assert_eq!(segments.remove_addresses(&all, &other).await, Ok(0));
    });
}

#[test]
fn a_link_of_another_program_keeps_its_addresses() {
    in_namespace(async |_| {
        let (segments, _thread) = spawn().await;
        let all = name("vch-shared");
        let (one, other) = (nets(&["172.18.0.1/16"]), nets(&["172.19.0.1/16"]));
        segments.add_addresses(&all, &one).await.unwrap();
        segments.add_addresses(&all, &other).await.unwrap();
        ip("link delete vch-shared");
        ip("link add vch-shared type bridge");
        ip("address add 172.18.0.1/16 dev vch-shared");
        assert_eq!(segments.remove_addresses(&all, &one).await, Ok(0));
        assert_eq!(addresses("vch-shared"), ["172.18.0.1/16"]);
    });
}

#[test]
fn an_address_of_a_shared_bridge_that_somebody_takes_away_is_missed() {
    in_namespace(async |_| {
        let (segments, _thread) = spawn().await;
        let all = name("vch-shared");
        segments
            .add_addresses(&all, &nets(&["172.18.0.1/16"]))
            .await
            .unwrap();
        segments
            .add_addresses(&all, &nets(&["172.19.0.1/16"]))
            .await
            .unwrap();
        let mut watch = segments.watch();
        ip("address delete 172.18.0.1/16 dev vch-shared");
        let missed = timeout(SOON, watch.changed()).await.unwrap().unwrap();
        assert!(missed.contains(&all), "{missed:?}");
    });
}

#[test]
fn a_port_goes_on_somebody_elses_bridge_and_leaves_it_as_it_was() {
    in_namespace(async |_| {
        let (segments, _thread) = spawn().await;
        ip("link add external type bridge");
        ip("link add uplink address f2:00:00:00:00:07 type veth peer name beyond");
        ip("link set uplink master external");
        // It has no address of its own: it takes the lowest of its ports'.
        let before = address("external");
        assert_eq!(before, "f2:00:00:00:00:07");
        let port = Port {
            bridge: name("external"),
            foreign: true,
            ..tap("vt-1")
        };
        assert!(segments.ensure_port(&port).await.unwrap() > 0);
        assert!(ip("link show vt-1").contains("master external"));
        assert_eq!(address("external"), before);
        assert_eq!(segments.ensure_port(&port).await, Ok(0));
        let desired = samples::desired(&[], std::slice::from_ref(&port));
        assert_eq!(
            segments.reconcile(&desired).await,
            Ok(Reconciled::default())
        );
        let mut watch = segments.watch();
        ip("link set vt-1 nomaster");
        let missed = timeout(SOON, watch.changed()).await.unwrap().unwrap();
        assert!(missed.contains(&port.name), "{missed:?}");
        assert_eq!(segments.ensure_port(&port).await, Ok(1));
        assert_eq!(segments.remove_port(&port.name).await, Ok(true));
        assert_eq!(address("external"), before);
    });
}

#[test]
fn what_is_no_bridge_carries_no_containers() {
    in_namespace(async |_| {
        let (segments, _thread) = spawn().await;
        ip("link add external type veth peer name beyond");
        let port = Port {
            bridge: name("external"),
            foreign: true,
            ..tap("vt-1")
        };
        let refused = segments.ensure_port(&port).await.unwrap_err();
        assert!(
            matches!(refused, SegmentError::NotABridge { .. }),
            "{refused:?}"
        );
        let said = refused.to_string();
        assert!(said.contains("external, which is a veth link"), "{said}");
        assert!(!links().contains("vt-1"));
        let port = Port {
            bridge: name("nowhere"),
            ..port
        };
        let refused = segments.ensure_port(&port).await.unwrap_err();
        assert!(
            matches!(refused, SegmentError::NoBridge { .. }),
            "{refused:?}"
        );
    });
}
