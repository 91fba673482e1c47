//! Who must not reach whom, on packets: TCP, UDP and ICMP, to raw addresses, v4 and v6, with dedicated and with shared
//! bridge networks. Each closed cell has an open one beside it, tried by the same sender with the same tool, and a
//! receiver that saw nothing.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod testbed;

use std::net::IpAddr;
use std::thread;
use std::time::Duration;

use lab::{Lab, Namespace, Need, Packet, Topology, Way, ask, prerequisites};
use testbed::{PORT, PUBLISHED, Testbed};

const SOON: Duration = Duration::from_secs(10);
/// Long enough for an answer that must not come: an open cell's comes within some milliseconds.
const NONE: Duration = Duration::from_secs(1);
const WAYS: &[Way] = &[Way::Tcp(PORT), Way::Udp(PORT), Way::Echo];
const SERVICES: &[Way] = &[Way::Tcp(PORT), Way::Udp(PORT)];
const PUBLISHED_SERVICES: &[Way] = &[Way::Tcp(PUBLISHED), Way::Udp(PUBLISHED)];
const PUBLISHED_WAYS: &[Way] = &[Way::Tcp(PUBLISHED), Way::Udp(PUBLISHED), Way::Echo];

#[test]
fn nobody_is_reached_who_must_not_be_with_dedicated_bridges() {
    matrix("dedicated");
}

#[test]
fn nobody_is_reached_who_must_not_be_with_a_shared_segment() {
    matrix("shared");
}

/// Addresses, by the name of who has them, and the ways by which they are asked.
type Target = (&'static str, &'static [Way]);

/// A sender, whom it must not reach, whom it must, and who must have seen nothing.
struct Row(&'static str, &'static str, Target, Target, Receiver);

#[derive(Clone, Copy)]
enum Receiver {
    /// The host of that name: no packet to the closed addresses arrived there.
    At(&'static str),
    /// The VCH, where packets arrive and are dropped: nobody who listens there heard anything.
    Vch,
}

const ROWS: &[Row] = &[
    Row(
        "bridge → another bridge",
        "one",
        ("other", WAYS),
        ("two", WAYS),
        Receiver::At("other"),
    ),
    Row(
        "another bridge → bridge",
        "other",
        ("two", WAYS),
        ("outside", WAYS),
        Receiver::At("two"),
    ),
    Row(
        "bridge → internal network",
        "one",
        ("hidden", WAYS),
        ("two", WAYS),
        Receiver::At("hidden"),
    ),
    Row(
        "internal network → outside",
        "hidden",
        ("beyond", WAYS),
        ("peer", WAYS),
        Receiver::At("outside"),
    ),
    Row(
        "internal network → bridge",
        "hidden",
        ("two", WAYS),
        ("peer", WAYS),
        Receiver::At("two"),
    ),
    Row(
        "internal network → management",
        "hidden",
        ("admin", WAYS),
        ("peer", WAYS),
        Receiver::At("admin"),
    ),
    Row(
        "bridge → management",
        "one",
        ("admin", WAYS),
        ("outside", WAYS),
        Receiver::At("admin"),
    ),
    Row(
        "bridge → docker endpoint",
        "one",
        ("clients", WAYS),
        ("outside", WAYS),
        Receiver::At("clients"),
    ),
    Row(
        "external container → bridge",
        "server",
        ("two", WAYS),
        ("outside of production", WAYS),
        Receiver::At("two"),
    ),
    Row(
        "external container → management",
        "server",
        ("admin", WAYS),
        ("outside of production", WAYS),
        Receiver::At("admin"),
    ),
    Row(
        "external container → docker endpoint",
        "server",
        ("clients", WAYS),
        ("outside of production", WAYS),
        Receiver::At("clients"),
    ),
    Row(
        "outside → bridge, not published",
        "outside",
        ("other", WAYS),
        ("the VCH outside", PUBLISHED_WAYS),
        Receiver::At("other"),
    ),
    Row(
        "outside → bridge, by its own address",
        "outside",
        ("two", WAYS),
        ("the VCH outside", PUBLISHED_WAYS),
        Receiver::At("two"),
    ),
    Row(
        "outside → management",
        "outside",
        ("admin", WAYS),
        ("the VCH outside", PUBLISHED_WAYS),
        Receiver::At("admin"),
    ),
    Row(
        "bridge → published, at another gateway",
        "one",
        ("the VCH on management", PUBLISHED_WAYS),
        ("beta's gateway", PUBLISHED_SERVICES),
        Receiver::At("other"),
    ),
    Row(
        "outside → published, at a gateway",
        "outside",
        ("alpha's gateway", PUBLISHED_SERVICES),
        ("the VCH outside", PUBLISHED_WAYS),
        Receiver::At("two"),
    ),
    Row(
        "external container → published, at a gateway",
        "server",
        ("alpha's gateway", PUBLISHED_SERVICES),
        ("outside of production", WAYS),
        Receiver::At("two"),
    ),
    Row(
        "internal network → published, at a gateway",
        "hidden",
        ("alpha's gateway", PUBLISHED_SERVICES),
        ("peer", WAYS),
        Receiver::At("two"),
    ),
    Row(
        "container → service at its gateway",
        "one",
        ("alpha's gateway", SERVICES),
        ("outside", WAYS),
        Receiver::Vch,
    ),
    Row(
        "container → service of the VCH outside",
        "one",
        ("the VCH outside", WAYS),
        ("outside", WAYS),
        Receiver::Vch,
    ),
    Row(
        "container → service on management",
        "one",
        ("the VCH on management", WAYS),
        ("outside", WAYS),
        Receiver::Vch,
    ),
    Row(
        "container → service at the endpoint",
        "one",
        ("the VCH at the endpoint", WAYS),
        ("outside", WAYS),
        Receiver::Vch,
    ),
    Row(
        "internal container → service of the VCH",
        "hidden",
        ("the VCH outside", WAYS),
        ("peer", WAYS),
        Receiver::Vch,
    ),
];

fn matrix(segment: &str) {
    prerequisites::check(Need::MEMBERS).unwrap();
    let lab = Lab::of_namespaces(&format!("isolation-{segment}")).unwrap();
    let topology = lab.topology().unwrap();
    let testbed = Testbed::build(&lab, &topology, segment);
    // All that is closed first: the last packets of an open flow arrive when they like, and would be counted.
    let closed: Vec<_> = ROWS.iter().map(|row| closed(row, &testbed)).collect();
    println!("{segment:<44} closed  open  arrived");
    let mut failed = Vec::new();
    for (row, (cells, arrived, leaks)) in ROWS.iter().zip(closed) {
        let (open_cells, silent) = open(row, &testbed);
        println!("{:<44} {cells:>6} {open_cells:>5} {arrived:>8}", row.0);
        failed.extend(leaks.into_iter().chain(silent));
    }
    assert!(failed.is_empty(), "{segment}:\n{}", failed.join("\n"));
    no_capture_was_deaf(&testbed, &topology);
    let status = testbed.vch.ask("status").unwrap();
    assert_eq!(
        status["unsettled"].as_array().unwrap().len(),
        0,
        "{status:#}"
    );
    // DNS and an echo are what a gateway has for its containers.
    let one = testbed.member("one");
    for address in testbed.addresses("alpha's gateway") {
        assert!(one.reaches(address, SOON).unwrap(), "{address}");
    }
    assert_eq!(
        one.resolve("two").unwrap(),
        [testbed.addresses("two")[0].to_string()]
    );
}

fn no_capture_was_deaf(testbed: &Testbed<'_>, topology: &Topology) {
    // Nobody is let through to these two, so the VCH itself asks them.
    for name in ["admin", "clients"] {
        let to = testbed.addresses(name)[0];
        assert!(ask(&topology.vch, to, Way::Echo, SOON).unwrap().is_some());
        let there = |packet: &Packet| packet.destination == to;
        testbed
            .capture(name)
            .sees(SOON, "the VCH's echo request", there)
            .unwrap();
    }
    for name in ["two", "other", "hidden", "outside"] {
        let there = |packet: &Packet| testbed.addresses(name).contains(&packet.source);
        testbed
            .capture(name)
            .sees(SOON, "a packet of its own", there)
            .unwrap();
    }
}

/// Tries a row's closed cells; answers with how many there are, how many packets arrived, and what is not as it must be.
fn closed(
    Row(what, from, closed, _, receiver): &Row,
    testbed: &Testbed<'_>,
) -> (usize, usize, Vec<String>) {
    let addresses = testbed.addresses(closed.0);
    let arrived = || match receiver {
        Receiver::Vch => testbed.service.heard(),
        Receiver::At(name) => {
            let counts =
                |packet: &Packet| addresses.contains(&packet.destination) && !packet.is_discovery();
            testbed.capture(name).matching(counts).len()
        }
    };
    let before = arrived();
    let cells = cells(testbed, *closed);
    let answers = tried(testbed.namespace(from), &cells, NONE);
    let arrived = arrived() - before;
    let mut failed = Vec::new();
    for ((to, way), answer) in cells.iter().zip(answers) {
        if let Some(answer) = answer {
            failed.push(format!("{what}: {to} answers by {way:?}: {answer}"));
        }
    }
    if arrived > 0 {
        failed.push(format!("{what}: {arrived} packets arrived"));
    }
    (cells.len(), arrived, failed)
}

/// Tries a row's open cells in the same way.
fn open(Row(what, from, _, open, _): &Row, testbed: &Testbed<'_>) -> (usize, Vec<String>) {
    let cells = cells(testbed, *open);
    let answers = tried(testbed.namespace(from), &cells, SOON);
    let silent = cells
        .iter()
        .zip(answers)
        .filter(|(_, answer)| answer.is_none());
    let failed =
        silent.map(|((to, way), _)| format!("{what}: {to} must answer by {way:?} and does not"));
    (cells.len(), failed.collect())
}

fn cells(testbed: &Testbed<'_>, (name, ways): Target) -> Vec<(IpAddr, Way)> {
    let addresses = testbed.addresses(name).into_iter();
    addresses
        .flat_map(|to| ways.iter().map(move |way| (to, *way)))
        .collect()
}

fn tried(from: &Namespace, cells: &[(IpAddr, Way)], within: Duration) -> Vec<Option<String>> {
    thread::scope(|scope| {
        let asked: Vec<_> = cells
            .iter()
            .map(|(to, way)| scope.spawn(move || ask(from, *to, *way, within).unwrap()))
            .collect();
        asked.into_iter().map(|one| one.join().unwrap()).collect()
    })
}
