use super::{World, network, ports::port};
use crate::{Command, Connect, Contradiction, EndpointId, Id, Ledger, Revision, Row, RowKey};
use std::net::IpAddr;

/// Returns a ledger with at least one row of each kind, and its rows.
fn furnished() -> (World, Vec<Row>) {
    let mut world = World::new();
    world.network("app", &["10.9.8.0/24"]);
    for name in ["web", "db"] {
        world.container(name);
        world.connect(name, "app");
    }
    world.connect("web", "bridge");
    world.disconnect("db", "app");
    let mut request = Connect::tap("db", "app");
    request.links = vec![("web".into(), "front".parse().unwrap())];
    world.must(Command::Connect(request));
    world.must(Command::PublishPorts {
        container: "web".into(),
        ports: vec![port("8080:80"), port(":53/udp")],
    });
    world.start("web");
    let rows = world.store.values().cloned().collect();
    (world, rows)
}

fn loaded(world: &World, rows: Vec<Row>) -> Result<Ledger, Contradiction> {
    let (settings, revision) = (world.ledger.settings().clone(), world.ledger.revision());
    Ledger::load(settings, rows, revision).map_err(|error| error.reason)
}

fn edited(rows: &[Row], mut edit: impl FnMut(&mut Row)) -> Vec<Row> {
    let mut rows = rows.to_vec();
    rows.iter_mut().for_each(&mut edit);
    rows
}

fn without(rows: &[Row], gone: impl Fn(&RowKey) -> bool) -> Vec<Row> {
    rows.iter()
        .filter(|row| !gone(&row.key()))
        .cloned()
        .collect()
}

#[test]
fn rows_in_any_order_make_the_same_ledger() {
    let (world, mut rows) = furnished();
    rows.reverse();
    assert_eq!(loaded(&world, rows.clone()), Ok(world.ledger.clone()));
    assert_eq!(
        world.ledger.rows(),
        world.store.values().cloned().collect::<Vec<_>>()
    );
}

#[test]
fn rows_survive_the_stores_bytes() {
    let (_, rows) = furnished();
    for row in rows {
        let bytes = postcard::to_allocvec(&(row.key(), &row)).unwrap();
        let back: (RowKey, Row) = postcard::from_bytes(&bytes).unwrap();
        assert_eq!(back, (row.key(), row));
    }
}

#[test]
fn rows_that_contradict_one_another_are_refused() {
    let (world, rows) = furnished();
    let app = world.ledger.network(&"app".into()).unwrap().id;
    let web = world.ledger.container(&"web".into()).unwrap().id;
    let address = |text: &str| text.parse::<IpAddr>().unwrap();
    let cases = [
        (
            without(&rows, |key| *key == RowKey::Network(app)),
            Contradiction::NoNetwork(app),
        ),
        (
            without(&rows, |key| *key == RowKey::Container(web)),
            Contradiction::NoContainer(web),
        ),
        ([rows.clone(), rows.clone()].concat(), Contradiction::Twice),
        (
            edited(&rows, |row| {
                if let Row::Container(row) = row {
                    row.name = "same".parse().unwrap();
                }
            }),
            Contradiction::Name,
        ),
        (
            edited(&rows, |row| {
                if let Row::Network(row) = row {
                    row.subnets
                        .iter_mut()
                        .for_each(|s| s.net = "127.0.0.0/8".parse().unwrap());
                }
            }),
            Contradiction::Subnet("127.0.0.0/8".parse().unwrap()),
        ),
        (
            edited(&rows, |row| {
                if let Row::Endpoint(row) = row
                    && row.network == app
                {
                    row.addresses = vec!["10.9.8.1/24".parse().unwrap()];
                }
            }),
            Contradiction::Address(address("10.9.8.1")),
        ),
        (
            edited(&rows, |row| {
                if let Row::Endpoint(row) = row
                    && row.network == app
                {
                    row.addresses = vec!["10.9.8.7/24".parse().unwrap()];
                }
            }),
            Contradiction::Taken(address("10.9.8.7")),
        ),
        (
            edited(&rows, |row| {
                if let Row::RestingAddress(row) = row {
                    row.address = address("10.9.8.2");
                }
            }),
            Contradiction::Taken(address("10.9.8.2")),
        ),
        (
            edited(&rows, |row| {
                if let Row::RestingAddress(row) = row {
                    row.since = Revision(u64::MAX);
                }
            }),
            Contradiction::Revision,
        ),
        (
            edited(&rows, |row| {
                if let Row::AddressCursor(row) = row {
                    row.next = address("::1");
                }
            }),
            Contradiction::Address(address("::1")),
        ),
    ];
    for (rows, reason) in cases {
        assert_eq!(loaded(&world, rows).unwrap_err(), reason);
    }
}

#[test]
fn ports_and_links_refer_to_what_is_there() {
    let (world, rows) = furnished();
    let nobody = EndpointId::from_bytes([255; 32]);
    let binding = |row: &mut Row, edit: &dyn Fn(&mut crate::PortBinding)| {
        if let Row::PortBinding(row) = row {
            edit(row);
        }
    };
    let lost = edited(&rows, |row| binding(row, &|row| row.endpoint = nobody));
    assert_eq!(
        loaded(&world, lost).unwrap_err(),
        Contradiction::NoEndpoint(nobody)
    );
    // Another container's endpoint is none of its own.
    let db = world.ledger.container(&"db".into()).unwrap().id;
    let others = edited(&rows, |row| binding(row, &|row| row.container = db));
    assert!(matches!(
        loaded(&world, others),
        Err(Contradiction::NoEndpoint(_))
    ));
    let elsewhere: IpAddr = "10.9.8.77".parse().unwrap();
    let aimed = edited(&rows, |row| binding(row, &|row| row.target.push(elsewhere)));
    assert_eq!(
        loaded(&world, aimed).unwrap_err(),
        Contradiction::Address(elsewhere)
    );
    let gone = crate::ContainerId::from_bytes([255; 32]);
    let linked = edited(&rows, |row| {
        if let Row::Endpoint(row) = row {
            row.links.iter_mut().for_each(|link| link.container = gone);
        }
    });
    assert_eq!(
        loaded(&world, linked).unwrap_err(),
        Contradiction::NoContainer(gone)
    );
}

#[test]
fn shared_macs_channels_endpoints_and_subnets_are_refused() {
    let (world, rows) = furnished();
    let mut other = World::new();
    other.network("app", &["10.9.0.0/16"]);
    other.must(Command::CreateNetwork(network("own", &["10.8.0.0/16"])));
    let overlap = |row: &mut Row| {
        if let Row::Network(row) = row {
            row.subnets.iter_mut().for_each(|s| {
                s.net = "10.0.0.0/8".parse().unwrap();
                (s.gateway, s.vch) = (Some(s.net.addr()), None);
            });
        }
    };
    let found = loaded(&other, edited(&other.ledger.rows(), overlap));
    assert!(
        matches!(found, Err(Contradiction::Overlap(..))),
        "{found:?}"
    );
    let same_mac = |row: &mut Row| {
        if let Row::Endpoint(row) = row {
            row.mac = "02:00:00:00:00:01".parse().unwrap();
        }
    };
    let found = loaded(&world, edited(&rows, same_mac));
    assert!(matches!(found, Err(Contradiction::Mac(_))), "{found:?}");
    let same_cid = |row: &mut Row| {
        if let Row::Container(row) = row {
            row.channel = crate::Channel::Vsock { cid: 3 };
        }
    };
    let found = loaded(&world, edited(&rows, same_cid));
    assert!(matches!(found, Err(Contradiction::Channel(_))), "{found:?}");
    let mut rows = rows;
    let endpoint = rows.iter().find_map(|row| match row {
        Row::Endpoint(row) => Some(row.clone()),
        _ => None,
    });
    let mut second = endpoint.unwrap();
    second.id = EndpointId::from_bytes([255; 32]);
    rows.push(Row::Endpoint(second));
    let found = loaded(&world, rows);
    assert!(
        matches!(found, Err(Contradiction::EndpointOfNetwork(_))),
        "{found:?}"
    );
}
