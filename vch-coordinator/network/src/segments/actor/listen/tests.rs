use super::*;
use crate::{
    segments::{HostRoutes, LinkWatch, Owner},
    testing::{
        namespace::{in_namespace, ip},
        samples::{GATEWAY, bridge, desired, name, tap},
    },
};
use tokio::sync::watch;

async fn start() -> (Actor, LinkWatch, HostRoutes) {
    let (disturb, disturbed) = watch::channel(BTreeSet::new());
    let routes = HostRoutes::default();
    let actor = Actor::start(Owner::of(b"a VCH"), routes.clone(), disturb).await;
    (actor.unwrap(), LinkWatch(disturbed), routes)
}

#[test]
fn after_lost_events_everything_is_looked_at_again() {
    in_namespace(async |_room| {
        let (mut actor, mut watch, routes) = start().await;
        let all = desired(&[bridge("br-1", &[GATEWAY])], &[tap("vt-1"), tap("vt-3")]);
        actor.reconcile(all).await.unwrap();
        ip("link del vt-1");
        ip("route add unreachable 10.20.0.0/16");
        // What the socket says when its buffer ran over (netlink(7)).
        let lost = io::Error::from_raw_os_error(nix::libc::ENOBUFS);
        actor.hear(Err(lost));
        assert!(!actor.drift.heeds_events());
        actor.settle().await;
        assert!(actor.drift.heeds_events());
        assert_eq!(watch.changed().await, Ok([name("vt-1")].into()));
        let route = "10.20.0.0/16".parse().unwrap();
        assert_eq!(routes.overlap(&route), Some(route));
        assert_eq!(actor.own.len(), 2, "the bridge and the other tap");
    });
}

#[test]
fn routes_by_a_link_that_was_just_created_are_no_host_routes() {
    in_namespace(async |_room| {
        let (mut actor, _watch, routes) = start().await;
        // The routes are listed before the events of the own changes are read.
        actor
            .ensure_bridge(bridge("br-1", &[GATEWAY]))
            .await
            .unwrap();
        actor.learn_routes().await.unwrap();
        assert_eq!(routes.overlap(&"172.18.0.0/16".parse().unwrap()), None);
        let all = [
            bridge("br-1", &[GATEWAY]),
            bridge("br-2", &["172.19.0.1/16"]),
        ];
        actor.reconcile(desired(&all, &[])).await.unwrap();
        actor.learn_routes().await.unwrap();
        assert_eq!(routes.overlap(&"172.19.0.0/16".parse().unwrap()), None);
    });
}

#[test]
fn what_is_found_as_it_was_asked_for_is_not_reported() {
    in_namespace(async |_room| {
        let (mut actor, watch, _routes) = start().await;
        let all = desired(&[bridge("br-1", &[GATEWAY])], &[tap("vt-1")]);
        actor.reconcile(all).await.unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        // The last of its own events is that of the tap with its bridge.
        while actor.drift.links.len() < 2 {
            assert!(Instant::now() < deadline, "the own changes are told");
            let events = actor.events.next().await;
            actor.hear(events);
        }
        actor.settle().await;
        assert_eq!(watch.now(), BTreeSet::new());
        assert!(!watch.0.has_changed().unwrap());
    });
}
