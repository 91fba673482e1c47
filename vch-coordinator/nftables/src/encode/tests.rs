use std::net::Ipv4Addr;

use super::*;
use crate::{Comment, Datum, Family, Field, Name, RuleError, Verdict, name};

/// Returns a message's bytes with its length in front.
fn message(kind: [u8; 2], flags: u16, sequence: u8, body: &[&[u8]]) -> Vec<u8> {
    let body = body.concat();
    let mut bytes = u32::try_from(16 + body.len())
        .unwrap()
        .to_le_bytes()
        .to_vec();
    bytes.extend_from_slice(&kind);
    bytes.extend_from_slice(&flags.to_le_bytes());
    bytes.extend_from_slice(&[sequence, 0, 0, 0, 0, 0, 0, 0]);
    bytes.extend_from_slice(&body);
    bytes
}

fn bracket(kind: u8, sequence: u8) -> Vec<u8> {
    message([kind, 0], 0x1, sequence, &[&[0, 0, 0, 10]])
}

fn bytes_of(batch: &Batch) -> Vec<u8> {
    let encoded = encode(batch, 1).map_err(|(_, error)| error).unwrap();
    encoded.writer.bytes().to_vec()
}

#[cfg(target_endian = "little")]
#[test]
fn a_table_is_these_bytes() {
    let mut batch = Batch::new();
    batch.add_table(&Table::new(Family::Inet, name!("vch")));
    let table = message(
        [0, 10],
        0x1 | 0x4 | 0x400,
        2,
        &[
            &[1, 0, 0, 0],
            &[8, 0, 1, 0, b'v', b'c', b'h', 0],
            &[8, 0, 2, 0, 0, 0, 0, 0],
        ],
    );
    let wanted = [bracket(0x10, 1), table, bracket(0x11, 3)].concat();
    assert_eq!(bytes_of(&batch), wanted);
}

#[cfg(target_endian = "little")]
#[test]
fn an_element_of_a_concatenated_map_is_these_bytes() {
    let table = Table::new(Family::Ip, name!("t"));
    let map = Set::map(
        name!("m"),
        [DataType::Protocol, DataType::Service],
        [DataType::Ipv4],
    );
    let element = Element::new([Datum::TCP, Datum::Service(0x1f90)])
        .to_values([Ipv4Addr::new(172, 18, 0, 2).into()]);
    let mut batch = Batch::new();
    batch.add_elements(&table, &map, vec![element]);
    let elements = message(
        [12, 10],
        0x1 | 0x4 | 0x400,
        2,
        &[
            &[2, 0, 0, 0],
            &[6, 0, 1, 0, b't', 0, 0, 0],
            &[6, 0, 2, 0, b'm', 0, 0, 0],
            &[36, 0, 3, 0x80],               // elements
            &[32, 0, 1, 0x80],               // one
            &[16, 0, 1, 0x80, 12, 0, 1, 0],  // key, value
            &[6, 0, 0, 0, 0x1f, 0x90, 0, 0], // each field fills a register
            &[12, 0, 2, 0x80, 8, 0, 1, 0, 172, 18, 0, 2],
        ],
    );
    let wanted = [bracket(0x10, 1), elements, bracket(0x11, 3)].concat();
    assert_eq!(bytes_of(&batch), wanted);
}

#[cfg(target_endian = "little")]
#[test]
fn a_rule_with_a_comment_is_these_bytes() {
    let table = Table::new(Family::Ip, name!("t"));
    let rule = Rule::new()
        .is(Field::L4Proto, Datum::TCP)
        .comment(Comment::new("x").unwrap());
    let mut batch = Batch::new();
    batch.add_rule(&table, &name!("c"), rule);
    let rule = message(
        [6, 10],
        0x1 | 0x4 | 0x400 | 0x800,
        2,
        &[
            &[2, 0, 0, 0],
            &[6, 0, 1, 0, b't', 0, 0, 0],
            &[6, 0, 2, 0, b'c', 0, 0, 0],
            &[84, 0, 4, 0x80],
            &[36, 0, 1, 0x80, 9, 0, 1, 0],
            b"meta\0\0\0\0",
            &[20, 0, 2, 0x80],
            &[8, 0, 2, 0, 0, 0, 0, 16],
            &[8, 0, 1, 0, 0, 0, 0, 8],
            &[44, 0, 1, 0x80, 8, 0, 1, 0],
            b"cmp\0",
            &[32, 0, 2, 0x80],
            &[8, 0, 1, 0, 0, 0, 0, 8],
            &[8, 0, 2, 0, 0, 0, 0, 0],
            &[12, 0, 3, 0x80, 5, 0, 1, 0, 6, 0, 0, 0],
            &[8, 0, 7, 0, 0, 2, b'x', 0],
        ],
    );
    let wanted = [bracket(0x10, 1), rule, bracket(0x11, 3)].concat();
    let found = bytes_of(&batch);
    assert_eq!(found, wanted, "\n{found:?}\n{wanted:?}");
}

#[test]
fn elements_are_spread_over_messages_of_one_operation() {
    let table = Table::new(Family::Ip, name!("t"));
    let set = Set::new(name!("s"), [DataType::Ipv4]);
    let elements = |count: u32| -> Vec<Element> {
        let address = |n: u32| Element::new([Ipv4Addr::from(n).into()]);
        (0..count).map(address).collect()
    };
    let mut batch = Batch::new();
    batch.add_table(&table);
    batch.add_elements(&table, &set, elements(10_000));
    batch.add_elements(&table, &set, elements(0));
    let encoded = encode(&batch, u32::MAX - 1).map_err(|(_, e)| e).unwrap();
    assert!(!encoded.writer.is_too_long());
    assert_eq!(encoded.origins, [0, 1, 1, 1]);
    assert_eq!(encoded.origin(u32::MAX - 1), None);
    assert_eq!(encoded.origin(u32::MAX), Some(0));
    assert_eq!(encoded.origin(0), Some(1));
    assert_eq!(encoded.origin(2), Some(1));
    assert_eq!(encoded.origin(3), None);
}

#[test]
fn what_cannot_be_said_is_refused_with_its_position() {
    let table = Table::new(Family::Ip, name!("t"));
    let set = Set::new(name!("s"), [DataType::Ipv4]);
    let refusal = |operation: Operation| {
        let batch: Batch = [Operation::AddTable(table.clone()), operation]
            .into_iter()
            .collect();
        let (index, error) = encode(&batch, 0).err().unwrap();
        assert_eq!(index, 1);
        error
    };
    let port = Element::new([Datum::Service(1)]);
    let error = refusal(Operation::AddElements(
        table.clone(),
        set.clone(),
        vec![port],
    ));
    assert!(matches!(error, EncodeError::Element(_)), "{error}");

    let arp = Table::new(Family::Arp, name!("t"));
    let chain = Chain::nat(name!("c"), Hook::Prerouting, 0);
    let error = refusal(Operation::AddChain(arp, chain));
    assert_eq!(
        error.to_string(),
        "chain c: family arp has no hook prerouting"
    );

    let rule = Rule::new().is(Field::IpSource, Datum::Service(1));
    let error = refusal(Operation::AddRule(
        table.clone(),
        name!("c"),
        Position::End,
        rule,
    ));
    assert!(matches!(error, EncodeError::Rule(RuleError::Type { .. })));

    let mut long = Rule::new();
    for _ in 0..4000 {
        long = long.counter();
    }
    let error = refusal(Operation::AddRule(
        table.clone(),
        name!("c"),
        Position::End,
        long,
    ));
    assert!(matches!(
        error,
        EncodeError::RuleTooLong { statements: 4000 }
    ));

    let wide = Set::new(name!("w"), vec![DataType::Ipv6; 5]);
    let error = refusal(Operation::AddSet(table.clone(), wide));
    assert!(error.to_string().contains("not 80"), "{error}");
}

#[test]
fn the_longest_element_fits_behind_a_list_that_is_almost_full() {
    let table = Table::new(Family::Inet, Name::new("t".repeat(255)).unwrap());
    let key = vec![DataType::Ipv6; 4];
    let set = Set::verdict_map(name!("s"), key).with_intervals();
    let verdict = Verdict::Jump(Name::new("c".repeat(255)).unwrap());
    let bounds = vec![Datum::Ipv6(std::net::Ipv6Addr::UNSPECIFIED); 4];
    let element = Element::range(bounds.clone(), bounds).to_verdict(verdict);
    let mut batch = Batch::new();
    batch.add_elements(&table, &set, vec![element; 1000]);
    let encoded = encode(&batch, 0).map_err(|(_, e)| e).unwrap();
    assert!(!encoded.writer.is_too_long());
}
