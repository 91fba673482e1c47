//! Rates of containers' endpoints: given by Docker's clients, and counted by the guests' own interfaces. They are low:
//! where guests are emulated they are slow.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::time::Duration;

use lab::{Boot, Lab, Need, VmHost, eventually, prerequisites};

const SOON: Duration = Duration::from_secs(20);
/// What else runs here may keep VMs from their processors: so often it is tried whether a rate is reached.
const TRIES: usize = 5;

/// Bits a second that a container's interface receives, by its own counter and its own clock.
fn received(host: &VmHost<'_>, container: &str, seconds: u32) -> f64 {
    let look = "cat /sys/class/net/eth0/statistics/rx_bytes /proc/uptime";
    let script = format!("{look}; sleep {seconds}; {look}");
    let said = host
        .run(&format!("docker exec {container} sh -c '{script}'"))
        .unwrap();
    let numbers: Vec<f64> = said
        .split_whitespace()
        .map(|word| word.parse().unwrap())
        .collect();
    let [first, begin, _, last, end, _] = numbers[..] else {
        panic!("{said}");
    };
    (last - first) * 8.0 / (end - begin)
}

/// Checks that a container receives at this rate: never above, and at it in one window at least.
fn receives_at(host: &VmHost<'_>, container: &str, rate: f64) {
    let flows = || received(host, container, 1) > rate / 2.0;
    eventually(SOON, "something is sent", flows).unwrap();
    let tries = (0..TRIES).map(|_| received(host, container, 3) / rate);
    let reached = tries.inspect(|part| {
        println!("{container} receives {part:.4} of {rate}");
        assert!(*part < 1.03, "{part}");
    });
    assert!(reached.into_iter().any(|part| part > 0.97));
}

fn options(host: &VmHost<'_>, container: &str) -> String {
    let format = "{{json (index .NetworkSettings.Networks \"app\").DriverOpts}}";
    host.run(&format!("docker inspect -f '{format}' {container}"))
        .unwrap()
}

#[test]
fn a_vm_receives_and_sends_at_the_rate_that_docker_gave_its_endpoint() {
    prerequisites::check(Need::NAMESPACES).unwrap();
    let lab = Lab::of_vms("docker-rates").unwrap();
    let topology = lab.topology().unwrap();
    let host = VmHost::start(&lab, &topology, Boot::Clone).unwrap();
    host.import_busybox(&lab).unwrap();
    let run = |line: &str| host.run(line).unwrap();
    run("docker network create app");
    run(
        "docker run -d --name limited --network name=app,driver-opt=vch.rate=20mbit busybox sleep 1000",
    );
    run("docker run -d --name other --network app busybox sleep 1000");
    assert_eq!(options(&host, "limited"), r#"{"vch.rate":"20mbit"}"#);
    assert_eq!(options(&host, "other"), "null");

    let send = |from: &str, to: &str, port: u16| {
        run(&format!(
            "docker exec -d {to} sh -c 'sleep 1000 | nc -l -p {port} >/dev/null'"
        ));
        run(&format!(
            "docker exec -d {from} sh -c 'until nc {to} {port} </dev/zero; do sleep 1; done'"
        ));
    };
    send("other", "limited", 5000);
    receives_at(&host, "limited", 20e6);
    run("docker exec other killall nc");
    send("limited", "other", 5001);
    receives_at(&host, "other", 20e6);
    host.vch
        .vchctl("container rate limited --network app 10mbit")
        .unwrap();
    assert_eq!(options(&host, "limited"), r#"{"vch.rate":"10mbit"}"#);
    receives_at(&host, "other", 10e6);
    host.vch.vchctl("container rate limited none").unwrap();
    assert_eq!(options(&host, "limited"), r#"{"vch.rate":"none"}"#);
    let free = || received(&host, "other", 1) > 40e6;
    eventually(SOON, "nothing limits it any more", free).unwrap();

    labels_and_refusals(&host);
    composed(&lab, &host);
    run("docker rm -f limited other labelled free composed");
    let left = || !topology.vch.ip("-o link show").unwrap().contains("vi-");
    eventually(SOON, "no limit is left", left).unwrap();
}

/// By the label: compose reads a network's `driver_opts` of a service, but 2.26.1 does not send them.
fn composed(lab: &Lab, host: &VmHost<'_>) {
    let file = lab.path("compose.yaml");
    let services = "services: { of: { image: busybox, container_name: composed, \
         labels: { vch.rate: 5mbit }, networks: [ app ] } }";
    let networks = "networks: { app: { external: true } }";
    std::fs::write(&file, format!("{services}\n{networks}\n")).unwrap();
    host.run(&format!("docker compose -f {} create", file.display()))
        .unwrap();
    let shown = host.vch.ask("container inspect composed").unwrap();
    assert_eq!(shown["endpoints"]["app"]["rate"], "5mbit");
}

/// A container's label is for those of its endpoints that name no rate.
fn labels_and_refusals(host: &VmHost<'_>) {
    let run = |line: &str| host.run(line).unwrap();
    run("docker create --name labelled --label vch.rate=10mbit --network app busybox");
    assert_eq!(options(host, "labelled"), r#"{"vch.rate":"10mbit"}"#);
    run("docker network disconnect app labelled");
    run("docker network connect app labelled");
    assert_eq!(options(host, "labelled"), r#"{"vch.rate":"10mbit"}"#);
    run(
        "docker create --name free --label vch.rate=10mbit --network name=app,driver-opt=vch.rate=none busybox",
    );
    assert_eq!(options(host, "free"), r#"{"vch.rate":"none"}"#);
    for (line, words) in [
        (
            "docker create --network name=app,driver-opt=vch.rate=fast busybox",
            "invalid endpoint option vch.rate: 'fast' is no rate",
        ),
        (
            "docker network connect --driver-opt vch.rate=1kbit bridge free",
            "use 128kbit to 100gbit",
        ),
        (
            "docker create --label vch.rate=1tbit busybox",
            "invalid label vch.rate: rate 1tbit is not possible",
        ),
        (
            "docker network connect --driver-opt vch.rates=1mbit bridge free",
            "endpoint option vch.rates is not supported",
        ),
    ] {
        let refused = host.run(line).unwrap_err().to_string();
        assert!(refused.contains(words), "{line}: {refused}");
    }
}
