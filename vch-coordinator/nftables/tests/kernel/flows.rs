//! Marks from maps, and sets that packets fill.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

use vch_nftables::*;

use crate::space::{nft, program, space};

const FLOW_TIME: Duration = Duration::from_secs(3600);

fn flows(size: u32) -> Set {
    let key = [DataType::Protocol, DataType::Ipv4, DataType::Service];
    Set::new(name!("flows"), key).dynamic(size)
}

/// Remembers what leaves, by a set of `size` flows; what can't be remembered is dropped.
fn remembering(size: u32) -> (Table, Set, Batch) {
    let (table, flows) = (Table::new(Family::Inet, name!("vch")), flows(size));
    let chain = name!("output");
    let key = [Field::L4Proto, Field::IpDestination, Field::DestinationPort];
    let udp = || Rule::new().is(Field::L4Proto, Datum::UDP);
    let mut batch = Batch::new();
    batch.replace_table(&table);
    batch.add_set(&table, &flows);
    batch.add_chain(
        &table,
        Chain::filter(chain.clone(), Hook::Output, 0, Policy::Accept),
    );
    let remember = udp().update(flows.name.clone(), key, FLOW_TIME).accept();
    batch.add_rule(&table, &chain, remember);
    batch.add_rule(&table, &chain, udp().drop());
    (table, flows, batch)
}

fn flow(port: u16) -> Element {
    Element::new([Datum::UDP, Ipv4Addr::LOCALHOST.into(), Datum::Service(port)])
}

/// Whether a datagram could be sent there.
fn sent(socket: &UdpSocket, port: u16) -> bool {
    match socket.send_to(b"x", (Ipv4Addr::LOCALHOST, port)) {
        Ok(_) => true,
        Err(error) if error.raw_os_error() == Some(Errno::EPERM as i32) => false,
        Err(error) => panic!("{error}"),
    }
}

fn client() -> UdpSocket {
    program("ip", "iproute2", &["link", "set", "lo", "up"], "");
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap()
}

#[test]
fn packets_fill_a_set_up_to_its_size_and_no_further() {
    space(|| {
        let (table, flows, batch) = remembering(2);
        let mut connection = Connection::open().unwrap();
        connection.commit(&batch).unwrap();
        let client = client();
        assert!(sent(&client, 7001) && sent(&client, 7002));
        assert!(sent(&client, 7001), "what is known is no new element");
        assert!(!sent(&client, 7003), "the set is full");
        let found = connection.elements(&table, &flows).unwrap();
        assert_eq!(found, BTreeSet::from([flow(7001), flow(7002)]));
    });
}

#[test]
fn a_set_that_packets_fill_is_read_back_and_shown_by_nft_as_it_was_wanted() {
    let (table, flows, batch) = remembering(500);
    let list = ["-s", "list", "ruleset"];
    let by_batch = space(|| {
        let mut connection = Connection::open().unwrap();
        connection.commit(&batch).unwrap();
        let sets = connection.sets(&table).unwrap();
        assert_eq!(sets[0].value.as_ref(), Some(&flows));
        nft(&list, "")
    });
    let by_words = space(|| {
        nft(&["-f", "-"], &batch.to_string());
        nft(&list, "")
    });
    assert_eq!(by_batch, by_words, "\n{batch}\n{by_batch}\n{by_words}");
    assert!(by_batch.contains("timeout 1h"), "{by_batch}");
}

#[test]
fn a_mark_comes_from_a_map_and_decides() {
    let table = Table::new(Family::Inet, name!("vch"));
    let numbers = Set::map(name!("numbers"), [DataType::Service], [DataType::Mark]);
    let chain = name!("output");
    let mut batch = Batch::new();
    batch.replace_table(&table);
    batch.add_set(&table, &numbers);
    batch.add_chain(
        &table,
        Chain::filter(chain.clone(), Hook::Output, 0, Policy::Accept),
    );
    for rule in [
        Rule::new()
            .is(Field::L4Proto, Datum::UDP)
            .set_mark_map([Field::DestinationPort], numbers.name.clone()),
        Rule::new().is(Field::Mark, Datum::Mark(7)).drop(),
    ] {
        batch.add_rule(&table, &chain, rule);
    }
    let number = |port, mark| Element::new([Datum::Service(port)]).to_values([Datum::Mark(mark)]);
    batch.add_elements(&table, &numbers, vec![number(7001, 7), number(7002, 8)]);
    let list = ["-s", "list", "ruleset"];
    let by_batch = space(|| {
        Connection::open().unwrap().commit(&batch).unwrap();
        let client = client();
        assert!(!sent(&client, 7001), "its mark is 7");
        assert!(sent(&client, 7002), "its mark is 8");
        assert!(sent(&client, 7003), "it has no mark");
        nft(&list, "")
    });
    let by_words = space(|| {
        nft(&["-f", "-"], &batch.to_string());
        nft(&list, "")
    });
    assert_eq!(by_batch, by_words, "\n{batch}\n{by_batch}\n{by_words}");
}

#[test]
fn a_chain_and_the_element_that_leads_to_it_come_and_go_in_one_transaction() {
    space(|| {
        let table = Table::new(Family::Inet, name!("vch"));
        let services = Set::verdict_map(name!("services"), [DataType::Service]);
        let mut connection = Connection::open().unwrap();
        let mut batch = Batch::new();
        batch.replace_table(&table);
        batch.add_set(&table, &services);
        batch.add_chain(
            &table,
            Chain::filter(name!("output"), Hook::Output, 0, Policy::Accept),
        );
        let lookup = Rule::new()
            .is(Field::L4Proto, Datum::UDP)
            .verdict_map([Field::DestinationPort], services.name.clone());
        batch.add_rule(&table, &name!("output"), lookup);
        connection.commit(&batch).unwrap();
        let client = client();
        let element =
            Element::new([Datum::Service(7001)]).to_verdict(Verdict::Jump(name!("nobody")));
        for _ in 0..2 {
            assert!(sent(&client, 7001));
            let mut come = Batch::new();
            come.add_chain(&table, Chain::regular(name!("nobody")));
            come.add_rule(&table, &name!("nobody"), Rule::new().drop());
            come.add_elements(&table, &services, vec![element.clone()]);
            connection.commit(&come).unwrap();
            assert!(!sent(&client, 7001));
            let mut early = Batch::new();
            early.push(Operation::DeleteChain(table.clone(), name!("nobody")));
            let refused = connection.commit(&early).unwrap_err();
            assert_eq!(refused.errno(), Some(Errno::EBUSY), "{refused}");
            let mut go = Batch::new();
            go.delete_elements(&table, &services, vec![element.clone()]);
            go.append(early);
            connection.commit(&go).unwrap();
            assert_eq!(connection.chains(&table).unwrap().len(), 1);
        }
    });
}

#[test]
fn a_table_that_is_switched_off_is_not_among_the_tables() {
    space(|| {
        let table = Table::new(Family::Inet, name!("vch"));
        let mut connection = Connection::open().unwrap();
        let mut batch = Batch::new();
        batch.add_table(&table);
        connection.commit(&batch).unwrap();
        assert!(connection.tables().unwrap().contains(&table));
        nft(&["-f", "-"], "add table inet vch { flags dormant; }");
        assert!(!connection.tables().unwrap().contains(&table));
        batch.replace_table(&table);
        connection.commit(&batch).unwrap();
        assert!(connection.tables().unwrap().contains(&table));
    });
}
