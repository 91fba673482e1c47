use super::*;
use crate::wire::Attributes;
use crate::{Name, name};
use std::net::Ipv4Addr;

/// Returns the names of the expressions that a rule becomes.
fn expressions(family: Family, rule: &Rule) -> Result<Vec<String>, RuleError> {
    let mut writer = Writer::default();
    write_rule(&mut writer, family, rule)?;
    let list = Attributes::new("a rule", writer.bytes());
    Ok(list
        .iter()
        .map(|one| {
            let name = one.unwrap().nested().require(expr::NAME, "name").unwrap();
            String::from_utf8(name.text().to_vec()).unwrap()
        })
        .collect())
}

#[test]
fn a_header_is_made_sure_of_once_and_only_where_the_family_leaves_it_open() {
    let address = Ipv4Addr::LOCALHOST;
    let rule = Rule::new()
        .is(Field::IpSource, address)
        .is(Field::IpDestination, address);
    let twice = ["payload", "cmp", "payload", "cmp"];
    let guarded = ["meta", "cmp", "payload", "cmp", "payload", "cmp"];
    assert_eq!(expressions(Family::Ip, &rule).unwrap(), twice);
    assert_eq!(expressions(Family::Inet, &rule).unwrap(), guarded);
    assert_eq!(expressions(Family::Bridge, &rule).unwrap(), guarded);
}

#[test]
fn a_header_that_the_rule_checks_itself_is_not_checked_again() {
    let rule = Rule::new()
        .is(Field::NfProto, Datum::NfProto(IpVersion::V4))
        .is(Field::IpSource, Ipv4Addr::LOCALHOST);
    let found = expressions(Family::Inet, &rule).unwrap();
    assert_eq!(found, ["meta", "cmp", "payload", "cmp"]);
    let rule = Rule::new()
        .is_not(Field::NfProto, Datum::NfProto(IpVersion::V4))
        .is(Field::IpSource, Ipv4Addr::LOCALHOST);
    assert_eq!(expressions(Family::Inet, &rule).unwrap().len(), 6);
}

#[test]
fn a_value_of_another_type_is_refused_with_both_types() {
    let rule = Rule::new().is(Field::IpSource, Datum::Service(80));
    let error = expressions(Family::Inet, &rule).unwrap_err();
    assert_eq!(
        error.to_string(),
        "ip saddr holds ipv4_addr, it can't be compared with inet_service 80"
    );
}

#[test]
fn a_header_that_the_family_never_has_is_refused() {
    let arp = Rule::new().is(Field::ArpSenderIp, Ipv4Addr::LOCALHOST);
    for family in [Family::Inet, Family::Ip, Family::Ip6] {
        let error = expressions(family, &arp).unwrap_err();
        assert!(matches!(error, RuleError::Family { .. }), "{error}");
    }
    assert!(expressions(Family::Arp, &arp).is_ok());
    let reject = Rule::new().reject(Reject::PortUnreachable);
    assert!(expressions(Family::Arp, &reject).is_err());
    let dnat = Rule::new().dnat(Ipv4Addr::LOCALHOST.into(), None);
    assert!(expressions(Family::Ip6, &dnat).is_err());
}

#[test]
fn keys_have_a_field_and_at_most_64_bytes() {
    let lookup = |key: Vec<Field>| Rule::new().is_in(key, name!("set"));
    let none = expressions(Family::Inet, &lookup(Vec::new())).unwrap_err();
    assert!(matches!(none, RuleError::Key { length: 0, .. }), "{none}");
    let four = lookup(vec![Field::InputInterface; 4]);
    assert!(expressions(Family::Inet, &four).is_ok());
    let five = lookup(vec![Field::InputInterface; 5]);
    let error = expressions(Family::Inet, &five).unwrap_err();
    assert!(
        matches!(error, RuleError::Key { length: 80, .. }),
        "{error}"
    );
}

#[test]
fn a_jump_names_its_chain() {
    let mut writer = Writer::default();
    write_verdict(&mut writer, &Verdict::Jump(Name::literal("c")));
    let wanted = [
        20, 0, 2, 0x80, // NFTA_DATA_VERDICT, nested
        8, 0, 1, 0, 0xff, 0xff, 0xff, 0xfd, // code: NFT_JUMP
        6, 0, 2, 0, b'c', 0, 0, 0, // chain
    ];
    assert_eq!(writer.bytes(), wanted);
}

#[test]
fn an_interfaces_name_and_nothing_else_begins_with_a_prefix() {
    let prefix = InterfacePrefix::new("vt-").unwrap();
    let rule = Rule::new().begins(Field::InputInterface, prefix);
    assert_eq!(expressions(Family::Bridge, &rule).unwrap(), ["meta", "cmp"]);
    let error = expressions(Family::Bridge, &Rule::new().begins(Field::Mark, prefix)).unwrap_err();
    assert!(matches!(error, RuleError::Type { .. }), "{error}");
}

#[test]
fn a_packets_key_goes_into_a_set_and_a_maps_value_into_its_mark() {
    let rule = Rule::new().update(
        name!("flows"),
        [Field::InputInterface, Field::IpSource],
        Duration::from_secs(1),
    );
    let found = expressions(Family::Bridge, &rule).unwrap();
    assert_eq!(found, ["meta", "cmp", "meta", "payload", "dynset"]);
    let rule = Rule::new().flows_over(name!("counted"), [Field::IpSource], 7);
    let found = expressions(Family::Bridge, &rule).unwrap();
    assert_eq!(found, ["meta", "cmp", "payload", "dynset"]);
    assert_eq!(
        rule.to_string(),
        "add @counted { ip saddr ct count over 7 }"
    );
    let rule = Rule::new().set_mark_map([Field::InputInterface], name!("numbers"));
    let found = expressions(Family::Bridge, &rule).unwrap();
    assert_eq!(found, ["meta", "lookup", "meta"]);
}
