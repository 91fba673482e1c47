//! Published ports: what conflicts, what is chosen, when it is in force.

mod chosen;
mod conflicts;
mod refused;

use super::{World, container, external, network};
use crate::{
    Answer, Command, ContainerPort, PortNumber, Protocol, Publish, RefusalKind, Settings, VchId,
};

/// Parses a port as Docker writes it: `[address:][host[-host]:]port/protocol`; an empty `host` lets the VCH choose. A
/// bare `80/tcp` is exposed only, `:80/tcp` is published.
pub(super) fn port(text: &str) -> ContainerPort {
    let (left, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = match protocol {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        _ => Protocol::Sctp,
    };
    let number = |port: &str| PortNumber {
        protocol,
        port: port.parse().unwrap(),
    };
    let Some((at, port)) = left.rsplit_once(':') else {
        return ContainerPort {
            number: number(left),
            publish: None,
        };
    };
    let (address, host) = match at.rsplit_once(':') {
        Some((address, host)) => (Some(address.trim_matches(['[', ']'])), host),
        None => (None, at),
    };
    let (first, last) = match host.split_once('-') {
        Some((first, last)) => (first, Some(last)),
        None => (host, None),
    };
    ContainerPort {
        number: number(port),
        publish: Some(Publish {
            address: address.map(|address| address.parse().unwrap()),
            port: (!host.is_empty()).then(|| first.parse().unwrap()),
            through: last.map(|last| last.parse().unwrap()),
            clients: Vec::new(),
        }),
    }
}

fn publish(name: &str, ports: &[&str]) -> Command {
    Command::PublishPorts {
        container: name.into(),
        ports: ports.iter().map(|text| port(text)).collect(),
    }
}

fn unpublish(name: &str, ports: &[&str]) -> Command {
    Command::UnpublishPorts {
        container: name.into(),
        ports: ports.iter().map(|text| port(text)).collect(),
    }
}

/// Adds a container with these ports to the default bridge.
fn with_ports(world: &mut World, name: &str, ports: &[&str]) {
    let mut request = container(name);
    request.ports = ports.iter().map(|text| port(text)).collect();
    world.must(Command::AddContainer(request));
    world.connect(name, "bridge");
}

/// Returns a container's bindings in force: host port and target, as text.
pub(super) fn bindings(world: &World, name: &str) -> Vec<String> {
    let id = world.ledger.container(&name.into()).unwrap().id;
    let bindings = world.ledger.bindings_of(id).map(|binding| {
        let target: Vec<String> = binding.target.iter().map(ToString::to_string).collect();
        format!(
            "{} > {} {}",
            binding.host,
            target.join(" "),
            binding.container_port
        )
    });
    bindings.collect()
}

fn world() -> World {
    let mut settings = Settings::of(VchId([7; 16]));
    settings.externals = vec![
        external("outside", "10.2.0.0/16", true),
        external("other", "208.91.3.0/24", false),
    ];
    settings.private = [
        ("192.0.2.77", "the management network"),
        ("192.0.2.78", "the docker endpoint"),
    ]
    .map(|(address, network)| (address.parse().unwrap(), network.to_owned()))
    .into();
    World::with(settings)
}

#[test]
fn a_range_is_written_the_lower_port_first() {
    let mut world = world();
    for text in ["8001-8000:80", "8000-8000:80"] {
        let mut request = container("web");
        request.ports = vec![port(text)];
        assert_eq!(
            world.refused(Command::AddContainer(request)).code(),
            "port-range",
            "{text}"
        );
    }
}

#[test]
fn a_port_at_an_address_of_a_family_that_no_network_has_is_refused_before_the_start() {
    let mut world = world();
    world.network("dual", &["10.9.0.0/16", "fd00:9::/64"]);
    with_ports(&mut world, "web", &[]);
    let refusal = world.refused(publish("web", &["[::]:8080:80"]));
    assert_eq!(refusal.code(), "port-family");
    world.must(publish("web", &["8080:80"]));
    world.connect("web", "dual");
    world.must(publish("web", &["[::]:8081:80"]));
    world.start("web");
    assert_eq!(bindings(&world, "web").len(), 2);
}

#[test]
fn a_published_port_is_in_force_from_start_to_stop() {
    let mut world = world();
    with_ports(
        &mut world,
        "web",
        &["8080:80", "5000:5000/udp", "90:90/sctp"],
    );
    assert!(bindings(&world, "web").is_empty());
    world.start("web");
    let all = [
        "8080/tcp > 172.17.0.2 80",
        "5000/udp > 172.17.0.2 5000",
        "90/sctp > 172.17.0.2 90",
    ];
    assert_eq!(bindings(&world, "web"), all);
    world.start("web");
    assert_eq!(bindings(&world, "web"), all, "a new life has the same");
    world.stop("web");
    assert!(bindings(&world, "web").is_empty());
    assert_eq!(world.ledger.bindings().count(), 0);
}

#[test]
fn a_port_comes_and_goes_while_the_container_runs() {
    let mut world = world();
    with_ports(&mut world, "web", &["8080:80"]);
    world.start("web");
    match world.must(publish("web", &["8080:80", "8081:80", "53:53/udp"])) {
        Answer::PortsPublished {
            ports, bindings, ..
        } => {
            assert_eq!(
                ports,
                [port("8081:80"), port("53:53/udp")],
                "what was added"
            );
            assert_eq!(bindings.len(), 2);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(bindings(&world, "web").len(), 3);
    let before = world.ledger.container(&"web".into()).unwrap().generation;
    world.must(unpublish("web", &["8080:80", "53:53/udp"]));
    assert_eq!(bindings(&world, "web"), ["8081/tcp > 172.17.0.2 80"]);
    let after = world.ledger.container(&"web".into()).unwrap();
    assert_eq!(after.generation, before, "the VM's network is the same");
    let refusal = world.refused(unpublish("web", &["8080:80"]));
    assert_eq!(
        (refusal.code(), refusal.kind()),
        ("port-not-published", RefusalKind::NotFound)
    );
    assert!(refusal.to_string().contains("8080:80/tcp"), "{refusal}");
}

#[test]
fn a_binding_stays_with_its_endpoint_then_moves_to_the_next_then_ends() {
    let mut world = world();
    world.network("app", &["10.9.0.0/24"]);
    let mut internal = network("inner", &["10.8.0.0/24"]);
    internal.internal = true;
    world.must(Command::CreateNetwork(internal));
    with_ports(&mut world, "web", &["8080:80", ":81"]);
    world.start("web");
    let ephemeral = bindings(&world, "web");
    world.connect("web", "inner");
    // By name `app` comes first in the order of gateways.
    world.connect("web", "app");
    assert_eq!(bindings(&world, "web"), ephemeral);
    world.disconnect("web", "bridge");
    let moved = bindings(&world, "web");
    let expected: Vec<String> = ephemeral
        .iter()
        .map(|line| line.replace("172.17.0.2", "10.9.0.2"))
        .collect();
    assert_eq!(moved, expected, "the same ports of the VCH");
    world.disconnect("web", "app");
    assert!(
        bindings(&world, "web").is_empty(),
        "nothing comes into an internal network"
    );
    world.connect("web", "bridge");
    let again = bindings(&world, "web");
    let numbers = |lines: &[String]| -> Vec<String> {
        let hosts = lines.iter().map(|line| line.split(' ').next().unwrap());
        hosts.map(ToOwned::to_owned).collect()
    };
    assert_eq!(numbers(&again), numbers(&ephemeral));
}

#[test]
fn a_host_address_leads_to_addresses_of_its_family() {
    let mut world = world();
    world.network("app", &["10.9.0.0/24", "fd00:9::/64"]);
    let mut request = container("web");
    request.ports = vec![port("80:80"), port("0.0.0.0:81:81"), port("[::]:82:82")];
    world.must(Command::AddContainer(request));
    world.connect("web", "app");
    world.start("web");
    assert_eq!(
        bindings(&world, "web"),
        [
            "80/tcp > 10.9.0.2 fd00:9::2 80",
            "0.0.0.0:81/tcp > 10.9.0.2 81",
            "[::]:82/tcp > fd00:9::2 82"
        ]
    );
    with_ports(&mut world, "old", &["[::]:90:90"]);
    let refusal = world.refused(Command::StartContainer("old".into()));
    assert_eq!(refusal.code(), "port-family");
    assert!(refusal.to_string().contains("[::]:90/tcp"), "{refusal}");
    world.connect("old", "app");
    world.start("old");
    assert_eq!(bindings(&world, "old"), ["[::]:90/tcp > fd00:9::3 90"]);
    world.disconnect("old", "app");
    assert!(bindings(&world, "old").is_empty());
}

/// Creates a network whose option says at which address ports are published whose request names
/// none.
fn bound(world: &mut World, name: &str, address: &str) {
    let mut request = crate::CreateNetwork::named(name.parse().unwrap());
    request.bridge.host_binding = address.parse().ok();
    world.must(Command::CreateNetwork(request));
}

#[test]
fn a_network_says_at_which_address_its_containers_ports_are_published() {
    let mut world = world();
    bound(&mut world, "inside", "208.91.3.7");
    bound(&mut world, "anywhere", "0.0.0.0");
    bound(&mut world, "alone", "127.0.0.1");
    for (name, network, ports) in [
        ("web", "inside", &["8080:80", "10.2.0.9:8081:81", ":82"][..]),
        ("other", "anywhere", &["8082:80"]),
        ("lonely", "alone", &["8083:80"]),
    ] {
        let mut request = container(name);
        request.ports = ports.iter().map(|text| port(text)).collect();
        world.must(Command::AddContainer(request));
        world.connect(name, network);
    }
    world.start("web");
    let at = bindings(&world, "web");
    assert_eq!(at.len(), 3);
    for (host, port) in [
        ("208.91.3.7:8080/tcp", "80"),
        ("10.2.0.9:8081/tcp", "81"),
        ("208.91.3.7:", "82"),
    ] {
        let there = |one: &&String| one.starts_with(host) && one.ends_with(port);
        assert!(at.iter().any(|one| there(&one)), "{host} of {at:?}");
    }
    let chosen = at.clone();
    world.stop("web");
    world.start("web");
    assert_eq!(bindings(&world, "web"), chosen, "a new life has the same");
    world.start("other");
    assert!(bindings(&world, "other")[0].starts_with("8082/tcp > "));
    world.start("lonely");
    assert!(bindings(&world, "lonely")[0].starts_with("127.0.0.1:8083/tcp > "));
}
