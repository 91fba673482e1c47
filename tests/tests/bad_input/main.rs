//! Bad input, end to end: each has a code, words with a remedy, and leaves everything as it was.

#![expect(clippy::unwrap_used, reason = "a test")]

mod channel;
mod configuration;

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::process::{Command, Output};
use std::time::Duration;

use lab::{Coordinator, Lab, Member, Need, paths, prerequisites};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(10);

/// Whatever `vchctl` answers to these words.
fn vchctl(vch: &Coordinator<'_>, words: &str) -> Output {
    let mut command = Command::new(paths::built("vchctl").unwrap());
    command.env("VCH_SOCKET", vch.socket());
    command.args(words.split_whitespace()).output().unwrap()
}

/// `vchctl` must refuse these words; all that it says, whereafter all is as it was.
fn refused(vch: &Coordinator<'_>, words: &str) -> String {
    let before = everything(vch);
    let output = vchctl(vch, words);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{words}: {said}");
    assert!(output.stdout.is_empty(), "{words}");
    assert!(said.starts_with("vchctl: "), "{words}: {said}");
    assert_eq!(everything(vch), before, "{words}");
    said
}

fn everything(vch: &Coordinator<'_>) -> [Value; 3] {
    let status = vch.ask("status").unwrap();
    assert_eq!(status["unsettled"], serde_json::json!([]));
    [
        status["revision"].clone(),
        vch.ask("network ls").unwrap(),
        vch.ask("container ls").unwrap(),
    ]
}

/// What is typed, and words of the answer.
const REFUSED: [(&str, &str); 18] = [
    (
        "container connect two web --mac 02:00:00:00:00:07",
        "already that of container one: choose another",
    ),
    (
        "container connect two web --ip 10.9.8.7",
        "belongs to container one: choose another",
    ),
    (
        "container connect two web --ip 10.9.9.7",
        "no configured subnet contains IP address 10.9.9.7",
    ),
    (
        "container connect two web --ip 10.9.8.1",
        "10.9.8.1 is kept back as the gateway of network web",
    ),
    (
        "container connect two web --ip 10.9.8.255",
        "10.9.8.255 is no host's",
    ),
    (
        "container connect two web --mac 03:00:00:00:00:01",
        "field `mac` cannot be `03:00:00:00:00:01`",
    ),
    (
        "container connect two nowhere",
        "network nowhere not found: see `vchctl network ls`",
    ),
    (
        "container connect nobody web",
        "nobody: see `vchctl container ls`",
    ),
    (
        "container connect one web",
        "already attached to network web: disconnect it first",
    ),
    (
        "container connect two web --attachment veth:/nowhere",
        "was undone",
    ),
    (
        "container disconnect two web",
        "not connected to network web",
    ),
    ("container add one", "already in use"),
    (
        "container add three --channel vsock:9",
        "needs the native vsock listener: set `tether.vsock_port`",
    ),
    (
        "container add three --channel carrier-pigeon",
        "field `channel` cannot be `carrier-pigeon`",
    ),
    (
        "container rm one",
        "still connected to web: disconnect it first",
    ),
    (
        "network create other --subnet 10.9.8.128/25",
        "overlaps 10.9.8.0/24 of network web: choose another",
    ),
    (
        "network rm web",
        "active endpoints (one): disconnect them first",
    ),
    ("network rm bridge", "pre-defined network"),
];

#[test]
fn what_another_has_or_cannot_be_is_refused_and_changes_nothing() {
    prerequisites::check(Need::NAMESPACES).unwrap();
    let lab = Lab::of_namespaces("refused").unwrap();
    let topology = lab.topology().unwrap();
    let mut vch = Coordinator::start(&lab, &topology.vch).unwrap();
    vch.vchctl("network create web --subnet 10.9.8.0/24")
        .unwrap();
    for name in ["one", "two"] {
        vch.vchctl(&format!("container add {name}")).unwrap();
    }
    vch.vchctl("container connect one web --ip 10.9.8.7 --mac 02:00:00:00:00:07")
        .unwrap();
    // A network goes with the endpoints of containers that do not run.
    vch.vchctl("container start one").unwrap();
    for (words, wanted) in REFUSED {
        let said = refused_but_for_revision(&vch, words);
        assert!(said.contains(wanted), "{words}: {said}");
    }
    let words = vchctl(&vch, "container connect");
    assert_eq!(words.status.code(), Some(2), "not a command");
    vch.stop().unwrap();
    let gone = vchctl(&vch, "status");
    assert_eq!(gone.status.code(), Some(3), "nobody there");
    let said = String::from_utf8_lossy(&gone.stderr);
    assert!(
        said.contains("start one with `vch-coordinator --config FILE`"),
        "{said}"
    );
}

/// As [`refused`], where the refusal may be an addition that was undone: two revisions then.
fn refused_but_for_revision(vch: &Coordinator<'_>, words: &str) -> String {
    let before = shape(vch);
    let output = vchctl(vch, words);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{words}: {said}");
    assert_eq!(shape(vch), before, "{words}");
    said
}

/// All that a user sees, but for the number of a spec: an addition that was undone takes two.
fn shape(vch: &Coordinator<'_>) -> Vec<Value> {
    let mut all = vec![vch.ask("network ls").unwrap()];
    for mut one in vch.ask("container ls").unwrap().as_array().unwrap().clone() {
        one["generation"].take();
        all.push(one);
    }
    all
}

#[test]
fn a_nic_that_never_comes_is_named_and_the_rest_works() {
    prerequisites::check(Need::MEMBERS).unwrap();
    let lab = Lab::of_namespaces("nonic").unwrap();
    let topology = lab.topology().unwrap();
    let vch = Coordinator::start(&lab, &topology.vch).unwrap();
    for network in ["web", "away"] {
        vch.vchctl(&format!("network create {network}")).unwrap();
    }
    let one = Member::start(&lab, &vch, "one", &["web"]).unwrap();
    let two = Member::start(&lab, &vch, "two", &["web"]).unwrap();
    vch.ready("one", SOON).unwrap();
    vch.ready("two", SOON).unwrap();
    // A tap, for a VM that would be given a NIC: this one is given none. By its name the network
    // ranks before `web`, so that its gateway would be the first name server.
    let missing = vch
        .ask("container connect one away --mac 02:00:00:00:00:99")
        .unwrap();
    assert_eq!(missing["progress"], "pending");
    let waited = vchctl(&vch, "container wait one --timeout 1");
    assert_eq!(waited.status.code(), Some(4));
    let said = String::from_utf8_lossy(&waited.stderr);
    for words in [
        "one is not ready",
        "eth1 on network away: no such NIC in the VM yet",
        "MAC 02:00:00:00:00:99",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let shown = vch.ask("container inspect one").unwrap();
    assert_eq!(shown["endpoints"]["web"]["state"], "up");
    assert_eq!(shown["endpoints"]["away"]["state"], "waiting");
    for (from, to) in [(&one, "two"), (&two, "one")] {
        let printed = from.ping_by_name(to).unwrap();
        assert!(printed.contains(" 1 received"), "{printed}");
    }
    vch.vchctl("container disconnect one away").unwrap();
    vch.ready("one", SOON).unwrap();
}

#[test]
fn a_coordinator_ends_at_once_with_clients_that_wait_or_say_nothing() {
    prerequisites::check(Need::NAMESPACES).unwrap();
    let lab = Lab::of_namespaces("ends").unwrap();
    let topology = lab.topology().unwrap();
    let mut vch = Coordinator::start(&lab, &topology.vch).unwrap();
    vch.vchctl("container add one").unwrap();
    vch.vchctl("container start one").unwrap();
    let mut half = UnixStream::connect(vch.socket()).unwrap();
    half.write_all(b"GET /v1/sta").unwrap();
    let mut waiting = UnixStream::connect(vch.socket()).unwrap();
    waiting
        .write_all(b"GET /v1/containers/one/wait?timeout=600 HTTP/1.1\r\nhost: vch\r\n\r\n")
        .unwrap();
    let silent: Vec<_> = (0..100)
        .map(|_| UnixStream::connect(vch.socket()).unwrap())
        .collect();
    vch.vchctl("status").unwrap();
    vch.stop().unwrap();
    drop(silent);
    vch.restart().unwrap();
    vch.vchctl("container inspect one").unwrap();
}
