//! Clients that are not the docker CLI. Each says what it expects, and a real dockerd is held to it too.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod compose;
mod rust;

use std::path::Path;
use std::process::Command;

use lab::{Boot, Coordinator, Docker, Lab, Need, Peer, RootFs, VmHost, paths, prerequisites};

/// How often a project is brought up on a VCH: what one round leaves disturbs the next.
const ROUNDS: usize = 3;

/// Runs a script of this directory with the Python package `docker`.
fn holds(script: &str, daemon: &Path) {
    prerequisites::check(&[Need::PythonDocker]).unwrap();
    let mut python = Command::new("python3");
    python.env("PYTHONPATH", paths::python());
    python.env("DOCKER_HOST", format!("unix://{}", daemon.display()));
    for variable in ["DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"] {
        python.env_remove(variable);
    }
    python.arg(paths::workspace().join("tests/tests/clients").join(script));
    let output = python.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{complained}");
    assert_eq!(said, "all of it holds\n", "{complained}");
}

/// The image that the clients run.
fn import_busybox(lab: &Lab, docker: &Docker) {
    let files = RootFs::busybox(lab, "busybox").unwrap();
    docker.import(&files, "busybox").unwrap();
}

/// The same with the command of the image that the recorded dockerd ran.
fn import_recorded(lab: &Lab, docker: &Docker) {
    let tar = RootFs::busybox(lab, "recorded").unwrap().tar().unwrap();
    let change = r#"CMD ["/bin/sh", "-c", "sleep 1000"]"#;
    let import = format!("docker import --change '{change}' --change 'ENV PATH=/bin'");
    docker
        .succeed(&format!("{import} {} busybox", tar.display()))
        .unwrap();
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
fn python_and_rust_drive_containers_of_a_vch() {
    let lab = Lab::of_vms("clients").unwrap();
    let topology = lab.topology().unwrap();
    let host = VmHost::start(&lab, &topology, Boot::Clone).unwrap();
    import_busybox(&lab, &host.docker);
    holds("containers.py", host.socket());
    rust::drives(host.socket());
    import_recorded(&lab, &host.docker);
    holds("newer.py", host.socket());
    host.run("docker rm -f $(docker ps -aq)").unwrap();
}

#[test]
fn compose_brings_five_services_up_and_down_on_a_vch_three_times_in_a_row() {
    let lab = Lab::of_vms("compose").unwrap();
    let topology = lab.topology().unwrap();
    let host = VmHost::start(&lab, &topology, Boot::Clone).unwrap();
    import_busybox(&lab, &host.docker);
    let before = host.left().unwrap();
    compose::goes_up_and_down(&host.docker, ROUNDS);
    assert_eq!(host.left().unwrap(), before);
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
    compose::goes_up_and_down(&docker, 1);
}
