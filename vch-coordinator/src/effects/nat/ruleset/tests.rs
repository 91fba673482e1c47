use super::*;

fn change(bridge: &str, before: Option<bool>, after: Option<bool>) -> Change {
    let bridge = bridge.parse().unwrap();
    Change {
        bridge,
        before,
        after,
    }
}

fn words(changes: &[Change]) -> Vec<String> {
    let batch = Ruleset::new().unwrap().change(changes).unwrap();
    batch.operations().iter().map(ToString::to_string).collect()
}

#[test]
fn a_network_that_comes_is_one_element_a_set() {
    assert_eq!(
        words(&[change("br-1", None, Some(false))]),
        [
            "add element inet vch bridges { \"br-1\" }",
            "add element inet vch within { \"br-1\" . \"br-1\" }",
        ]
    );
}

#[test]
fn a_network_that_becomes_internal_is_one_element() {
    assert_eq!(
        words(&[change("br-1", Some(false), Some(true))]),
        ["add element inet vch internal { \"br-1\" }"]
    );
}

#[test]
fn a_network_that_goes_leaves_nothing_behind() {
    assert_eq!(
        words(&[change("br-1", Some(true), None)]),
        [
            "delete element inet vch bridges { \"br-1\" }",
            "delete element inet vch within { \"br-1\" . \"br-1\" }",
            "delete element inet vch internal { \"br-1\" }",
        ]
    );
}

#[test]
fn what_does_not_change_is_no_operation() {
    let same = [
        change("br-1", Some(true), Some(true)),
        change("br-2", None, None),
    ];
    assert_eq!(words(&same), [""; 0]);
}

#[test]
fn changes_are_what_differs_between_two_states() {
    let networks = |all: &[(&str, bool)]| -> Networks {
        let all = all.iter();
        all.map(|(name, internal)| (name.parse().unwrap(), *internal))
            .collect()
    };
    let from = networks(&[("br-1", false), ("br-2", false), ("br-3", true)]);
    let to = networks(&[("br-2", true), ("br-3", true), ("br-4", false)]);
    let expected = [
        change("br-1", Some(false), None),
        change("br-2", Some(false), Some(true)),
        change("br-4", None, Some(false)),
    ];
    assert_eq!(changes(&from, &to), expected);
    assert_eq!(changes(&to, &to), []);
}

#[test]
fn rules_that_differ_have_comments_that_differ() {
    let (one, other) = (Rule::new().accept(), Rule::new().drop());
    let comment = |rule: Rule| explained(rule, "why").unwrap().comment.unwrap().to_string();
    assert_ne!(comment(one), comment(other));
}
