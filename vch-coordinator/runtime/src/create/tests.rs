use super::*;
use crate::tests::{DataPlane, Testbed, event, request, within, workload};
use serde_json::json;
use vch_ledger::{ContainerPort, CreateNetwork, Id, PortNumber, Protocol, Publish};
use vch_store::sample;

#[tokio::test]
async fn a_container_is_created_with_its_endpoints_and_told() {
    let testbed = Testbed::open();
    let mut events = testbed.runtime.events().listen();
    let mut create = request("web", workload());
    create.connect.push(Connect::tap("other", "bridge"));
    let id = within(testbed.runtime.create(create)).await.unwrap();
    let created = event(&mut events, |action| *action == ContainerAction::Created).await;
    assert_eq!((created.container, &*created.image), (id, "busybox"));
    let snapshot = testbed.runtime.require(id).await.unwrap();
    assert_eq!(*snapshot.workload, workload());
    let [(network, _)] = &snapshot.endpoints[..] else {
        panic!("{:?}", snapshot.endpoints);
    };
    assert_eq!(network.as_str(), "bridge");
    // Its channel is a socket of its own.
    let other = testbed.create("other", workload()).await;
    let other = testbed.runtime.require(other).await.unwrap();
    let sockets = testbed.runtime.sockets(&snapshot).unwrap();
    assert_ne!(sockets, testbed.runtime.sockets(&other).unwrap());
    assert!(sockets.starts_with(&testbed.runtime.0.dirs.run));
}

#[tokio::test]
async fn a_container_that_the_ledger_refuses_is_not_created() {
    let testbed = Testbed::open();
    testbed.create("web", workload()).await;
    let taken = testbed.runtime.create(request("web", workload()));
    let refused = within(taken).await.unwrap_err();
    assert!(
        matches!(refused, RuntimeError::Request(RequestError::Refused(_))),
        "{refused:?}"
    );
    assert_eq!(testbed.runtime.all().await.unwrap().len(), 1);
}

#[tokio::test]
async fn an_endpoint_that_may_be_possible_later_is_awaited_and_can_be_given_up() {
    let testbed = Testbed::open();
    let mut create = request("web", workload());
    for network in ["later", "bridge"] {
        create.connect.push(Connect::tap("web", network));
    }
    let id = within(testbed.runtime.create(create)).await.unwrap();
    let awaited = async || {
        let snapshot = testbed.runtime.require(id).await.unwrap();
        assert!(snapshot.endpoints.is_empty(), "{:?}", snapshot.endpoints);
        let awaited = snapshot.workload.awaited.iter();
        let names: Vec<String> = awaited.map(|one| one.network.clone()).collect();
        names
    };
    assert_eq!(awaited().await, ["later", "bridge"]);
    let cancel = async |network| within(testbed.runtime.cancel_pending(id, network)).await;
    assert!(!cancel("never").await.unwrap());
    assert!(cancel("later").await.unwrap());
    assert_eq!(awaited().await, ["bridge"]);
    assert!(!cancel("later").await.unwrap());
    let unknown = ContainerId::from_bytes([7; 32]);
    let cancelled = testbed.runtime.cancel_pending(unknown, "bridge").await;
    assert!(!cancelled.unwrap());
}

#[tokio::test]
async fn an_address_that_its_network_can_never_have_is_refused_at_once() {
    let testbed = Testbed::open();
    let network = CreateNetwork::named("apart".parse().unwrap());
    testbed.carry_out(Command::CreateNetwork(network)).await;
    let mut create = request("web", workload());
    create.connect.push(Connect {
        addresses: vec!["192.0.2.1".parse().unwrap()],
        ..Connect::tap("web", "apart")
    });
    let refused = within(testbed.runtime.create(create)).await.unwrap_err();
    assert!(
        matches!(refused, RuntimeError::Request(RequestError::Refused(_))),
        "{refused:?}"
    );
    assert!(testbed.runtime.all().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_container_that_the_data_plane_refuses_is_not_left_behind() {
    let testbed = Testbed::open();
    testbed.set_data_plane(DataPlane::Refuses);
    let created = testbed.runtime.create(request("web", workload()));
    let refused = within(created).await.unwrap_err();
    assert!(
        matches!(refused, RuntimeError::Request(RequestError::Effect { .. })),
        "{refused:?}"
    );
    assert!(testbed.runtime.all().await.unwrap().is_empty());
}

#[tokio::test]
async fn ports_are_published_with_the_container() {
    let testbed = Testbed::open();
    let mut create = request("web", workload());
    create.connect.push(Connect::tap("web", "bridge"));
    let number = PortNumber {
        protocol: Protocol::Tcp,
        port: 80,
    };
    let port = ContainerPort {
        number,
        publish: Some(Publish::default()),
    };
    create.add.ports = vec![port.clone()];
    let id = within(testbed.runtime.create(create)).await.unwrap();
    let snapshot = testbed.runtime.require(id).await.unwrap();
    assert!(snapshot.bindings.is_empty(), "it does not run yet");
    assert_eq!(snapshot.container.ports, [port]);
}

#[tokio::test]
async fn a_socket_whose_path_would_be_too_long_is_an_error_that_names_it() {
    let mut testbed = Testbed::open();
    let run = format!("/{}", "r".repeat(120));
    testbed.dirs.run = run.clone().into();
    testbed.restart().await;
    let created = testbed.runtime.create(request("web", workload()));
    let error = within(created).await.unwrap_err();
    assert!(
        matches!(&error, RuntimeError::File { path, .. } if path.starts_with(&run)),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_vch_that_starts_no_vms_creates_no_container() {
    let testbed = Testbed::open_with(None);
    let created = testbed.runtime.create(request("web", workload()));
    let refused = within(created).await.unwrap_err();
    assert!(matches!(refused, RuntimeError::Disabled), "{refused:?}");
}

#[tokio::test]
async fn a_connection_and_its_document_are_one_transaction() {
    let testbed = Testbed::open();
    let id = testbed.create("web", workload()).await;
    let record = |shown: &mut Value| *shown = json!({"networks": ["bridge"]});
    let connect = testbed
        .runtime
        .connect(id, Connect::tap(id, "bridge"), record);
    within(connect).await.unwrap();
    let snapshot = testbed.runtime.require(id).await.unwrap();
    assert_eq!(snapshot.endpoints.len(), 1);
    assert_eq!(
        snapshot.workload.api_document,
        json!({"networks": ["bridge"]})
    );
    let record = |shown: &mut Value| *shown = json!("never");
    let connect = testbed
        .runtime
        .connect(id, Connect::tap(id, "missing"), record);
    within(connect).await.unwrap_err();
    let snapshot = testbed.runtime.require(id).await.unwrap();
    assert_eq!(
        snapshot.workload.api_document,
        json!({"networks": ["bridge"]})
    );
}

#[tokio::test]
async fn a_container_whose_vm_another_program_runs_is_connected_without_a_document() {
    let testbed = Testbed::open();
    testbed.carry_out(sample::add("foreign")).await;
    let ledger = &testbed.runtime.0.requests.ledger_handle;
    let id = ledger.read(|ledger| ledger.containers().next().map(|one| one.id));
    let id = id.await.unwrap().unwrap();
    assert!(testbed.runtime.get(id).await.unwrap().is_none());
    let record = |_: &mut Value| panic!("it has no document");
    let connect = testbed
        .runtime
        .connect(id, Connect::tap(id, "bridge"), record);
    within(connect).await.unwrap();
    let endpoints = ledger.read(move |ledger| ledger.endpoints_of(id).count());
    assert_eq!(endpoints.await.unwrap(), 1);
}
