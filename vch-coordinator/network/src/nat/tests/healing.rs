//! Changes that other programs make to the VCH's tables are undone; what is right stays as it is.

use super::world::{A, B, DrivenNat, World, environment, id, in_namespace, network, run};
use std::collections::BTreeSet;
use vch_ledger::desired::Delta;

/// Returns both tables with the handles of their rules: a rule that is made anew has another one.
fn listed() -> String {
    run("nft --handle list table inet vch") + &run("nft --handle list table bridge vch")
}

/// Returns the lines of both tables, as a set, since nftables' sets have no order. Repeated lines
/// are numbered.
fn ruleset_lines() -> BTreeSet<String> {
    let all = run("nft list ruleset");
    let mut words = BTreeSet::new();
    for line in all.lines() {
        let line = line.trim().trim_start_matches("elements = { ");
        let line = line.trim_end_matches([',', '}', ' ']);
        let mut times = 1..;
        while !words.insert(format!("{line} #{}", times.next().unwrap())) {}
    }
    words
}

/// Returns the lines that only one of both has.
fn difference(right: &BTreeSet<String>) -> Vec<String> {
    ruleset_lines()
        .symmetric_difference(right)
        .cloned()
        .collect()
}

fn nothing_but(networks: &[(u8, bool)]) -> Delta {
    let networks = networks.iter().map(|(number, there)| {
        let network = there.then(|| network(*number));
        (id(*number), network)
    });
    Delta {
        networks: networks.collect(),
        ..Delta::default()
    }
}

fn reconciled(whole: &Delta) -> DrivenNat {
    let mut nat = DrivenNat::open(environment()).unwrap();
    nat.reconcile(whole).unwrap();
    nat
}

#[test]
fn a_coordinator_that_starts_again_leaves_right_rules_as_they_are() {
    in_namespace(|| {
        let world = World::new();
        let first = listed();
        assert!(first.contains("masquerade"), "{first}");
        reconciled(&world.delta);
        assert_eq!(listed(), first);
    });
}

#[test]
fn networks_that_come_and_go_change_elements_and_no_rule() {
    in_namespace(|| {
        let mut nat = reconciled(&nothing_but(&[(A, true)]));
        let first = listed();
        let two = nothing_but(&[(B, true), (3, true), (4, true)]);
        nat.follow(&two).unwrap();
        let grown = listed();
        assert!(grown.contains("br-b"), "{grown}");
        nat.follow(&two).unwrap();
        assert_eq!(listed(), grown, "the same again changes nothing");
        nat.follow(&nothing_but(&[(3, false)])).unwrap();
        let shared = listed();
        assert!(shared.contains("vch-shared"), "another is still on it");
        nat.follow(&nothing_but(&[(B, false), (4, false)])).unwrap();
        assert_eq!(listed(), first);
        nat.follow(&nothing_but(&[(B, false)])).unwrap();
        assert_eq!(listed(), first, "what is gone stays gone");
    });
}

#[test]
fn what_others_did_to_our_tables_is_undone() {
    in_namespace(|| {
        let world = World::new();
        let right = ruleset_lines();
        for words in [
            "delete table inet vch",
            "delete table bridge vch",
            "flush ruleset",
            "add table inet vch { flags dormant ; }",
            "flush chain inet vch forward",
            "flush chain bridge vch anti_spoof",
            "insert rule inet vch forward accept",
            "insert rule bridge vch prerouting accept",
            "add chain inet vch other",
            "add chain inet vch clients-0",
            "add set inet vch odd { type mark . ether_addr ; }",
            "flush chain bridge vch leaving-vt-e1",
            "add set bridge vch flows4-vt-e3 { type ipv4_addr ; }",
            "add chain bridge vch arriving-vt-e3",
            "delete element bridge vch arriving_of { vt-e1 }",
            "delete element inet vch internal { br-i }",
            "delete element inet vch intra_bridge { br-a . br-a }",
            "add element inet vch bridges { stranger }",
            "delete element bridge vch macs { vt-a1 . 02:00:00:00:00:0a }",
            "add element bridge vch sources4 { vt-a1 . 02:00:00:00:00:0a . 172.18.0.9 }",
        ] {
            run(&format!("nft {words}"));
            assert_ne!(difference(&right), [""; 0], "{words} did nothing");
            reconciled(&world.delta);
            assert_eq!(difference(&right), [""; 0], "after {words}");
        }
    });
}

#[test]
fn another_programs_table_is_not_touched() {
    in_namespace(|| {
        run("nft add table inet other");
        run("nft add chain inet other forward { type filter hook forward priority 0 ; }");
        let theirs = run("nft --handle list table inet other");
        reconciled(&nothing_but(&[(A, true)]));
        assert_eq!(run("nft --handle list table inet other"), theirs);
    });
}

#[test]
fn after_a_change_that_the_kernel_refused_the_next_one_makes_all_good() {
    in_namespace(|| {
        let mut world = World::new();
        let right = ruleset_lines();
        run("nft delete table bridge vch");
        let host = world.delta.endpoints.keys().next().copied().unwrap();
        let same = Delta {
            endpoints: [(host, world.delta.endpoints[&host].clone())].into(),
            ..Delta::default()
        };
        let gone = Delta {
            endpoints: [(host, vch_ledger::desired::EndpointChange::default())].into(),
            ..Delta::default()
        };
        assert!(world.nat.follow(&gone).is_err(), "there is no such table");
        world.nat.follow(&same).unwrap();
        assert_eq!(difference(&right), [""; 0]);
    });
}

#[test]
fn br_netfilter_is_switched_off() {
    in_namespace(|| {
        World::new();
        for family in ["iptables", "ip6tables"] {
            let path = format!("/proc/sys/net/bridge/bridge-nf-call-{family}");
            match std::fs::read_to_string(&path) {
                Ok(on) => assert_eq!(on.trim(), "0", "{path}"),
                Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "{path}"),
            }
        }
    });
}

#[test]
fn a_change_by_somebody_else_is_heard_and_ones_own_is_not() {
    in_namespace(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut world = World::new();
            let mut watch = world.nat.watch().unwrap();
            world.endpoint("a1", |endpoint| endpoint.addresses.clear());
            let others = run("nft add table inet other");
            assert_eq!(others, "");
            run("nft delete element inet vch bridges { br-a }");
            let wait = std::time::Duration::from_secs(2);
            let heard = tokio::time::timeout(wait, watch.changed()).await;
            let heard = heard.expect("heard within 2 s").unwrap();
            assert_eq!(heard, [vch_nftables::Family::Inet]);
            let whole = world.delta.clone();
            world.nat.reconcile(&whole).unwrap();
            run("nft flush ruleset");
            let heard = tokio::time::timeout(wait, watch.changed()).await;
            let heard = heard.expect("heard within 2 s").unwrap();
            assert_eq!(heard.len(), 2, "the healing itself was not told of");
            world.nat.reconcile(&whole).unwrap();
            let quiet = std::time::Duration::from_millis(100);
            let heard = tokio::time::timeout(quiet, watch.changed()).await;
            assert!(heard.is_err(), "nobody else changed anything: {heard:?}");
        });
    });
}
