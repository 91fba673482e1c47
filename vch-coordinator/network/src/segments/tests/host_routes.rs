//! The host's routes are known as they come and go.

use super::*;
use ipnet::IpNet;

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

#[test]
fn routes_that_come_and_go_are_followed() {
    in_namespace(async |room| {
        let peer = room.neighbour();
        ip("link add uplink type bridge");
        ip("link add uplink2 type bridge");
        ip("link set uplink2 up");
        ip("addr add 192.0.2.10/24 dev uplink");
        ip("link set uplink up");
        let (segments, _thread) = spawn().await;
        let routes = segments.host_routes();
        let overlap = |subnet: &str| routes.overlap(&net(subnet));
        assert_eq!(overlap("192.0.2.0/25"), Some(net("192.0.2.0/24")));
        assert_eq!(overlap("10.0.0.0/8"), None);

        ip("route add 10.20.0.0/16 via 192.0.2.1 table 77");
        let inner = "10.20.7.0/24";
        eventually("a route of another table is seen", || {
            overlap(inner).is_some()
        })
        .await;
        ip("route del 10.20.0.0/16 table 77");
        eventually("it is gone", || overlap(inner).is_none()).await;

        ip("-6 route add fd00:5::/32 dev uplink");
        eventually("an IPv6 route is seen", || {
            overlap("fd00:5:1::/64").is_some()
        })
        .await;

        ip(
            "route add 10.21.0.0/16 nexthop via 192.0.2.1 dev uplink nexthop via 192.0.2.2 dev uplink",
        );
        eventually("a route over two ways is seen", || {
            overlap("10.21.0.0/24").is_some()
        })
        .await;
        ip("route del 10.21.0.0/16");
        eventually("it is gone", || overlap("10.21.0.0/24").is_none()).await;

        ip("addr add 198.51.100.1/24 dev uplink2");
        eventually("an address brings its route", || {
            overlap("198.51.100.0/24").is_some()
        })
        .await;
        ip("addr del 198.51.100.1/24 dev uplink2");
        eventually("and takes it along", || {
            overlap("198.51.100.0/24").is_none()
        })
        .await;

        // Of these the kernel does not tell one by one.
        ip("route add 10.22.0.0/16 via 192.0.2.1");
        eventually("a last route is seen", || overlap("10.22.0.0/16").is_some()).await;
        ip("link set uplink down");
        eventually("it goes with its link", || {
            overlap("10.22.0.0/16").is_none()
        })
        .await;

        segments
            .ensure_bridge(&bridge("br-1", &[GATEWAY]))
            .await
            .unwrap();
        segments.ensure_port(&veth("vt-2", &peer)).await.unwrap();
        ip("link set uplink up");
        eventually("what came after is seen", || {
            overlap("192.0.2.0/24").is_some()
        })
        .await;
        assert_eq!(
            overlap("172.18.0.0/16"),
            None,
            "our own networks are no host routes"
        );
    });
}

#[test]
fn another_hosts_networks_and_own_ones_of_an_earlier_run_are_told_apart() {
    in_namespace(async |_room| {
        let (others, _others_thread) = Segments::spawn(Owner::of(b"another VCH")).await.unwrap();
        others
            .ensure_bridge(&bridge("br-2", &["172.19.0.1/16"]))
            .await
            .unwrap();
        let (first, thread) = spawn().await;
        first
            .ensure_bridge(&bridge("br-1", &[GATEWAY]))
            .await
            .unwrap();
        drop(first);
        thread.ended().await;
        let (second, _second_thread) = spawn().await;
        let routes = second.host_routes();
        assert_eq!(routes.overlap(&net("172.18.0.0/16")), None);
        assert_eq!(
            routes.overlap(&net("172.19.4.0/24")),
            Some(net("172.19.0.0/16"))
        );
        assert!(routes.destinations().contains(&net("172.19.0.1/32")));
    });
}
