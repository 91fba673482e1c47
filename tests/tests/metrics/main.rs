//! Metrics as Prometheus reads them, of a real coordinator with real agents, shims and name servers.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod exposition;

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use exposition::Exposition;
use lab::{
    Asker, Coordinator, Lab, Member, Namespace, Need, RootFs, Topology, VmHost, eventually, paths,
    prerequisites, stand_in,
};
use regex::Regex;

const SOON: Duration = Duration::from_secs(30);
/// For a packet that must not be answered.
const NONE: Duration = Duration::from_millis(500);
const PORT: u16 = 9323;
const REQUEST: &[u8] =
    b"GET /metrics HTTP/1.1\r\nHost: vch\r\nAccept: text/plain;version=0.0.4\r\n\r\n";

fn management() -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Topology::MANAGEMENT), PORT)
}

/// Reads at the address on the management network.
fn scrape(from: &Namespace) -> Exposition {
    let stream = from.run(|| TcpStream::connect_timeout(&management(), SOON));
    let mut stream = stream.unwrap().unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    asked(&mut stream)
}

fn asked(stream: &mut (impl Read + Write)) -> Exposition {
    stream.write_all(REQUEST).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, text) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    let kind = "content-type: text/plain; version=0.0.4";
    assert!(head.to_ascii_lowercase().contains(kind), "{head}");
    Exposition::parse(text).unwrap_or_else(|error| panic!("{error:?}:\n{text}"))
}

/// Waits until a sample has this value.
fn until(scrape: impl Fn() -> Exposition, sample: &str, value: f64) {
    let reached = eventually(SOON, sample, || {
        (scrape().value(sample).unwrap() - value).abs() < f64::EPSILON
    });
    reached.unwrap_or_else(|error| panic!("{error}: {:?}", scrape()));
}

/// The families that the documentation lists, each with its type.
fn documented() -> BTreeSet<(String, String)> {
    let text = fs::read_to_string(paths::workspace().join("docs/operations.md")).unwrap();
    let row =
        Regex::new(r"^\| `(vch_[a-z_]+)(?:\{[a-z]+\})?` \| (counter|gauge|histogram) \|").unwrap();
    let rows = text.lines().filter_map(|line| row.captures(line));
    rows.map(|found| (found[1].to_owned(), found[2].to_owned()))
        .collect()
}

#[test]
fn an_administrator_reads_what_sessions_names_and_the_store_do_and_no_container_does() {
    prerequisites::check(Need::MEMBERS).unwrap();
    let lab = Lab::of_namespaces("metrics").unwrap();
    let topology = lab.topology().unwrap();
    let tables = format!("[metrics]\nlisten = \"{}\"\n", management());
    let mut vch = Coordinator::start_with(&lab, &topology.vch, &tables).unwrap();
    let read = || scrape(&topology.admin);
    let value = |sample: &str| read().value(sample).unwrap();

    let all: BTreeSet<_> = read().families.into_iter().collect();
    assert_eq!(all, documented(), "docs/operations.md lists each family");
    let version = env!("CARGO_PKG_VERSION");
    until(
        read,
        &format!("vch_build_info{{version=\"{version}\"}}"),
        1.0,
    );
    until(read, "vch_store_queue_depth", 0.0);

    let commits = value("vch_store_commit_seconds_count");
    vch.vchctl("network create web").unwrap();
    assert!(value("vch_store_commit_seconds_count") > commits);
    let mut member = Member::start(&lab, &vch, "app", &["web"]).unwrap();
    vch.ready("app", SOON).unwrap();
    until(read, "vch_agent_sessions{state=\"ready\"}", 1.0);
    until(read, "vch_agent_sessions_awaited", 0.0);
    until(read, "vch_agent_sessions_begun_total", 1.0);
    until(
        read,
        "vch_convergence_seconds_count{session=\"awaited\"}",
        1.0,
    );
    vch.vchctl("network create db").unwrap();
    member.connect(&vch, "db").unwrap();
    until(read, "vch_convergence_seconds_count{session=\"open\"}", 1.0);

    let answered = value("vch_dns_messages_total{outcome=\"answered\"}");
    let subnet = vch.ask("network inspect web").unwrap();
    let gateway = subnet["subnets"][0]["gateway"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let mut asker = Asker::of(member.namespace(), gateway, SOON).unwrap();
    assert_eq!(asker.addresses("app").unwrap().len(), 1);
    until(
        read,
        "vch_dns_messages_total{outcome=\"answered\"}",
        answered + 1.0,
    );

    // Neither the gateway nor the management address answers a container.
    for address in [gateway, IpAddr::V4(Topology::MANAGEMENT)] {
        let metrics = SocketAddr::new(address, PORT);
        let tried = member
            .namespace()
            .run(|| TcpStream::connect_timeout(&metrics, NONE));
        tried.unwrap().unwrap_err();
    }
    // The VCH itself reads there, too.
    scrape(&topology.vch);
    // And no container takes the port away.
    let refused = vch.vchctl(&format!("port add app {PORT}:80")).unwrap_err();
    assert!(refused.to_string().contains("metrics.listen"), "{refused}");

    member.kill_agent().unwrap();
    until(read, "vch_agent_sessions_awaited", 1.0);
    until(read, "vch_agent_sessions{state=\"ready\"}", 0.0);
    for part in ["segments", "nat", "dns", "tether", "runtime"] {
        until(read, &format!("vch_drift{{part=\"{part}\"}}"), 0.0);
    }
    vch.stop().unwrap();
}

#[test]
fn starts_of_vms_are_counted_by_what_became_of_them() {
    let lab = Lab::of_namespaces("metrics-vm").unwrap();
    let topology = lab.topology().unwrap();
    prerequisites::check(Need::NAMESPACES).unwrap();
    let socket = lab.path("metrics.sock");
    let runtime = stand_in::runtime_table(&lab, &["obedient"]).unwrap();
    let tables = format!("{runtime}[metrics]\nlisten = \"{}\"\n", socket.display());
    let host = VmHost::start_with(&lab, &topology, &tables).unwrap();
    let files = RootFs::busybox(&lab, "busybox").unwrap();
    host.docker.import(&files, "busybox").unwrap();
    let read = || {
        let mut stream = UnixStream::connect(&socket).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        asked(&mut stream)
    };
    let of = |outcome: &str| format!("vch_vm_starts_total{{outcome=\"{outcome}\"}}");
    until(read, &of("running"), 0.0);

    host.run("docker run -d --name one -p 8080:80 busybox obedient")
        .unwrap();
    until(read, &of("running"), 1.0);
    let seconds = read();
    assert!(seconds.value("vch_vm_start_seconds_sum").unwrap() > 0.0);
    assert!((seconds.value("vch_vm_start_seconds_count").unwrap() - 1.0).abs() < f64::EPSILON);

    // No stand-in bears this name: the shim finds no program to start.
    host.run("docker run -d --name two busybox no-such-behaviour")
        .unwrap_err();
    until(read, &of("failed"), 1.0);
    until(read, &of("running"), 1.0);
    // Its port is taken: no VM is tried.
    host.run("docker run -d --name three -p 8080:80 busybox obedient")
        .unwrap_err();
    until(read, &of("refused"), 1.0);
    until(read, &of("running"), 1.0);
    until(read, &of("failed"), 1.0);
    until(read, &of("killed"), 0.0);
    // Its guest never says anything; it is removed while it starts.
    let silent = lab.path("stand-in/silent");
    fs::write(&silent, "#!/bin/sh\nexec sleep 600\n").unwrap();
    fs::set_permissions(&silent, fs::Permissions::from_mode(0o755)).unwrap();
    host.run("docker create --name four busybox silent")
        .unwrap();
    thread::scope(|scope| {
        let start = scope.spawn(|| host.run("docker start four").unwrap_err());
        let shims = || {
            let vms = fs::read_dir(host.vch.dir().join("run/vms")).unwrap();
            let sockets = vms.map(|vm| vm.unwrap().path().join("shim.sock"));
            sockets.filter(|socket| socket.exists()).count()
        };
        eventually(SOON, "a second shim", || shims() == 2).unwrap();
        host.run("docker rm -f four").unwrap();
        start.join().unwrap();
    });
    until(read, &of("killed"), 1.0);
    until(read, &of("failed"), 1.0);
    until(read, "vch_vm_start_seconds_count", 1.0);
}
