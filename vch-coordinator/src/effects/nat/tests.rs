//! The rules in the kernel, each test in a network namespace of its own.

use super::*;
use crate::effects::work::{Carried, Carrier};
use nix::sched::{CloneFlags, unshare};
use std::process::Command;
use vch_ledger::{Id, NetworkId};

fn in_namespace(test: impl FnOnce() + Send) {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET)
                .expect("these tests need root, for network namespaces");
            test();
        });
        if let Err(panic) = thread.join() {
            std::panic::resume_unwind(panic);
        }
    });
}

fn nft(words: &str) -> String {
    let output = Command::new("nft")
        .args(words.split_whitespace())
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "nft {words}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

/// Everything with its handles: a rule that is made anew has another.
fn listed() -> String {
    nft("--handle list table inet vch")
}

fn id(number: u8) -> NetworkId {
    NetworkId::from_bytes([number; 32])
}

/// `None` is a network that goes.
fn work(networks: &[(u8, Option<bool>)]) -> Work {
    let networks = networks.iter().map(|(number, internal)| {
        let carried = internal.map(|internal| Carried {
            by: Carrier::Dedicated(bridge_name(id(*number))),
            subnets: Vec::new(),
            addresses: Vec::new(),
            mtu: None,
            internal,
        });
        (id(*number), carried)
    });
    Work {
        networks: networks.collect(),
        ..Work::default()
    }
}

fn reconciled(whole: &Work) -> Nat {
    let mut nat = Nat::open().unwrap();
    nat.reconcile(whole).unwrap();
    nat
}

#[test]
fn a_coordinator_that_starts_again_leaves_right_rules_as_they_are() {
    in_namespace(|| {
        let whole = work(&[(1, Some(false)), (2, Some(true))]);
        reconciled(&whole);
        let first = listed();
        assert!(first.contains("masquerade"), "{first}");
        reconciled(&whole);
        assert_eq!(listed(), first);
    });
}

#[test]
fn networks_that_come_and_go_change_elements_and_no_rule() {
    in_namespace(|| {
        let mut nat = reconciled(&work(&[(1, Some(false))]));
        let first = listed();
        let two = work(&[(2, Some(true)), (3, Some(false))]);
        nat.follow(&two).unwrap();
        let grown = listed();
        assert!(grown.contains(bridge_name(id(2)).as_str()), "{grown}");
        nat.follow(&two).unwrap();
        assert_eq!(listed(), grown, "the same again changes nothing");
        nat.follow(&work(&[(2, None), (3, None)])).unwrap();
        assert_eq!(listed(), first);
        nat.follow(&work(&[(2, None)])).unwrap();
        assert_eq!(listed(), first, "what is gone stays gone");
    });
}

#[test]
fn what_others_did_to_our_table_is_undone() {
    in_namespace(|| {
        let whole = work(&[(1, Some(false)), (2, Some(true))]);
        reconciled(&whole);
        let without_handles = || nft("list table inet vch");
        let right = without_handles();
        let bridge = bridge_name(id(2));
        for words in [
            "delete table inet vch".to_owned(),
            "flush chain inet vch forward".to_owned(),
            "insert rule inet vch forward accept".to_owned(),
            "add chain inet vch other".to_owned(),
            "add set inet vch odd { type mark . ether_addr ; }".to_owned(),
            format!("delete element inet vch internal {{ {bridge} }}"),
            format!("delete element inet vch within {{ {bridge} . {bridge} }}"),
            "add element inet vch bridges { stranger }".to_owned(),
        ] {
            nft(&words);
            reconciled(&whole);
            assert_eq!(without_handles(), right, "after {words}");
        }
    });
}

#[test]
fn another_programs_table_is_not_touched() {
    in_namespace(|| {
        nft("add table inet other");
        nft("add chain inet other forward { type filter hook forward priority 0 ; }");
        let theirs = nft("--handle list table inet other");
        reconciled(&work(&[(1, Some(false))]));
        assert_eq!(nft("--handle list table inet other"), theirs);
    });
}
