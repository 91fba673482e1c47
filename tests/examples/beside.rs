//! Measures two releases beside each other: what starting, attaching to and connecting containers takes. The releases take
//! turns on one machine, and of each pair of times the ratio is taken, so that what the machine does beside concerns both.
//!
//! `cargo run -p lab --example beside -- BEFORE NOW [PAIRS [OPERATION]]`: each a checkout with the programs of `make vch`
//! (`target/quick`) and the image of `make image` (`target/image`); nine pairs of each operation unless told otherwise.

use std::env;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use lab::{Coordinator, Lab, VmHost, eventually};

const SOON: Duration = Duration::from_secs(120);
const PAIRS: usize = 9;
/// The column of a release's name, and of its times.
const RELEASES: [&str; 2] = ["before", "now"];

/// One measured operation of a VCH.
type Operation = fn(&VmHost<'_>) -> Result<Duration>;

/// The operations of VMs that boot, and of those that are clones.
const COLD: [(&str, Operation); 2] = [
    ("boot to process", start),
    ("boot, attached run", attached_run),
];
const CLONED: [(&str, Operation); 5] = [
    ("clone to process", start),
    ("clone, attached run", attached_run),
    ("attach", attach),
    ("exec", exec),
    ("network connect", connect),
];

/// Returns the time that a line of the docker CLI takes.
fn timed(host: &VmHost<'_>, line: &str) -> Result<Duration> {
    let began = Instant::now();
    host.run(line)?;
    Ok(began.elapsed())
}

/// Starts a container on a network; returns the time from its turn to start until its process runs.
fn start(host: &VmHost<'_>) -> Result<Duration> {
    host.run("docker run -d --name timed --net bridged busybox sleep 1000")?;
    let phases = host.vch.ask("trace timed")?;
    host.run("docker rm -f timed")?;
    let at = |name: &str| {
        let mut phases = phases.as_array().into_iter().flatten();
        let phase = phases.find(|phase| phase["name"] == name);
        let at = phase.and_then(|phase| phase["at_us"].as_u64());
        at.with_context(|| format!("the phase {name}: {phases:?}"))
    };
    Ok(Duration::from_micros(at("process")? - at("turn")?))
}

/// Runs a container whose output the CLI is attached to, from the request to the end.
fn attached_run(host: &VmHost<'_>) -> Result<Duration> {
    timed(
        host,
        "docker run --rm --net bridged busybox echo hello | grep -q hello",
    )
}

/// Attaches to a container that runs, and reads what it answers.
fn attach(host: &VmHost<'_>) -> Result<Duration> {
    host.run("docker run -d -i --name timed --net none busybox head -n 1")?;
    let took = timed(host, "echo hello | docker attach timed | grep -q hello")?;
    host.run("docker rm -f timed")?;
    Ok(took)
}

fn exec(host: &VmHost<'_>) -> Result<Duration> {
    timed(host, "docker exec held echo hello | grep -q hello")
}

/// Connects a running container to a network, until its VM has the NIC and its address.
fn connect(host: &VmHost<'_>) -> Result<Duration> {
    let took = timed(host, "docker network connect second held")?;
    host.run("docker network disconnect second held")?;
    Ok(took)
}

/// The VCH of a checkout.
fn vch<'a>(
    lab: &Lab,
    topology: &'a lab::Topology,
    checkout: &Path,
    boot: &str,
) -> Result<VmHost<'a>> {
    let image = checkout.join("target/image");
    let table = Coordinator::runtime_table_of(&image.join("vmlinux"), &image.join("vm.cpio"));
    let programs = checkout.join("target/quick");
    let table = format!("{table}{boot}");
    let host = VmHost::start_of(lab, topology, &table, Some(&programs))?;
    host.import_busybox(lab)?;
    host.run("docker network create bridged")?;
    host.run("docker network create second")?;
    // The first start makes disks and templates.
    host.run("docker run -d --name held --net bridged busybox sleep 100000")?;
    Ok(host)
}

fn median<T: Copy + PartialOrd>(mut all: Vec<T>) -> Option<T> {
    all.sort_by(|one, other| one.partial_cmp(other).unwrap_or(std::cmp::Ordering::Equal));
    all.get(all.len() / 2).copied()
}

/// Measures an operation in pairs, of which each release is the first in turn; prints the medians.
fn compare(
    hosts: [&VmHost<'_>; 2],
    pairs: usize,
    (what, operation): (&str, Operation),
) -> Result<()> {
    let mut times = [Vec::new(), Vec::new()];
    for host in hosts {
        operation(host).with_context(|| what.to_owned())?;
    }
    for pair in 0..pairs {
        for which in [pair % 2, 1 - pair % 2] {
            times[which].push(operation(hosts[which])?);
        }
    }
    let ratios = times[0].iter().zip(&times[1]);
    let ratios = ratios.map(|(before, now)| now.as_secs_f64() / before.as_secs_f64());
    let ratio = median(ratios.collect()).context("no pair")?;
    let [before, now] = times.map(median);
    println!(
        "{what:<22} {:>10.1?} {:>10.1?} {ratio:>7.3}",
        before.context("no time")?,
        now.context("no time")?
    );
    Ok(())
}

fn main() -> Result<()> {
    let words: Vec<_> = env::args_os().skip(1).collect();
    ensure!(
        (2..=4).contains(&words.len()),
        "usage: beside BEFORE NOW [PAIRS [OPERATION]]; BEFORE and NOW are directories of checkouts"
    );
    let checkouts = [PathBuf::from(&words[0]), PathBuf::from(&words[1])];
    let pairs = match words.get(2) {
        Some(pairs) => pairs
            .to_string_lossy()
            .parse()
            .context("PAIRS is a number")?,
        None => PAIRS,
    };
    let [before, now] = RELEASES;
    println!(
        "{:<22} {before:>10} {now:>10} {:>7}",
        "median of pairs", "ratio"
    );
    let wanted = words.get(3).map(|wanted| wanted.to_string_lossy());
    let wanted = |what: &str| {
        wanted
            .as_ref()
            .is_none_or(|wanted| what.contains(&**wanted))
    };
    for (boot, operations) in [
        ("boot = \"cold\"\n", COLD.as_slice()),
        ("", CLONED.as_slice()),
    ] {
        let operations = operations.iter().filter(|(what, _)| wanted(what));
        let operations: Vec<_> = operations.collect();
        if operations.is_empty() {
            continue;
        }
        // The first one has the turn for both.
        let labs = [Lab::of_vms("before")?, Lab::of_namespaces("now")?];
        let topologies = [labs[0].topology()?, labs[1].topology()?];
        let host = |which: usize| vch(&labs[which], &topologies[which], &checkouts[which], boot);
        let hosts = [host(0)?, host(1)?];
        let hosts = [&hosts[0], &hosts[1]];
        if boot.is_empty() {
            for host in hosts {
                let cloned = || host.vch.log().contains("VMs are cloned from now on");
                eventually(SOON, "there is a template", cloned)?;
            }
        }
        for operation in operations {
            compare(hosts, pairs, *operation)?;
        }
    }
    Ok(())
}
