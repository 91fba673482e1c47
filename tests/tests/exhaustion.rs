//! A coordinator and a shim without a free descriptor, and clients that begin processes and go away. The VMs are
//! stand-ins (`tests/examples/stand-in.rs`); their shims and the coordinator are the real ones.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::fs;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::{Duration, Instant};

use lab::{Lab, Need, RootFs, Topology, VmHost, eventually, http, prerequisites, stand_in};
use serde_json::json;

const SOON: Duration = Duration::from_secs(60);
/// Descriptors that are opened and closed by the way, such as files of /proc.
const FEW: usize = 8;

fn host<'a>(lab: &Lab, topology: &'a Topology, behaviours: &[&str]) -> VmHost<'a> {
    let table = stand_in::runtime_table(lab, behaviours).unwrap();
    let host = VmHost::start_with(lab, topology, &table).unwrap();
    let files = RootFs::busybox(lab, "busybox").unwrap();
    host.docker.import(&files, "busybox").unwrap();
    host
}

fn run(host: &VmHost<'_>, name: &str, behaviour: &str) {
    host.run(&format!("docker run -d --name {name} busybox {behaviour}"))
        .unwrap();
}

fn state(host: &VmHost<'_>, name: &str) -> String {
    host.run(&format!("docker inspect -f {{{{.State.Status}}}} {name}"))
        .unwrap()
}

/// The shim of a container.
fn shim(host: &VmHost<'_>, name: &str) -> u32 {
    let pid = host.run(&format!("docker inspect -f {{{{.State.Pid}}}} {name}"));
    pid.unwrap().parse().unwrap()
}

fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

/// How many descriptors a process may have: its soft limit.
fn allow(pid: u32, soft: u64) {
    let limit = format!("--nofile={soft}:");
    let done = Command::new("prlimit")
        .args(["--pid", &pid.to_string(), &limit])
        .status();
    assert!(done.unwrap().success(), "prlimit {limit}");
}

/// The soft limit of a process.
fn allowed(pid: u32) -> u64 {
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let soft = line.unwrap().split_whitespace().nth(3).unwrap();
    soft.parse().unwrap()
}

#[test]
fn without_a_free_descriptor_no_container_is_declared_dead_and_all_goes_on_afterwards() {
    prerequisites::check(Need::NAMESPACES).unwrap();
    let lab = Lab::of_vms("descriptors").unwrap();
    let topology = lab.topology().unwrap();
    let host = host(&lab, &topology, &["idle"]);
    let before = host.left().unwrap();
    run(&host, "one", "idle");
    let coordinator = host.vch.pid().unwrap();
    let shim = shim(&host, "one");

    // The coordinator's are used up by clients, and each further client needs one.
    let most = allowed(coordinator);
    allow(coordinator, descriptors(coordinator) as u64 + 4);
    let clients: Vec<_> = (0..32)
        .map(|_| UnixStream::connect(host.socket()).unwrap())
        .collect();
    let refused = || host.vch.log().contains("no client can be accepted");
    eventually(SOON, "no client can be accepted", refused).unwrap();
    drop(clients);
    allow(coordinator, most);
    let listed = || {
        host.run("docker ps -q")
            .is_ok_and(|ids| ids.lines().count() == 1)
    };
    eventually(SOON, "clients are answered again", listed).unwrap();
    assert_eq!(host.vch.pid(), Some(coordinator));

    // So are the shim's.
    let most = allowed(shim);
    allow(shim, descriptors(shim) as u64);
    let late = host.docker.run("docker exec one true").unwrap();
    assert_ne!(late.code, 0, "{late:?}");
    assert_eq!(state(&host, "one"), "running");
    allow(shim, most);
    let sockets = host.vch.dir().join("run/vms");
    assert_eq!(fs::read_dir(sockets).unwrap().count(), 1);

    // Neither has lost anything: the container runs, is stopped and goes, and a next one starts.
    assert_eq!(state(&host, "one"), "running");
    assert_eq!(host.run("docker images -q").unwrap().lines().count(), 1);
    run(&host, "two", "idle");
    host.run("docker rm -f one two").unwrap();
    let gone = || host.left().is_ok_and(|left| left == before);
    eventually(SOON, "nothing is left", gone)
        .unwrap_or_else(|error| panic!("{error:#}: {:?}, before {before}", host.left()));
}

#[test]
fn execs_that_clients_begin_and_give_up_hold_nothing() {
    prerequisites::check(Need::NAMESPACES).unwrap();
    let lab = Lab::of_vms("execs").unwrap();
    let topology = lab.topology().unwrap();
    let host = host(&lab, &topology, &["silent"]);
    run(&host, "one", "silent");
    let coordinator = host.vch.pid().unwrap();
    let before = descriptors(coordinator);
    let request = json!({"Cmd": ["true"], "AttachStdout": true});
    let create = || {
        let made = http::ask(
            host.socket(),
            "POST",
            "/containers/one/exec",
            Some(&request),
        )
        .unwrap();
        assert_eq!(made.status, 201, "{made:?}");
        made.body["Id"].as_str().unwrap().to_owned()
    };
    let known = |exec: &str| {
        let target = format!("/exec/{exec}/json");
        http::ask(host.socket(), "GET", &target, None).unwrap()
    };

    // Clients that go after the first step: the oldest are forgotten.
    let began = Instant::now();
    let first = create();
    let mut last = first.clone();
    for _ in 0..5_000 {
        last = create();
    }
    println!("5,000 execs created in {:.1?}", began.elapsed());
    assert_eq!(known(&first).status, 404);
    assert_eq!(known(&last).body["Running"], false);

    // Clients that go while the guest, which is silent, is waited for.
    let body = json!({"Detach": false}).to_string();
    let execs: Vec<String> = (0..200).map(|_| create()).collect();
    let start = |exec: &String| {
        let mut client = UnixStream::connect(host.socket()).unwrap();
        let length = body.len();
        let head = format!("POST /exec/{exec}/start HTTP/1.1\r\nHost: vch\r\n");
        let rest =
            format!("Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}");
        client.write_all((head + &rest).as_bytes()).unwrap();
        client
    };
    let clients: Vec<_> = execs.iter().map(start).collect();
    // Each has its client's connection, and one to the shim.
    let asked = || descriptors(coordinator) >= before + 2 * execs.len();
    eventually(SOON, "the guest is asked for all of them", asked).unwrap();
    drop(clients);
    let began = Instant::now();
    let status = host.vch.ask("status").unwrap();
    println!(
        "answered in {:.1?} beside them: {}",
        began.elapsed(),
        status["containers"]
    );
    let given_up = || {
        execs.iter().all(|exec| {
            let known = known(exec);
            known.status == 404 || known.body["ExitCode"].is_i64()
        })
    };
    eventually(SOON, "all that was begun is given up", given_up).unwrap_or_else(|error| {
        let states: Vec<_> = execs.iter().map(|exec| known(exec).body).collect();
        let open = states.iter().filter(|state| state["ExitCode"].is_null());
        panic!(
            "{error:#}: {} of {}: {:?}: {}",
            open.count(),
            states.len(),
            states[0],
            host.vch.log()
        );
    });
    let closed = || descriptors(coordinator) <= before + FEW;
    eventually(SOON, "nothing is held for them", closed).unwrap();
    create();
    host.run("docker rm -f one").unwrap();
}
