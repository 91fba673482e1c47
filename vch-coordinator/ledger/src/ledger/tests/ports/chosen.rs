//! Ports that the VCH chooses.

use super::{bindings, port, publish, unpublish, with_ports, world};
use crate::ledger::tests::{World, container};
use crate::{Command, PortNumber, Protocol, RefusalKind, Settings, VchId};

/// Returns the port that the VCH chose.
fn chosen(world: &World, name: &str) -> u16 {
    let id = world.ledger.container(&name.into()).unwrap().id;
    let mut all = world.ledger.bindings_of(id);
    let binding = all.next().expect("a binding");
    assert!(binding.ephemeral && all.next().is_none());
    binding.host.port
}

#[test]
fn an_ephemeral_port_is_kept_over_restarts_while_it_is_free() {
    let mut world = world();
    with_ports(&mut world, "web", &[":80"]);
    world.start("web");
    let first = chosen(&world, "web");
    assert!(world.ledger.settings().ephemeral.contains(&first));
    world.stop("web");
    world.start("web");
    assert_eq!(chosen(&world, "web"), first);
    world.stop("web");
    with_ports(&mut world, "app", &[&format!("{first}:80")]);
    world.start("app");
    world.start("web");
    let second = chosen(&world, "web");
    assert_ne!(second, first);
    world.stop("app");
    world.start("web");
    assert_eq!(chosen(&world, "web"), second, "what is in force stays");
    world.must(unpublish("web", &[&format!("{second}:80")]));
    assert!(bindings(&world, "web").is_empty(), "named as it was chosen");
}

#[test]
fn ephemeral_ports_go_round_what_is_taken_and_run_out() {
    let mut settings = Settings::of(VchId([7; 16]));
    settings.ephemeral = 50_000..=50_007;
    let tcp = |port| PortNumber {
        protocol: Protocol::Tcp,
        port,
    };
    settings.reserved.insert(tcp(50_002), "metrics".to_owned());
    let mut world = World::with(settings);
    world.listeners.insert(tcp(50_005), "sshd".to_owned());
    with_ports(&mut world, "fix", &["192.0.2.9:50007:80"]);
    world.start("fix");
    let mut given = Vec::new();
    for name in ["c0", "c1", "c2", "c3", "c4"] {
        with_ports(&mut world, name, &[":80"]);
        world.start(name);
        given.push(chosen(&world, name));
    }
    given.sort_unstable();
    assert_eq!(given, [50_000, 50_001, 50_003, 50_004, 50_006]);
    with_ports(&mut world, "last", &[":80"]);
    let refusal = world.refused(Command::StartContainer("last".into()));
    assert_eq!(
        (refusal.code(), refusal.kind()),
        ("ports-exhausted", RefusalKind::Exhausted)
    );
    // Complaint 4: not even then is a stop refused.
    world.stop("c3");
    world.start("last");
    assert!(given.contains(&chosen(&world, "last")));
    // Another protocol has its own.
    with_ports(&mut world, "dns", &[":53/udp"]);
    world.start("dns");
}

#[test]
fn what_is_exposed_is_published_only_where_all_is() {
    let mut world = world();
    let mut request = container("web");
    request.ports = vec![port("80"), port("443"), port("8443:443")];
    request.publish_all = true;
    world.must(Command::AddContainer(request));
    world.connect("web", "bridge");
    world.start("web");
    let all = bindings(&world, "web");
    assert_eq!(all.len(), 2, "443 has a binding already: {all:?}");
    assert!(all.iter().any(|line| line.ends_with("172.17.0.2 80")));
    with_ports(&mut world, "app", &["80"]);
    world.start("app");
    assert!(bindings(&world, "app").is_empty());
}

/// Found by the model.
#[test]
fn a_chosen_port_stays_when_another_request_for_the_same_port_goes() {
    let mut world = world();
    with_ports(&mut world, "web", &["80", ":80", "8080:80"]);
    world.start("web");
    let before = bindings(&world, "web");
    assert_eq!(before.len(), 2);
    world.must(unpublish("web", &["80", "8080:80"]));
    assert_eq!(bindings(&world, "web").len(), 1);
    assert!(before.contains(&bindings(&world, "web")[0]));
}

#[test]
fn a_chosen_port_that_is_in_force_is_not_given_to_another_request_of_the_container() {
    let mut world = world();
    with_ports(&mut world, "web", &[":80"]);
    world.start("web");
    let first = chosen(&world, "web");
    let named = format!("{first}:81");
    let refusal = world.refused(publish("web", &[&named]));
    assert_eq!(refusal.code(), "port-twice");
    assert!(refusal.to_string().contains("80/tcp"), "{refusal}");
    // While it is not in force the named request comes first.
    world.stop("web");
    world.must(publish("web", &[&named]));
    world.start("web");
    let all = bindings(&world, "web");
    assert_eq!(all.len(), 2);
    assert!(
        all.contains(&format!("{first}/tcp > 172.17.0.2 81")),
        "{all:?}"
    );
}
