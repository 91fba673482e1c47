//! Batches, what is read back of them, and what nft shows of them.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use vch_nftables::*;

use crate::ruleset::{self, Vch};
use crate::space::{nft, readable, space};

#[test]
fn a_committed_ruleset_is_read_back_as_it_was_wanted() {
    space(|| {
        let vch = Vch::new();
        let mut connection = Connection::open().unwrap();
        connection.commit(&vch.batch()).unwrap();

        let tables = connection.tables().unwrap();
        assert_eq!(
            tables,
            BTreeSet::from([vch.inet.clone(), vch.bridge.clone()])
        );
        let chains = connection.chains(&vch.inet).unwrap();
        let chains: Vec<Chain> = chains.into_iter().filter_map(|found| found.value).collect();
        assert_eq!(chains, vch.inet_chains());
        let sets = connection.sets(&vch.inet).unwrap();
        let sets: Vec<Set> = sets.into_iter().filter_map(|found| found.value).collect();
        assert_eq!(
            sets,
            [
                vch.bridges.clone(),
                vch.published.clone(),
                vch.services.clone(),
                vch.clients.clone()
            ]
        );
        let published = connection.elements(&vch.inet, &vch.published).unwrap();
        assert_eq!(published, vch.published_elements().into_iter().collect());
        let anti_spoof = connection.elements(&vch.bridge, &vch.anti_spoof).unwrap();
        assert_eq!(anti_spoof, vch.anti_spoof_elements().into_iter().collect());
        let clients = connection.elements(&vch.inet, &vch.clients).unwrap();
        assert_eq!(clients, vch.client_elements().into_iter().collect());
        let rules = connection.rules(&vch.inet).unwrap();
        let comments: Vec<_> = rules.iter().map(|rule| rule.comment.as_deref()).collect();
        assert_eq!(comments[0], Some("published ports"));
        assert_eq!(rules.len(), vch.inet_rules().len());
    });
}

#[test]
fn nft_shows_the_same_ruleset_for_a_batch_and_for_its_words() {
    let vch = Vch::new();
    let batch = vch.batch();
    let by_batch = space(|| {
        Connection::open().unwrap().commit(&batch).unwrap();
        nft(&["-s", "list", "ruleset"], "")
    });
    let by_words = space(|| {
        nft(&["-f", "-"], &batch.to_string());
        nft(&["-s", "list", "ruleset"], "")
    });
    assert_eq!(by_batch, by_words, "\n{batch}\n{by_batch}\n{by_words}");
    assert!(by_batch.contains("dnat ip to ip daddr . meta l4proto . th dport map @published"));
}

#[test]
fn nft_reads_every_kind_of_statement_as_it_was_written() {
    for (family, rule) in ruleset::every_statement() {
        let table = Table::new(family, name!("words"));
        let hook = match family {
            Family::Arp => Hook::Input,
            _ => Hook::Prerouting,
        };
        let mut batch = Batch::new();
        batch.add_table(&table);
        batch.add_chain(&table, Chain::regular(name!("other")));
        batch.add_chain(&table, Chain::filter(name!("c"), hook, 10, Policy::Accept));
        batch.add_rule(&table, &name!("c"), rule.clone());
        let list = ["-s", "list", "ruleset"];
        let by_batch = space(|| {
            let committed = Connection::open().unwrap().commit(&batch);
            committed.unwrap_or_else(|error| panic!("{rule}: {error}"));
            nft(&list, "")
        });
        let by_words = space(|| {
            nft(&["-f", "-"], &batch.to_string());
            nft(&list, "")
        });
        assert_eq!(by_batch, by_words, "{family} {rule}");
    }
}

#[test]
fn concatenated_ranges_are_kept_and_read_back() {
    let table = Table::new(Family::Inet, name!("vch"));
    let types = [DataType::Ipv4, DataType::Service];
    let set = Set::new(name!("both"), types).with_intervals();
    let element = |n: u8, ports: (u16, u16)| {
        Element::range(
            [Ipv4Addr::new(10, n, 0, 0).into(), Datum::Service(ports.0)],
            [
                Ipv4Addr::new(10, n, 255, 255).into(),
                Datum::Service(ports.1),
            ],
        )
    };
    let elements = vec![element(1, (80, 80)), element(2, (8000, 8099))];
    let mut batch = Batch::new();
    batch.add_table(&table);
    batch.add_set(&table, &set);
    batch.add_elements(&table, &set, elements.clone());
    let words = batch.to_string();
    let by_batch = space(move || {
        let mut connection = Connection::open().unwrap();
        connection.commit(&batch).unwrap();
        let found = connection.elements(&table, &set).unwrap();
        assert_eq!(found, elements.clone().into_iter().collect());
        let sets = connection.sets(&table).unwrap();
        assert_eq!(sets[0].value.as_ref(), Some(&set));
        let listed = nft(&["list", "ruleset"], "");
        let mut gone = Batch::new();
        gone.delete_elements(&table, &set, elements);
        connection.commit(&gone).unwrap();
        assert!(connection.elements(&table, &set).unwrap().is_empty());
        listed
    });
    let by_words = space(move || {
        nft(&["-f", "-"], &words);
        nft(&["list", "ruleset"], "")
    });
    assert_eq!(by_batch, by_words);
}

#[test]
fn json_of_nft_names_the_map_and_its_elements() {
    space(|| {
        let vch = Vch::new();
        Connection::open().unwrap().commit(&vch.batch()).unwrap();
        let json = nft(&["-j", "list", "map", "inet", "vch", "published"], "");
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        let map = &json["nftables"][1]["map"];
        assert_eq!(
            map["type"],
            serde_json::json!(["ipv4_addr", "inet_proto", "inet_service"])
        );
        let element = serde_json::json!([
            {"concat": ["10.2.0.1", "tcp", 8080]},
            {"concat": ["172.18.0.2", 80]},
        ]);
        assert!(map["elem"].as_array().unwrap().contains(&element), "{map}");
    });
}

#[test]
fn a_refused_batch_names_its_operation_and_changes_nothing() {
    space(|| {
        let vch = Vch::new();
        let mut connection = Connection::open().unwrap();
        connection.commit(&vch.batch()).unwrap();
        let before = nft(&["list", "ruleset"], "");
        let taken = vch.published_elements()[0].clone();
        let other = Element {
            data: Some(Data::Values(vec![
                Ipv4Addr::new(172, 18, 0, 99).into(),
                Datum::Service(1),
            ])),
            ..taken.clone()
        };
        let mut batch = Batch::new();
        batch.add_chain(&vch.inet, Chain::regular(name!("fresh")));
        batch.add_elements(&vch.inet, &vch.published, vec![other.clone()]);
        batch.add_chain(&vch.inet, Chain::regular(name!("fresher")));

        let error = connection.commit(&batch).unwrap_err();
        let CommitError::Refused {
            operation, errno, ..
        } = &error
        else {
            panic!("{error}");
        };
        assert_eq!((operation.index, *errno), (1, Errno::EEXIST));
        assert!(
            error.to_string().contains("add element inet vch published"),
            "{error}"
        );
        assert_eq!(nft(&["list", "ruleset"], ""), before);

        let mut replace = Batch::new();
        replace.delete_elements(&vch.inet, &vch.published, vec![taken.clone()]);
        replace.add_elements(&vch.inet, &vch.published, vec![other.clone()]);
        connection.commit(&replace).unwrap();
        let found = connection.elements(&vch.inet, &vch.published).unwrap();
        assert!(found.contains(&other) && !found.contains(&taken));
    });
}

#[test]
fn an_element_that_is_there_already_is_added_again_without_harm() {
    space(|| {
        let vch = Vch::new();
        let mut connection = Connection::open().unwrap();
        connection.commit(&vch.batch()).unwrap();
        let mut again = Batch::new();
        again.add_elements(&vch.inet, &vch.published, vch.published_elements());
        again.add_elements(&vch.inet, &vch.clients, vch.client_elements());
        connection.commit(&again).unwrap();
        let mut gone = Batch::new();
        gone.delete_elements(&vch.inet, &vch.published, vch.published_elements());
        gone.delete_elements(&vch.inet, &vch.clients, vch.client_elements());
        connection.commit(&gone).unwrap();
        assert!(
            connection
                .elements(&vch.inet, &vch.clients)
                .unwrap()
                .is_empty()
        );
        let error = connection.commit(&gone).unwrap_err();
        assert_eq!(error.errno(), Some(Errno::ENOENT));
    });
}

#[test]
fn fifty_thousand_elements_go_in_one_transaction_and_come_back() {
    space(|| {
        let vch = Vch::new();
        let mut connection = Connection::open().unwrap();
        let elements: Vec<Element> = (0..50_000).map(ruleset::numbered).collect();
        let mut batch = vch.batch();
        batch.add_elements(&vch.inet, &vch.published, elements.clone());
        connection.commit(&batch).unwrap();
        let mut wanted: BTreeSet<Element> = elements.iter().cloned().collect();
        wanted.extend(vch.published_elements());
        assert_eq!(
            connection.elements(&vch.inet, &vch.published).unwrap(),
            wanted
        );

        let mut gone = Batch::new();
        gone.delete_elements(&vch.inet, &vch.published, elements);
        connection.commit(&gone).unwrap();
        let left = connection.elements(&vch.inet, &vch.published).unwrap();
        assert_eq!(left, vch.published_elements().into_iter().collect());
    });
}

#[test]
fn thousands_of_refusals_are_reported_as_the_first_of_them() {
    space(|| {
        let table = Table::new(Family::Inet, name!("absent"));
        let mut batch = Batch::new();
        for _ in 0..20_000 {
            batch.push(Operation::FlushTable(table.clone()));
        }
        let mut connection = Connection::open().unwrap();
        let error = connection.commit(&batch).unwrap_err();
        let CommitError::Refused { operation, .. } = error else {
            panic!("{error}");
        };
        assert_eq!(operation.index, 0);
        connection.commit(&Vch::new().batch()).unwrap();
    });
}

#[test]
fn rules_are_deleted_by_handle_and_inserted_in_front() {
    space(|| {
        let vch = Vch::new();
        let mut connection = Connection::open().unwrap();
        connection.commit(&vch.batch()).unwrap();
        let rules = connection.rules(&vch.inet).unwrap();
        let first = Comment::new("in front").unwrap();
        let mut batch = Batch::new();
        batch.delete_rule(&vch.inet, &rules[0].chain, rules[0].handle);
        batch.push(Operation::AddRule(
            vch.inet.clone(),
            rules[0].chain.clone(),
            Position::Start,
            Rule::new().counter().comment(first),
        ));
        connection.commit(&batch).unwrap();
        let after = connection.rules(&vch.inet).unwrap();
        assert_eq!(after.len(), rules.len());
        assert_eq!(after[0].comment.as_deref(), Some("in front"));
        assert_ne!(after[0].handle, rules[0].handle);
    });
}

#[test]
fn flushes_and_deletes_leave_what_they_say() {
    space(|| {
        let vch = Vch::new();
        let mut connection = Connection::open().unwrap();
        connection.commit(&vch.batch()).unwrap();
        let mut batch = Batch::new();
        batch.push(Operation::FlushTable(vch.inet.clone()));
        batch.push(Operation::FlushSet(
            vch.inet.clone(),
            vch.published.name.clone(),
        ));
        batch.push(Operation::DeleteSet(
            vch.inet.clone(),
            vch.clients.name.clone(),
        ));
        batch.push(Operation::DeleteChain(vch.inet.clone(), name!("forward")));
        batch.push(Operation::FlushChain(
            vch.bridge.clone(),
            name!("prerouting"),
        ));
        connection.commit(&batch).unwrap();
        assert!(connection.rules(&vch.inet).unwrap().is_empty());
        assert!(connection.rules(&vch.bridge).unwrap().is_empty());
        assert!(
            connection
                .elements(&vch.inet, &vch.published)
                .unwrap()
                .is_empty()
        );
        assert_eq!(connection.sets(&vch.inet).unwrap().len(), 3);
        assert_eq!(connection.chains(&vch.inet).unwrap().len(), 2);
        let missing = connection.elements(&vch.inet, &vch.clients).unwrap_err();
        assert!(missing.is_missing(), "{missing}");
        let mut batch = Batch::new();
        batch.delete_table(&vch.inet);
        batch.delete_table(&vch.bridge);
        connection.commit(&batch).unwrap();
        assert!(connection.tables().unwrap().is_empty());
        assert!(connection.chains(&vch.inet).unwrap().is_empty());
    });
}

#[test]
fn a_table_outlives_the_connection_that_made_it() {
    space(|| {
        let vch = Vch::new();
        let mut connection = Connection::open().unwrap();
        connection.commit(&vch.batch()).unwrap();
        drop(connection);
        assert!(
            Connection::open()
                .unwrap()
                .tables()
                .unwrap()
                .contains(&vch.inet)
        );
    });
}

#[test]
fn what_another_program_put_into_a_table_is_found_and_equals_nothing() {
    space(|| {
        nft(
            &["-f", "-"],
            "add table inet vch
             add set inet vch odd { type ipv4_addr; flags timeout; }
             add chain inet vch mixed
             add rule inet vch mixed tcp dport { 80, 443 } accept",
        );
        let mut connection = Connection::open().unwrap();
        let table = Table::new(Family::Inet, name!("vch"));
        let sets = connection.sets(&table).unwrap();
        assert_eq!(
            sets,
            [Found {
                name: name!("odd"),
                value: None
            }]
        );
        assert_eq!(connection.rules(&table).unwrap().len(), 1);
    });
}

#[test]
fn a_subscription_tells_others_changes_from_ones_own() {
    space(|| {
        let mut subscription = Subscription::open().unwrap();
        let vch = Vch::new();
        let mut connection = Connection::open().unwrap();
        connection.commit(&vch.batch()).unwrap();
        readable(&subscription);
        let mut own = 0;
        while let Some(event) = subscription.next_event().unwrap() {
            let NftEvent::Change(change) = event else {
                panic!("{event:?}");
            };
            assert_eq!(change.port, connection.port());
            own += 1;
        }
        assert!(own > 10, "{own}");

        nft(&["flush", "ruleset"], "");
        readable(&subscription);
        let mut deleted = BTreeSet::new();
        while let Some(event) = subscription.next_event().unwrap() {
            let NftEvent::Change(change) = event else {
                panic!("{event:?}");
            };
            assert_ne!(change.port, connection.port());
            if change.object == Object::Table && change.deleted {
                deleted.insert(change.table);
            }
        }
        assert_eq!(deleted, BTreeSet::from([vch.inet, vch.bridge]));
    });
}
