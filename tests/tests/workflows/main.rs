//! The source document's workflows as scripts of the docker CLI alone (`tests/workflows`), typed at a terminal at a VCH
//! whose containers are VMs, each alone and all at once. A real dockerd is held to those that it can do, so that what
//! they expect is Docker's own.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod external;
mod stage;

use std::thread;

use lab::{Coordinator, Lab, Peer, Topology, VmHost, eventually};

use stage::{SOON, Stage};

/// The document's external networks.
const EXTERNALS: &str = r#"
[[external]]
name = "default-external"
interface = "external"
subnets = [{ subnet = "10.2.0.0/16", gateway = "10.2.0.1", address = "10.2.0.2" }]

[[external]]
name = "vic-production"
interface = "production"
subnets = [{ subnet = "208.91.3.0/24", gateway = "208.91.3.1", address = "208.91.3.3" }]
"#;

#[test]
fn the_documents_workflows_hold_on_a_vch_alone_and_all_at_once() {
    let lab = Lab::of_vms("workflows").unwrap();
    let topology = lab.topology().unwrap();
    let runtime = Coordinator::runtime_table().unwrap();
    let tables = format!("{runtime}boot = \"clone\"\n{EXTERNALS}");
    let host = VmHost::start_with(&lab, &topology, &tables).unwrap();
    let stage = Stage {
        docker: host.docker.clone(),
        outside: &topology.outside,
        host: Topology::VCH.into(),
    };
    stage.images(&lab);
    let nothing = host.left().unwrap();

    // On a new VCH the addresses are the document's.
    assert_eq!(stage.bridge(""), "172.18.0.2");
    stage.published("");
    stage.both("");
    assert_eq!(external::played(&stage, "")[0], "208.91.3.2");
    thread::scope(|scope| {
        scope.spawn(|| stage.bridge("-2"));
        scope.spawn(|| stage.published("-1"));
        scope.spawn(|| stage.both("-3"));
        scope.spawn(|| external::played(&stage, "-4"));
    });
    eventually(SOON, "nothing is left", || host.left().unwrap() == nothing)
        .unwrap_or_else(|error| panic!("{error}: {} against {nothing}", host.left().unwrap()));
}

#[test]
fn the_documents_workflows_on_bridges_hold_on_a_real_dockerd() {
    let lab = Lab::of_namespaces("workflows-peer").unwrap();
    let peer = Peer::start(&lab).unwrap();
    let stage = Stage {
        docker: peer.docker().unwrap(),
        outside: peer.namespace(),
        host: "127.0.0.1".parse().unwrap(),
    };
    stage.images(&lab);
    assert_eq!(stage.bridge(""), "172.18.0.2");
    stage.published("");
    stage.both("");
    thread::scope(|scope| {
        scope.spawn(|| stage.bridge("-2"));
        scope.spawn(|| stage.published("-1"));
        scope.spawn(|| stage.both("-3"));
    });
    assert_eq!(peer.docker().unwrap().succeed("docker ps -aq").unwrap(), "");
}
