use super::*;
use crate::{
    HostChecks, LedgerHandle, Store,
    crash::{Dice, Disk, Power},
    database::Loaded,
    facts::{self, SCHEMA},
    log::Bounds,
};
use redb::{Database, ReadableDatabase};
use std::{collections::BTreeMap, fs, net::Ipv4Addr};
use vch_ledger::{
    Attachment, BridgeOptions, Channel, Ledger, NetworkKind, Refusal, Row, SegmentKind, Settings,
    VchId,
};

/// A store that the last release of schema 1 wrote: networks with every kind of subnet, containers
/// on every kind of channel, some of them started, endpoints, addresses at rest.
const V1: &[u8] = include_bytes!("v1.redb");
/// One that the last release of schema 2 wrote: networks, containers that run and do not, linked and
/// published in every way, a document.
const V2: &[u8] = include_bytes!("v2.redb");
/// One that the last build of schema 3 wrote: networks with options of every kind, one that was made of a
/// configuration, containers that run and do not, one that misses a network.
const V3: &[u8] = include_bytes!("v3.redb");

/// One that the last build of schema 4 wrote: endpoints with everything that they could have, on taps and a pair of
/// links, one whose network is gone; a document, a published port.
const V4: &[u8] = include_bytes!("v4.redb");

fn open(disk: &Disk) -> Result<(Store, Loaded), StoreError> {
    let database = Database::builder()
        .create_with_backend(disk.clone())
        .map_err(failed("open"))?;
    Store::begin(database, None, Bounds::default(), &mut |_| {
        panic!("a store that is there has its identity")
    })
}

fn migrated() -> (Store, Loaded) {
    open(&Disk::holding(V1.to_vec(), Power::Good)).unwrap()
}

fn ledger(loaded: &Loaded) -> Ledger {
    let settings = Settings::of(loaded.vch);
    Ledger::load(settings, loaded.rows.clone(), loaded.revision).unwrap()
}

#[test]
fn rows_of_schema_1_are_read_and_written_byte_for_byte() {
    let disk = Disk::holding(V1.to_vec(), Power::Good);
    let database = Database::builder().create_with_backend(disk).unwrap();
    let read = database.begin_read().unwrap();
    let table = read.open_table(ROWS).unwrap();
    let mut kinds = BTreeMap::<_, u32>::new();
    for entry in table.iter().unwrap() {
        let (_, value) = entry.unwrap();
        let row: v1::Row = decode("rows", value.value()).unwrap();
        assert_eq!(encode("rows", &row).unwrap(), value.value());
        *kinds.entry(value.value()[0]).or_default() += 1;
    }
    let every_kind = BTreeMap::from([(0, 4), (1, 4), (2, 5), (3, 2), (4, 4)]);
    assert_eq!(kinds, every_kind);
}

#[test]
fn rows_of_schema_2_are_read_and_written_byte_for_byte() {
    let disk = Disk::holding(V2.to_vec(), Power::Good);
    let database = Database::builder().create_with_backend(disk).unwrap();
    let read = database.begin_read().unwrap();
    let table = read.open_table(ROWS).unwrap();
    let mut kinds = BTreeMap::<_, u32>::new();
    for entry in table.iter().unwrap() {
        let (_, value) = entry.unwrap();
        let row: v2::Row = decode("rows", value.value()).unwrap();
        assert_eq!(encode("rows", &row).unwrap(), value.value());
        *kinds.entry(value.value()[0]).or_default() += 1;
    }
    assert!((0..7).all(|kind| kinds.contains_key(&kind)), "{kinds:?}");
}

#[test]
fn rows_of_schema_3_are_read_and_written_byte_for_byte() {
    let disk = Disk::holding(V3.to_vec(), Power::Good);
    let database = Database::builder().create_with_backend(disk).unwrap();
    let read = database.begin_read().unwrap();
    let table = read.open_table(ROWS).unwrap();
    let mut kinds = BTreeMap::<_, u32>::new();
    for entry in table.iter().unwrap() {
        let (_, value) = entry.unwrap();
        let row: v3::Row = decode("rows", value.value()).unwrap();
        assert_eq!(encode("rows", &row).unwrap(), value.value());
        *kinds.entry(value.value()[0]).or_default() += 1;
    }
    assert!((0..7).all(|kind| kinds.contains_key(&kind)), "{kinds:?}");
}

#[test]
fn rows_of_schema_4_are_read_and_written_byte_for_byte() {
    let disk = Disk::holding(V4.to_vec(), Power::Good);
    let database = Database::builder().create_with_backend(disk).unwrap();
    let read = database.begin_read().unwrap();
    let table = read.open_table(ROWS).unwrap();
    let mut kinds = BTreeMap::<_, u32>::new();
    for entry in table.iter().unwrap() {
        let (_, value) = entry.unwrap();
        let row: v4::Row = decode("rows", value.value()).unwrap();
        assert_eq!(encode("rows", &row).unwrap(), value.value());
        *kinds.entry(value.value()[0]).or_default() += 1;
    }
    assert!((0..7).all(|kind| kinds.contains_key(&kind)), "{kinds:?}");
}

#[test]
fn endpoints_of_schema_4_have_no_limit_and_all_that_they_had() {
    let (_store, loaded) = open(&Disk::holding(V4.to_vec(), Power::Good)).unwrap();
    let ledger = ledger(&loaded);
    let mut rows = loaded.rows;
    rows.sort_by_key(Row::key);
    assert_eq!(ledger.rows(), rows);
    assert_eq!(ledger.endpoints().len(), 4);
    assert!(ledger.endpoints().all(|endpoint| endpoint.rate.is_none()));
    let id = |name: &str| ledger.container(&name.into()).unwrap().id;
    let network = ledger.network(&"app".into()).unwrap();
    assert_eq!(network.dns_ttl, 60.try_into().ok());
    let web = ledger.endpoint_of(id("web"), network.id).unwrap();
    assert_eq!(
        (
            web.interface.as_str(),
            web.gateway_priority,
            web.only_healthy
        ),
        ("lan0", 7, true)
    );
    assert_eq!(
        (web.aliases.len(), web.links.len(), web.awaited_links.len()),
        (1, 1, 1)
    );
    assert_eq!(web.sysctls.len(), 1);
    assert_eq!(ledger.bindings_of(id("web")).count(), 1);
    assert_eq!(
        ledger.container_by_id(id("cache")).unwrap().missing.len(),
        1
    );
    let veth =
        |endpoint: &&vch_ledger::Endpoint| matches!(endpoint.attachment, Attachment::Veth { .. });
    assert_eq!(ledger.endpoints().filter(veth).count(), 1);
}

#[test]
fn options_of_networks_of_schema_3_are_typed_and_kept_as_they_were_given() {
    let (_store, loaded) = open(&Disk::holding(V3.to_vec(), Power::Good)).unwrap();
    let ledger = ledger(&loaded);
    let mut rows = loaded.rows;
    rows.sort_by_key(Row::key);
    assert_eq!(ledger.rows(), rows);
    let network = |name: &str| ledger.network(&name.into()).unwrap();
    let options = |name: &str| -> BTreeMap<String, String> {
        serde_json::from_str(&network(name).document).unwrap()
    };

    let app = network("app");
    let expected = BridgeOptions {
        icc: false,
        masquerade: false,
        host_binding: Some(Ipv4Addr::LOCALHOST),
        interface_prefix: "lan".parse().ok(),
    };
    assert_eq!(app.bridge, expected);
    let given = options("app");
    assert_eq!(given.len(), 8);
    assert_eq!(given["com.docker.network.bridge.enable_icc"], "f");
    assert_eq!(given["com.example.mine"], "a \"word\"");
    assert_eq!(given["vch.docker.attachable"], "true");

    let odd = network("odd");
    assert!(odd.bridge.icc && odd.bridge.masquerade);
    assert_eq!(odd.bridge.published_at(), None);
    assert_eq!(odd.interface_prefix(), "eth");

    let (later, made) = (network("later"), network("made"));
    assert_eq!(made.configuration, Some(later.id));
    assert!(!made.bridge.icc && !later.bridge.icc);
    assert_eq!(
        (&made.document, made.configuration),
        (&later.document, Some(later.id))
    );
    assert_eq!(
        (&*network("bridge").document, &network("none").bridge),
        ("", &BridgeOptions::default())
    );

    let container = |name: &str| ledger.container(&name.into()).unwrap();
    assert!(container("web").runs() && container("web").domain.is_some());
    assert_eq!(container("db").missing.len(), 1);
}

#[test]
fn a_store_of_schema_2_is_the_same_ledger_afterwards() {
    let (_store, loaded) = open(&Disk::holding(V2.to_vec(), Power::Good)).unwrap();
    let ledger = ledger(&loaded);
    let mut rows = loaded.rows;
    rows.sort_by_key(Row::key);
    assert_eq!(ledger.rows(), rows);
    let container = |name: &str| ledger.container(&name.into()).unwrap();
    let web = container("web");
    assert!(web.runs() && web.publish_all && web.unhealthy);
    assert!(web.domain.is_none() && web.sysctls.is_empty() && web.missing.is_empty());
    let ports: Vec<String> = web.ports.iter().map(ToString::to_string).collect();
    let published = ["8080:80/tcp", "81/tcp", "82/tcp", "0.0.0.0:8443:443/tcp"];
    assert_eq!(ports, published);
    assert_eq!(ledger.bindings_of(web.id).count(), 4);
    let [endpoint] = ledger.endpoints_of(web.id).collect::<Vec<_>>()[..] else {
        panic!("one endpoint");
    };
    assert_eq!(endpoint.gateway_priority, 7);
    assert!(endpoint.sysctls.is_empty());
    assert_eq!(ledger.endpoints_of(container("db").id).count(), 2);
}

#[test]
fn a_store_of_schema_1_is_the_same_ledger_afterwards() {
    let (store, loaded) = migrated();
    assert_eq!(loaded.vch, VchId(*b"schema-one-store"));
    assert_eq!(loaded.revision, Revision(18), "one more than the last");
    let ledger = ledger(&loaded);
    let mut rows = loaded.rows;
    rows.sort_by_key(Row::key);
    assert_eq!(ledger.rows(), rows);
    assert_eq!(loaded.reports.len(), 1);

    let network = |name: &str| ledger.network(&name.into()).unwrap();
    let app = network("app");
    assert_eq!(app.kind, NetworkKind::Bridge(SegmentKind::Dedicated));
    assert_eq!(network("none").kind, NetworkKind::None);
    assert!(network("back").internal && network("bridge").predefined);
    let subnet = &app.subnets[0];
    let gateway = "192.168.40.254".parse().ok();
    assert_eq!((subnet.gateway, subnet.vch), (gateway, gateway));
    let ranges = subnet.ranges.iter().map(ToString::to_string);
    assert_eq!(ranges.collect::<Vec<_>>(), ["192.168.40.64/26"]);
    assert!(app.subnets[1].ranges.is_empty());
    assert_eq!(app.labels["tier"], "front");

    let container = |name: &str| ledger.container(&name.into()).unwrap();
    let web = container("web");
    assert_eq!(web.hostname.as_str(), "Web-1");
    assert_eq!(web.dns.options, ["ndots:2"]);
    assert!(matches!(web.channel, Channel::HybridVsock { .. }));
    assert!(web.ports.is_empty() && !web.publish_all && !web.unhealthy);
    assert_eq!(web.generation.0, 3);
    assert!(ledger.spec(web.id).is_some());
    drop(store);
}

#[test]
fn names_of_schema_1_are_in_force_where_the_container_was_started() {
    let (_store, loaded) = migrated();
    let ledger = ledger(&loaded);
    let mut seen = BTreeMap::new();
    for endpoint in ledger.endpoints() {
        let container = ledger.container_by_id(endpoint.container).unwrap();
        let network = ledger.network_by_id(endpoint.network).unwrap();
        let names = endpoint.names.iter().map(|name| name.as_str().to_owned());
        let names: Vec<_> = names.filter(|name| name.contains('.')).collect();
        let pointer = format!("{}.{}", container.name, network.name);
        assert_eq!(endpoint.pointer.as_str(), pointer);
        let veth = matches!(endpoint.attachment, Attachment::Veth { .. });
        assert_eq!(veth, container.name.as_str() == "db");
        assert!(endpoint.links.is_empty() && endpoint.opened.is_empty());
        seen.insert(pointer, names);
    }
    let names = |text: &str| vec![text.to_owned()];
    let expected = [
        ("cache.bridge", vec![]),
        ("db.back", names("db.back")),
        ("queue.app", vec![]),
        ("web.app", names("web.app")),
        ("web.back", names("web.back")),
    ];
    let expected = expected.map(|(pointer, names)| (pointer.to_owned(), names));
    assert_eq!(seen, BTreeMap::from(expected));
}

#[test]
fn followers_of_a_migrated_store_must_read_everything() {
    let (store, loaded) = migrated();
    assert_eq!(store.oldest(), loaded.revision);
    assert_eq!(store.revision(), loaded.revision);
}

#[tokio::test]
async fn a_migrated_store_goes_on_and_stays_beside_itself_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("ledger.redb"), V1).unwrap();
    let mut revisions = Vec::new();
    for name in ["mail", "mail"] {
        let (store, loaded) = Store::open(dir.path()).unwrap();
        let settings = Settings::of(loaded.vch);
        let kept = LedgerHandle::spawn(store, loaded, settings, HostChecks::alone()).unwrap();
        let (decision, _) = kept
            .ledger_handle
            .decide(crate::sample::add(name))
            .await
            .unwrap();
        revisions.push(decision.map(|committed| committed.revision.0));
        drop((kept.ledger_handle, kept.published));
        kept.thread.join().unwrap();
    }
    assert_eq!(revisions[0], Ok(19));
    // The release that wrote it finds its rows in the copy.
    let copy = Database::open(dir.path().join("ledger.redb.v1")).unwrap();
    let read = copy.begin_read().unwrap();
    assert_eq!(facts::read(&read, SCHEMA).unwrap(), Some(1_u32));
    let rows = read.open_table(ROWS).unwrap();
    for entry in rows.iter().unwrap() {
        let (_, value) = entry.unwrap();
        decode::<v1::Row>("rows", value.value()).unwrap();
    }
    assert!(!dir.path().join("ledger.redb.new").exists());
    assert!(
        matches!(&revisions[1], Err(Refusal::ContainerNameTaken { .. })),
        "{revisions:?}"
    );
}

#[test]
fn a_power_failure_amid_the_migration_loses_nothing() {
    let (_, expected) = migrated();
    let mut dice = Dice::new(1);
    let mut operations = 0;
    loop {
        let disk = Disk::holding(V1.to_vec(), Power::Operations(operations));
        let came_through = open(&disk).is_ok() && disk.has_power();
        disk.cut_power();
        for _ in 0..4 {
            let image = disk.after_failure(&mut dice);
            let (_store, found) = open(&Disk::holding(image, Power::Good)).unwrap();
            assert_eq!(found.rows, expected.rows, "after {operations} operations");
            assert_eq!(found.revision, expected.revision);
            assert_eq!(found.reports, expected.reports);
        }
        if came_through {
            break;
        }
        operations += 1;
    }
    assert!(operations > 5, "{operations} operations are no migration");
}
