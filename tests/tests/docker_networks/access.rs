//! Who is let in to the Docker API, and where.

use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use lab::{Member, Namespace, Topology, paths};

use crate::world::{CommandOutput, World, lab, output_of};

/// Makes certificates for the endpoint's address.
fn certificates(dir: &Path) -> CommandOutput {
    let mut certs = Command::new(paths::built("vchctl").unwrap());
    let endpoint = Topology::ENDPOINT.to_string();
    certs
        .args(["certs", "--address", &endpoint, "--dir"])
        .arg(dir);
    let certs = output_of(certs);
    assert_eq!(certs.code, Some(0), "{certs:?}");
    certs
}

/// The field of `[docker_endpoint]` that `vchctl certs` says to write.
fn tls_field(certs: &CommandOutput) -> String {
    let mut lines = certs.out.lines();
    let field = lines.find_map(|line| line.strip_prefix("#   tls = "));
    format!("tls = {}\n", field.unwrap())
}

#[test]
fn no_container_reaches_the_docker_api_by_any_address_of_the_vch() {
    let lab = lab("dnone");
    let topology = lab.topology().unwrap();
    let certs = certificates(&lab.path("tls"));
    let world = World::start_with(&lab, &topology.vch, &tls_field(&certs));
    world.docker("network create alpha");
    world.docker("network create --internal inside");
    let gateway = |network: &str| world.vch.gateways(network).unwrap();
    let addresses: Vec<IpAddr> = [
        Topology::ENDPOINT,
        Topology::MANAGEMENT,
        Topology::VCH,
        Topology::PRODUCTION_VCH,
    ]
    .map(IpAddr::from)
    .into_iter()
    .chain(gateway("alpha"))
    .chain(gateway("inside"))
    .collect();
    let connects = |from: &Namespace, address: IpAddr| {
        let to = SocketAddr::new(address, 2376);
        let tried = from.run(|| TcpStream::connect_timeout(&to, Duration::from_secs(1)).is_ok());
        tried.unwrap()
    };
    assert!(connects(&topology.clients, Topology::ENDPOINT.into()));

    for network in ["alpha", "inside", "vic-production"] {
        let mut member = Member::add(&lab, &world.vch, &format!("of-{network}")).unwrap();
        member.connect(&world.vch, network).unwrap();
        member.begin(&world.vch).unwrap();
        member.restart_agent().unwrap();
        world
            .vch
            .ready(member.name(), Duration::from_secs(10))
            .unwrap();
        let reached: Vec<IpAddr> = thread::scope(|scope| {
            let tries: Vec<_> = addresses
                .iter()
                .map(|&address| {
                    let (member, connects) = (&member, &connects);
                    scope.spawn(move || connects(member.namespace(), address).then_some(address))
                })
                .collect();
            let tries = tries.into_iter();
            tries.filter_map(|one| one.join().unwrap()).collect()
        });
        assert!(reached.is_empty(), "{network}: {reached:?}");
    }
    assert!(connects(&topology.clients, Topology::ENDPOINT.into()));
}

#[test]
fn whoever_shows_a_certificate_is_let_in_on_the_endpoint_and_nobody_else_anywhere() {
    let lab = lab("dtls");
    let topology = lab.topology().unwrap();
    let dir = lab.path("tls");
    let endpoint = Topology::ENDPOINT.to_string();
    let certs = certificates(&dir);
    let world = World::start_with(&lab, &topology.vch, &tls_field(&certs));
    let variables: Vec<(&str, &str)> = certs
        .out
        .lines()
        .filter_map(|line| line.strip_prefix("export ")?.split_once('='))
        .collect();
    assert_eq!(variables.len(), 3);

    let asked = |namespace: &Namespace, host: Option<&str>, path: Option<&str>| {
        let mut given = variables.clone();
        given.extend(host.map(|host| ("DOCKER_HOST", host)));
        given.extend(path.map(|path| ("DOCKER_CERT_PATH", path)));
        world.ask_from(namespace, &given)
    };
    let client = asked(&topology.clients, None, None);
    assert!(client.status.success(), "{client:?}");
    assert_eq!(
        client.stdout.iter().filter(|byte| **byte == b'\n').count(),
        4
    );

    // A stranger's certificate, of an authority of his own.
    let other = lab.path("other");
    certificates(&other);
    let stranger = other.join("client");
    std::fs::copy(dir.join("client/ca.pem"), stranger.join("ca.pem")).unwrap();
    let refused = asked(&topology.clients, None, stranger.to_str());
    assert!(!refused.status.success(), "{refused:?}");
    let words = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(words.contains("tls: "), "{words}");

    // From other networks there is no way, to whichever of the VCH's addresses.
    let admin = format!("tcp://{}:2376", Topology::MANAGEMENT);
    let outside = format!("tcp://{}:2376", Topology::VCH);
    for (namespace, host) in [
        (&topology.admin, admin.as_str()),
        (&topology.outside, outside.as_str()),
    ] {
        let refused = asked(namespace, Some(host), None);
        assert!(!refused.status.success(), "{host}: {refused:?}");
    }
    for (namespace, via) in [
        (&topology.admin, Topology::MANAGEMENT),
        (&topology.outside, Topology::VCH),
    ] {
        namespace
            .ip(&format!("route add {endpoint}/32 via {via}"))
            .unwrap();
        let refused = asked(namespace, None, None);
        assert!(!refused.status.success(), "{via}: {refused:?}");
    }
    assert!(asked(&topology.clients, None, None).status.success());
}
