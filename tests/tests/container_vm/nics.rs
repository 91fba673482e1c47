//! A VM's NICs, as its shim plugs them.

use lab::{Lab, Namespace};
use protocol::process::Process;
use vch_shim::Nic;

use crate::world::{Shim, launch, process};

/// Of this VM: a tap with an address, in the namespace that the shim is started in.
const TAP: &str = "vt-again";

fn makes_tap(namespace: &Namespace) {
    namespace
        .ip(&format!("tuntap add dev {TAP} mode tap vnet_hdr"))
        .unwrap();
    namespace
        .ip(&format!("addr add 10.9.0.1/24 dev {TAP}"))
        .unwrap();
    // What the guest has learnt of its neighbour stays true.
    namespace
        .ip(&format!("link set {TAP} address 02:42:0a:09:00:01 up"))
        .unwrap();
}

#[tokio::test]
async fn a_nic_whose_tap_was_deleted_works_again_by_the_next_tap_of_its_name() {
    let lab = Lab::of_vms("nics").unwrap();
    let namespace = Namespace::create("nics").unwrap();
    makes_tap(&namespace);
    let nic = Nic {
        id: "n1".to_owned(),
        mac: [2, 0x42, 10, 9, 0, 2],
        tap: TAP.to_owned(),
    };
    let mut launch = launch(&lab, &["sleep", "1000"]);
    launch.nics = vec![nic.clone()];
    let mut shim = Shim::start_in(&lab, &namespace, &launch);
    shim.started().await;
    let privileged = |line: &str| Process {
        privileged: true,
        ..process(&["sh", "-c", line])
    };
    // A packet or two are lost while a link comes up.
    let ping = "for try in $(seq 20); do ping -c 1 -W 1 10.9.0.1 && exit 0; done; exit 1";
    let up = format!("ip addr add 10.9.0.2/24 dev eth0 && ip link set eth0 up && {ping}");
    let ran = shim.exec(privileged(&up)).await.unwrap();
    assert_eq!(ran.code(), 0, "{}{}", ran.text(), ran.errors());

    namespace.ip(&format!("link delete {TAP}")).unwrap();
    makes_tap(&namespace);
    // Twice is once: the coordinator asks again where it has no answer.
    for _ in 0..2 {
        shim.client().reattach(nic.clone()).await.unwrap();
    }
    let ran = shim.exec(privileged(ping)).await.unwrap();
    assert_eq!(ran.code(), 0, "{}{}", ran.text(), ran.errors());
    shim.client().kill().await.unwrap();
    shim.outcome();
}
