//! Containers that are VMs, by the docker CLI: they outlive the coordinator, start again by their policies, and leave
//! nothing behind.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::fs;
use std::time::Duration;

use lab::{Boot, Lab, Topology, VmHost, Way, ask, eventually};

const SOON: Duration = Duration::from_secs(20);
/// Set by `make long`: so many containers are made, started, stopped and removed one after the other.
const LONG: &str = "VCH_LONG";
const MANY_CYCLES: usize = 100;

/// A VCH with an image of busybox.
struct Testbed<'a> {
    topology: &'a Topology,
    host: VmHost<'a>,
}

impl<'a> Testbed<'a> {
    fn build(lab: &Lab, topology: &'a Topology, boot: Boot) -> Self {
        let host = VmHost::start(lab, topology, boot).unwrap();
        host.import_busybox(lab).unwrap();
        Self { topology, host }
    }

    fn run(&self, line: &str) -> String {
        self.host.run(line).unwrap()
    }

    fn left(&self) -> String {
        self.host.left().unwrap()
    }
}

#[test]
fn containers_outlive_the_coordinator_and_leave_nothing_behind() {
    lifecycles(Boot::Clone);
    if std::env::var_os(LONG).is_some() {
        lifecycles(Boot::Cold);
    }
}

fn lifecycles(boot: Boot) {
    let lab = Lab::of_vms("lives").unwrap();
    let topology = lab.topology().unwrap();
    let mut testbed = Testbed::build(&lab, &topology, boot);
    let nothing = testbed.left();

    run_and_its_code(&testbed);
    the_coordinator_dies_and_comes_back(&mut testbed);
    a_start_and_a_pause_outlive_the_coordinator(&mut testbed);
    policies(&testbed);
    cycles(&testbed, &nothing);
}

fn run_and_its_code(testbed: &Testbed<'_>) {
    assert_eq!(
        testbed.run("docker run --rm busybox echo hello world"),
        "hello world"
    );
    let ended = testbed
        .host
        .docker
        .run("docker run --name seven busybox sh -c 'echo out; echo err >&2; exit 7'")
        .unwrap();
    assert_eq!(
        (ended.code, &*ended.stdout, &*ended.stderr),
        (7, "out\n", "err\n")
    );
    assert_eq!(testbed.run("docker logs seven 2>/dev/null"), "out");
    assert_eq!(
        testbed.run("docker inspect -f '{{.State.Status}} {{.State.ExitCode}}' seven"),
        "exited 7"
    );
    assert_eq!(testbed.run("docker wait seven"), "7");
    testbed.run("docker rm seven");
    let missing = testbed
        .host
        .docker
        .run("docker run --rm busybox nosuch")
        .unwrap();
    assert_eq!(missing.code, 127, "{missing:?}");
    assert!(
        missing
            .stderr
            .contains("executable file not found in $PATH"),
        "{missing:?}"
    );
    let piped = testbed.run("echo typed | docker run -i --rm busybox cat");
    assert_eq!(piped, "typed");
}

/// The port that `web` publishes, from outside.
fn answers(testbed: &Testbed<'_>) -> bool {
    let vch = Topology::VCH.into();
    matches!(
        ask(&testbed.topology.outside, vch, Way::Tcp(8080), SOON),
        Ok(Some(_))
    )
}

fn the_coordinator_dies_and_comes_back(testbed: &mut Testbed<'_>) {
    let serve = "while :; do echo served; echo answer | nc -l -p 80; done";
    testbed.run(&format!(
        "docker run -d --name web -p 8080:80 busybox sh -c '{serve}'"
    ));
    testbed.run("docker run -d --name count busybox sh -c 'i=0; while :; do i=$((i+1)); echo $i; sleep 0.1; done'");
    eventually(SOON, "the port answers", || answers(testbed)).unwrap();
    let pid = testbed.run("docker inspect -f '{{.State.Pid}}' count");
    testbed.host.vch.kill().unwrap();
    // busybox's nc listens anew behind each client.
    let what = "published ports do without the coordinator";
    eventually(SOON, what, || answers(testbed)).unwrap();
    testbed.host.vch.restart().unwrap();

    assert_eq!(testbed.run("docker ps -q | wc -l"), "2");
    assert_eq!(
        testbed.run("docker inspect -f '{{.State.Pid}}' count"),
        pid,
        "the same VM"
    );
    eventually(SOON, "the port answers", || answers(testbed)).unwrap();
    testbed.run("docker exec count true");
    let code = testbed
        .host
        .docker
        .run("docker exec count sh -c 'exit 3'")
        .unwrap()
        .code;
    assert_eq!(code, 3);
    // It prints on, and nothing that was printed in between is missing.
    let numbers = testbed.run("docker logs count");
    let numbers: Vec<usize> = numbers.lines().map(|line| line.parse().unwrap()).collect();
    let expected: Vec<usize> = (1..=numbers.len()).collect();
    assert_eq!(numbers, expected);
    // One that ends while the coordinator is away has its code and its words afterwards.
    testbed.run("docker run -d --name late busybox sh -c 'read line </dev/null; sleep 3; echo the end; exit 9'");
    testbed.host.vch.kill().unwrap();
    let dir = testbed.host.vch.dir().join("state/containers");
    let ended = || {
        let mut all = fs::read_dir(&dir).unwrap().filter_map(Result::ok);
        all.any(|one| one.path().join("exit.json").exists())
    };
    eventually(SOON, "it ends", ended).unwrap();
    testbed.host.vch.restart().unwrap();
    assert_eq!(testbed.run("docker wait late"), "9");
    assert_eq!(testbed.run("docker logs late"), "the end");
    testbed.run("docker rm -f web count late");
}

/// A coordinator that dies while it starts a VM, or while one waits to be started again, leaves both to the next.
fn a_start_and_a_pause_outlive_the_coordinator(testbed: &mut Testbed<'_>) {
    testbed.run("docker create --name half busybox sleep 1000");
    let sockets = testbed.host.vch.dir().join("run/vms");
    let shims = || {
        let all = fs::read_dir(&sockets).into_iter().flatten();
        let all = all.filter_map(Result::ok);
        all.filter(|one| one.path().join("shim.pid").exists())
            .count()
    };
    let started = std::thread::scope(|scope| {
        let starting = scope.spawn(|| testbed.host.docker.run("docker start half").unwrap());
        eventually(SOON, "its shim is there", || shims() == 1).unwrap();
        // Its VM boots for seconds yet.
        let pid = i32::try_from(testbed.host.vch.pid().unwrap()).unwrap();
        nix::sys::signal::kill(
            nix::unistd::Pid::from_raw(pid),
            nix::sys::signal::Signal::SIGKILL,
        )
        .unwrap();
        starting.join().unwrap()
    });
    assert_ne!(started.code, 0, "{started:?}");
    testbed.host.vch.kill().unwrap();
    testbed.host.vch.restart().unwrap();
    let runs = || testbed.run("docker inspect -f '{{.State.Status}}' half") == "running";
    eventually(SOON, "it runs", runs).unwrap();
    assert_eq!(shims(), 1);
    testbed.run("docker rm -f half");

    // Its pauses double: after some tries it waits most of the time.
    testbed.run("docker run -d --name tries --restart always busybox false");
    let waits = || {
        testbed.run("docker inspect -f '{{.State.Status}} {{.RestartCount}}' tries")
            == "restarting 2"
    };
    eventually(Duration::from_secs(60), "it waits", waits).unwrap();
    testbed.host.vch.kill().unwrap();
    testbed.host.vch.restart().unwrap();
    let before = testbed.run("docker inspect -f '{{.State.StartedAt}}' tries");
    let again = || testbed.run("docker inspect -f '{{.State.StartedAt}}' tries") != before;
    eventually(Duration::from_secs(30), "it is started again", again).unwrap();
    testbed.run("docker rm -f tries");
}

fn policies(testbed: &Testbed<'_>) {
    testbed
        .run("docker run -d --name again --restart on-failure:1 busybox sh -c 'echo try; exit 1'");
    let restarts = || {
        testbed.run("docker inspect -f '{{.RestartCount}} {{.State.Status}}' again") == "1 exited"
    };
    eventually(
        Duration::from_secs(60),
        "it was started once more",
        restarts,
    )
    .unwrap();
    assert_eq!(testbed.run("docker logs again"), "try\ntry");
    testbed.run("docker rm again");
    testbed.run("docker run -d --name gentle busybox sh -c 'trap \"echo stopped; exit 5\" TERM; echo ready; while :; do sleep 0.1; done'");
    let ready = || testbed.run("docker logs gentle") == "ready";
    eventually(SOON, "it hears signals", ready).unwrap();
    testbed.run("docker stop gentle");
    assert_eq!(testbed.run("docker logs gentle"), "ready\nstopped");
    assert_eq!(
        testbed.run("docker inspect -f '{{.State.ExitCode}}' gentle"),
        "5"
    );
    testbed.run("docker start gentle && docker kill gentle && docker rm gentle");
}

fn cycles(testbed: &Testbed<'_>, nothing: &str) {
    let cycles = match std::env::var_os(LONG) {
        Some(_) => MANY_CYCLES,
        None => 1,
    };
    testbed.run("docker network create loop");
    for _ in 0..cycles {
        testbed.run("docker create --name cycle --network loop -p 9090:90 busybox sleep 1000");
        testbed.run("docker start cycle");
        testbed.run("docker stop -t 0 cycle");
        testbed.run("docker rm cycle");
    }
    testbed.run("docker network rm loop");
    eventually(SOON, "nothing is left", || testbed.left() == nothing)
        .unwrap_or_else(|error| panic!("{error}: {} against {nothing}", testbed.left()));
}
