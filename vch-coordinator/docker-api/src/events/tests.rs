use super::{filter::wants, follow::Seen, *};
use docker_model::filters::Filters;
use vch_ledger::{
    Command, Connect, CreateNetwork, Environment, Ledger, NetworkRef, Settings, VchId,
};
use vch_store::{Logged, sample};

/// Carries a command out, and returns its transaction.
fn decide(ledger: &mut Ledger, command: Command) -> Logged {
    let mut count = ledger.revision().0;
    let mut random = |bytes: &mut [u8]| {
        for byte in bytes {
            count = count
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            *byte = count.to_be_bytes()[0];
        }
    };
    let mut environment = Environment {
        random: &mut random,
        now_ms: 1_700_000_000_123,
        host_overlap: &|_| None,
        listener: &|_| None,
    };
    let transaction = ledger.decide(command, &mut environment).unwrap();
    Logged {
        revision: transaction.revision,
        at_ms: 1_700_000_000_123,
        changes: transaction.changes,
    }
}

#[test]
fn networks_events_are_dockerds_and_a_stopped_container_is_connected_to_nothing() {
    let mut ledger = Ledger::new(Settings::of(VchId([7; 16])));
    let mut seen = Seen::of(&ledger);
    let events = Events::default();
    let web = || NetworkRef::from("web");
    let create = Command::CreateNetwork(CreateNetwork::named("web".parse().unwrap()));
    let commands = [
        create,
        sample::add("c1"),
        Command::Connect(Connect::tap("c1", web())),
        Command::StartContainer("c1".into()),
        Command::StopContainer("c1".into()),
        Command::StartContainer("c1".into()),
        Command::Disconnect {
            container: "c1".into(),
            network: web(),
        },
        Command::RemoveNetwork(web()),
    ];
    for command in commands {
        let logged = decide(&mut ledger, command);
        seen.tell(&logged, &events);
    }
    let (past, _) = events.listen();
    let actions: Vec<&str> = past.iter().map(|event| event.action.as_str()).collect();
    assert_eq!(
        actions,
        [
            "create",
            "connect",
            "disconnect",
            "connect",
            "disconnect",
            "destroy"
        ]
    );
    let container = ledger.container(&"c1".into()).unwrap().id.to_string();
    assert_eq!(past[1].attributes["container"], container);
    assert_eq!(past[5].attributes["name"], "web");
    let line = serde_json::to_string(&*past[0]).unwrap();
    let id = &past[0].id;
    assert_eq!(
        line,
        format!(
            r#"{{"Type":"network","Action":"create","Actor":{{"ID":"{id}","Attributes":{{"name":"web","type":"bridge"}}}},"scope":"local","time":1700000000,"timeNano":1700000000123000000}}"#
        )
    );
}

fn event(kind: EventKind, action: &str, id: &str, attributes: &[(&str, &str)]) -> DockerEvent {
    let attributes = attributes.iter();
    let attributes = attributes.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    DockerEvent {
        kind,
        action: action.to_owned(),
        id: id.to_owned(),
        attributes: attributes.collect(),
        at: Duration::from_secs(1),
    }
}

#[test]
fn a_containers_event_has_the_old_fields_too() {
    let start = event(
        EventKind::Container,
        "start",
        "ab12",
        &[("image", "busybox"), ("name", "c1")],
    );
    assert_eq!(
        serde_json::to_string(&start).unwrap(),
        r#"{"status":"start","id":"ab12","from":"busybox","Type":"container","Action":"start","Actor":{"ID":"ab12","Attributes":{"image":"busybox","name":"c1"}},"scope":"local","time":1,"timeNano":1000000000}"#
    );
}

#[test]
fn a_filter_lets_through_what_dockerds_does() {
    let start = event(
        EventKind::Container,
        "start",
        "ab12",
        &[("image", "busybox:1"), ("name", "web"), ("tier", "front")],
    );
    let health = event(
        EventKind::Container,
        "health_status: healthy",
        "ab12",
        &[("name", "web")],
    );
    let network = event(EventKind::Network, "create", "cd34", &[("name", "net1")]);
    for (filters, event, wanted) in [
        ("{}", &start, true),
        (r#"{"type":["network"]}"#, &start, false),
        (r#"{"type":["network"]}"#, &network, true),
        (r#"{"event":["start","die"]}"#, &start, true),
        (r#"{"event":["sta"]}"#, &start, false),
        (r#"{"event":["health_status"]}"#, &health, true),
        (r#"{"container":["ab"]}"#, &start, true),
        (r#"{"container":["web"]}"#, &start, true),
        (r#"{"container":["web"]}"#, &network, false),
        (r#"{"network":["net1"]}"#, &network, true),
        (r#"{"image":["busybox"]}"#, &start, true),
        (r#"{"image":["busybox:1"]}"#, &start, true),
        (r#"{"image":["other"]}"#, &start, false),
        (r#"{"label":["tier=front"]}"#, &start, true),
        (r#"{"label":["tier=back"]}"#, &start, false),
        (r#"{"volume":["x"]}"#, &start, false),
        (r#"{"scope":["swarm"]}"#, &start, false),
    ] {
        let filters_read = Filters::parse(Some(filters)).unwrap();
        assert_eq!(wants(&filters_read, event), wanted, "{filters}");
    }
}

#[test]
fn the_last_ones_are_kept_and_each_is_heard_once() {
    let events = Events::default();
    for number in 0..KEPT + 10 {
        events.tell_now(EventKind::Image, &number.to_string(), "x", BTreeMap::new());
    }
    let (past, mut live) = events.listen();
    assert_eq!(past.len(), KEPT);
    assert_eq!(past[0].action, "10");
    assert!(live.try_recv().is_err());
    events.tell_now(EventKind::Image, "new", "x", BTreeMap::new());
    assert_eq!(live.try_recv().unwrap().action, "new");
}
