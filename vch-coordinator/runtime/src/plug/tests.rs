use super::*;
use crate::{
    Stop,
    tests::{Manner, Testbed, within, workload},
};
use vch_ledger::{ContainerId, EndpointId, Id};
use vch_shim::testing::Request;

fn nic(container: ContainerId) -> Nic {
    let mac = "02:00:00:00:00:01".parse().unwrap();
    Nic {
        container: "web".parse().unwrap(),
        container_id: container,
        endpoint_id: EndpointId::from_bytes([0x11; 32]),
        interface: "eth1".parse().unwrap(),
        tap: "vt-1".parse().unwrap(),
        mac,
        found_by: protocol::spec::NicMatch::Mac(mac),
    }
}

/// Does all that a data plane asks of a NIC; returns the errors.
async fn all(runtime: &Runtime, nic: &Nic) -> Vec<String> {
    let done = [
        within(runtime.plug(nic)).await,
        within(runtime.unplug(nic)).await,
        within(runtime.reattach(nic)).await,
    ];
    let errors = done.into_iter().filter_map(Result::err);
    errors.map(|error| error.to_string()).collect()
}

#[tokio::test]
async fn the_shim_of_a_running_vm_is_asked_for_its_nics() {
    let testbed = Testbed::open();
    let (id, shim) = testbed.running("web", workload()).await;
    assert_eq!(all(&testbed.runtime, &nic(id)).await, [""; 0]);
    let known = vch_shim::Nic {
        id: "n111111111111".to_owned(),
        mac: [2, 0, 0, 0, 0, 1],
        tap: "vt-1".to_owned(),
    };
    let expected = [
        Request::Plug(known.clone()),
        Request::Unplug(known.id.clone()),
        Request::Reattach(known),
    ];
    assert_eq!(shim.requests(), expected);
}

#[tokio::test]
async fn what_a_shim_refuses_is_told_with_the_nic_and_the_reason() {
    let testbed = Testbed::open();
    let (id, shim) = testbed.running("web", workload()).await;
    shim.behave(Manner::Refuses("no slot is free"));
    let told = all(&testbed.runtime, &nic(id)).await;
    let expected = ["plug", "unplug", "replug"].map(|operation| {
        format!(
            "the runtime could not {operation} the NIC 02:00:00:00:00:01 of web: no slot is free"
        )
    });
    assert_eq!(told, expected);
}

#[tokio::test]
async fn a_vm_that_has_ended_has_no_nic_any_more() {
    let testbed = Testbed::open();
    let (id, mut shim) = testbed.running("web", workload()).await;
    let nic = nic(id);
    // Its shim is gone, and its end is not stored yet.
    shim.behave(Manner::Closes);
    assert_eq!(all(&testbed.runtime, &nic).await, [""; 0]);
    shim.behave(Manner::Obeys);
    within(testbed.runtime.stop(id, Stop::default()))
        .await
        .unwrap();
    let asked = shim.requests().len();
    assert_eq!(all(&testbed.runtime, &nic).await, [""; 0]);
    assert_eq!(shim.requests().len(), asked, "no shim is asked");
    shim.vanish().await;
    let unknown = self::nic(ContainerId::from_bytes([7; 32]));
    assert_eq!(all(&testbed.runtime, &unknown).await, [""; 0]);
}

#[tokio::test]
async fn a_start_that_is_under_way_decides_the_nics_and_is_waited_for() {
    let testbed = Testbed::open();
    let id = testbed.create("web", workload()).await;
    let shim = testbed.shim(id).await;
    let nic = nic(id);
    let mut plugging = testbed.runtime.plug(&nic);
    let mut starting = Box::pin(testbed.runtime.start(id));
    let beginning = async {
        testbed.until(id, |seen| seen.starting).await;
        assert!(futures_util::poll!(&mut plugging).is_pending());
        shim.boots();
        shim.watched(1).await;
        assert!(futures_util::poll!(&mut plugging).is_pending());
        assert_eq!(shim.requests(), []);
        shim.process_runs(1);
    };
    let (started, ()) = within(async { tokio::join!(&mut starting, beginning) }).await;
    assert!(started.unwrap());
    within(plugging).await.unwrap();
    assert!(matches!(shim.requests()[..], [Request::Plug(_)]));
}
