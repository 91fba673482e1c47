use super::*;
use std::collections::BTreeSet;
use vch_nftables::Verdict;

fn tables() -> [Rules; 2] {
    [Rules::inet().unwrap(), Rules::bridge().unwrap()]
}

/// Returns a chain's rules in nft's syntax, without their comments.
fn rule_texts(rules: &Rules, chain: &str) -> Vec<String> {
    let (_, rules) = rules
        .chains
        .iter()
        .find(|(one, _)| one.name.as_str() == chain)
        .unwrap();
    let bare = rules.iter().map(|rule| Rule {
        comment: None,
        ..rule.clone()
    });
    bare.map(|rule| rule.to_string()).collect()
}

#[test]
fn no_two_sets_of_a_table_have_one_name() {
    for rules in tables() {
        let sets: Vec<Set> = rules.sets().collect();
        let names: BTreeSet<_> = sets.iter().map(|set| set.name.clone()).collect();
        assert_eq!(names.len(), sets.len());
    }
    assert_eq!(
        NftSet::all().count(),
        NftSet::all().collect::<BTreeSet<_>>().len()
    );
}

#[test]
fn each_rule_looks_up_what_its_table_has_and_leads_to_a_chain_above_it() {
    for rules in tables() {
        let sets: BTreeSet<_> = rules.sets().map(|set| set.name).collect();
        let mut above = BTreeSet::new();
        for (chain, rules) in &rules.chains {
            for rule in rules {
                assert!(
                    rule.comment.is_some(),
                    "{rule} does not say why it is there"
                );
                for statement in &rule.statements {
                    match statement {
                        Statement::Lookup { set, .. }
                        | Statement::Update { set, .. }
                        | Statement::FlowsOver { set, .. }
                        | Statement::VerdictMap { map: set, .. }
                        | Statement::SetMarkMap { map: set, .. }
                        | Statement::NatMap { map: set, .. } => {
                            assert!(sets.contains(set), "{rule}: there is no {set}");
                        }
                        Statement::Verdict(Verdict::Jump(to) | Verdict::Goto(to)) => {
                            assert!(above.contains(to), "{rule}: {to} comes later");
                        }
                        _ => {}
                    }
                }
            }
            above.insert(chain.name.clone());
        }
    }
}

#[test]
fn no_rule_looks_into_ranges() {
    let sets = tables()
        .into_iter()
        .flat_map(|rules| rules.sets().collect::<Vec<_>>());
    for set in sets {
        assert!(
            !set.interval,
            "{} would cost each change its size",
            set.name
        );
    }
}

#[test]
fn the_mark_of_a_shared_bridge_is_taken_off_before_the_frame_goes_on() {
    let [_, bridge] = tables();
    assert_eq!(
        rule_texts(&bridge, "isolated"),
        [
            "meta mark set iifname map @segments",
            "oifname . meta mark @members meta mark set 0x00000000 return",
            "drop",
        ]
    );
    let marking = bridge.chains.iter().filter(|(_, rules)| {
        let words = rules.iter().map(ToString::to_string);
        words.into_iter().any(|words| words.contains("mark set"))
    });
    assert_eq!(marking.count(), 1);
}

#[test]
fn clients_are_looked_at_before_the_destination_changes() {
    let [inet, _] = tables();
    let published = [
        rule_texts(&inet, "published_default"),
        rule_texts(&inet, "published"),
    ]
    .concat();
    for reach in ["4", "6", "_default4", "_default6", "_any4", "_any6"] {
        let at = |kind: &str| {
            let name = format!("@{kind}{reach}");
            let ends = |words: &String| words.ends_with(&name);
            published.iter().position(ends).unwrap()
        };
        assert_eq!(at("clients") + 1, at("published"));
    }
}

#[test]
fn what_the_vch_sends_to_ipv6_loopback_is_never_published() {
    let [inet, _] = tables();
    assert_eq!(
        rule_texts(&inet, "output"),
        [
            "ip6 daddr ::1 accept",
            "jump published",
            "ip daddr @open_gateways4 jump published_default",
            "ip6 daddr @open_gateways6 jump published_default",
            "ip daddr 127.0.0.0/8 jump published_default",
        ]
    );
}

#[test]
fn loopback_addresses_from_a_link_are_dropped_before_all_nat() {
    let [inet, _] = tables();
    let rules = [
        "ip daddr 127.0.0.0/8 iifname != \"lo\" drop",
        "ip saddr 127.0.0.0/8 iifname != \"lo\" drop",
    ];
    assert_eq!(rule_texts(&inet, "loopback_guard"), rules);
    let (guard, _) = inet
        .chains
        .iter()
        .find(|(chain, _)| chain.name.as_str() == "loopback_guard")
        .unwrap();
    let hooks: Vec<_> = inet
        .chains
        .iter()
        .filter_map(|(chain, _)| chain.base.as_ref())
        .collect();
    let guard = guard.base.as_ref().unwrap();
    assert!(hooks.iter().all(|base| guard.priority <= base.priority));
}
