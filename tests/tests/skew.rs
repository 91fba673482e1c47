//! Two releases on one machine: a container that release 0.1.0 started runs on under this one, and one that this
//! release started runs on under 0.1.0.
//!
//! `make skew` builds release 0.1.0 in `target/skew` and runs this test, which is ignored otherwise.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lab::{Coordinator, Lab, VmHost, eventually, paths};

/// A VM boots under emulation on a machine that may be busy.
const BOOTED: Duration = Duration::from_secs(120);
const SOON: Duration = Duration::from_secs(30);
/// A line a second, for ever; SIGTERM ends it with this code.
const COUNTS: &str =
    "trap 'exit 5' TERM; i=0; while true; do i=$((i+1)); echo line $i; sleep 1 & wait $!; done";

/// Where `make skew` has built release 0.1.0.
fn old() -> PathBuf {
    paths::workspace().join("target/skew/target")
}

/// The table of vch.toml of a release, by its kernel and image: a guest that boots has all its time.
fn runtime(kernel: &Path, initramfs: &Path) -> String {
    let table = Coordinator::runtime_table_of(kernel, initramfs);
    format!("{table}boot = \"cold\"\nboot_seconds = 120\nnetwork_seconds = 60\n")
}

fn old_runtime() -> String {
    let image = old().join("image").canonicalize().unwrap();
    runtime(&image.join("vmlinux"), &image.join("vm.cpio"))
}

fn new_runtime() -> String {
    let image = paths::vm_image().unwrap();
    runtime(
        &image.kernel.canonicalize().unwrap(),
        &image.initramfs.canonicalize().unwrap(),
    )
}

/// How many lines the container has written.
fn lines(host: &VmHost<'_>) -> usize {
    let logs = host.run("docker logs counts").unwrap();
    let numbers: Vec<usize> = logs
        .lines()
        .map(|line| line.strip_prefix("line ").unwrap().parse().unwrap())
        .collect();
    let expected: Vec<usize> = (1..=numbers.len()).collect();
    assert_eq!(numbers, expected, "no line is lost, and none comes twice");
    numbers.len()
}

/// The container's identity in this life: its VM's shim and when it started.
fn run_of(host: &VmHost<'_>) -> String {
    let format = "{{.State.Status}} {{.State.Pid}} {{.State.StartedAt}} {{.RestartCount}}";
    host.run(&format!("docker inspect -f '{format}' counts"))
        .unwrap()
}

/// Checks a container whose coordinator is of another release than its shim.
fn runs_on(host: &VmHost<'_>, before: &str) {
    assert_eq!(run_of(host), before, "{}", host.vch.log());
    let seen = lines(host);
    eventually(SOON, "the log goes on", || lines(host) > seen).unwrap();
    assert_eq!(
        host.run("docker exec counts echo beside").unwrap(),
        "beside"
    );
    let code = host
        .docker
        .run("docker exec counts sh -c 'exit 7'")
        .unwrap();
    assert_eq!(code.code, 7, "{code:?}");
    let back = host.run("echo to and fro | docker exec -i counts cat");
    assert_eq!(back.unwrap(), "to and fro");
    let top = host.run("docker top counts").unwrap();
    assert!(top.contains("sleep 1"), "{top}");
    let stats = host.run("docker stats --no-stream --format '{{.Name}} {{.PIDs}}' counts");
    assert!(stats.unwrap().starts_with("counts "));
    // Its agent hears of a network, and its VM gets a NIC.
    host.run("docker network create more").unwrap();
    host.run("docker network connect more counts").unwrap();
    let address = host
        .run("docker inspect -f '{{(index .NetworkSettings.Networks \"more\").IPAddress}}' counts");
    let address = address.unwrap();
    eventually(SOON, "the guest has its new address", || {
        let shown = host.run("docker exec counts ip addr").unwrap();
        shown.contains(&format!("inet {address}/"))
    })
    .unwrap();
    host.run("docker network disconnect more counts").unwrap();
    host.run("docker network rm more").unwrap();
}

fn stops(host: &VmHost<'_>) {
    host.run("docker stop -t 30 counts").unwrap();
    let format = "{{.State.Status}} {{.State.ExitCode}}";
    let ended = host.run(&format!("docker inspect -f '{format}' counts"));
    assert_eq!(ended.unwrap(), "exited 5", "{}", host.vch.log());
}

fn starts(host: &VmHost<'_>) {
    host.run("docker start counts").unwrap();
    eventually(BOOTED, "the container runs", || {
        run_of(host).starts_with("running")
    })
    .unwrap();
}

/// The lock that shims of this release hold.
fn has_lock(host: &VmHost<'_>) -> bool {
    let id = host.run("docker inspect -f '{{.Id}}' counts").unwrap();
    let dir = host.vch.dir().join("state/containers").join(id);
    assert!(dir.is_dir(), "{}", dir.display());
    dir.join("shim.lock").exists()
}

#[test]
#[ignore = "release 0.1.0 must have been built beside this one: run `make skew`"]
fn containers_run_on_under_the_next_release_and_under_the_last() {
    let programs = old().join("debug");
    let lab = Lab::of_vms("skew").unwrap();
    let topology = lab.topology().unwrap();
    let mut host = VmHost::start_of(&lab, &topology, &old_runtime(), Some(&programs)).unwrap();
    host.import_busybox(&lab).unwrap();
    host.run(&format!(
        "docker run -d --name counts busybox sh -c \"{}\"",
        COUNTS.replace('$', "\\$")
    ))
    .unwrap();
    let before = run_of(&host);
    assert!(before.starts_with("running"), "{before}");
    assert!(!has_lock(&host));
    runs_on(&host, &before);

    // To this release, while the container runs.
    host.vch.stop().unwrap();
    host.become_release(&new_runtime(), None).unwrap();
    host.vch.restart().unwrap();
    runs_on(&host, &before);
    let privileged = host.docker.run("docker exec --privileged counts true");
    let privileged = privileged.unwrap();
    assert_eq!(privileged.code, 126, "{privileged:?}");
    assert!(
        privileged.stdout.contains("release 0.1.0"),
        "{privileged:?}"
    );
    stops(&host);
    assert!(!has_lock(&host));
    starts(&host);
    assert!(has_lock(&host));
    host.run("docker exec --privileged counts true").unwrap();

    // Back, while it runs: 0.1.0 reads the store that this release has kept as it found it.
    host.vch.stop().unwrap();
    let state = host.vch.dir().join("state");
    fs::copy(state.join("ledger.redb.v2"), state.join("ledger.redb")).unwrap();
    host.become_release(&old_runtime(), Some(&programs))
        .unwrap();
    host.vch.restart().unwrap();
    eventually(SOON, "0.1.0 takes the container back", || {
        run_of(&host).starts_with("running")
    })
    .unwrap();
    assert_eq!(
        host.run("docker exec counts echo beside").unwrap(),
        "beside"
    );
    stops(&host);
}
