use std::net::Ipv4Addr;

use super::*;
use crate::{
    Comment, CtState, DataType, Datum, Family, Field, Hook, InterfaceName, IpVersion, Policy, name,
};

#[test]
fn a_batch_is_printed_as_nft_would_read_it() {
    let table = Table::new(Family::Inet, name!("vch"));
    let bridges = Set::new(name!("bridges"), [DataType::Interface]);
    let published = Set::map(
        name!("published"),
        [DataType::Ipv4, DataType::Protocol, DataType::Service],
        [DataType::Ipv4, DataType::Service],
    );
    let subnets = Set::new(name!("subnets"), [DataType::Ipv4]).with_intervals();
    let (forward, nat) = (name!("forward"), name!("prerouting"));
    let mut batch = Batch::new();
    batch.replace_table(&table);
    batch.add_set(&table, &bridges);
    batch.add_set(&table, &published);
    batch.add_set(&table, &subnets);
    batch.add_chain(
        &table,
        Chain::filter(forward.clone(), Hook::Forward, -1, Policy::Drop),
    );
    batch.add_chain(&table, Chain::nat(nat.clone(), Hook::Prerouting, -100));
    batch.add_chain(&table, Chain::regular(name!("known")));
    let bridge = InterfaceName::new("br-0").unwrap();
    batch.add_elements(&table, &bridges, vec![Element::new([bridge.into()])]);
    let port = Element::new([
        Ipv4Addr::new(10, 2, 0, 1).into(),
        Datum::TCP,
        Datum::Service(8080),
    ])
    .to_values([Ipv4Addr::new(172, 18, 0, 2).into(), Datum::Service(80)]);
    batch.delete_elements(&table, &published, vec![port.clone()]);
    batch.add_elements(&table, &published, vec![port]);
    let everything = Element::subnet(Ipv4Addr::UNSPECIFIED.into(), 0);
    batch.add_elements(&table, &subnets, vec![everything]);
    let states = CtState::ESTABLISHED | CtState::RELATED;
    batch.add_rule(&table, &forward, Rule::new().ct_state(states).accept());
    batch.add_rule(
        &table,
        &nat,
        Rule::new()
            .in_subnet(Field::IpSource, Ipv4Addr::new(10, 9, 8, 7).into(), 12)
            .dnat_map(IpVersion::V4, [Field::DestinationPort], published.name)
            .comment(Comment::new("a test").unwrap()),
    );
    batch.delete_rule(&table, &forward, 7);
    batch.push(Operation::FlushTable(table));
    assert_eq!(
        batch.to_string(),
        "\
add table inet vch
delete table inet vch
add table inet vch
add set inet vch bridges { type ifname; }
add map inet vch published { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; }
add set inet vch subnets { type ipv4_addr; flags interval; }
add chain inet vch forward { type filter hook forward priority -1; policy drop; }
add chain inet vch prerouting { type nat hook prerouting priority -100; policy accept; }
add chain inet vch known
add element inet vch bridges { \"br-0\" }
delete element inet vch published { 10.2.0.1 . tcp . 8080 : 172.18.0.2 . 80 }
add element inet vch published { 10.2.0.1 . tcp . 8080 : 172.18.0.2 . 80 }
add element inet vch subnets { 0.0.0.0/0 }
add rule inet vch forward ct state established,related accept
add rule inet vch prerouting ip saddr 10.0.0.0/12 dnat ip to th dport map @published comment \"a test\"
delete rule inet vch forward handle 7
flush table inet vch
"
    );
}

#[test]
fn batches_that_do_the_same_are_equal() {
    let table = Table::new(Family::Ip, name!("t"));
    let build = || -> Batch {
        [
            Operation::AddTable(table.clone()),
            Operation::DeleteTable(table.clone()),
        ]
        .into_iter()
        .collect()
    };
    let mut other = build();
    assert_eq!(build(), other);
    other.append(build());
    assert_ne!(build(), other);
    assert_eq!(other.operations().len(), 4);
}
