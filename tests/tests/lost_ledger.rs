//! A ledger that is lost, damaged or taken back to an older copy: what containers wrote stays.

#![expect(
    clippy::unwrap_used,
    reason = "what fails here fails the test at its place"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use lab::{Coordinator, Lab, Namespace, Need, Process, Topology, prerequisites};

const SOON: Duration = Duration::from_secs(20);
const NEWER: &str = "abababababababababababababababababababababababababababababababab";

/// Starts a coordinator that must end at once with status 1; gives what it said.
fn does_not_start(vch: &Coordinator<'_>, namespace: &Namespace, words: &[&str]) -> String {
    let log = vch.dir().join("refused.log");
    let mut command = Command::new(lab::paths::built("vch-coordinator").unwrap());
    command.arg("--config").arg(vch.dir().join("vch.toml"));
    command.args(words).env("NO_COLOR", "1");
    command.stderr(fs::File::create(&log).unwrap());
    let mut process: Process = namespace.spawn("refused", command).unwrap();
    let status = process.wait_within(SOON).unwrap();
    assert_eq!(status.code(), Some(1));
    fs::read_to_string(log).unwrap()
}

fn disk(state: &Path) -> PathBuf {
    let directory = state.join("containers").join(NEWER);
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join("upper.ext4"), "all that it wrote").unwrap();
    directory
}

/// The directory below `lost/`, of which `vchctl status` tells.
fn lost(vch: &Coordinator<'_>) -> PathBuf {
    let status = vch.ask("status").unwrap();
    let told = status["lost"].to_string();
    assert!(told.contains(NEWER), "{status:#}");
    assert!(vch.vchctl("status").unwrap().contains("Lost"));
    let entries = fs::read_dir(vch.dir().join("state/lost")).unwrap();
    let paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    let [path] = &paths[..] else {
        panic!("{paths:?}");
    };
    path.clone()
}

#[test]
fn a_container_that_an_older_copy_of_the_ledger_does_not_know_is_kept_aside_and_told() {
    prerequisites::check(Need::NAMESPACES).unwrap();
    let lab = Lab::of_namespaces("older").unwrap();
    let topology: Topology = lab.topology().unwrap();
    let mut vch = Coordinator::start(&lab, &topology.vch).unwrap();
    vch.stop().unwrap();
    // Made after the copy that was put back.
    let directory = disk(&vch.dir().join("state"));
    vch.restart().unwrap();
    let kept = lab::eventually_some(SOON, "it is moved aside", || {
        (!directory.exists()).then(|| lost(&vch))
    });
    let wrote = fs::read_to_string(kept.unwrap().join("upper.ext4")).unwrap();
    assert_eq!(wrote, "all that it wrote");
}

#[test]
fn a_missing_or_broken_ledger_beside_containers_is_refused_until_it_is_asked_for_anew() {
    prerequisites::check(Need::NAMESPACES).unwrap();
    let lab = Lab::of_namespaces("lost").unwrap();
    let topology = lab.topology().unwrap();
    let mut vch = Coordinator::start(&lab, &topology.vch).unwrap();
    vch.vchctl("network create web").unwrap();
    vch.stop().unwrap();
    let state = vch.dir().join("state");
    let directory = disk(&state);
    let ledger = state.join("ledger.redb");
    let whole = fs::read(&ledger).unwrap();
    fs::write(&ledger, &whole[..whole.len() / 3]).unwrap();
    let told = does_not_start(&vch, &topology.vch, &[]);
    assert!(told.contains("put back a copy"), "{told}");
    assert!(directory.join("upper.ext4").exists());

    fs::remove_file(&ledger).unwrap();
    let told = does_not_start(&vch, &topology.vch, &[]);
    assert!(told.contains("--begin-anew"), "{told}");
    assert!(!ledger.exists() && directory.join("upper.ext4").exists());

    // The copy: everything is as it was, and what it does not know is kept aside.
    fs::write(&ledger, &whole).unwrap();
    vch.restart().unwrap();
    assert!(vch.vchctl("network ls").unwrap().contains("web"));
    let moved = || !directory.exists();
    lab::eventually(SOON, "it is moved aside", moved).unwrap();
    assert!(lost(&vch).join("upper.ext4").exists());
    vch.stop().unwrap();

    // Begun anew, once.
    fs::remove_file(&ledger).unwrap();
    fs::remove_dir_all(state.join("lost")).unwrap();
    disk(&state);
    let mut command = Command::new(lab::paths::built("vch-coordinator").unwrap());
    command.arg("--config").arg(vch.dir().join("vch.toml"));
    command
        .arg("--begin-anew")
        .stderr(fs::File::create(lab.path("anew.log")).unwrap());
    let mut process = topology.vch.spawn("anew", command).unwrap();
    lab::eventually(SOON, "it is moved aside", moved).unwrap();
    assert!(lost(&vch).join("upper.ext4").exists());
    assert!(!vch.vchctl("network ls").unwrap().contains("web"));
    assert!(process.terminate(SOON).unwrap().success());
}
