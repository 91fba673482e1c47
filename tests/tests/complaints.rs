//! What users of the peers complain of, where no other test shows it on packets, names or kernel state: `docs/complaints.md`
//! says which test is about which complaint.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use lab::{Asker, Coordinator, Lab, Member, Need, Responder, Topology, Way, ask, prerequisites};

const SOON: Duration = Duration::from_secs(10);
const ANSWER: Duration = Duration::from_secs(3);
const PORT: u16 = 7000;

fn lab_and_topology(label: &str) -> (Lab, Topology) {
    prerequisites::check(Need::MEMBERS).unwrap();
    let lab = Lab::of_namespaces(label).unwrap();
    let topology = lab.topology().unwrap();
    (lab, topology)
}

fn refused(vch: &Coordinator<'_>, words: &str) -> String {
    vch.vchctl(words).unwrap_err().to_string()
}

/// 1, 4237, 19: the address of a stopped container is nobody else's, over restarts of both.
#[test]
fn a_stopped_container_finds_its_address_again() {
    let (lab, topology) = lab_and_topology("stopped");
    let mut vch = Coordinator::start(&lab, &topology.vch).unwrap();
    vch.vchctl("network create web --subnet 10.9.8.0/29")
        .unwrap();
    let mut web = Member::start(&lab, &vch, "web", &["web"]).unwrap();
    vch.ready("web", SOON).unwrap();
    let own = web.address(&vch, "web").unwrap();
    let subnet = vch.ask("network inspect web").unwrap()["subnets"].clone();
    vch.vchctl("container stop web").unwrap();
    vch.kill().unwrap();
    vch.restart().unwrap();
    // A /29 has room for the gateway and five containers.
    let mut addresses = BTreeSet::from([own]);
    for number in 0..4 {
        let name = format!("other-{number}");
        let other = Member::start(&lab, &vch, &name, &["web"]).unwrap();
        assert!(
            addresses.insert(other.address(&vch, "web").unwrap()),
            "{addresses:?}"
        );
    }
    vch.vchctl("container add sixth").unwrap();
    let full = refused(&vch, "container connect sixth web");
    assert!(full.contains("no available IPv4 addresses"), "{full}");
    web.begin(&vch).unwrap();
    web.restart_agent().unwrap();
    vch.ready("web", SOON).unwrap();
    assert_eq!(web.address(&vch, "web").unwrap(), own);
    assert_eq!(vch.ask("network inspect web").unwrap()["subnets"], subnet);
}

/// 3: NAT of a network that is not the default one, after the VCH has booted.
#[test]
fn all_of_it_is_there_after_the_vch_has_booted() {
    let (lab, topology) = lab_and_topology("booted");
    let mut vch = Coordinator::start(&lab, &topology.vch).unwrap();
    vch.vchctl("network create web").unwrap();
    let mut web = Member::add(&lab, &vch, "web -p 8080:7000").unwrap();
    web.connect(&vch, "web").unwrap();
    web.begin(&vch).unwrap();
    let answers = |web: &Member| {
        let _responder = Responder::start(web.namespace(), "web", PORT).unwrap();
        ask(
            &topology.outside,
            Topology::VCH.into(),
            Way::Tcp(8080),
            ANSWER,
        )
        .unwrap()
    };
    web.restart_agent().unwrap();
    vch.ready("web", SOON).unwrap();
    assert!(answers(&web).is_some());
    let rules = |text: &str| {
        let mut command = Command::new("nft");
        command.args(text.split(' '));
        topology.vch.output(command).unwrap()
    };
    let before = String::from_utf8(rules("list map inet vch published_default4").stdout).unwrap();
    assert!(before.contains("8080"), "{before}");

    vch.kill().unwrap();
    assert!(rules("flush ruleset").status.success());
    let links = topology.vch.ip("-br link").unwrap();
    let ours = links
        .lines()
        .filter_map(|line| line.split(['@', ' ']).next());
    for link in ours.filter(|link| link.starts_with("br-") || link.starts_with("vt-")) {
        topology.vch.ip(&format!("link delete {link}")).unwrap();
    }
    vch.restart().unwrap();
    vch.ready("web", SOON).unwrap();
    assert!(answers(&web).is_some());
    let after = String::from_utf8(rules("list map inet vch published_default4").stdout).unwrap();
    assert_eq!(after, before, "no other mapping has appeared");
}

/// 11, 12: ports cost an element each, whatever their number: no process, little memory, and a start no slower.
#[test]
fn many_published_ports_cost_elements_and_nothing_else() {
    const EACH: u16 = 32;
    let containers: u16 = match std::env::var("VCH_LONG") {
        Ok(_) => 470,
        Err(_) => 94,
    };
    let (lab, topology) = lab_and_topology("many-ports");
    let vch = Coordinator::start(&lab, &topology.vch).unwrap();
    vch.vchctl("network create web").unwrap();
    let resident = || {
        let status = fs::read_to_string(format!("/proc/{}/status", vch.pid().unwrap())).unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS"))
            .unwrap();
        line.split_whitespace()
            .nth(1)
            .unwrap()
            .parse::<i64>()
            .unwrap()
    };
    let mut starts = Vec::new();
    let before = resident();
    for number in 0..containers {
        let first = 10_000 + number * EACH;
        let last = first + EACH - 1;
        vch.vchctl(&format!("container add c{number} -p {first}-{last}:80-111"))
            .unwrap();
        vch.vchctl(&format!("container connect c{number} web"))
            .unwrap();
        let began = Instant::now();
        vch.vchctl(&format!("container start c{number}")).unwrap();
        starts.push(began.elapsed());
    }
    let median = |times: &[Duration]| {
        let mut times = times.to_vec();
        times.sort_unstable();
        times[times.len() / 2]
    };
    let (early, late) = (median(&starts[5..35]), median(&starts[starts.len() - 30..]));
    let grown = resident() - before;
    let ports = i64::from(containers) * i64::from(EACH);
    println!(
        "{ports} ports: a start with {EACH} took {early:.2?} at first, {late:.2?} at last; {grown} KiB more"
    );
    assert!(
        late.as_secs_f64() <= 2.0 * early.as_secs_f64(),
        "{early:?} became {late:?}"
    );
    assert!(grown <= 10_000 + 4 * ports, "{grown} KiB");
    let pid = vch.pid().unwrap();
    for task in fs::read_dir(format!("/proc/{pid}/task")).unwrap() {
        let children = fs::read_to_string(task.unwrap().path().join("children")).unwrap();
        assert_eq!(children, "", "a process beside the coordinator");
    }
    let mut command = Command::new("nft");
    command.args(["list", "map", "inet", "vch", "published_default4"]);
    let listed = String::from_utf8(topology.vch.output(command).unwrap().stdout).unwrap();
    let elements = listed.matches(" . ").count() - listed.matches("type ").count();
    assert!(
        elements >= usize::try_from(ports).unwrap(),
        "{elements} elements of {ports}"
    );
}

/// 13: no question is lost while names come and go, and who does not run has no name.
#[test]
fn names_answer_while_others_change_and_end_with_their_container() {
    let (lab, topology) = lab_and_topology("names-change");
    let vch = Coordinator::start(&lab, &topology.vch).unwrap();
    vch.vchctl("network create web").unwrap();
    let web = Member::start(&lab, &vch, "web", &["web"]).unwrap();
    vch.ready("web", SOON).unwrap();
    let gateway = vch.gateways("web").unwrap()[0];
    let mut asker = Asker::of(web.namespace(), gateway, ANSWER).unwrap();
    let stop = AtomicBool::new(false);
    let (asked, lost, took) = thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let (mut asked, mut lost) = (0_u32, 0_u32);
            let began = Instant::now();
            while !stop.load(Ordering::Relaxed) {
                asked += 1;
                lost += u32::from(asker.addresses("web").is_none_or(|found| found.is_empty()));
            }
            (asked, lost, began.elapsed())
        });
        for number in 0..30 {
            let name = format!("passing-{number}");
            for words in [
                format!("container add {name}"),
                format!("container connect {name} web --alias passing"),
                format!("container start {name}"),
                format!("container rename {name} {name}-renamed"),
                format!("container rm {name}-renamed --force"),
            ] {
                vch.vchctl(&words).unwrap();
            }
        }
        stop.store(true, Ordering::Relaxed);
        asking.join().unwrap()
    });
    println!("{asked} questions in {took:.1?}, {lost} lost");
    assert_eq!(lost, 0, "of {asked}");
    assert!(
        f64::from(asked) / took.as_secs_f64() > 90.0,
        "{asked} in {took:?}"
    );

    let other = Member::start(&lab, &vch, "other", &["web --alias both"]).unwrap();
    vch.ready("other", SOON).unwrap();
    assert_eq!(web.resolve("both").unwrap().len(), 1);
    vch.vchctl("container rename other renamed").unwrap();
    assert_eq!(
        (
            web.resolve("other").unwrap().len(),
            web.resolve("renamed").unwrap().len()
        ),
        (0, 1)
    );
    vch.vchctl("container stop renamed").unwrap();
    for name in ["renamed", "both", "renamed.web"] {
        assert_eq!(
            web.resolve(name).unwrap(),
            [""; 0],
            "{name}: a container that does not run"
        );
    }
    drop(other);
}

/// 10, 18, 4: what goes by force leaves nothing behind.
#[test]
fn a_forced_removal_leaves_no_address_name_or_port() {
    let (lab, topology) = lab_and_topology("forced");
    let vch = Coordinator::start(&lab, &topology.vch).unwrap();
    for round in 0..3 {
        vch.vchctl("network create web --subnet 10.9.8.0/30")
            .unwrap();
        let member = Member::add(&lab, &vch, "web -p 8080:7000").unwrap();
        member
            .connect(&vch, "web --alias www --ip 10.9.8.2")
            .unwrap();
        vch.vchctl("container start web").unwrap();
        let in_use = refused(&vch, "network rm web");
        assert!(
            in_use.contains("has active endpoints") && in_use.contains("web"),
            "{in_use}"
        );
        vch.vchctl("container rm web --force").unwrap();
        vch.vchctl("network rm web").unwrap();
        let links = topology.vch.ip("-br link").unwrap();
        assert!(!links.contains("vt-"), "round {round}: {links}");
    }
    let status = vch.ask("status").unwrap();
    assert_eq!(
        (&status["containers"], &status["endpoints"]),
        (&0.into(), &0.into())
    );
}

/// 21, 34: several networks have one name server and one first way out.
#[test]
fn a_container_on_many_networks_has_one_name_server_and_one_first_way_out() {
    let (lab, topology) = lab_and_topology("many-networks");
    let vch = Coordinator::start(&lab, &topology.vch).unwrap();
    let names = ["one", "two", "three", "four", "five"];
    for name in names {
        vch.vchctl(&format!("network create {name}")).unwrap();
        vch.vchctl(&format!("container add at-{name}")).unwrap();
        vch.vchctl(&format!("container connect at-{name} {name}"))
            .unwrap();
        vch.vchctl(&format!("container start at-{name}")).unwrap();
    }
    let web = Member::start(
        &lab,
        &vch,
        "web",
        &["one", "two", "three --gateway-priority 5", "four", "five"],
    )
    .unwrap();
    vch.ready("web", SOON).unwrap();
    let resolver = fs::read_to_string(web.root().join("etc/resolv.conf")).unwrap();
    let servers: Vec<&str> = resolver
        .lines()
        .filter(|line| line.starts_with("nameserver"))
        .collect();
    let gateway = vch.gateways("three").unwrap()[0];
    assert_eq!(servers, [format!("nameserver {gateway}")]);
    for name in names {
        assert_eq!(
            web.resolve(&format!("at-{name}")).unwrap().len(),
            1,
            "{name}"
        );
    }
    let chosen = web
        .namespace()
        .ip(&format!("route get {}", Topology::BEYOND))
        .unwrap();
    assert!(chosen.contains(&format!("via {gateway} ")), "{chosen}");
    let hosts = fs::read_to_string(web.root().join("etc/hosts")).unwrap();
    assert!(!hosts.contains("at-"), "peers are found by DNS: {hosts}");
}

/// 22: a network that ends takes nothing of another's with it.
#[test]
fn the_end_of_one_network_leaves_the_others_their_way_out() {
    let (lab, topology) = lab_and_topology("apart");
    let vch = Coordinator::start(&lab, &topology.vch).unwrap();
    for network in ["stays", "goes"] {
        vch.vchctl(&format!("network create {network}")).unwrap();
    }
    let web = Member::start(&lab, &vch, "web", &["stays"]).unwrap();
    let last = Member::start(&lab, &vch, "last", &["goes"]).unwrap();
    for name in ["web", "last"] {
        vch.ready(name, SOON).unwrap();
    }
    let beyond = IpAddr::from(Topology::BEYOND);
    assert!(web.reaches(beyond, ANSWER).unwrap() && last.reaches(beyond, ANSWER).unwrap());
    let link = vch.ask("network inspect goes").unwrap()["link"].clone();
    vch.vchctl("container rm last --force").unwrap();
    vch.vchctl("network rm goes").unwrap();
    assert!(web.reaches(beyond, ANSWER).unwrap());
    vch.vchctl("network create goes").unwrap();
    assert_ne!(
        vch.ask("network inspect goes").unwrap()["link"],
        link,
        "a link's name is not reused"
    );
}

/// 23: subnets and the VCH's routes, of every table, keep off one another.
#[test]
fn a_subnet_keeps_off_the_routes_of_every_table() {
    let (lab, topology) = lab_and_topology("routes");
    let vch = Coordinator::start(&lab, &topology.vch).unwrap();
    let via = format!("via {} dev external", Topology::GATEWAY);
    topology
        .vch
        .ip(&format!("route add 172.18.0.0/16 {via} table 100"))
        .unwrap();
    topology
        .vch
        .ip(&format!("route add 172.19.128.0/24 {via}"))
        .unwrap();
    let seen = |net: &str| refused(&vch, &format!("network create probe --subnet {net}"));
    for net in ["172.18.5.0/24", "172.18.0.0/15", "172.19.0.0/16"] {
        lab::eventually(SOON, "the route is known", || {
            seen(net).contains("overlaps the VCH's route to")
        })
        .unwrap();
    }
    vch.vchctl("network create web").unwrap();
    let gateway = vch.gateways("web").unwrap()[0];
    assert_eq!(
        gateway,
        IpAddr::from([172, 20, 0, 1]),
        "neither 172.18 nor 172.19"
    );
    // One that comes later is named with the network that it takes away from.
    topology
        .vch
        .ip(&format!("route add 172.20.5.0/24 {via}"))
        .unwrap();
    lab::eventually(SOON, "the route is warned of", || {
        let warnings = vch.ask("status").unwrap()["warnings"].to_string();
        warnings.contains("172.20.5.0/24") && warnings.contains("network web")
    })
    .unwrap();
}

/// 26: nothing is said to be there that is not; the error names the interface.
#[test]
fn a_missing_uplink_is_named_and_nothing_is_started() {
    let (lab, topology) = lab_and_topology("uplink");
    topology
        .vch
        .ip(&format!("link delete {}", Topology::PRODUCTION_INTERFACE))
        .unwrap();
    let refused = Coordinator::start(&lab, &topology.vch)
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("external.interface") && refused.contains("`production`"),
        "{refused}"
    );
    let links = topology.vch.ip("-br link").unwrap();
    assert!(!links.contains("br-"), "{links}");
}
