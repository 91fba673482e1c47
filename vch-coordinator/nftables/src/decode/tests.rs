use std::net::Ipv4Addr;

use proptest::prelude::*;

use super::*;
use crate::encode::encode;
use crate::wire::messages;
use crate::{Batch, name};

fn sets() -> [Set; 5] {
    let ranges = Set::new(name!("ranges"), [DataType::Ipv4]).with_intervals();
    let both = Set::new(name!("both"), [DataType::Ipv4, DataType::Service]).with_intervals();
    let flows = Set::new(name!("flows"), [DataType::Protocol, DataType::Ipv6]).dynamic(9);
    [
        Set::map(
            name!("map"),
            [DataType::Ipv4, DataType::Protocol, DataType::Service],
            [DataType::Ipv4, DataType::Service],
        ),
        Set::verdict_map(name!("verdicts"), [DataType::Interface, DataType::Ether]),
        ranges,
        both,
        flows,
    ]
}

/// Reads a message as everything that it might be.
fn read_as_all(bytes: &[u8]) {
    for message in messages(bytes).map_while(Result::ok) {
        let _ = (table(message), chain(message), set(message), rule(message));
        for set in sets() {
            let mut elements = Elements::new(&set);
            let _ = elements.take(message);
            let _ = elements.finish();
        }
    }
}

/// Returns a message of nf_tables with this body behind its header.
fn framed(body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(20 + body.len()).unwrap();
    let mut bytes = length.to_ne_bytes().to_vec();
    bytes.extend_from_slice(&[0; 12]);
    bytes.extend_from_slice(&[1, 0, 0, 0]);
    bytes.extend_from_slice(body);
    bytes
}

fn batch_of(set: &Set, elements: Vec<Element>) -> Vec<u8> {
    let table = Table::new(Family::Inet, name!("t"));
    let mut batch = Batch::new();
    batch.add_table(&table);
    batch.add_set(&table, set);
    batch.add_elements(&table, set, elements);
    let encoded = encode(&batch, 0).map_err(|(_, error)| error).unwrap();
    encoded.writer.bytes().to_vec()
}

fn read_elements(set: &Set, bytes: &[u8]) -> BTreeSet<Element> {
    let mut elements = Elements::new(set);
    for message in messages(bytes).map(Result::unwrap) {
        if message.nf_tables() == Some(abi::message::NEW_ELEMENT) {
            elements.take(message).unwrap();
        }
    }
    elements.finish().unwrap()
}

fn port((address, port, to): (u32, u16, u32)) -> Element {
    Element::new([
        Ipv4Addr::from(address).into(),
        Datum::TCP,
        Datum::Service(port),
    ])
    .to_values([Ipv4Addr::from(to).into(), Datum::Service(port)])
}

proptest! {
    #[test]
    fn no_bytes_panic(body in prop::collection::vec(any::<u8>(), 0..300)) {
        read_as_all(&framed(&body));
        read_as_all(&body);
    }

    #[test]
    fn no_damaged_message_panics(
        index in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let elements = vec![port((1, 2, 3)), port((4, 5, 6))];
        let mut bytes = batch_of(&sets()[0], elements);
        let at = index.index(bytes.len());
        bytes[at] = byte;
        read_as_all(&bytes);
        bytes.truncate(cut.index(bytes.len()));
        read_as_all(&bytes);
    }

    #[test]
    fn elements_that_were_encoded_are_decoded(
        ports in prop::collection::vec(any::<(u32, u16, u32)>(), 0..50),
    ) {
        let set = &sets()[0];
        let elements: Vec<Element> = ports.into_iter().map(port).collect();
        let found = read_elements(set, &batch_of(set, elements.clone()));
        prop_assert_eq!(found, elements.into_iter().collect());
    }

    #[test]
    fn ranges_that_do_not_overlap_are_decoded_as_they_were(
        mut edges in prop::collection::btree_set(any::<u32>(), 0..60),
        highest in any::<bool>(),
    ) {
        if highest {
            edges.insert(u32::MAX);
        }
        let edges: Vec<u32> = edges.into_iter().collect();
        let elements: Vec<Element> = edges
            .chunks_exact(2)
            .map(|pair| {
                Element::range([Ipv4Addr::from(pair[0]).into()], [Ipv4Addr::from(pair[1]).into()])
            })
            .collect();
        let set = &sets()[2];
        let found = read_elements(set, &batch_of(set, elements.clone()));
        prop_assert_eq!(found, elements.into_iter().collect());
    }

    #[test]
    fn sets_that_were_encoded_are_decoded(which in 0usize..5) {
        let wanted = sets()[which].clone();
        let bytes = batch_of(&wanted, Vec::new());
        let message = messages(&bytes).map(Result::unwrap).find(|message| {
            message.nf_tables() == Some(abi::message::NEW_SET)
        });
        let found = set(message.unwrap()).unwrap().unwrap();
        prop_assert_eq!(found.value, Some(wanted));
    }
}

#[test]
fn neighbouring_ranges_stay_apart() {
    let set = &sets()[2];
    let half = |n: u8| Element::subnet(Ipv4Addr::new(10, 0, 0, n).into(), 25);
    let elements = vec![half(0), half(128)];
    let found = read_elements(set, &batch_of(set, elements.clone()));
    assert_eq!(found, elements.into_iter().collect());
}

#[test]
fn user_data_that_holds_no_comment_is_no_error() {
    assert_eq!(comment(&[0, 3, b'h', b'i', 0]).as_deref(), Some("hi"));
    assert_eq!(comment(&[9, 1, 7, 0, 2, b'x', 0]).as_deref(), Some("x"));
    for none in [&[][..], &[0], &[0, 200, 1], &[5, 1, 1]] {
        assert_eq!(comment(none), None);
    }
}
