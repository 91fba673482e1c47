//! What a container's supervisor makes of shims that do not answer, die or go on when they should not, and of requests
//! that come at once. The VMs are stand-ins (`tests/examples/stand-in.rs`); shims and coordinator are the real ones.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use lab::http::{Raw, UPGRADE};
use lab::{Lab, Need, RootFs, Topology, VmHost, eventually, http, prerequisites, stand_in};
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
use nix::unistd::Pid;
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(60);
const API: &str = "/v1.51";

fn host<'a>(lab: &Lab, topology: &'a Topology, behaviours: &[&str]) -> VmHost<'a> {
    prerequisites::check(Need::NAMESPACES).unwrap();
    let table = stand_in::runtime_table(lab, behaviours).unwrap();
    let host = VmHost::start_with(lab, topology, &table).unwrap();
    let files = RootFs::busybox(lab, "busybox").unwrap();
    host.docker.import(&files, "busybox").unwrap();
    host
}

fn inspect(host: &VmHost<'_>, name: &str) -> Value {
    let answer = http::ask(
        host.socket(),
        "GET",
        &format!("{API}/containers/{name}/json"),
        None,
    )
    .unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body
}

fn status(host: &VmHost<'_>, name: &str) -> String {
    let status = &inspect(host, name)["State"]["Status"];
    status.as_str().unwrap().to_owned()
}

fn shim(host: &VmHost<'_>, name: &str) -> Pid {
    let pid = inspect(host, name)["State"]["Pid"].as_i64().unwrap();
    assert!(pid > 1, "{pid}");
    Pid::from_raw(pid.try_into().unwrap())
}

fn until_status(host: &VmHost<'_>, name: &str, wanted: &str) {
    let what = format!("{name} is {wanted}");
    let reached = eventually(SOON, &what, || status(host, name) == wanted);
    reached.unwrap_or_else(|error| panic!("{error}: {}\n{}", inspect(host, name), host.vch.log()));
}

/// The shim's socket of the only container that runs.
fn shim_socket(host: &VmHost<'_>) -> PathBuf {
    let vms = fs::read_dir(host.vch.dir().join("run/vms")).unwrap();
    let sockets: Vec<PathBuf> = vms.map(|entry| entry.unwrap().path()).collect();
    let [one] = &sockets[..] else {
        panic!("{sockets:?}");
    };
    one.join("shim.sock")
}

/// Connects to a socket until its backlog is full.
fn fill_backlog(path: &Path) -> Vec<OwnedFd> {
    let address = UnixAddr::new(path).unwrap();
    let mut clients = Vec::new();
    for _ in 0..10_000 {
        let client = socket(
            AddressFamily::Unix,
            SockType::Stream,
            SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC,
            None,
        )
        .unwrap();
        match connect(client.as_raw_fd(), &address) {
            Ok(()) => clients.push(client),
            Err(nix::errno::Errno::EAGAIN) => return clients,
            Err(error) => panic!("{error}"),
        }
    }
    panic!("the backlog has no end");
}

#[test]
fn a_shim_that_does_not_answer_is_waited_for_and_not_abandoned() {
    let lab = Lab::of_namespaces("frozen").unwrap();
    let topology = lab.topology().unwrap();
    let mut host = host(&lab, &topology, &["obedient"]);
    host.run("docker run -d --restart always --name one busybox obedient")
        .unwrap();
    let pid = shim(&host, "one");
    for full in [false, true] {
        kill(pid, Signal::SIGSTOP).unwrap();
        let clients = match full {
            true => fill_backlog(&shim_socket(&host)),
            false => Vec::new(),
        };
        host.vch.kill().unwrap();
        host.vch.restart().unwrap();
        for _ in 0..20 {
            assert_eq!(status(&host, "one"), "running", "{}", host.vch.log());
            assert_eq!(shim(&host, "one"), pid);
        }
        drop(clients);
        kill(pid, Signal::SIGCONT).unwrap();
    }
    // It is followed as before: its end is seen, and its policy starts it again.
    host.run("docker kill -s USR1 one").unwrap();
    let again = || {
        let one = inspect(&host, "one");
        one["RestartCount"] == 1 && one["State"]["Status"] == "running"
    };
    eventually(SOON, "it is started again", again).unwrap();
    assert_ne!(shim(&host, "one"), pid);
    host.run("docker rm -f one").unwrap();
}

#[test]
fn only_the_proof_that_a_shim_is_gone_ends_a_run() {
    let lab = Lab::of_namespaces("gone").unwrap();
    let topology = lab.topology().unwrap();
    let mut host = host(&lab, &topology, &["obedient"]);
    let nothing = host.left().unwrap();
    host.run("docker run -d --name one busybox obedient")
        .unwrap();
    kill(shim(&host, "one"), Signal::SIGKILL).unwrap();
    until_status(&host, "one", "exited");
    let state = inspect(&host, "one")["State"].clone();
    assert_eq!(state["ExitCode"], 137, "{state}");
    assert_eq!(
        state["Error"],
        "the VM's shim was killed, and the VM with it"
    );

    // The same while there is no coordinator.
    host.run("docker start one").unwrap();
    let pid = shim(&host, "one");
    host.vch.kill().unwrap();
    kill(pid, Signal::SIGKILL).unwrap();
    host.vch.restart().unwrap();
    until_status(&host, "one", "exited");

    // What a shim wrote counts, though no coordinator heard it.
    host.run("docker start one").unwrap();
    let pid = shim(&host, "one");
    let qemu = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    host.vch.kill().unwrap();
    kill(Pid::from_raw(qemu.trim().parse().unwrap()), Signal::SIGKILL).unwrap();
    host.vch.restart().unwrap();
    until_status(&host, "one", "exited");
    let error = inspect(&host, "one")["State"]["Error"].clone();
    assert!(error.as_str().unwrap().contains("QEMU ended"), "{error}");
    host.run("docker rm one").unwrap();
    let cleared = || host.left().unwrap() == nothing;
    eventually(SOON, "nothing is left", cleared).unwrap();
}

#[test]
fn a_vm_that_goes_on_beside_an_older_ledger_is_shown_and_killed_when_asked() {
    let lab = Lab::of_namespaces("orphan").unwrap();
    let topology = lab.topology().unwrap();
    let mut host = host(&lab, &topology, &["obedient"]);
    host.run("docker create --name one --restart always busybox obedient")
        .unwrap();
    host.run("docker create --name two busybox obedient")
        .unwrap();
    host.vch.stop().unwrap();
    let (state, copy) = (host.vch.dir().join("state"), lab.path("copy"));
    let ledgers: Vec<PathBuf> = fs::read_dir(&state)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .collect();
    fs::create_dir(&copy).unwrap();
    for path in &ledgers {
        fs::copy(path, copy.join(path.file_name().unwrap())).unwrap();
    }
    host.vch.restart().unwrap();
    host.run("docker start one two").unwrap();
    let pids = [shim(&host, "one"), shim(&host, "two")];
    host.vch.kill().unwrap();
    for path in &ledgers {
        fs::copy(copy.join(path.file_name().unwrap()), path).unwrap();
    }
    host.vch.restart().unwrap();

    for (name, pid) in [("one", pids[0]), ("two", pids[1])] {
        assert_eq!(status(&host, name), "created");
        let refused = host.docker.run(&format!("docker start {name}")).unwrap();
        let told =
            format!("the VM of an earlier run of container {name} goes on, as process {pid}");
        assert!(refused.stderr.contains(&told), "{refused:?}");
        let warnings = host.vch.ask("status").unwrap()["warnings"].to_string();
        assert!(warnings.contains(&told), "{warnings}");
        kill(pid, None).unwrap();
    }
    host.run("docker kill one").unwrap();
    host.run("docker start one").unwrap();
    assert_ne!(shim(&host, "one"), pids[0]);
    host.run("docker rm -f one two").unwrap();
    let gone = || pids.iter().all(|pid| kill(*pid, None).is_err());
    eventually(SOON, "both are gone", gone).unwrap();
    let warnings = host.vch.ask("status").unwrap()["warnings"].to_string();
    assert!(!warnings.contains("earlier run"), "{warnings}");
}

#[test]
fn a_policy_goes_on_trying_while_starts_fail_and_a_user_ends_it() {
    let lab = Lab::of_namespaces("retry").unwrap();
    let topology = lab.topology().unwrap();
    let host = host(&lab, &topology, &["obedient"]);
    for name in ["one", "two"] {
        host.run(&format!(
            "docker run -d --restart always --name {name} busybox obedient"
        ))
        .unwrap();
    }
    let program = lab.path("stand-in/vch-shim");
    let away = program.with_extension("away");
    fs::rename(&program, &away).unwrap();
    host.run("docker kill -s USR1 one two").unwrap();
    let tried = || {
        let count = |name| inspect(&host, name)["RestartCount"].as_u64().unwrap();
        count("one") >= 3 && count("two") >= 3
    };
    eventually(SOON, "both were tried again", tried).unwrap();
    host.run("docker stop two").unwrap();
    assert_eq!(status(&host, "two"), "exited");
    fs::rename(&away, &program).unwrap();
    until_status(&host, "one", "running");
    assert_eq!(status(&host, "two"), "exited");
    host.run("docker rm -f one two").unwrap();
}

#[test]
fn changes_of_one_container_that_come_at_once_are_all_kept() {
    let lab = Lab::of_namespaces("edits").unwrap();
    let topology = lab.topology().unwrap();
    let host = host(&lab, &topology, &["obedient"]);
    host.run("docker create --name one busybox obedient")
        .unwrap();
    let networks: Vec<String> = (0..8).map(|number| format!("net{number}")).collect();
    for network in &networks {
        host.run(&format!("docker network create {network}"))
            .unwrap();
    }
    thread::scope(|scope| {
        for network in &networks {
            let host = &host;
            scope.spawn(move || {
                let config = json!({"DriverOpts": {"of": network}});
                let body = json!({"Container": "one", "EndpointConfig": config});
                let target = format!("{API}/networks/{network}/connect");
                let answer = http::ask(host.socket(), "POST", &target, Some(&body)).unwrap();
                assert_eq!(answer.status, 200, "{answer:?}");
            });
        }
        for _ in 0..4 {
            let host = &host;
            scope.spawn(move || {
                let body = json!({"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 7}});
                let target = format!("{API}/containers/one/update");
                let answer = http::ask(host.socket(), "POST", &target, Some(&body)).unwrap();
                assert_eq!(answer.status, 200, "{answer:?}");
            });
        }
    });
    let one = inspect(&host, "one");
    assert_eq!(one["HostConfig"]["RestartPolicy"]["MaximumRetryCount"], 7);
    for network in &networks {
        let shown = &one["NetworkSettings"]["Networks"][network];
        assert_eq!(shown["DriverOpts"]["of"], **network, "{shown}");
    }
    host.run("docker rm one").unwrap();
}

#[test]
fn a_start_that_fails_ends_those_who_are_attached() {
    let lab = Lab::of_namespaces("attached").unwrap();
    let topology = lab.topology().unwrap();
    let host = host(&lab, &topology, &["obedient"]);
    host.run("docker run -d --name one -p 8080:80 busybox obedient")
        .unwrap();
    // Without `--rm`: the container stays, and the client ends all the same.
    let refused = host
        .docker
        .run("timeout 60 docker run --name two -p 8080:80 busybox obedient")
        .unwrap();
    assert_eq!(refused.code, 125, "{refused:?}");
    assert_eq!(status(&host, "two"), "created");
    let request = format!("POST {API}/containers/two/attach?stream=1&stdout=1");
    let attached = Raw::open(host.socket(), &request, UPGRADE, None).unwrap();
    host.docker.run("docker start two").unwrap();
    assert_eq!(attached.end(SOON).unwrap(), b"");
    host.run("docker rm -f one two").unwrap();
}
