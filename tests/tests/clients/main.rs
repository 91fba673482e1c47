//! Clients that are not the docker CLI. Each says what it expects, and a real dockerd is held to it too.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::path::Path;
use std::process::Command;

use lab::{Coordinator, Lab, Need, Peer, places, prerequisites};

/// Runs a script of this folder with the Python package `docker`.
fn holds(script: &str, daemon: &Path) {
    prerequisites::check(&[Need::PythonDocker]).unwrap();
    let folder = places::workspace().join("tests/tests/clients");
    let mut python = Command::new("python3");
    python.arg(folder.join(script));
    python.env("PYTHONPATH", places::python());
    python.env("DOCKER_HOST", format!("unix://{}", daemon.display()));
    for variable in ["DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"] {
        python.env_remove(variable);
    }
    let output = python.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{complained}");
    assert_eq!(said, "all of it holds\n", "{complained}");
}

#[test]
fn python_programs_drive_networks_of_a_vch() {
    let lab = Lab::of_namespaces("python-vch").unwrap();
    let topology = lab.topology().unwrap();
    let socket = lab.path("docker.sock");
    let endpoint = Coordinator::docker_table(&socket);
    let _vch = Coordinator::start_with(&lab, &topology.vch, &endpoint).unwrap();
    holds("networks.py", &socket);
}

#[test]
fn python_programs_find_a_real_dockerd_the_same() {
    let lab = Lab::of_namespaces("python-dockerd").unwrap();
    let peer = Peer::start(&lab).unwrap();
    // Looking for a driver that nobody has takes it a quarter of a minute.
    holds("networks.py", &peer.socket());
}
