//! The lab's own namespaces and processes.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::net::{IpAddr, TcpListener, TcpStream};
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Result;
use lab::{
    Capture, Lab, Namespace, Packet, Process, Responder, Topology, Way, ask, eventually, paths,
};
use nix::sys::signal::Signal;

const SOON: Duration = Duration::from_secs(10);

fn sleeping() -> Command {
    let mut command = Command::new("sleep");
    command.arg("600");
    command
}

/// Whom a listener in `namespace` sees when `from` connects to it.
fn asked(from: &Namespace, namespace: &Namespace, address: IpAddr) -> IpAddr {
    let listener = namespace.run(|| TcpListener::bind((address, 7)).unwrap());
    let listener = listener.unwrap();
    let stream = from.run(|| TcpStream::connect((address, 7)).unwrap());
    let (_, peer) = listener.accept().unwrap();
    assert_eq!(peer, stream.unwrap().local_addr().unwrap());
    peer.ip()
}

#[test]
fn the_vch_reaches_what_is_behind_each_of_its_networks_and_nothing_else() {
    let lab = Lab::of_namespaces("reach").unwrap();
    let topology = lab.topology().unwrap();
    let (outside, admin, clients) = (&topology.outside, &topology.admin, &topology.clients);
    let reached: [(&Namespace, IpAddr, IpAddr); 6] = [
        (outside, Topology::BEYOND.into(), Topology::VCH.into()),
        (outside, Topology::BEYOND6.into(), Topology::VCH6.into()),
        (
            outside,
            Topology::PRODUCTION_GATEWAY.into(),
            Topology::PRODUCTION_VCH.into(),
        ),
        (
            outside,
            Topology::PRODUCTION_GATEWAY6.into(),
            Topology::PRODUCTION_VCH6.into(),
        ),
        (admin, Topology::ADMIN.into(), Topology::MANAGEMENT.into()),
        (clients, Topology::CLIENT.into(), Topology::ENDPOINT.into()),
    ];
    for (namespace, address, source) in reached {
        assert_eq!(
            asked(&topology.vch, namespace, address),
            source,
            "{address}"
        );
    }
    let links = topology.vch.ip("-o link").unwrap();
    let links: BTreeSet<&str> = links
        .lines()
        .filter_map(|line| line.split([':', '@']).nth(1))
        .map(str::trim)
        .collect();
    let expected = [
        "endpoint",
        "external",
        "external-up",
        "lo",
        "management",
        "production",
        "production-up",
    ];
    assert_eq!(links, expected.into());
    let routes = topology.outside.ip("route show default").unwrap();
    assert_eq!(routes, "", "outside has no way to this machine's networks");
}

#[test]
fn a_program_runs_inside_of_its_namespace() {
    let namespace = Namespace::create("inside").unwrap();
    let mut command = Command::new("ip");
    command.args(["netns", "identify"]);
    let output = namespace.output(command).unwrap();
    assert_eq!(
        String::from_utf8(output.stdout).unwrap().trim(),
        namespace.name()
    );
    let child = namespace.spawn("sleep", sleeping()).unwrap();
    let found = Command::new("ip")
        .args(["netns", "pids", namespace.name()])
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8(found.stdout).unwrap().trim(),
        child.pid().to_string()
    );
}

#[test]
fn a_failed_ip_command_says_what_ip_said() {
    let namespace = Namespace::create("error").unwrap();
    let error = namespace.ip("link set nothing up").unwrap_err().to_string();
    assert!(error.contains("Cannot find device \"nothing\""), "{error}");
}

#[test]
fn a_vm_is_started_only_by_a_test_that_has_its_turn() {
    let lab = Lab::of_namespaces("turn").unwrap();
    let error = lab.vm("one").start().unwrap_err().to_string();
    assert!(error.contains("Lab::of_vms"), "{error}");
}

#[test]
fn a_panic_leaves_no_namespace_no_process_and_no_folder() {
    let (sender, made) = std::sync::mpsc::channel::<PathBuf>();
    let panicked = catch_unwind(move || {
        let lab = Lab::of_namespaces("panic").unwrap();
        let topology = lab.topology().unwrap();
        let child = topology.vch.spawn("sleep", sleeping()).unwrap();
        for path in [
            topology.vch.path(),
            topology.outside.path(),
            format!("/proc/{}", child.pid()),
        ] {
            assert!(Path::new(&path).exists(), "{path}");
            sender.send(path.into()).unwrap();
        }
        sender.send(lab.dir().to_owned()).unwrap();
        panic!("on purpose");
    });
    assert!(panicked.is_err());
    let made: Vec<_> = made.into_iter().collect();
    assert_eq!(made.len(), 4);
    for path in made {
        assert!(!path.exists(), "{} is left", path.display());
    }
}

/// A run of its own that holds things, and the paths that are there as long as they are.
fn held() -> Result<(Process, Vec<PathBuf>, impl Sized)> {
    let mut command = Command::new(paths::built("examples/hold")?);
    let (output, theirs) = std::io::pipe()?;
    let (input, ours) = std::io::pipe()?;
    command.stdout(theirs).stdin(Stdio::from(input));
    let process = Process::spawn("hold", command)?;
    let lines = BufReader::new(output).lines().map_while(Result::ok);
    let made: Vec<_> = lines
        .take_while(|line| line != "held")
        .map(PathBuf::from)
        .collect();
    assert_eq!(made.len(), 5);
    for path in &made {
        assert!(path.exists(), "{}", path.display());
    }
    Ok((process, made, ours))
}

#[test]
fn a_signal_leaves_nothing() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let (mut process, made, _input) = held().unwrap();
        process.signal(signal).unwrap();
        let status = process.wait_within(SOON).unwrap();
        assert!(!status.success(), "the run ends by the signal: {status}");
        for path in made {
            eventually(
                SOON,
                &format!("{} is gone after {signal}", path.display()),
                || !path.exists(),
            )
            .unwrap();
        }
    }
}

#[test]
fn what_a_killed_run_left_is_removed_by_the_next_one() {
    let (mut process, made, _input) = held().unwrap();
    process.kill().unwrap();
    for path in made.iter().filter(|path| path.starts_with("/proc")) {
        eventually(SOON, "a child dies with its parent", || !path.exists()).unwrap();
    }
    let (mut next, _, _next_input) = held().unwrap();
    for path in made {
        assert!(!path.exists(), "{} is left", path.display());
    }
    next.terminate(SOON).unwrap();
}

#[test]
fn a_responder_answers_whoever_asks_and_a_capture_sees_it() {
    let topology = Topology::create().unwrap();
    let _responder = Responder::start(&topology.outside, "outside", 7000).unwrap();
    let capture = Capture::start(&topology.outside).unwrap();
    let to = IpAddr::from(Topology::GATEWAY);
    let said = format!("outside {}", Topology::VCH);
    for way in [Way::Tcp(7000), Way::Udp(7000)] {
        let answer = ask(&topology.vch, to, way, SOON).unwrap();
        assert_eq!(answer.as_deref(), Some(&*said), "{way:?}");
    }
    assert_eq!(
        ask(&topology.vch, to, Way::Echo, SOON).unwrap(),
        Some(String::new())
    );
    let from_vch = |packet: &Packet| packet.source == IpAddr::from(Topology::VCH);
    for protocol in [6, 17, 1] {
        let which = |packet: &Packet| from_vch(packet) && packet.protocol == protocol;
        capture
            .sees(SOON, "a packet of the protocol", which)
            .unwrap();
    }
    for way in [Way::Tcp(7001), Way::Udp(7001)] {
        assert_eq!(
            ask(&topology.vch, to, way, SOON).unwrap(),
            None,
            "{way:?}: nobody listens there"
        );
    }
}
