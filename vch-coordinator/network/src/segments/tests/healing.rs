//! Changes by other programs are noticed and undone; links of other programs are left alone.

use super::*;
use std::collections::BTreeSet;

/// How soon a change must be noticed, so that it can be healed within two seconds.
const SOON: Duration = Duration::from_secs(1);

async fn noticed(watch: &mut LinkWatch) -> BTreeSet<String> {
    let changed = tokio::time::timeout(SOON, watch.changed()).await;
    let names = changed.expect("it is noticed soon").unwrap();
    names.iter().map(ToString::to_string).collect()
}

fn index(link: &str) -> String {
    let told = ip(&format!("-o link show {link}"));
    told.split(':').next().unwrap().to_owned()
}

#[test]
fn what_others_delete_is_noticed_and_comes_back() {
    in_namespace(async |_room| {
        let (segments, _thread) = spawn().await;
        let mut watch = segments.watch();
        let desired = samples::desired(&[bridge("br-1", &[GATEWAY])], &[tap("vt-1"), tap("vt-3")]);
        segments.reconcile(&desired).await.unwrap();
        let untouched = index("vt-3");

        ip("link del vt-1");
        assert_eq!(noticed(&mut watch).await, ["vt-1".to_owned()].into());
        assert!(segments.reconcile(&desired).await.unwrap().steps > 0);
        assert!(ip("-o link show vt-1").contains("master br-1"));

        ip(&format!("addr del {GATEWAY} dev br-1"));
        assert_eq!(noticed(&mut watch).await, ["br-1".to_owned()].into());
        assert_eq!(segments.reconcile(&desired).await.unwrap().steps, 1);
        assert!(ip("-o addr show dev br-1").contains(GATEWAY));

        ip("link del br-1");
        let all = ["br-1", "vt-1", "vt-3"].map(ToOwned::to_owned);
        assert_eq!(noticed(&mut watch).await, all.into());
        segments.reconcile(&desired).await.unwrap();
        assert!(ip("-o link show vt-3").contains("master br-1"));
        assert_eq!(index("vt-3"), untouched, "what was right was not made anew");

        ip("link set vt-3 down");
        assert_eq!(noticed(&mut watch).await, ["vt-3".to_owned()].into());
        // What is named is enough: no need to reconcile all.
        assert_eq!(segments.ensure_port(&tap("vt-3")).await, Ok(1));
        assert_eq!(watch.now(), BTreeSet::new());

        ip("link set vt-3 nomaster");
        assert_eq!(noticed(&mut watch).await, ["vt-3".to_owned()].into());
        assert_eq!(segments.ensure_port(&tap("vt-3")).await, Ok(1));

        ip("link set vt-3 down");
        ip("link set vt-3 name renamed");
        assert_eq!(noticed(&mut watch).await, ["vt-3".to_owned()].into());
        // The renamed one goes, a new one comes.
        segments.reconcile(&desired).await.unwrap();
        assert!(links().contains("vt-3") && !links().contains("renamed"));
    });
}

#[test]
fn a_reconcile_removes_own_leftovers_and_nothing_else() {
    in_namespace(async |room| {
        let peer = room.neighbour();
        ip("link add docker0 type bridge");
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
        for port in [tap("vt-1"), tap("vt-3"), veth("vt-2", &peer)] {
            first.ensure_port(&port).await.unwrap();
        }
        drop(first);
        thread.ended().await;

        let (second, _second_thread) = spawn().await;
        let kept = index("vt-3");
        let desired = samples::desired(&[bridge("br-1", &[GATEWAY])], &[tap("vt-3")]);
        assert_eq!(second.reconcile(&desired).await.unwrap().steps, 3);
        let expected = ["lo", "docker0", "br-1", "br-2", "vt-3"].map(ToOwned::to_owned);
        assert_eq!(links(), expected.into());
        assert_eq!(index("vt-3"), kept);
    });
}

#[test]
fn a_namespace_that_was_made_anew_gets_its_pair_again() {
    in_namespace(async |room| {
        let (segments, _thread) = spawn().await;
        segments
            .ensure_bridge(&bridge("br-1", &[GATEWAY]))
            .await
            .unwrap();
        let first = room.neighbour();
        segments.ensure_port(&veth("vt-2", &first)).await.unwrap();
        // What lives there may rename its end.
        first.run(|| ip("link set eth0 name lan"));
        assert_eq!(segments.ensure_port(&veth("vt-2", &first)).await, Ok(0));
        let second = room.neighbour();
        assert!(segments.ensure_port(&veth("vt-2", &second)).await.unwrap() > 0);
        assert!(second.run(links).contains("eth0"));
        assert!(!first.run(links).contains("lan"));
    });
}

#[test]
fn a_changed_network_gets_its_new_addresses_and_loses_the_old() {
    in_namespace(async |_room| {
        let (segments, _thread) = spawn().await;
        let before = bridge("br-1", &["172.18.0.9/16", GATEWAY]);
        segments.ensure_bridge(&before).await.unwrap();
        segments
            .ensure_bridge(&bridge("br-1", &[GATEWAY]))
            .await
            .unwrap();
        let told = ip("-4 -o addr show dev br-1");
        assert_eq!(told.lines().count(), 1, "{told}");
        assert!(told.contains(GATEWAY), "{told}");
    });
}
