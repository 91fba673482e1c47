//! Ports that are not possible, and those that only external networks refuse.

use super::{bindings, port, publish, world};
use crate::ledger::tests::{World, container, list};
use crate::{Command, Connect, HostPort, MAX_CLIENTS, MAX_PORTS, Protocol, RefusalKind};
use std::net::IpAddr;

#[test]
fn ports_that_are_not_possible_are_refused_with_what_to_write() {
    let mut world = world();
    world.container("peer");
    world.connect("peer", "bridge");
    for (text, code, says) in [
        ("80:0", "port-zero", "use 1 to 65535"),
        ("0:80", "port-zero", "use 1 to 65535"),
        ("192.0.2.77:80:80", "port-address", "the management network"),
        ("192.0.2.78::80", "port-address", "the docker endpoint"),
        ("[::1]:80:80", "port-address", "loopback"),
        ("224.0.0.1:80:80", "port-address", "multicast"),
        ("255.255.255.255:80:80", "port-address", "broadcast"),
        ("[fe80::1]:80:80", "port-address", "link-local"),
        ("[::ffff:10.0.0.1]:80:80", "port-address", "IPv4"),
        ("172.17.0.2:80:80", "port-address", "container peer"),
    ] {
        let mut request = container("web");
        request.ports = vec![port(text)];
        let refusal = world.refused(Command::AddContainer(request));
        assert_eq!(refusal.code(), code, "{text}");
        assert!(refusal.to_string().contains(says), "{refusal}");
    }
    let clients = |text: &str, clients: &[&str]| {
        let mut request = container("web");
        let mut one = port(text);
        let publish = one.publish.as_mut().unwrap();
        publish.clients = clients.iter().map(|net| net.parse().unwrap()).collect();
        request.ports = vec![one];
        Command::AddContainer(request)
    };
    let refusal = world.refused(clients("80:80", &["192.0.2.1/24"]));
    assert_eq!(refusal.code(), "port-client-host-bits");
    assert!(
        refusal.to_string().contains("write 192.0.2.0/24"),
        "{refusal}"
    );
    let refusal = world.refused(clients("10.2.0.2:80:80", &["2001:db8::/32"]));
    assert_eq!(refusal.code(), "port-client-family");
    let many = vec!["192.0.2.0/24"; MAX_CLIENTS + 1];
    assert_eq!(world.refused(clients("80:80", &many)).code(), "too-many");
    world.must(clients(
        "80:80",
        &["198.51.100.0/24", "192.0.2.0/24", "192.0.2.0/24"],
    ));
    let row = world.ledger.container(&"web".into()).unwrap();
    let kept = &row.ports[0].publish.as_ref().unwrap().clients;
    assert_eq!(list(kept), "192.0.2.0/24 198.51.100.0/24");
    assert_eq!(
        world.refused(publish("web", &["80:80"])).code(),
        "port-twice",
        "the same port for others"
    );
}

#[test]
fn a_container_has_so_many_ports_and_no_more() {
    let mut world = world();
    let mut request = container("web");
    let tcp = |n: usize| format!("{}:80", 1_000 + n);
    request.ports = (0..MAX_PORTS).map(|n| port(&tcp(n))).collect();
    world.must(Command::AddContainer(request));
    assert_eq!(world.refused(publish("web", &["9:80"])).code(), "too-many");
    world.connect("web", "bridge");
    world.start("web");
    assert_eq!(world.ledger.bindings().count(), MAX_PORTS);
    let host = HostPort {
        protocol: Protocol::Tcp,
        address: None::<IpAddr>,
        port: 1_000,
    };
    assert_eq!(world.ledger.bindings().next().unwrap().host, host);
}

#[test]
fn an_external_network_has_open_ports_and_no_nat() {
    let mut world = world();
    let opened = |world: &World, name: &str| -> Vec<String> {
        let id = world.ledger.container(&name.into()).unwrap().id;
        let ports = world.ledger.endpoints_of(id).flat_map(|one| &one.opened);
        ports.map(ToString::to_string).collect()
    };
    let on_outside = |name: &str| Command::Connect(Connect::tap(name, "outside"));
    let mut request = container("plain");
    request.ports = ["80", ":81", "82:82", "0.0.0.0:83:83", "84/udp"]
        .map(port)
        .into();
    world.must(Command::AddContainer(request));
    world.must(on_outside("plain"));
    assert!(opened(&world, "plain").is_empty(), "it does not run");
    world.start("plain");
    let all = ["80/tcp", "81/tcp", "82/tcp", "83/tcp", "84/udp"];
    assert_eq!(opened(&world, "plain"), all);
    assert!(bindings(&world, "plain").is_empty());
    let refusal = world.refused(publish("plain", &["8080:80"]));
    assert_eq!(
        (refusal.code(), refusal.kind()),
        ("port-on-external", RefusalKind::Invalid)
    );
    let text = refusal.to_string();
    assert!(
        text.contains("8080:80/tcp") && text.contains("write `-p 80/tcp`"),
        "{text}"
    );
    for remapped in ["8080:80", "10.2.0.2:80:80"] {
        let mut request = container("web");
        request.ports = vec![port(remapped)];
        world.must(Command::AddContainer(request));
        assert_eq!(
            world.refused(on_outside("web")).code(),
            "port-on-external",
            "{remapped}"
        );
        world.connect("web", "bridge");
        world.must(on_outside("web"));
        world.start("web");
        assert_eq!(bindings(&world, "web").len(), 1);
        assert!(opened(&world, "web").is_empty(), "nobody opened 80 there");
        world.disconnect("web", "bridge");
        assert!(bindings(&world, "web").is_empty(), "the binding just ends");
        world.must(Command::RemoveContainer {
            container: "web".into(),
            force: true,
        });
    }
    world.stop("plain");
    assert!(opened(&world, "plain").is_empty());
}

#[test]
fn a_port_for_some_clients_is_not_opened_to_all() {
    let mut world = world();
    let mut request = container("web");
    let mut one = port("80:80");
    one.publish.as_mut().unwrap().clients = vec!["192.0.2.0/24".parse().unwrap()];
    request.ports = vec![one];
    world.must(Command::AddContainer(request));
    let connect = Command::Connect(Connect::tap("web", "outside"));
    let refusal = world.refused(connect);
    assert_eq!(refusal.code(), "port-on-external");
    assert!(refusal.to_string().contains("everyone"), "{refusal}");
}
