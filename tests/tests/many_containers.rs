//! What `docker ps`, `docker inspect` and `docker start` cost where there are many containers. Each VM is a stand-in
//! (`tests/examples/stand-in.rs`): the times are the coordinator's and the shim's.
//!
//! The long form goes up to 1,000 containers. `VCH_BEFORE` names a directory with an older release's programs, which are
//! measured beside these.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::env;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use lab::{Lab, Need, RootFs, VmHost, http, prerequisites, stand_in};
use serde_json::json;

const API: &str = "/v1.43";
/// Requests of which the median is taken.
const RUNS: usize = 21;
/// Containers that are started of each number.
const STARTS: usize = 9;
/// What one more container may cost a request about another one: nothing, but for what the machine does beside.
const GROWTH: f64 = 2.0;

/// Medians of one release with some containers.
#[derive(Debug)]
struct Medians {
    containers: usize,
    list: Duration,
    inspect: Duration,
    start: Duration,
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn asked(host: &VmHost<'_>, method: &str, target: &str, status: u16) -> Duration {
    let began = Instant::now();
    let answer = http::ask(host.socket(), method, &format!("{API}{target}"), None).unwrap();
    let took = began.elapsed();
    assert_eq!(answer.status, status, "{target}: {answer:?}");
    took
}

fn add(host: &VmHost<'_>, number: usize) {
    let body = json!({
        "Image": "busybox",
        "Cmd": ["obedient"],
        "Env": (0..8).map(|number| format!("VARIABLE_{number}=value")).collect::<Vec<_>>(),
        "Labels": { "number": number.to_string(), "of": "many" },
        "HostConfig": { "NetworkMode": "none" },
    });
    let target = format!("{API}/containers/create?name=c{number}");
    let answer = http::ask(host.socket(), "POST", &target, Some(&body)).unwrap();
    assert_eq!(answer.status, 201, "{answer:?}");
}

fn measured(host: &VmHost<'_>, containers: usize) -> Medians {
    let times = |once: &dyn Fn() -> Duration| median((0..RUNS).map(|_| once()).collect());
    let name = format!("c{}", containers - 1);
    // Each starts once and runs on: a stand-in takes its time to end.
    let starts = (1..=STARTS).map(|number| {
        let target = format!("/containers/c{}/start", containers - number);
        asked(host, "POST", &target, 204)
    });
    Medians {
        containers,
        list: times(&|| asked(host, "GET", "/containers/json?all=1", 200)),
        inspect: times(&|| asked(host, "GET", &format!("/containers/{name}/json"), 200)),
        start: median(starts.collect()),
    }
}

/// Measures one release, whose programs are in a directory or this workspace's.
fn release(name: &str, programs: Option<&Path>, sizes: &[usize]) -> Vec<Medians> {
    let lab = Lab::of_namespaces(name).unwrap();
    let topology = lab.topology().unwrap();
    let shim = match programs {
        Some(programs) => programs.join("vch-shim"),
        None => lab::paths::built("vch-shim").unwrap(),
    };
    let table = stand_in::runtime_table_of(&lab, &["obedient"], &shim).unwrap();
    let host = VmHost::start_of(&lab, &topology, &table, programs).unwrap();
    let files = RootFs::busybox(&lab, "busybox").unwrap();
    host.docker.import(&files, "busybox").unwrap();
    let mut there = 0;
    let mut all = Vec::new();
    for &size in sizes {
        (there..size).for_each(|number| add(&host, number));
        there = size;
        let medians = measured(&host, size);
        println!(
            "{name}: {:>5} containers: list {:>8.2?}, inspect {:>8.2?}, start {:>8.2?}",
            medians.containers, medians.list, medians.inspect, medians.start
        );
        all.push(medians);
    }
    all
}

#[test]
fn a_request_about_one_container_costs_as_much_among_many() {
    prerequisites::check(Need::NAMESPACES).unwrap();
    let sizes: &[usize] = match env::var_os("VCH_LONG") {
        Some(_) => &[10, 100, 1_000],
        None => &[10, 100],
    };
    if let Some(before) = env::var_os("VCH_BEFORE") {
        release("before", Some(&PathBuf::from(before)), sizes);
    }
    let all = release("now", None, sizes);
    let (few, many) = (&all[0], &all[all.len() - 1]);
    for (what, few, many) in [
        ("inspect", few.inspect, many.inspect),
        ("start", few.start, many.start),
    ] {
        // A millisecond is the scheduler's.
        let most = few.mul_f64(GROWTH) + Duration::from_millis(1);
        assert!(
            many <= most,
            "{what}: {few:?} among few, {many:?} among many"
        );
    }
}
