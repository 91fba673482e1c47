//! Which ports conflict, and when a port that was taken is free.

use super::{bindings, port, publish, unpublish, with_ports, world};
use crate::ledger::tests::{World, container};
use crate::{Command, PortNumber, Protocol, RefusalKind, Settings, VchId};

#[test]
fn of_a_range_the_next_free_port_is_taken_and_kept() {
    let mut world = world();
    let reserved = PortNumber {
        protocol: Protocol::Tcp,
        port: 8_002,
    };
    world
        .listeners
        .insert(reserved, "nginx (process 7)".to_owned());
    for name in ["one", "two", "three", "four"] {
        with_ports(&mut world, name, &["8000-8003:80"]);
    }
    with_ports(&mut world, "exact", &["8001:80", "8000-8003:81"]);
    for name in ["one", "two", "three"] {
        world.start(name);
    }
    let host = |world: &World, name: &str| {
        let all = bindings(world, name);
        all.iter()
            .map(|one| one.split('/').next().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(host(&world, "one"), ["8000"]);
    assert_eq!(host(&world, "two"), ["8001"]);
    assert_eq!(
        host(&world, "three"),
        ["8003"],
        "another process listens at 8002"
    );
    let refusal = world.refused(Command::StartContainer("four".into()));
    assert_eq!(
        (refusal.code(), refusal.kind()),
        ("port-range-taken", RefusalKind::Conflict)
    );
    assert!(
        refusal.to_string().contains("all ports are allocated"),
        "{refusal}"
    );
    world.stop("one");
    world.must(publish("two", &["9000:90"]));
    assert_eq!(
        host(&world, "two"),
        ["8001", "9000"],
        "a binding stays where it is"
    );
    world.start("four");
    assert_eq!(host(&world, "four"), ["8000"]);
    world.stop("two");
    world.stop("four");
    world.start("exact");
    assert_eq!(
        host(&world, "exact"),
        ["8000", "8001"],
        "what names its port has it"
    );
    world.must(unpublish("exact", &["8000-8003:81"]));
    assert_eq!(host(&world, "exact"), ["8001"]);
}

/// Complaint 4 of the peers' users: ports stay taken after removal.
#[test]
fn a_port_is_free_when_its_container_stops_is_disconnected_or_goes() {
    let mut world = world();
    with_ports(&mut world, "web", &["8080:80"]);
    with_ports(&mut world, "app", &["8080:80"]);
    let starts = |world: &mut World| {
        world.start("app");
        assert_eq!(bindings(world, "app").len(), 1);
        world.stop("app");
    };
    let taken = |world: &mut World| {
        let refusal = world.refused(Command::StartContainer("app".into()));
        assert_eq!(
            (refusal.code(), refusal.kind()),
            ("port-taken", RefusalKind::Conflict)
        );
        let text = refusal.to_string();
        assert!(
            text.starts_with("Bind for 8080/tcp failed: port is already allocated"),
            "{text}"
        );
        assert!(text.contains("container web"), "{text}");
    };
    world.start("web");
    taken(&mut world);
    world.stop("web");
    starts(&mut world);
    world.start("web");
    taken(&mut world);
    world.must(unpublish("web", &["8080:80"]));
    starts(&mut world);
    world.must(publish("web", &["8080:80"]));
    taken(&mut world);
    world.disconnect("web", "bridge");
    starts(&mut world);
    world.connect("web", "bridge");
    taken(&mut world);
    // A stop is never refused for a port, whatever there is.
    world.must(Command::RemoveContainer {
        container: "web".into(),
        force: true,
    });
    starts(&mut world);
}

#[test]
fn what_conflicts_is_decided_by_protocol_address_and_port() {
    // The VCH is 10.2.0.2 on the default external network, 208.91.3.2 on the other one.
    let meets = [
        ("80:80", "80:81"),
        ("80:80", "0.0.0.0:80:80"),
        ("80:80", "[::]:80:80"),
        ("80:80", "10.2.0.2:80:80"),
        ("80:80", "127.0.0.1:80:80"),
        ("80:80", "127.0.0.9:80:80"),
        ("80:80", "10.9.0.1:80:80"),
        ("80:80", "192.0.2.9:80:80"),
        ("0.0.0.0:80:80", "127.0.0.1:80:80"),
        ("127.0.0.1:80:80", "127.0.0.1:80:80"),
        ("0.0.0.0:80:80", "10.2.0.2:80:80"),
        ("0.0.0.0:80:80", "192.0.2.9:80:80"),
        ("0.0.0.0:80:80", "0.0.0.0:80:80"),
        ("192.0.2.9:80:80", "192.0.2.9:80:80"),
        ("[::]:80:80", "[2001:db8::9]:80:80"),
    ];
    let apart = [
        ("80:80", "81:80"),
        ("80:80", "80:80/udp"),
        ("80:80/udp", "80:80/sctp"),
        ("80:80", "208.91.3.2:80:80"),
        ("127.0.0.1:80:80", "127.0.0.2:80:80"),
        ("127.0.0.1:80:80", "10.2.0.2:80:80"),
        ("127.0.0.1:80:80", "[::]:80:80"),
        ("0.0.0.0:80:80", "[::]:80:80"),
        ("0.0.0.0:80:80", "[2001:db8::9]:80:80"),
        ("192.0.2.9:80:80", "192.0.2.8:80:80"),
    ];
    let dual = |world: &mut World, name: &str, ports: &[&str]| {
        let mut request = container(name);
        request.ports = ports.iter().map(|text| port(text)).collect();
        world.must(Command::AddContainer(request));
        world.connect(name, "app");
    };
    for (pairs, conflict) in [(&meets[..], true), (&apart[..], false)] {
        for (one, other) in pairs.iter().flat_map(|(a, b)| [(a, b), (b, a)]) {
            let mut world = world();
            world.network("app", &["10.9.0.0/16", "fd00:9::/64"]);
            dual(&mut world, "one", &[one]);
            dual(&mut world, "two", &[other]);
            world.start("one");
            let start = Command::StartContainer("two".into());
            if conflict {
                assert_eq!(world.refused(start).code(), "port-taken", "{one} {other}");
            } else {
                world.must(start);
            }
            // One container can't request both, either.
            let mut request = container("both");
            request.ports = vec![port(one), port(other)];
            let add = Command::AddContainer(request);
            if conflict && one != other {
                assert_eq!(world.refused(add).code(), "port-twice", "{one} {other}");
            } else {
                world.must(add);
            }
        }
    }
}

/// Complaint 5: publishing the API's own port cuts off the API.
#[test]
fn a_port_that_the_vch_needs_or_somebody_listens_on_is_refused_in_advance() {
    let mut settings = Settings::of(VchId([7; 16]));
    let api = port("2376").number;
    settings
        .reserved
        .insert(api, "the docker endpoint's API".to_owned());
    let mut world = World::with(settings);
    let mut request = container("web");
    request.ports = vec![port("2376:80")];
    let refusal = world.refused(Command::AddContainer(request));
    assert_eq!(refusal.code(), "port-reserved");
    assert!(refusal.to_string().contains("API"), "{refusal}");
    with_ports(&mut world, "web", &["8080:80", "2376:80/udp"]);
    assert_eq!(
        world.refused(publish("web", &["2376:80"])).code(),
        "port-reserved"
    );
    let nginx = "nginx (pid 7)".to_owned();
    world.listeners.insert(port("8080").number, nginx);
    let refusal = world.refused(Command::StartContainer("web".into()));
    assert_eq!(
        (refusal.code(), refusal.kind()),
        ("port-in-use", RefusalKind::Conflict)
    );
    assert!(refusal.to_string().contains("nginx (pid 7)"), "{refusal}");
    world.listeners.clear();
    world.start("web");
}

#[test]
fn a_port_that_is_in_force_stays_so_whoever_listens_later() {
    let mut world = world();
    with_ports(&mut world, "web", &["8080:80"]);
    world.start("web");
    world
        .listeners
        .insert(port("8080").number, "nginx".to_owned());
    world.must(publish("web", &["8081:80"]));
    assert_eq!(bindings(&world, "web").len(), 2);
}
