//! What a container is asked to be, by every field that its VM carries out: seen from inside.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::collections::BTreeMap;
use std::time::Duration;

use lab::{Boot, Lab, Topology, VmHost, eventually, http};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(30);

struct Testbed<'a> {
    host: VmHost<'a>,
}

impl<'a> Testbed<'a> {
    fn build(lab: &Lab, topology: &'a Topology) -> Self {
        let host = VmHost::start(lab, topology, Boot::Clone).unwrap();
        host.import_busybox(lab).unwrap();
        Self { host }
    }

    fn run(&self, line: &str) -> String {
        self.host.run(line).unwrap()
    }

    fn ask(&self, method: &str, target: &str, body: &Value) -> http::Answer {
        let target = format!("/v1.50{target}");
        http::ask(self.host.socket(), method, &target, Some(body)).unwrap()
    }

    /// Creates a container by its body; what the answer warns of.
    fn create(&self, name: &str, body: &Value) -> Vec<String> {
        let answer = self.ask("POST", &format!("/containers/create?name={name}"), body);
        assert_eq!(answer.status, 201, "{answer:?}");
        let warnings = answer.body["Warnings"].as_array().unwrap();
        warnings
            .iter()
            .map(|text| text.as_str().unwrap().to_owned())
            .collect()
    }

    /// Runs a container of this body; returns the lines `KEY=VALUE` that it writes.
    fn told(&self, name: &str, body: &Value) -> BTreeMap<String, String> {
        self.create(name, body);
        let said = self.run(&format!("docker start -a {name}"));
        let pairs = said
            .lines()
            .filter_map(|line| line.trim_end().split_once('='));
        pairs
            .map(|(key, value)| (key.to_owned(), value.trim().to_owned()))
            .collect()
    }
}

/// Each line tells one thing of the container that it runs in.
const TELL: &str = r#"
echo "host=$(hostname)"
echo "domain=$(cat /proc/sys/kernel/domainname)"
echo "hosts=$(grep -c 'box.d.example box' /etc/hosts) $(grep -c '192.0.2.7.*gate' /etc/hosts)"
echo "search=$(grep -c search /etc/resolv.conf)"
echo "options=$(grep options /etc/resolv.conf)"
echo "folder=$(pwd)"
echo "group=$(id -g)"
echo "groups=$(id -G)"
echo "variable=$A"
echo "terminal=$(stty size)"
echo "files=$(ulimit -n)"
echo "score=$(cat /proc/self/oom_score_adj)"
echo "shm=$(df -k /dev/shm | tail -n 1 | awk '{print $2}')"
echo "tmpfs=$(df -k /t | tail -n 1 | awk '{print $2}') $(df -k /m | tail -n 1 | awk '{print $2}')"
echo "root=$(touch /written 2>/dev/null && echo written || echo read-only)"
echo "volume=$(touch /data/written && echo written)"
echo "capabilities=$(grep CapEff /proc/self/status | cut -f 2)"
echo "privileges=$(grep NoNewPrivs /proc/self/status | cut -f 2)"
echo "sysctl=$(cat /proc/sys/kernel/msgmax)"
echo "masked=$(wc -c </proc/version)"
echo "bare=$(ls /proc/acpi 2>/dev/null | wc -l)"
echo "init=$(cat /proc/1/comm)"
"#;

#[test]
fn a_process_and_its_surroundings_are_what_every_field_asks_for() {
    let lab = Lab::of_vms("fields").unwrap();
    let topology = lab.topology().unwrap();
    let testbed = Testbed::build(&lab, &topology);
    let body = json!({
        "Image": "busybox", "Hostname": "box", "Domainname": "d.example", "User": "0:8", "Tty": true,
        "Env": ["A=b"], "Entrypoint": ["sh", "-c"], "Cmd": [TELL], "WorkingDir": "/srv/../work",
        "Volumes": { "/data": {} },
        "HostConfig": {
            "ConsoleSize": [30, 100], "GroupAdd": ["9"], "OomScoreAdj": 100, "ShmSize": 1 << 20,
            "Sysctls": { "kernel.msgmax": "9000" }, "ReadonlyRootfs": true, "Init": true,
            "Tmpfs": { "/t": "size=1m" },
            "Mounts": [{ "Type": "tmpfs", "Target": "/m", "TmpfsOptions": { "SizeBytes": 2 << 20 } }],
            "MaskedPaths": ["/proc/version"], "Ulimits": [{ "Name": "nofile", "Soft": 500, "Hard": 600 }],
            "CapDrop": ["ALL"], "CapAdd": ["NET_ADMIN"], "SecurityOpt": ["no-new-privileges"],
            "DnsSearch": ["."], "DnsOptions": ["timeout:1"], "ExtraHosts": ["gate:192.0.2.7"],
        },
    });
    let told = testbed.told("all", &body);
    for (key, expected) in [
        ("host", "box"),
        ("domain", "d.example"),
        ("hosts", "1 1"),
        ("search", "0"),
        ("options", "options timeout:1 ndots:0"),
        ("folder", "/work"),
        ("group", "8"),
        ("groups", "8 9"),
        ("variable", "b"),
        ("terminal", "30 100"),
        ("files", "500"),
        ("score", "100"),
        ("shm", "1024"),
        ("tmpfs", "1024 2048"),
        ("root", "read-only"),
        ("volume", "written"),
        ("capabilities", "0000000000001000"),
        ("privileges", "1"),
        ("sysctl", "9000"),
        ("masked", "0"),
    ] {
        assert_eq!(
            told.get(key).map(String::as_str),
            Some(expected),
            "{key}: {told:?}"
        );
    }
    assert_ne!(told["init"], "sh");
    testbed.run("docker rm all");

    whole_vm(&testbed);
    none_of_it(&testbed);
}

/// A privileged container has its VM.
fn whole_vm(testbed: &Testbed<'_>) {
    let script = "echo \"capabilities=$(grep CapEff /proc/self/status | cut -f 2)\"; \
        echo \"sysctl=$(echo 7 >/proc/sys/vm/swappiness && cat /proc/sys/vm/swappiness)\"; \
        echo \"loop=$(ls /dev/loop-control /dev/kmsg | wc -l)\"";
    let body = json!({
        "Image": "busybox", "Cmd": ["sh", "-c", script], "HostConfig": { "Privileged": true },
    });
    let told = testbed.told("whole", &body);
    assert_eq!(told["sysctl"], "7");
    assert_eq!(told["loop"], "2");
    let capabilities = u64::from_str_radix(&told["capabilities"], 16).unwrap();
    assert_eq!(capabilities.count_ones(), 41, "{told:?}");
    testbed.run("docker rm whole");
}

/// Without shared memory, and with a device and a disk of its own size.
fn none_of_it(testbed: &Testbed<'_>) {
    let script = "echo \"shm=$(ls -d /dev/shm 2>/dev/null | wc -l)\"; \
        echo \"device=$(ls -l /dev/net/tun | cut -c 1)\"; \
        echo \"disk=$(df -k / | tail -n 1 | awk '{print $2 < 70000}')\"";
    let body = json!({
        "Image": "busybox", "Cmd": ["sh", "-c", script],
        "HostConfig": {
            "IpcMode": "none", "StorageOpt": { "size": "64M" },
            "Devices": [{ "PathOnHost": "/dev/net/tun", "PathInContainer": "/dev/net/tun", "CgroupPermissions": "rwm" }],
        },
    });
    let told = testbed.told("none", &body);
    assert_eq!(
        [&*told["shm"], &*told["device"], &*told["disk"]],
        ["0", "c", "1"]
    );
    testbed.run("docker rm none");
}

/// Returns the content of the files of the container's cgroup in its VM.
fn bounds(testbed: &Testbed<'_>) -> Vec<String> {
    let files = "memory.max memory.low pids.max cpu.weight cpu.max cpuset.cpus";
    let said = testbed.run(&format!(
        "docker exec bound sh -c 'cd /sys/fs/cgroup && cat {files}'"
    ));
    said.lines().map(str::to_owned).collect()
}

#[test]
fn bounds_of_a_container_are_in_force_in_its_vm_and_follow_an_update_at_once() {
    let lab = Lab::of_vms("bounds").unwrap();
    let topology = lab.topology().unwrap();
    let testbed = Testbed::build(&lab, &topology);
    testbed.create(
        "bound",
        &json!({
            "Image": "busybox", "Cmd": ["sleep", "1000"],
            "HostConfig": {
                "Memory": 64 << 20, "MemoryReservation": 32 << 20, "PidsLimit": 50, "CpuShares": 512,
                "CpuQuota": 30_000, "CpuPeriod": 60_000, "CpusetCpus": "0", "CpusetMems": "0",
            },
        }),
    );
    testbed.run("docker start bound");
    let (memory, reserved) = ((64 << 20).to_string(), (32 << 20).to_string());
    assert_eq!(
        bounds(&testbed),
        [&*memory, &reserved, "50", "20", "30000 60000", "0"]
    );

    let update = json!({
        "Memory": 80 << 20, "MemorySwap": -1, "MemoryReservation": 16 << 20, "PidsLimit": 20,
        "CpuShares": 2048, "CpuQuota": 50_000, "CpuPeriod": 100_000,
    });
    let answer = testbed.ask("POST", "/containers/bound/update", &update);
    assert_eq!(
        (answer.status, &answer.body["Warnings"]),
        (200, &Value::Null),
        "{answer:?}"
    );
    let (memory, reserved) = ((80 << 20).to_string(), (16 << 20).to_string());
    assert_eq!(
        bounds(&testbed),
        [&*memory, &reserved, "20", "79", "50000 100000", "0"]
    );

    // More than the VM has is had from the next start on, and said.
    let more = json!({ "Memory": 2_u64 << 30, "MemorySwap": -1 });
    let answer = testbed.ask("POST", "/containers/bound/update", &more);
    let warnings = answer.body["Warnings"].to_string();
    assert!(warnings.contains("from its next start on"), "{answer:?}");
    testbed.run("docker rm -f bound");
}

#[test]
fn a_container_is_stopped_by_the_signal_that_is_asked_for() {
    let lab = Lab::of_vms("signals").unwrap();
    let topology = lab.topology().unwrap();
    let testbed = Testbed::build(&lab, &topology);
    // Of each signal that it hears it tells the name; the third ends it.
    let script = "trap 'echo INT' INT; trap 'echo USR1' USR1; trap 'echo RT; exit 5' 37; \
        echo ready; while :; do sleep 0.1; done";
    testbed.create(
        "heard",
        &json!({ "Image": "busybox", "Cmd": ["sh", "-c", script], "StopSignal": "SIGRTMIN+3" }),
    );
    testbed.run("docker start heard");
    let unknown = testbed.ask("POST", "/containers/heard/stop?signal=NOTHING", &json!({}));
    assert_eq!(
        (unknown.status, unknown.message()),
        (400, "cannot stop container: heard: invalid signal: NOTHING")
    );
    let running = "docker inspect -f '{{.State.Running}}' heard";
    assert_eq!(testbed.run(running), "true");
    let heard = |text: &str| testbed.run("docker logs heard").contains(text);
    eventually(SOON, "it listens", || heard("ready")).unwrap();
    testbed.run("docker kill -s USR1 heard");
    eventually(SOON, "it heard USR1", || heard("USR1")).unwrap();
    let stopped = testbed.ask("POST", "/containers/heard/stop?signal=INT&t=2", &json!({}));
    assert_eq!(stopped.status, 204, "{stopped:?}");
    assert!(heard("INT"));
    assert_eq!(
        testbed.run("docker inspect -f '{{.State.ExitCode}}' heard"),
        "137"
    );
    // Its own signal is a real-time one.
    let listens = || testbed.run("docker logs heard").matches("ready").count() == 2;
    testbed.run("docker start heard");
    eventually(SOON, "it listens again", listens).unwrap();
    testbed.run("docker stop -t 20 heard");
    assert!(heard("RT"), "{}", testbed.run("docker logs heard 2>&1"));
    assert_eq!(
        testbed.run("docker inspect -f '{{.State.ExitCode}}' heard"),
        "5"
    );
    testbed.run("docker rm heard");
    restarts(&testbed);
    the_images_own(&testbed);
    a_first_process_with_a_handler(&testbed);
}

/// A restart by an unknown signal leaves it running.
fn restarts(testbed: &Testbed<'_>) {
    let script = "trap 'echo USR1; exit 3' USR1; echo ready; while :; do sleep 0.1; done";
    testbed.create(
        "again",
        &json!({ "Image": "busybox", "Cmd": ["sh", "-c", script] }),
    );
    testbed.run("docker start again");
    let lives = |count: usize| {
        let listens = || testbed.run("docker logs again").matches("ready").count() == count;
        eventually(SOON, "it listens", listens).unwrap();
    };
    lives(1);
    let running = "docker inspect -f '{{.State.Running}} {{.State.StartedAt}}' again";
    let before = testbed.run(running);
    for signal in ["NOTHING", "99", "SIGRTMAX+1"] {
        let target = format!(
            "/containers/again/restart?signal={}",
            signal.replace('+', "%2B")
        );
        let refused = testbed.ask("POST", &target, &json!({}));
        let words = format!("Cannot restart container again: invalid signal: {signal}");
        assert_eq!((refused.status, refused.message()), (400, &*words));
    }
    assert_eq!(testbed.run(running), before);
    let target = "/containers/again/restart?signal=USR1&t=30";
    assert_eq!(testbed.ask("POST", target, &json!({})).status, 204);
    lives(2);
    assert_eq!(testbed.run("docker logs again"), "ready\nUSR1\nready");
    testbed.run("docker rm -f again");
}

/// `STOPSIGNAL` of an image, as systemd's have it.
fn the_images_own(testbed: &Testbed<'_>) {
    let script = "trap 'echo RT; exit 6' 37; echo ready; while :; do sleep 0.1; done";
    let change = "--change 'STOPSIGNAL SIGRTMIN+3' --change 'ENV PATH=/bin'";
    let tar = testbed.host.vch.lab().path("busybox.tar");
    testbed.run(&format!("docker import {change} {} systemd", tar.display()));
    testbed.create(
        "own",
        &json!({ "Image": "systemd", "Cmd": ["sh", "-c", script] }),
    );
    let format = "docker inspect -f '{{.Config.StopSignal}} {{.State.ExitCode}}' own";
    assert_eq!(testbed.run(format), "SIGRTMIN+3 0");
    let ready = || testbed.run("docker logs own").ends_with("ready");
    testbed.run("docker start own");
    eventually(SOON, "it listens", ready).unwrap();
    testbed.run("docker stop -t 30 own");
    assert_eq!(testbed.run(format), "SIGRTMIN+3 6");
    for signal in ["RTMIN+3", "SIGRTMIN+3", "37"] {
        testbed.run("docker start own");
        eventually(SOON, "it listens again", ready).unwrap();
        testbed.run(&format!("docker kill -s {signal} own"));
        assert_eq!(testbed.run("docker wait own"), "6", "{signal}");
    }
    testbed.run("docker rm own");
}

/// busybox's `top` has one for TERM, whatever it inherits.
fn a_first_process_with_a_handler(testbed: &Testbed<'_>) {
    for terminal in [true, false] {
        let body = json!({ "Image": "busybox", "Cmd": ["top"], "Tty": terminal });
        testbed.create("top", &body);
        testbed.run("docker start top");
        let shows = || testbed.run("docker logs top").contains("Mem:");
        eventually(SOON, "it shows", shows).unwrap();
        testbed.run("docker kill -s TERM top");
        assert_eq!(
            testbed.run("docker wait top"),
            "143",
            "a terminal: {terminal}"
        );
        testbed.run("docker rm top");
    }
}
