//! How long containers take to start: with a network and with none, by boots and by clones, and beside a real dockerd.
//! Each comparison alternates within one run. `make long` plays the long form.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::env;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use lab::{Boot, Docker, Lab, Namespace, Peer, RootFs, Topology, VmHost, Way, ask, eventually};

/// Set by `make long`: ten rounds, and the limits are the ones that are promised.
const LONG: &str = "VCH_LONG";
const SOON: Duration = Duration::from_secs(60);
const ANSWER: Duration = Duration::from_secs(5);
const HELLO: &str = "Hello world!\n";

/// How many rounds a comparison has, and how much longer a start with a network may take than one with none.
struct Form {
    rounds: usize,
    cold_percent: u64,
    clone: Duration,
}

/// A few rounds on a machine that does other things have some noise.
fn form() -> Form {
    let long = Form {
        rounds: 10,
        cold_percent: 10,
        clone: Duration::from_millis(100),
    };
    let short = Form {
        rounds: 3,
        cold_percent: 50,
        clone: Duration::from_millis(1_000),
    };
    if env::var_os(LONG).is_some() {
        long
    } else {
        short
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// The phases of a start in their order, and when each ended, from when it was asked for.
type Phases = Vec<(String, Duration)>;

/// Returns the phases of a container's last start.
fn phases(host: &VmHost<'_>, container: &str) -> Phases {
    let traced = host.vch.ask(&format!("trace {container}")).unwrap();
    let traced = traced.as_array().unwrap();
    let at = |index: usize| traced[index]["at_us"].as_u64().unwrap();
    let named = |index: usize| traced[index]["name"].as_str().unwrap().to_owned();
    assert_eq!(named(0), "asked");
    (0..traced.len())
        .map(|index| (named(index), Duration::from_micros(at(index) - at(0))))
        .collect()
}

fn ended(phases: &Phases, name: &str) -> Option<Duration> {
    let mut phases = phases.iter();
    phases.find(|phase| phase.0 == name).map(|phase| phase.1)
}

/// From the shim's start to the end of a phase, the median of all starts that have it.
fn since_turn(starts: &[Phases], name: &str) -> Option<Duration> {
    let times: Vec<_> = starts
        .iter()
        .filter_map(|start| Some(ended(start, name)?.saturating_sub(ended(start, "turn")?)))
        .collect();
    (!times.is_empty()).then(|| median(times))
}

/// One start with this network.
fn started(host: &VmHost<'_>, network: &str) -> Phases {
    host.run(&format!(
        "docker run -d --name timed --net {network} busybox sleep 1000"
    ))
    .unwrap();
    let phases = phases(host, "timed");
    host.run("docker rm -f timed").unwrap();
    phases
}

fn with_a_network_and_with_none(boot: Boot) -> (Duration, Duration) {
    let lab = Lab::of_vms("times").unwrap();
    let topology = lab.topology().unwrap();
    let host = VmHost::start(&lab, &topology, boot).unwrap();
    host.import_busybox(&lab).unwrap();
    host.run("docker network create my-bridge-network").unwrap();
    // The first one makes disks and templates.
    started(&host, "none");
    let cloned = || host.vch.log().contains("VMs are cloned from now on");
    if boot == Boot::Clone {
        eventually(SOON, "there is a template", cloned).unwrap();
    }
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for _ in 0..form().rounds {
        without.push(started(&host, "none"));
        with.push(started(&host, "my-bridge-network"));
    }
    println!(
        "{:>8}  {:>13}  {:>13}",
        "phase", "with a network", "with none"
    );
    for (phase, _) in &with[0] {
        let [with, without] = [&with, &without].map(|starts| {
            let time = since_turn(starts, phase);
            time.map_or_else(|| "-".to_owned(), |time| format!("{time:.3?}"))
        });
        println!("{phase:>8}  {with:>13}  {without:>13}");
    }
    let to_process = |starts: &[Phases]| since_turn(starts, "process").unwrap();
    (to_process(&with), to_process(&without))
}

#[test]
fn a_network_costs_little_of_a_cold_boot() {
    let (with, without) = with_a_network_and_with_none(Boot::Cold);
    println!("cold boot to process, median: {with:?} with a network, {without:?} with none");
    let most = without * u32::try_from(100 + form().cold_percent).unwrap() / 100;
    assert!(with <= most, "{with:?} against {without:?}");
}

#[test]
fn a_network_costs_little_of_a_clone() {
    let (with, without) = with_a_network_and_with_none(Boot::Clone);
    println!("clone to process, median: {with:?} with a network, {without:?} with none");
    assert!(
        with <= without + form().clone,
        "{with:?} against {without:?}"
    );
}

/// From `docker run` to the first answer at a published port.
fn to_answer(docker: &Docker, from: &Namespace, host: IpAddr) -> Duration {
    let began = Instant::now();
    docker
        .succeed("docker run -d --name served -p 8080:80 my_server_image")
        .unwrap();
    eventually(SOON, "the port answers", || {
        let answer = ask(from, host, Way::Http(8080), ANSWER).unwrap();
        answer.is_some_and(|answer| answer.contains(HELLO))
    })
    .unwrap();
    let took = began.elapsed();
    docker.succeed("docker rm -f served").unwrap();
    took
}

#[test]
fn a_published_port_answers_soon_beside_a_real_dockerd() {
    let lab = Lab::of_vms("answers").unwrap();
    let topology = lab.topology().unwrap();
    let host = VmHost::start(&lab, &topology, Boot::Clone).unwrap();
    let peer = Peer::start(&lab).unwrap();
    let dockerd = peer.docker().unwrap();
    let server = RootFs::busybox(&lab, "server").unwrap();
    let server = server.file("/www/index.html", HELLO).unwrap();
    let serve = "exec httpd -f -p 80 -h /www";
    let server = server.script("/bin/serve", serve).unwrap();
    for docker in [&dockerd, &host.docker] {
        docker
            .import_running(&server, "my_server_image", "serve")
            .unwrap();
    }
    let local: IpAddr = "127.0.0.1".parse().unwrap();
    let outside = &topology.outside;
    to_answer(&host.docker, outside, Topology::VCH.into());
    let cloned = || host.vch.log().contains("VMs are cloned from now on");
    eventually(SOON, "there is a template", cloned).unwrap();
    let (mut theirs, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..form().rounds {
        theirs.push(to_answer(&dockerd, peer.namespace(), local));
        ours.push(to_answer(&host.docker, outside, Topology::VCH.into()));
    }
    let (theirs, ours) = (median(theirs), median(ours));
    println!(
        "docker run -d -p to the first answer, median: {ours:?} by the VCH, {theirs:?} by dockerd"
    );
    assert!(ours < SOON);
}
