//! Names as containers find them, through a whole coordinator: whatever changes shows in the next answer.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::net::{IpAddr, UdpSocket};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use lab::{Coordinator, Lab, Member, Namespace, Need, Topology, eventually, prerequisites};

const SOON: Duration = Duration::from_secs(10);

fn lab_and_topology(label: &str) -> (Lab, Topology) {
    prerequisites::check(Need::MEMBERS).unwrap();
    let lab = Lab::of_namespaces(label).unwrap();
    let topology = lab.topology().unwrap();
    (lab, topology)
}

fn no_name() -> Vec<String> {
    Vec::new()
}

fn all(addresses: &[IpAddr]) -> Vec<String> {
    addresses.iter().map(ToString::to_string).collect()
}

/// Docker's `--link`, and a health check's word.
#[test]
fn links_answer_their_asker_and_the_unhealthy_are_silent_where_that_is_requested() {
    let (lab, topology) = lab_and_topology("links");
    let vch = Coordinator::start(&lab, &topology.vch).unwrap();
    vch.vchctl("network create web").unwrap();
    let db = Member::start(&lab, &vch, "db", &["web --only-healthy"]).unwrap();
    let app = Member::start(&lab, &vch, "app", &["web --link db:database"]).unwrap();
    let other = Member::start(&lab, &vch, "other", &["web"]).unwrap();
    for name in ["db", "app", "other"] {
        vch.ready(name, SOON).unwrap();
    }
    let v4 = &all(&db.addresses(&vch, "web").unwrap())[..1];
    assert_eq!(app.resolve("database").unwrap(), v4);
    assert_eq!(other.resolve("database").unwrap(), no_name());
    assert_eq!(other.resolve("db").unwrap(), v4);
    // Its reverse name is everybody's, and the container's own.
    let reverse = app.resolve(&format!("-x {}", v4[0])).unwrap();
    assert_eq!(reverse, other.resolve(&format!("-x {}", v4[0])).unwrap());
    assert!(reverse[0].starts_with("db"), "{reverse:?}");

    vch.vchctl("container health db unhealthy").unwrap();
    for (asker, name) in [(&app, "database"), (&app, "db"), (&other, "db")] {
        assert_eq!(asker.resolve(name).unwrap(), no_name(), "{name}");
    }
    vch.vchctl("container health db healthy").unwrap();
    assert_eq!(app.resolve("database").unwrap(), v4);

    vch.vchctl("container rename db store").unwrap();
    assert_eq!(app.resolve("database").unwrap(), v4);
    assert_eq!(other.resolve("db").unwrap(), no_name());
    vch.vchctl("container stop store").unwrap();
    assert_eq!(app.resolve("database").unwrap(), no_name());
    vch.vchctl("container start store").unwrap();
    assert_eq!(app.resolve("database").unwrap(), v4);
}

/// Name, short ID and aliases, in both families; two who share an alias.
#[test]
fn every_name_of_a_container_answers_in_both_families_and_back() {
    let (lab, topology) = lab_and_topology("families");
    let vch = Coordinator::start(&lab, &topology.vch).unwrap();
    vch.vchctl("network create web --ipv6").unwrap();
    let one = Member::start(&lab, &vch, "one", &["web --alias both"]).unwrap();
    let two = Member::start(&lab, &vch, "two", &["web --alias both"]).unwrap();
    for name in ["one", "two"] {
        vch.ready(name, SOON).unwrap();
    }
    let own = one.addresses(&vch, "web").unwrap();
    let [v4, v6] = own[..] else {
        panic!("{own:?}");
    };
    let id = vch.ask("container inspect one").unwrap()["id"].clone();
    let short = &id.as_str().unwrap()[..12];
    for name in ["one", "one.web", short, "ONE"] {
        assert_eq!(two.resolve(name).unwrap(), all(&[v4]), "{name}");
        let words = format!("AAAA {name}");
        assert_eq!(two.resolve(&words).unwrap(), all(&[v6]), "{name}");
    }
    for address in [v4, v6] {
        let reverse = two.resolve(&format!("-x {address}")).unwrap();
        assert_eq!(reverse, ["one.web."], "{address}");
    }
    let mut first = std::collections::BTreeSet::new();
    for _ in 0..64 {
        let both = two.resolve("both").unwrap();
        assert_eq!(both.len(), 2);
        first.insert(both[0].clone());
    }
    assert_eq!(first.len(), 2, "each comes first at times");
    vch.vchctl("container alias one web only").unwrap();
    assert_eq!(two.resolve("only").unwrap(), all(&[v4]));
    assert_eq!(two.resolve("both").unwrap().len(), 1);
}

/// A server of the world outside, in a namespace, that answers whatever it is asked with one address. It ends when it is
/// asked for nothing.
fn outside(namespace: &Namespace, at: &str, answer: [u8; 4]) -> JoinHandle<()> {
    let socket = namespace
        .run(|| UdpSocket::bind((at, 53)))
        .unwrap()
        .unwrap();
    thread::spawn(move || {
        let mut query = [0; 512];
        while let Ok((length, peer)) = socket.recv_from(&mut query)
            && length > 12
        {
            // RFC 1035, 4.1: the question alone, and an answer that points at its name.
            let name = query[12..].iter().position(|octet| *octet == 0).unwrap();
            let question = &query[12..12 + name + 5];
            let head = [query[0], query[1], 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0];
            let record = [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4];
            let reply = [&head[..], question, &record, &answer].concat();
            socket.send_to(&reply, peer).unwrap();
        }
    })
}

fn end(namespace: &Namespace, at: &str) {
    let knock = namespace
        .run(|| UdpSocket::bind("0.0.0.0:0"))
        .unwrap()
        .unwrap();
    knock.send_to(&[], (at, 53)).unwrap();
}

/// `--dns`: the VCH asks a container's own servers for it.
#[test]
fn each_container_has_its_outside_questions_forwarded_to_its_own_servers() {
    let (lab, topology) = lab_and_topology("own-servers");
    let (ours, theirs) = ("127.0.8.1", "127.0.9.1");
    let servers = [
        outside(&topology.vch, ours, [192, 0, 2, 8]),
        outside(&topology.vch, theirs, [192, 0, 2, 9]),
    ];
    let tables = format!("[dns]\nupstreams = [\"{ours}:53\"]\n");
    let mut vch = Coordinator::start_with(&lab, &topology.vch, &tables).unwrap();
    vch.vchctl("network create web").unwrap();
    vch.vchctl("network create closed --internal").unwrap();
    let plain = Member::start(&lab, &vch, "plain", &["web"]).unwrap();
    let mut own = Member::add(&lab, &vch, &format!("own --dns {theirs}")).unwrap();
    own.connect(&vch, "web").unwrap();
    let mut inside = Member::add(&lab, &vch, &format!("inside --dns {theirs}")).unwrap();
    inside.connect(&vch, "closed").unwrap();
    for member in [&mut own, &mut inside] {
        member.begin(&vch).unwrap();
        member.restart_agent().unwrap();
    }
    for name in ["plain", "own", "inside"] {
        vch.ready(name, SOON).unwrap();
    }
    for round in ["before", "after a restart"] {
        assert_eq!(
            plain.resolve("www.example").unwrap(),
            ["192.0.2.8"],
            "{round}"
        );
        assert_eq!(
            own.resolve("www.example").unwrap(),
            ["192.0.2.9"],
            "{round}"
        );
        assert_eq!(inside.resolve("www.example").unwrap(), no_name(), "{round}");
        assert_eq!(plain.resolve("own").unwrap().len(), 1, "{round}");
        if round == "before" {
            vch.kill().unwrap();
            vch.restart().unwrap();
        }
    }
    drop(vch);
    for (server, at) in servers.into_iter().zip([ours, theirs]) {
        end(&topology.vch, at);
        server.join().unwrap();
    }
}

/// 17: what else has port 53 on the VCH.
#[test]
fn who_holds_port_53_everywhere_is_named_and_gives_way_in_the_end() {
    let (lab, topology) = lab_and_topology("port-53");
    let everywhere = topology.vch.run(|| UdpSocket::bind("0.0.0.0:53"));
    let everywhere = everywhere.unwrap().unwrap();
    let vch = Coordinator::start(&lab, &topology.vch).unwrap();
    let names_holder = |words: &str| {
        let own = format!("(process {})", std::process::id());
        words.contains("udp port 53 is held by") && words.contains(&own)
    };
    let status = vch.ask("status").unwrap();
    assert!(names_holder(&status["unsettled"].to_string()), "{status:#}");
    let refused = vch.vchctl("network create web").unwrap_err().to_string();
    assert!(names_holder(&refused), "{refused}");
    assert!(vch.vchctl("network inspect web").is_err(), "it was undone");

    drop(everywhere);
    let settled = || vch.ask("status").unwrap()["unsettled"] == serde_json::json!([]);
    eventually(SOON, "all gateways are listened on", settled).unwrap();
    vch.vchctl("network create web").unwrap();
    let web = Member::start(&lab, &vch, "web", &["web"]).unwrap();
    vch.ready("web", SOON).unwrap();
    assert_eq!(web.resolve("web").unwrap().len(), 1);
}

/// A network's own DNS TTL, from each API, and in the next answer after it has changed.
#[test]
fn answers_may_be_kept_as_long_as_their_network_says() {
    let (lab, topology) = lab_and_topology("ttl");
    let vch = Coordinator::start(&lab, &topology.vch).unwrap();
    vch.vchctl("network create web --dns-ttl 300").unwrap();
    let web = Member::start(&lab, &vch, "web", &["web"]).unwrap();
    vch.ready("web", SOON).unwrap();
    let ttl = || {
        let answer = web.resolve("+noshort +noall +answer web").unwrap();
        let [answer] = &answer[..] else {
            panic!("{answer:?}");
        };
        answer.split_whitespace().nth(1).unwrap().to_owned()
    };
    assert_eq!(ttl(), "300");
    vch.vchctl("network set web --dns-ttl 86400").unwrap();
    assert_eq!(ttl(), "86400");
    assert_eq!(vch.ask("network inspect web").unwrap()["dns_ttl"], 86400);
    vch.vchctl("network set web --dns-ttl default").unwrap();
    assert_eq!(ttl(), "0");
    for command in [
        "network set web --dns-ttl 86401",
        "network create x --dns-ttl 86401",
    ] {
        let refused = vch.vchctl(command).unwrap_err().to_string();
        assert!(refused.contains("use 0 to 86400 seconds"), "{refused}");
    }
    let refused = vch.vchctl("network set none --dns-ttl 1").unwrap_err();
    assert!(refused.to_string().contains("bridge network"), "{refused}");
}
