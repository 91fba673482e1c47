//! Bad input, end to end: each has a code, words with a remedy, and leaves everything as it was.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use lab::{Coordinator, Lab, Member, Need, Process, Topology, eventually, places, prerequisites};
use protocol::frame::{Decoder, MAX_PAYLOAD, encode};
use protocol::message::{Hello, Message, Refusal, SessionNonce, ToAgent, ToCoordinator};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(10);

/// Whatever `vchctl` answers to these words.
fn vchctl(vch: &Coordinator<'_>, words: &str) -> Output {
    let mut command = Command::new(places::built("vchctl").unwrap());
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

/// What a coordinator says that does not start with this configuration; the kinds of network that it does not declare
/// are the topology's.
fn does_not_start(lab: &Lab, vch: &lab::Namespace, config: &str) -> String {
    does_not_start_with(lab, vch, &(config.to_owned() + &Topology::tables(config)))
}

/// The same with exactly this file.
fn does_not_start_with(lab: &Lab, vch: &lab::Namespace, config: &str) -> String {
    let path = lab.path("bad.toml");
    std::fs::write(&path, config).unwrap();
    let log = std::fs::File::create(lab.path("bad.log")).unwrap();
    let mut command = Command::new(places::built("vch-coordinator").unwrap());
    command.arg("--config").arg(&path).stderr(log);
    let mut process: Process = vch.spawn("second coordinator", command).unwrap();
    let status = process.wait_within(SOON).unwrap();
    assert_eq!(status.code(), Some(1));
    lab.read("bad.log")
}

#[test]
fn a_second_coordinator_on_a_store_names_the_first_and_disturbs_nothing() {
    prerequisites::check(Need::NAMESPACES).unwrap();
    let lab = Lab::of_namespaces("twice").unwrap();
    let topology = lab.topology().unwrap();
    let vch = Coordinator::start(&lab, &topology.vch).unwrap();
    vch.vchctl("network create web").unwrap();
    let before = everything(&vch);
    let config = std::fs::read_to_string(vch.folder().join("vch.toml")).unwrap();
    let said = does_not_start(&lab, &topology.vch, &config);
    let pid = format!(
        "in use by process {} (vch-coordinator):",
        vch.pid().unwrap()
    );
    assert!(said.contains(&pid), "{said}");
    assert!(
        said.contains(vch.folder().join("state").to_str().unwrap()),
        "{said}"
    );
    assert!(said.contains("vch.state_dir"), "{said}");
    assert_eq!(everything(&vch), before);
}

#[test]
fn a_configuration_that_cannot_be_is_refused_by_file_line_field_value_and_remedy() {
    prerequisites::check(Need::NAMESPACES).unwrap();
    let lab = Lab::of_namespaces("config").unwrap();
    let topology = lab.topology().unwrap();
    for (config, wanted) in [
        (
            "[bridge]\npools = [{ base = \"10.0.0.0/8\", size = 16 },\n{ base = \"10.3.0.0/16\", size = 24 }]\n",
            "bad.toml:3: `bridge.pools` cannot be `10.3.0.0/16 in subnets of /24`: it overlaps with pool 10.0.0.0/8",
        ),
        (
            "\n[dns]\nthread = 2\n",
            "bad.toml:3: unknown field `thread`",
        ),
        (
            "[dns]\nthreads = 0\n",
            "bad.toml:2: `dns.threads` cannot be `0`: use 1 to 64",
        ),
        ("[dns]\nthreads = \"x\"\n", "in `threads = \"x\"`"),
        ("[vch\n", "bad.toml:1: "),
    ] {
        let said = does_not_start(&lab, &topology.vch, config);
        assert!(said.contains(wanted), "{said}");
    }
}

#[test]
fn a_vch_that_lacks_a_kind_of_network_is_told_which() {
    prerequisites::check(Need::NAMESPACES).unwrap();
    let lab = Lab::of_namespaces("kinds").unwrap();
    let topology = lab.topology().unwrap();
    for (kind, headers) in [
        ("management", "[docker_endpoint][[external]][bridge]"),
        ("docker_endpoint", "[management][[external]][bridge]"),
        ("external", "[management][docker_endpoint][bridge]"),
        ("bridge", "[management][docker_endpoint][[external]]"),
    ] {
        // All tables less those of the other kinds: this one's alone.
        let own = Topology::tables(headers);
        let config = Topology::tables("").replace(&own, "");
        let said = does_not_start_with(&lab, &topology.vch, &config);
        let wanted = format!("bad.toml: `{kind}` is missing: ");
        assert!(said.contains(&wanted), "{said}");
    }
}

#[test]
fn a_vch_that_is_not_as_its_configuration_says_is_told_the_difference() {
    prerequisites::check(Need::NAMESPACES).unwrap();
    let lab = Lab::of_namespaces("links").unwrap();
    let topology = lab.topology().unwrap();
    let config = Topology::tables("");
    let elsewhere = config.replace("\"192.0.2.2\"", "\"192.0.2.9\"");
    let said = does_not_start(&lab, &topology.vch, &elsewhere);
    let wanted = "`management.address` cannot be `192.0.2.9`: management bears 192.0.2.2/24, ";
    assert!(said.contains(wanted), "{said}");
    assert!(
        said.contains("`ip address add 192.0.2.9/PREFIX dev management`"),
        "{said}"
    );

    topology
        .vch
        .ip("address delete 208.91.3.3/24 dev production")
        .unwrap();
    let said = does_not_start(&lab, &topology.vch, &config);
    let wanted = "`external.subnets.address` of vic-production cannot be `208.91.3.3`: production bears 2001:db8:3::3/64";
    assert!(said.contains(wanted), "{said}");
    assert!(
        said.contains("`ip address add 208.91.3.3/24 dev production`"),
        "{said}"
    );

    topology.vch.ip("link delete production").unwrap();
    let said = does_not_start(&lab, &topology.vch, &config);
    let wanted = "`external.interface` of vic-production cannot be `production`: there is no such link: make it first, \
        or write one of endpoint, external, external-up, management, production-up";
    assert!(said.contains(wanted), "{said}");

    // The remedies are what they say.
    topology.vch.ip("link add production type bridge").unwrap();
    topology
        .vch
        .ip("address add 208.91.3.3/24 dev production")
        .unwrap();
    topology
        .vch
        .ip("address add 2001:db8:3::3/64 dev production")
        .unwrap();
    Coordinator::start(&lab, &topology.vch).unwrap();
}

#[test]
fn a_pool_on_a_route_of_the_host_gives_what_is_free_and_says_when_nothing_is() {
    prerequisites::check(Need::NAMESPACES).unwrap();
    let lab = Lab::of_namespaces("overlap").unwrap();
    let topology = lab.topology().unwrap();
    let route = format!("route add 10.1.0.0/16 via {}", Topology::GATEWAY);
    topology.vch.ip(&route).unwrap();
    // Of four places one has that route, one the external network 10.2.0.0/16 and one the default bridge.
    let pools = "[bridge]\npools = [{ base = \"10.0.0.0/14\", size = 16 }]";
    let vch = Coordinator::start_with(&lab, &topology.vch, pools).unwrap();
    let made = vch.ask("network create one").unwrap();
    let subnet = made["subnets"][0]["subnet"].as_str().unwrap();
    assert!(["10.0.0.0/16", "10.3.0.0/16"].contains(&subnet), "{subnet}");
    let said = refused(&vch, "network create two");
    assert!(said.contains("add a pool to the configuration"), "{said}");
    let said = refused(&vch, "network create two --subnet 10.1.7.0/24");
    assert!(
        said.contains("overlaps the VCH's route to 10.1.0.0/16: choose another"),
        "{said}"
    );
    let said = refused(&vch, "network create two --subnet 10.2.7.0/24");
    assert!(
        said.contains("overlaps 10.2.0.0/16 of network default-external"),
        "{said}"
    );
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
    // A tap, for a VM that would be given a NIC: nobody gives this one any. By its name the network
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

fn framed(message: &ToCoordinator) -> Vec<u8> {
    let mut line = Vec::new();
    encode(SessionNonce(77), &message.encode().unwrap(), &mut line).unwrap();
    line
}

fn hello(oldest: u16, newest: u16) -> ToCoordinator {
    ToCoordinator::Hello(Hello {
        oldest,
        newest,
        nonce: SessionNonce(77),
        agent: "a test".to_owned(),
        capabilities: Vec::new(),
        held: None,
    })
}

/// The refusal that comes for a hello.
fn refusal(channel: &Path, hello: &ToCoordinator) -> Refusal {
    let mut stream = UnixStream::connect(channel).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream.write_all(&framed(hello)).unwrap();
    let mut decoder = Decoder::new();
    let mut bytes = [0; 4096];
    loop {
        let count = stream.read(&mut bytes).unwrap();
        assert_ne!(count, 0, "closed without a refusal");
        let mut rest = &bytes[..count];
        while let Some(frame) = decoder.next(&mut rest) {
            if let ToAgent::Refuse(refusal) = ToAgent::decode(&frame.unwrap().payload).unwrap() {
                return refusal;
            }
        }
    }
}

/// The channel of a container, as `vchctl` shows it: `unix:PATH`.
fn channel(vch: &Coordinator<'_>, container: &str) -> String {
    let shown = vch.ask(&format!("container inspect {container}")).unwrap();
    let channel = shown["channel"].as_str().unwrap();
    channel.strip_prefix("unix:").unwrap().to_owned()
}

/// Noise of many sorts: zeros, ones, a frame over the limit, and half a frame.
fn noise() -> Vec<Vec<u8>> {
    let whole = framed(&hello(1, 1));
    let mut flipped = whole.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0x55;
    vec![
        vec![0; 4096],
        vec![0xff; 3 * MAX_PAYLOAD],
        (0..=255).cycle().take(8192).collect(),
        whole[..whole.len() / 2].to_vec(),
        flipped,
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
    ]
}

#[test]
fn a_second_agent_is_refused_and_an_unknown_version_is_told_ours() {
    prerequisites::check(Need::MEMBERS).unwrap();
    let lab = Lab::of_namespaces("second").unwrap();
    let topology = lab.topology().unwrap();
    let vch = Coordinator::start(&lab, &topology.vch).unwrap();
    vch.vchctl("network create web").unwrap();
    let one = Member::start(&lab, &vch, "one", &["web"]).unwrap();
    vch.ready("one", SOON).unwrap();
    let path = channel(&vch, "one");
    let before = shape(&vch);
    assert_eq!(refusal(Path::new(&path), &hello(1, 1)), Refusal::Occupied);
    assert_eq!(shape(&vch), before);
    assert!(
        vch.log().contains("a second agent connected: refused"),
        "{}",
        vch.log()
    );
    assert!(!vch.log().contains("session is over"), "{}", vch.log());

    vch.vchctl("container add later").unwrap();
    vch.vchctl("container start later").unwrap();
    let path = channel(&vch, "later");
    let told = refusal(Path::new(&path), &hello(7, 9));
    assert!(
        matches!(
            told,
            Refusal::Version {
                oldest: 1,
                newest: 1
            }
        ),
        "{told:?}"
    );
    drop(one);
}

#[test]
fn noise_on_a_channel_hurts_neither_side_nor_any_other_session() {
    prerequisites::check(Need::MEMBERS).unwrap();
    let lab = Lab::of_namespaces("noise").unwrap();
    let topology = lab.topology().unwrap();
    let vch = Coordinator::start(&lab, &topology.vch).unwrap();
    vch.vchctl("network create web").unwrap();
    let _other = Member::start(&lab, &vch, "other", &["web"]).unwrap();
    let mut one = Member::start(&lab, &vch, "one", &["web"]).unwrap();
    for name in ["other", "one"] {
        vch.ready(name, SOON).unwrap();
    }
    // Alone on the channel, then the agent again.
    one.kill_agent().unwrap();
    let path = channel(&vch, "one");
    for bytes in noise() {
        let mut stream = UnixStream::connect(&path).unwrap();
        // The coordinator may close in the middle of it.
        if let Err(error) = stream.write_all(&bytes) {
            assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        }
    }
    one.restart_agent().unwrap();
    let live = || {
        let shown = vch.ask("container inspect one").unwrap();
        shown["session"]["live"] == true && shown["session"]["state"] == "ready"
    };
    eventually(SOON, "the session is live again", live).unwrap();
    // Beside the agent.
    for bytes in noise() {
        let mut stream = UnixStream::connect(&path).unwrap();
        if let Err(error) = stream.write_all(&bytes) {
            assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        }
    }
    assert!(live(), "{}", vch.log());
    let ended = vch.log().matches("session is over").count();
    assert_eq!(
        ended,
        1,
        "only that of the agent that was killed: {}",
        vch.log()
    );
    assert_eq!(vch.ask("status").unwrap()["sessions"], 2);
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
