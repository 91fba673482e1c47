//! The coordinator is killed at random points, and at its next start the store, the kernel and the names are what its
//! clients were told; what they were not told is wholly so, or not at all.
//!
//! `CRASH_ROUNDS` is the number of rounds (8; `make crash` plays 200), `CRASH_SEED` another game.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod client;
mod dice;
mod kernel;
mod state;

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::thread;
use std::time::Duration;

use client::Client;
use control_api::client::Client as Http;
use dice::Dice;
use lab::{Coordinator, Lab, Member, Need, Responder, Topology, ask_again, prerequisites};
use serde_json::Value;
use state::Expected;

const SOON: Duration = Duration::from_secs(10);
const ANSWER: Duration = Duration::from_secs(5);
const CLIENTS: u16 = 3;
/// Microseconds from the first command to the kill, at most.
const LIFE: u64 = 150_000;
/// Microseconds of a start that is killed itself, at most.
const START: u64 = 120_000;

fn number(variable: &str, otherwise: u64) -> u64 {
    let given = std::env::var(variable).ok();
    given.map_or(otherwise, |text| text.parse().unwrap())
}

#[test]
fn after_each_kill_all_is_as_was_acknowledged() {
    prerequisites::check(Need::MEMBERS).unwrap();
    let (rounds, seed) = (number("CRASH_ROUNDS", 8), number("CRASH_SEED", 1));
    println!("seed {seed}");
    let lab = Lab::of_namespaces("crash").unwrap();
    let topology = lab.topology().unwrap();
    let mut vch = Coordinator::start(&lab, &topology.vch).unwrap();
    let (_anchor, _responder, mut flow) = anchor(&lab, &vch, &topology);
    let mut dice = Dice::new(seed);
    let mut clients: Vec<Client> = (0..CLIENTS)
        .map(|number| Client::new(Http::new(vch.socket()), number, dice.roll()))
        .collect();
    let (mut differences, mut killed_early, mut unanswered) = (0, 0, 0);
    for round in 1..=rounds {
        let life = Duration::from_micros(dice.below(LIFE));
        play(&mut clients, &mut vch, life);
        unanswered += clients
            .iter()
            .filter(|client| client.unanswered.is_some())
            .count();
        while dice.below(4) == 0 {
            vch.start_and_kill(Duration::from_micros(dice.below(START)))
                .unwrap();
            killed_early += 1;
        }
        vch.restart().unwrap();
        let mut found = compare(&vch, &topology, &mut clients);
        if ask_again(&mut flow).is_none_or(|said| !said.starts_with("anchor ")) {
            found.push("the flow that was opened before the first kill is cut".to_owned());
        }
        for difference in &found {
            println!("round {round}: {difference}");
        }
        differences += found.len();
    }
    let answered: usize = clients.iter().map(|client| client.answered).sum();
    println!(
        "{answered} commands answered, {unanswered} cut off by the kill, {killed_early} starts killed themselves"
    );
    println!("{rounds} rounds, {differences} differences");
    assert_eq!(differences, 0);
    assert!(answered > 0);
    what_is_amiss_is_found(vch, &topology);
}

/// The comparison is none in name only.
fn what_is_amiss_is_found(mut vch: Coordinator<'_>, topology: &Topology) {
    let (networks, containers) = (
        vch.ask("network ls").unwrap(),
        vch.ask("container ls").unwrap(),
    );
    assert_eq!(
        kernel::differences(topology, &networks, &containers),
        [""; 0]
    );
    vch.kill().unwrap();
    let mut command = Command::new("nft");
    command.args(["flush", "map", "inet", "vch", "published_default4"]);
    assert!(topology.vch.output(command).unwrap().status.success());
    let shown = &containers.as_array().unwrap()[0]["endpoints"]["anchorage"];
    let link = shown["link"].as_str().unwrap();
    topology
        .vch
        .ip(&format!("link set {link} nomaster"))
        .unwrap();
    let found = kernel::differences(topology, &networks, &containers).join("\n");
    for what in [
        "links: missing",
        "published_default4: missing",
        "anchor on anchorage: wanted",
    ] {
        assert!(found.contains(what), "{what}: {found}");
    }
}

/// A container that nobody changes, and a connection to its published port.
fn anchor(lab: &Lab, vch: &Coordinator<'_>, topology: &Topology) -> (Member, Responder, TcpStream) {
    let mut member = Member::add(lab, vch, "anchor -p 9000:7000").unwrap();
    vch.vchctl("network create anchorage").unwrap();
    member.connect(vch, "anchorage").unwrap();
    member.begin(vch).unwrap();
    member.restart_agent().unwrap();
    vch.ready("anchor", SOON).unwrap();
    let responder = Responder::start(member.namespace(), "anchor", 7000).unwrap();
    let to = SocketAddr::new(Topology::VCH.into(), 9000);
    let opened = topology
        .outside
        .run(|| TcpStream::connect_timeout(&to, ANSWER));
    let stream = opened.unwrap().unwrap();
    stream.set_read_timeout(Some(ANSWER)).unwrap();
    (member, responder, stream)
}

/// Lets all clients ask at once, and kills the coordinator under them.
fn play(clients: &mut [Client], vch: &mut Coordinator<'_>, life: Duration) {
    thread::scope(|scope| {
        for client in clients {
            scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build();
                runtime.unwrap().block_on(client.run());
            });
        }
        let (sender, receiver) = std::sync::mpsc::channel::<()>();
        // Nobody sends: it is the time that is waited for.
        let _ = receiver.recv_timeout(life);
        drop(sender);
        vch.kill().unwrap();
    });
}

/// Returns a message for each difference from what was acknowledged. The models then have the
/// actual state.
fn compare(vch: &Coordinator<'_>, topology: &Topology, clients: &mut [Client]) -> Vec<String> {
    let mut found = Vec::new();
    let (networks, containers) = (
        vch.ask("network ls").unwrap(),
        vch.ask("container ls").unwrap(),
    );
    for client in clients.iter_mut() {
        found.append(&mut client.refused);
        let shown = Expected::parse(&networks, &containers, &client.prefix);
        let same = match client.unanswered.take() {
            None => shown == client.state,
            Some(command) => shown.without(&command) == client.state.without(&command),
        };
        if !same {
            found.push(format!("told {:#?}\nthere {shown:#?}", client.state));
        }
        client.state = shown;
    }
    found.extend(doubles(&containers));
    found.extend(kernel::differences(topology, &networks, &containers));
    let status = vch.ask("status").unwrap();
    let unsettled = status["unsettled"].as_array().unwrap().iter();
    found.extend(unsettled.map(ToString::to_string));
    found
}

/// Returns a message for each address, MAC address, link or port of the VCH that is there twice.
fn doubles(containers: &Value) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for container in containers.as_array().unwrap() {
        let endpoints = container["endpoints"].as_object().unwrap().values();
        let keys = endpoints.flat_map(|one| [&one["addresses"][0], &one["mac"], &one["link"]]);
        let ports = container["bindings"].as_array().unwrap().iter();
        for key in keys.chain(ports.map(|one| &one["host_port"])) {
            if !seen.insert(key.to_string()) {
                found.push(format!("{key} is there twice"));
            }
        }
    }
    found
}
