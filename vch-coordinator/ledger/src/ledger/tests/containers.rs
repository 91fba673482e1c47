use super::{World, container, disconnect};
use crate::{Answer, Channel, Command, Connect, ContainerId, RefusalKind};
use protocol::spec::{HostEntry, NicMatch};

fn start(world: &mut World, name: &str) -> Answer {
    world.must(Command::StartContainer(name.into()))
}

fn id(world: &World, name: &str) -> ContainerId {
    world.ledger.container(&name.into()).unwrap().id
}

fn on(name: &str, channel: Channel) -> Command {
    let mut request = container(name);
    request.channel = channel;
    Command::AddContainer(request)
}

#[test]
fn a_name_is_one_containers() {
    let mut world = World::new();
    world.container("web");
    let refusal = world.refused(Command::AddContainer(container("web")));
    assert_eq!(
        (refusal.code(), refusal.kind()),
        ("container-name-taken", RefusalKind::Conflict)
    );
    let text = format!(
        "Conflict. The container name \"/web\" is already in use by container \"{}\". You have to remove (or rename) that container to be able to reuse that name.",
        id(&world, "web")
    );
    assert_eq!(refusal.to_string(), text);
    world.must(Command::RemoveContainer {
        container: "web".into(),
        force: false,
    });
    world.container("web");
}

#[test]
fn a_channel_is_one_containers() {
    let mut world = World::new();
    let path = || "/run/vm/web.sock".parse().unwrap();
    let hybrid = |port: u32| Channel::HybridVsock {
        path: path(),
        port: port.try_into().unwrap(),
    };
    world.must(on("web", hybrid(1000)));
    for (channel, code) in [
        (hybrid(1000), "channel-taken"),
        (hybrid(1001), "channel-taken"),
        (Channel::Chardev { path: path() }, "channel-taken"),
        (Channel::Unix { path: Some(path()) }, "channel-taken"),
        (Channel::Vsock { cid: 2 }, "cid-reserved"),
        (Channel::Vsock { cid: u32::MAX }, "cid-reserved"),
    ] {
        assert_eq!(
            world.refused(on("db", channel.clone())).code(),
            code,
            "{channel}"
        );
    }
    world.must(on("db", Channel::Vsock { cid: 3 }));
    assert_eq!(
        world.refused(on("log", Channel::Vsock { cid: 3 })).code(),
        "channel-taken"
    );
    world.must(on("log", Channel::Unix { path: None }));
    world.must(on("log2", Channel::Unix { path: None }));
    world.must(Command::RemoveContainer {
        container: "web".into(),
        force: false,
    });
    world.must(on("web2", Channel::Chardev { path: path() }));
}

#[test]
fn a_start_is_a_new_life_with_a_new_number() {
    let mut world = World::new();
    world.container("web");
    assert_eq!(world.ledger.spec(id(&world, "web")), None);
    let lives = [start(&mut world, "web"), start(&mut world, "web")].map(|answer| match answer {
        Answer::Started {
            incarnation,
            generation,
            ..
        } => (incarnation, generation.0),
        other => panic!("{other:?}"),
    });
    assert_ne!(lives[0].0, lives[1].0);
    assert_eq!((lives[0].1, lives[1].1), (1, 2));
    let spec = world.ledger.spec(id(&world, "web")).unwrap();
    assert_eq!((spec.id().incarnation, spec.id().generation.0), lives[1]);
}

#[test]
fn a_change_numbers_the_spec_of_its_container_alone() {
    let mut world = World::new();
    for name in ["web", "db"] {
        world.container(name);
        start(&mut world, name);
    }
    let before = world.ledger.spec(id(&world, "db"));
    world.connect("web", "bridge");
    assert_eq!(world.ledger.spec(id(&world, "db")), before);
    assert_eq!(
        world.ledger.container(&"web".into()).unwrap().generation.0,
        2
    );
    let done = world.run(disconnect("web", "bridge")).unwrap();
    match done.answer {
        Answer::Disconnected { generation, .. } => assert_eq!(generation.0, 3),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_rename_changes_no_spec_and_does_not_number_it() {
    let mut world = World::new();
    world.container("web");
    start(&mut world, "web");
    world.connect("web", "bridge");
    let before = world.ledger.spec(id(&world, "web"));
    let rename = |from: &str, to: &str| Command::RenameContainer {
        container: from.into(),
        name: to.parse().unwrap(),
    };
    world.must(rename("web", "app"));
    let renamed = world.ledger.container(&"app".into()).unwrap();
    assert_eq!(renamed.generation.0, 2);
    assert_eq!(world.ledger.spec(renamed.id), before);
    assert_eq!(
        world.refused(rename("app", "app")).code(),
        "container-name-taken"
    );
    assert_eq!(
        world.refused(rename("web", "new")).code(),
        "container-not-found"
    );
}

#[test]
fn a_connected_container_goes_only_by_force_and_takes_its_endpoints_along() {
    let mut world = World::new();
    world.network("app", &["10.9.8.0/24"]);
    world.container("web");
    world.connect("web", "app");
    world.connect("web", "bridge");
    let gentle = Command::RemoveContainer {
        container: "web".into(),
        force: false,
    };
    let refusal = world.refused(gentle);
    assert_eq!(
        (refusal.code(), refusal.kind()),
        ("container-connected", RefusalKind::Conflict)
    );
    assert!(refusal.to_string().contains("app"), "{refusal}");
    match world.must(Command::RemoveContainer {
        container: "web".into(),
        force: true,
    }) {
        Answer::ContainerRemoved { endpoints, .. } => assert_eq!(endpoints.len(), 2),
        other => panic!("{other:?}"),
    }
    assert_eq!(world.ledger.endpoints().count(), 0);
    world.must(Command::RemoveNetwork("app".into()));
}

#[test]
fn an_endpoint_is_made_once_and_removed_once() {
    let mut world = World::new();
    world.container("web");
    world.connect("web", "bridge");
    let refusal = world.refused(Command::Connect(Connect::tap("web", "bridge")));
    assert_eq!(
        (refusal.code(), refusal.kind()),
        ("already-connected", RefusalKind::Conflict)
    );
    world.disconnect("web", "bridge");
    assert_eq!(
        world.refused(disconnect("web", "bridge")).code(),
        "not-connected"
    );
    let refusal = world.refused(Command::Connect(Connect::tap("web", "none")));
    assert_eq!(
        (refusal.code(), refusal.kind()),
        ("no-endpoints-on-none", RefusalKind::Forbidden)
    );
    for (container, network, code) in [
        ("nobody", "bridge", "container-not-found"),
        ("web", "nowhere", "network-not-found"),
    ] {
        let refusal = world.refused(Command::Connect(Connect::tap(container, network)));
        assert_eq!(
            (refusal.code(), refusal.kind()),
            (code, RefusalKind::NotFound)
        );
    }
}

#[test]
fn a_nic_carries_one_endpoint() {
    let mut world = World::new();
    world.network("app", &[]);
    world.container("web");
    let request = |network: &str| {
        let mut request = Connect::tap("web", network);
        request.nic = Some(NicMatch::PciPath("02.0/00.0".parse().unwrap()));
        Command::Connect(request)
    };
    world.must(request("bridge"));
    assert_eq!(world.refused(request("app")).code(), "nic-taken");
}

#[test]
fn interfaces_keep_their_names_and_the_lowest_free_one_is_next() {
    let mut world = World::new();
    world.container("web");
    let mut given = Vec::new();
    let mut connect = |world: &mut World, network: &str| match world
        .must(Command::Connect(Connect::tap("web", network)))
    {
        Answer::Connected { interface, .. } => given.push(interface.to_string()),
        other => panic!("{other:?}"),
    };
    for network in ["one", "two", "three"] {
        world.network(network, &[]);
        connect(&mut world, network);
    }
    world.disconnect("web", "two");
    connect(&mut world, "bridge");
    world.disconnect("web", "one");
    connect(&mut world, "two");
    connect(&mut world, "one");
    assert_eq!(given, ["eth0", "eth1", "eth2", "eth1", "eth0", "eth3"]);
}

#[test]
fn of_many_dns_servers_the_first_are_asked_each_once() {
    let mut world = World::new();
    let mut request = container("web");
    let servers = [1, 1, 2, 3, 2, 4, 5, 6, 7, 8, 9, 10];
    let servers = servers.map(|n| format!("10.0.0.{n}").parse().unwrap());
    request.dns.servers = servers.to_vec();
    world.must(Command::AddContainer(request));
    let row = world.ledger.container(&"web".into()).unwrap();
    let expected = (1..=8).map(|n| format!("10.0.0.{n}").parse().unwrap());
    assert_eq!(row.dns.servers, expected.collect::<Vec<std::net::IpAddr>>());
}

#[test]
fn lists_of_a_container_are_bounded() {
    let mut world = World::new();
    let mut request = container("web");
    let line = HostEntry {
        address: "10.0.0.1".parse().unwrap(),
        name: "db".parse().unwrap(),
    };
    request.extra_hosts = vec![line; 65];
    assert_eq!(
        world.refused(Command::AddContainer(request)).code(),
        "too-many"
    );
    let mut request = container("web");
    request.dns.options = vec!["two words".to_owned()];
    let refusal = world.refused(Command::AddContainer(request));
    assert_eq!(refusal.code(), "resolver");
    assert!(refusal.to_string().contains("two words"), "{refusal}");
    world.container("web");
    let mut request = Connect::tap("web", "bridge");
    request.aliases = vec!["db".parse().unwrap(); 65];
    assert_eq!(world.refused(Command::Connect(request)).code(), "too-many");
    for n in 0..32 {
        world.network(&format!("n{n}"), &[]);
        world.connect("web", &format!("n{n}"));
    }
    let refusal = world.refused(Command::Connect(Connect::tap("web", "bridge")));
    assert_eq!(refusal.code(), "too-many");
}

#[test]
fn a_stored_channel_keeps_its_bytes_and_is_checked_when_it_is_read() {
    let channel = Channel::HybridVsock {
        path: "/run/a".parse().unwrap(),
        port: 1023.try_into().unwrap(),
    };
    let bytes = postcard::to_allocvec(&channel).unwrap();
    // The variant, the path behind its length, the port as a varint.
    assert_eq!(bytes, b"\x00\x06/run/a\xff\x07");
    assert_eq!(postcard::from_bytes::<Channel>(&bytes), Ok(channel));
    let of_anyone = b"\x00\x06/run/a\x80\x08";
    assert!(postcard::from_bytes::<Channel>(of_anyone).is_err(), "1024");
}
