//! Clients that are not the docker CLI. Each says what it expects, and a real dockerd is held to it too.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod compose;
mod rust;

use std::path::Path;
use std::process::Command;

use lab::{Boot, Coordinator, Docker, Lab, Need, Peer, RootFs, VmHost, places, prerequisites};

/// Runs a script of this folder with the Python package `docker`.
fn holds(script: &str, daemon: &Path) {
    prerequisites::check(&[Need::PythonDocker]).unwrap();
    let mut python = python(&places::python(), daemon);
    python.arg(places::workspace().join("tests/tests/clients").join(script));
    let output = python.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{complained}");
    assert_eq!(said, "all of it holds\n", "{complained}");
}

/// Python with these packages, pointed at a daemon's socket.
fn python(packages: &Path, daemon: &Path) -> Command {
    let mut python = Command::new("python3");
    python.env("PYTHONPATH", packages);
    python.env("DOCKER_HOST", format!("unix://{}", daemon.display()));
    for variable in ["DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"] {
        python.env_remove(variable);
    }
    python
}

/// The image that the clients run.
fn import_busybox(lab: &Lab, docker: &Docker) {
    let files = RootFs::busybox(lab, "busybox").unwrap();
    docker.import(&files, "busybox").unwrap();
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
fn python_rust_and_compose_drive_containers_of_a_vch() {
    let lab = Lab::of_vms("clients").unwrap();
    let topology = lab.topology().unwrap();
    let host = VmHost::start(&lab, &topology, Boot::Clone).unwrap();
    import_busybox(&lab, &host.docker);
    holds("containers.py", host.socket());
    rust::drives(host.socket());
    compose::goes_up_and_down(&lab, host.socket(), &host.docker);
}

#[test]
fn all_of_them_find_a_real_dockerd_the_same() {
    let lab = Lab::of_namespaces("clients-dockerd").unwrap();
    let peer = Peer::start(&lab).unwrap();
    let docker = peer.docker().unwrap();
    // Looking for a driver that nobody has takes it a quarter of a minute.
    holds("networks.py", &peer.socket());
    import_busybox(&lab, &docker);
    holds("containers.py", &peer.socket());
    rust::drives(&peer.socket());
    compose::goes_up_and_down(&lab, &peer.socket(), &docker);
}
