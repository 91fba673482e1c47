//! Published ports, on packets: where they lead, who may come, and that they live and die with their container.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use lab::{
    Coordinator, Lab, Member, Namespace, Need, Responder, Topology, Way, ask, ask_again,
    eventually, prerequisites,
};

const SOON: Duration = Duration::from_secs(10);
const ANSWER: Duration = Duration::from_secs(3);
/// Long enough for an answer that must not come.
const NONE: Duration = Duration::from_secs(1);
/// Where containers listen.
const PORT: u16 = 7000;
/// The VCH on the external network that is the default for published ports.
const VCH: [IpAddr; 2] = [IpAddr::V4(Topology::VCH), IpAddr::V6(Topology::VCH6)];
const OUTSIDE: [IpAddr; 2] = [
    IpAddr::V4(Topology::GATEWAY),
    IpAddr::V6(Topology::GATEWAY6),
];

fn lab_and_topology(label: &str) -> (Lab, Topology) {
    prerequisites::check(Need::MEMBERS).unwrap();
    let lab = Lab::of_namespaces(label).unwrap();
    let topology = lab.topology().unwrap();
    (lab, topology)
}

/// A container that answers on [`PORT`]; `words` are its name and the options of `container add`.
fn server(lab: &Lab, vch: &Coordinator<'_>, words: &str, network: &str) -> (Member, Responder) {
    let mut member = Member::add(lab, vch, words).unwrap();
    member.connect(vch, network).unwrap();
    member.begin(vch).unwrap();
    member.restart_agent().unwrap();
    vch.ready(member.name(), SOON).unwrap();
    let responder = Responder::start(member.namespace(), member.name(), PORT).unwrap();
    (member, responder)
}

fn answered(from: &Namespace, to: IpAddr, way: Way) -> Option<String> {
    ask(from, to, way, ANSWER).unwrap()
}

fn is_unanswered(from: &Namespace, to: IpAddr, way: Way) -> bool {
    ask(from, to, way, NONE).unwrap().is_none()
}

fn refused(vch: &Coordinator<'_>, words: &str) -> String {
    vch.vchctl(words).unwrap_err().to_string()
}

#[test]
fn a_published_port_answers_from_everywhere_and_knows_its_clients() {
    let (lab, topology) = lab_and_topology("ports");
    let vch = Coordinator::start(&lab, &topology.vch).unwrap();
    for network in ["web --ipv6", "store --ipv6"] {
        vch.vchctl(&format!("network create {network}")).unwrap();
    }
    let (web, _at_web) = server(&lab, &vch, "web -p 8080:7000 -p 8080:7000/udp", "web");
    let (beside, _) = server(&lab, &vch, "beside", "web");
    let (other, _) = server(&lab, &vch, "other", "store");
    let own = web.addresses(&vch, "web").unwrap();
    let of_other = other.addresses(&vch, "store").unwrap();
    let gateways = vch.gateways("web").unwrap();
    for (index, to) in VCH.into_iter().enumerate() {
        for way in [Way::Tcp(8080), Way::Udp(8080)] {
            // NAT changes where it goes, not who asks.
            let from_outside = format!("web {}", OUTSIDE[index]);
            assert_eq!(
                answered(&topology.outside, to, way).as_deref(),
                Some(&*from_outside),
                "{to} {way:?}"
            );
            let from_vch = answered(&topology.vch, to, way).unwrap();
            assert!(from_vch.starts_with("web "), "the VCH itself: {from_vch}");
            let from_other = answered(other.namespace(), to, way);
            let said = format!("web {}", of_other[index]);
            assert_eq!(
                from_other.as_deref(),
                Some(&*said),
                "another bridge, by the VCH's address"
            );
            // Its answer must come back the same way: so it is asked by its own gateway.
            let said = format!("web {}", gateways[index]);
            for from in [&beside, &web] {
                let by_hairpin = answered(from.namespace(), to, way);
                assert_eq!(
                    by_hairpin.as_deref(),
                    Some(&*said),
                    "{} {to} {way:?}",
                    from.name()
                );
            }
        }
        // By its own address it is nobody's but its network's.
        assert!(is_unanswered(other.namespace(), own[index], Way::Tcp(PORT)));
        assert!(answered(beside.namespace(), own[index], Way::Tcp(PORT)).is_some());
    }
    // At each gateway, for containers of every bridge; at loopback, for the VCH.
    for (from, network) in [
        (&beside, "web"),
        (&beside, "store"),
        (&other, "store"),
        (&other, "web"),
    ] {
        for to in vch.gateways(network).unwrap() {
            for way in [Way::Tcp(8080), Way::Udp(8080)] {
                let answer = answered(from.namespace(), to, way);
                let answer = answer.unwrap_or_else(|| panic!("{} {to} {way:?}", from.name()));
                assert!(answer.starts_with("web "), "{answer}");
                assert!(answered(&topology.vch, to, way).is_some(), "{to} {way:?}");
            }
        }
    }
    for to in ["127.0.0.1", "127.3.2.1"] {
        let to = to.parse().unwrap();
        for way in [Way::Tcp(8080), Way::Udp(8080)] {
            let answer = answered(&topology.vch, to, way);
            let said = format!("web {}", gateways[0]);
            assert_eq!(answer.as_deref(), Some(&*said), "{to} {way:?}");
        }
    }
    // Nothing else is open: neither the port inside, nor on the networks that are not for containers.
    assert!(is_unanswered(&topology.outside, VCH[0], Way::Tcp(PORT)));
    for (from, to) in [
        (&topology.admin, Topology::MANAGEMENT),
        (&topology.clients, Topology::ENDPOINT),
    ] {
        assert!(is_unanswered(from, to.into(), Way::Tcp(8080)), "{to}");
    }
    assert!(is_unanswered(
        &topology.outside,
        Topology::PRODUCTION_VCH.into(),
        Way::Tcp(8080)
    ));
}

#[test]
fn a_port_at_loopback_answers_the_vch_alone_and_keeps_off_what_others_have() {
    let (lab, topology) = lab_and_topology("ports-loopback");
    let vch = Coordinator::start(&lab, &topology.vch).unwrap();
    vch.vchctl("network create web").unwrap();
    let (_web, _at_web) = server(&lab, &vch, "web -p 127.0.0.1:8080:7000", "web");
    let (beside, _) = server(&lab, &vch, "beside", "web");
    let loopback: IpAddr = [127, 0, 0, 1].into();
    let gateway = vch.gateways("web").unwrap()[0];
    assert!(answered(&topology.vch, loopback, Way::Tcp(8080)).is_some());
    for to in [VCH[0], gateway] {
        assert!(is_unanswered(&topology.vch, to, Way::Tcp(8080)), "{to}");
        assert!(
            is_unanswered(beside.namespace(), to, Way::Tcp(8080)),
            "{to}"
        );
    }
    assert!(is_unanswered(&topology.outside, VCH[0], Way::Tcp(8080)));
    // What would take the same port there, and what has it already.
    let second = |words: &str| {
        vch.vchctl(&format!("container add second {words}"))
            .unwrap();
        vch.vchctl("container connect second web").unwrap();
        let error = refused(&vch, "container start second");
        vch.vchctl("container rm second --force").unwrap();
        error
    };
    for words in [
        "-p 8080:7000",
        "-p 0.0.0.0:8080:7000",
        "-p 127.0.0.1:8080:7000",
    ] {
        let error = second(words);
        assert!(
            error.contains("port is already allocated"),
            "{words}: {error}"
        );
    }
    let listener = topology
        .vch
        .run(|| std::net::TcpListener::bind("127.0.0.1:8088"))
        .unwrap()
        .unwrap();
    for words in ["-p 8088:7000", "-p 127.0.0.1:8088:7000"] {
        let error = second(words);
        assert!(error.contains("port is already in use"), "{words}: {error}");
    }
    drop(listener);
    for (address, says) in [
        ("[::1]", "loopback"),
        (&Topology::MANAGEMENT.to_string(), "management"),
        (&Topology::ENDPOINT.to_string(), "docker endpoint"),
    ] {
        let error = refused(&vch, &format!("container add third -p {address}:8080:7000"));
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn a_port_may_be_published_at_one_address_or_at_all() {
    let (lab, topology) = lab_and_topology("ports-at");
    let vch = Coordinator::start(&lab, &topology.vch).unwrap();
    vch.vchctl("network create web --ipv6").unwrap();
    let production = IpAddr::from(Topology::PRODUCTION_VCH);
    let words = format!(
        "web -p {production}:8081:7000 -p 0.0.0.0:8082:7000 -p [::]:8083:7000 -p 8084-8086:7000-7002"
    );
    let (web, _answers) = server(&lab, &vch, &words, "web");
    let _second = Responder::start(web.namespace(), "second", PORT + 1).unwrap();
    let outside = |to: IpAddr, port| answered(&topology.outside, to, Way::Tcp(port));
    let closed = |to: IpAddr, port| is_unanswered(&topology.outside, to, Way::Tcp(port));
    assert!(outside(production, 8081).is_some() && closed(VCH[0], 8081));
    assert!(
        outside(production, 8082).is_some()
            && outside(VCH[0], 8082).is_some()
            && closed(VCH[1], 8082)
    );
    assert!(outside(VCH[1], 8083).is_some() && closed(VCH[0], 8083));
    assert!(
        outside(VCH[0], 8084).unwrap().starts_with("web "),
        "the first of a range"
    );
    assert!(
        outside(VCH[0], 8085).unwrap().starts_with("second "),
        "the second of a range"
    );
    // At all addresses, but never by the networks that are not for containers.
    assert!(is_unanswered(
        &topology.admin,
        Topology::MANAGEMENT.into(),
        Way::Tcp(8082)
    ));
    assert!(is_unanswered(
        &topology.clients,
        Topology::ENDPOINT.into(),
        Way::Tcp(8082)
    ));
}

#[test]
fn ports_come_and_go_with_their_container() {
    let (lab, topology) = lab_and_topology("ports-life");
    let mut vch = Coordinator::start(&lab, &topology.vch).unwrap();
    vch.vchctl("network create web").unwrap();
    let (mut web, _at_web) = server(&lab, &vch, "web -p 8080:7000 -p 7000", "web");
    let outside = |port| answered(&topology.outside, VCH[0], Way::Tcp(port));
    let closed = |port| is_unanswered(&topology.outside, VCH[0], Way::Tcp(port));
    let chosen = ephemeral(&vch, "web");
    assert!(outside(8080).is_some() && outside(chosen).is_some());

    vch.vchctl("container add twin -p 8080:7000").unwrap();
    vch.vchctl("container connect twin web").unwrap();
    let taken = refused(&vch, "container start twin");
    assert!(
        taken.contains("port is already allocated") && taken.contains("web"),
        "{taken}"
    );

    // Stopped: the port is nobody's, and another may have it.
    vch.vchctl("container stop web").unwrap();
    assert!(closed(8080) && closed(chosen));
    vch.vchctl("container start twin").unwrap();
    let taken = refused(&vch, "container start web");
    assert!(
        taken.contains("port is already allocated") && taken.contains("twin"),
        "{taken}"
    );
    vch.vchctl("container rm twin --force").unwrap();
    web.begin(&vch).unwrap();
    web.restart_agent().unwrap();
    vch.ready("web", SOON).unwrap();
    assert_eq!(ephemeral(&vch, "web"), chosen, "a restart keeps the port");
    assert!(outside(8080).is_some() && outside(chosen).is_some());

    // The VCH boots anew: links and rules are gone, what was decided is not.
    vch.kill().unwrap();
    let status = {
        let mut command = std::process::Command::new("nft");
        command.args(["flush", "ruleset"]);
        topology.vch.output(command).unwrap().status
    };
    assert!(status.success());
    vch.restart().unwrap();
    assert_eq!(
        ephemeral(&vch, "web"),
        chosen,
        "nor does a restart of the VCH change it"
    );
    assert!(outside(8080).is_some() && outside(chosen).is_some());
    vch.vchctl("container rm web --force").unwrap();
    assert!(closed(8080) && closed(chosen));
    assert_eq!(vch.ask("port ls").unwrap().as_array().unwrap().len(), 0);
}

/// The port that the VCH chose.
fn ephemeral(vch: &Coordinator<'_>, container: &str) -> u16 {
    let all = vch.ask(&format!("port ls {container}")).unwrap();
    let chosen = all
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["ephemeral"] == true);
    let port = chosen.unwrap_or_else(|| panic!("{all:#}"))["host_port"]
        .as_u64()
        .unwrap();
    port.try_into().unwrap()
}

#[test]
fn a_port_is_added_and_taken_away_while_flows_of_others_go_on() {
    let (lab, topology) = lab_and_topology("ports-live");
    let vch = Coordinator::start(&lab, &topology.vch).unwrap();
    vch.vchctl("network create web").unwrap();
    let (_web, _at_web) = server(&lab, &vch, "web -p 8080:7000", "web");
    let (_next, _at_next) = server(&lab, &vch, "next", "web");
    let open = |port| {
        let to = SocketAddr::new(VCH[0], port);
        let opened = topology
            .outside
            .run(|| TcpStream::connect_timeout(&to, ANSWER));
        let stream = opened.unwrap().unwrap();
        stream.set_read_timeout(Some(ANSWER)).unwrap();
        stream
    };
    let mut lasting = open(8080);
    assert!(ask_again(&mut lasting).is_some());
    vch.vchctl("port add web 8081:7000 8082:7000/udp").unwrap();
    let mut ended = open(8081);
    assert!(ask_again(&mut ended).unwrap().starts_with("web "));
    // A client that keeps its socket: without a change of its flow's entry it would be the old container's for ever.
    let datagrams = topology
        .outside
        .run(|| UdpSocket::bind((Topology::GATEWAY, 0)))
        .unwrap()
        .unwrap();
    datagrams.connect((VCH[0], 8082)).unwrap();
    datagrams.set_read_timeout(Some(NONE)).unwrap();
    assert!(datagram(&datagrams).unwrap().starts_with("web "));

    vch.vchctl("port rm web 8081:7000 8082:7000/udp").unwrap();
    assert!(is_unanswered(&topology.outside, VCH[0], Way::Tcp(8081)));
    assert_eq!(ask_again(&mut ended), None, "a flow of the port that went");
    assert_eq!(datagram(&datagrams), None);
    assert!(ask_again(&mut lasting).is_some(), "a flow of another port");
    vch.vchctl("port add next 8082:7000/udp").unwrap();
    eventually(SOON, "the same socket reaches the new container", || {
        datagram(&datagrams).is_some_and(|said| said.starts_with("next "))
    })
    .unwrap();
}

fn datagram(socket: &UdpSocket) -> Option<String> {
    // A refusal of the one before may be told here.
    let _ = socket.send(b"who is there?");
    let mut answer = [0; 64];
    let length = socket.recv(&mut answer).ok()?;
    Some(String::from_utf8_lossy(&answer[..length]).into_owned())
}

#[test]
fn a_port_may_be_for_some_clients_only() {
    let (lab, topology) = lab_and_topology("ports-clients");
    let vch = Coordinator::start(&lab, &topology.vch).unwrap();
    let friend = "10.2.9.9";
    topology
        .outside
        .ip(&format!("address add {friend}/16 dev vch"))
        .unwrap();
    vch.vchctl("network create web").unwrap();
    let (_web, _at_web) = server(&lab, &vch, "web", "web");
    vch.vchctl("port add web 8080:7000 --from 10.2.9.0/24")
        .unwrap();
    vch.vchctl("port add web 8081:7000 --from 10.2.0.0/24")
        .unwrap();
    let from = |source: &str, port: u16| {
        let route = format!("route replace {}/32 dev vch src {source}", Topology::VCH);
        topology.outside.ip(&route).unwrap();
        ask(&topology.outside, VCH[0], Way::Tcp(port), NONE).unwrap()
    };
    let own = Topology::GATEWAY.to_string();
    assert_eq!(
        from(friend, 8080).as_deref(),
        Some(&*format!("web {friend}"))
    );
    assert_eq!(from(&own, 8080), None, "another subnet's");
    assert_eq!(from(&own, 8081).as_deref(), Some(&*format!("web {own}")));
    assert_eq!(from(friend, 8081), None);
    vch.vchctl("port rm web 8080:7000").unwrap();
    vch.vchctl("port add web 8080:7000").unwrap();
    assert!(
        from(&own, 8080).is_some() && from(friend, 8080).is_some(),
        "for everybody"
    );
    // The host's own firewall has the last word, too.
    let nft = |words: &str| {
        let mut command = std::process::Command::new("nft");
        command.arg(words);
        assert!(
            topology.vch.output(command).unwrap().status.success(),
            "{words}"
        );
    };
    nft("add table inet firewall");
    nft("add chain inet firewall forward { type filter hook forward priority 0; }");
    nft("add rule inet firewall forward meta l4proto tcp ct original proto-dst 8080 drop");
    assert_eq!(from(&own, 8080), None, "what the firewall drops");
    assert!(from(&own, 8081).is_some());
    nft("delete table inet firewall");
    assert!(from(&own, 8080).is_some());
}

#[test]
fn what_cannot_be_published_is_refused_in_advance_by_name() {
    let (lab, topology) = lab_and_topology("ports-refused");
    let vch = Coordinator::start(&lab, &topology.vch).unwrap();
    vch.vchctl("network create web").unwrap();
    let (_web, _at_web) = server(&lab, &vch, "web -p 8080:7000", "web");
    let (_other, _at_other) = server(&lab, &vch, "other", "web");
    let (_direct, _at_direct) = server(&lab, &vch, "direct", "vic-production");
    let _holder = Responder::start(&topology.vch, "holder", 8090).unwrap();
    let before = vch.ask("container inspect web").unwrap();
    let own = std::env::current_exe().unwrap();
    let own = own
        .file_name()
        .unwrap()
        .to_str()
        .unwrap()
        .chars()
        .take(15)
        .collect::<String>();
    for (words, expected) in [
        (
            "port add other 8080:7001",
            vec!["port is already allocated", "web"],
        ),
        (
            "port add other 0.0.0.0:8080:7001",
            vec!["port is already allocated", "web"],
        ),
        ("port add web 8080:7001", vec!["8080", "7000/tcp"]),
        ("port add web 8090:7000", vec!["8090", &own]),
        ("port add web 8090:7000/udp", vec!["8090", &own]),
        ("port add web 2376:7000", vec!["2376"]),
        ("port add web [::1]:8091:7000", vec!["::1"]),
        ("port add direct 8080:80", vec!["8080:80", "-p 80"]),
        ("port add web 99999:80", vec!["99999"]),
        ("port add web 80/icmp", vec!["icmp", "tcp"]),
        ("port add web 8000-8010:80-81", vec!["8000-8010"]),
    ] {
        let said = refused(&vch, words);
        for one in expected {
            assert!(said.contains(one), "{words}: {said}");
        }
    }
    assert_eq!(vch.ask("container inspect web").unwrap(), before);
    assert_eq!(vch.ask("port ls").unwrap().as_array().unwrap().len(), 1);
}
