use super::*;
use crate::tests::{Testbed, within, workload};
use serde::ser::{Error as _, Serialize, Serializer};
use vch_ledger::Id;
use vch_store::sample;

/// A value that cannot be serialized as JSON.
struct Formless;

impl Serialize for Formless {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(S::Error::custom("formless"))
    }
}

#[test]
fn content_that_cannot_be_written_is_an_error_and_no_empty_document() {
    let written = document(&"web".into(), DocumentKind::Workload, &Formless);
    assert!(matches!(written, Err(RuntimeError::Unwritable(_))));
}

#[tokio::test]
async fn a_container_that_cannot_be_read_is_left_out_and_warned_of() {
    let testbed = Testbed::open();
    let runtime = &testbed.runtime;
    let first = testbed.create("first", workload()).await;
    let second = testbed.create("second", workload()).await;
    testbed.carry_out(sample::add("foreign")).await;
    let names = async || {
        let all = runtime.all().await.unwrap();
        let names = all.iter().map(|one| one.container.name.to_string());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    };
    assert_eq!(names().await, ["first", "second"]);
    assert!(runtime.warnings().await.unwrap().is_empty());
    let document = Command::Document {
        container: second.into(),
        kind: DocumentKind::Workload,
        text: "{\"command\": 7}".to_owned(),
    };
    testbed.carry_out(document).await;
    assert_eq!(names().await, ["first"]);
    let unreadable = runtime.unreadable();
    assert_eq!(unreadable[0].container.id, second);
    let warnings = runtime.warnings().await.unwrap();
    assert_eq!(warnings, [&*unreadable[0].reason]);
    let error = runtime.require(second).await.unwrap_err();
    assert!(matches!(error, RuntimeError::Document(_)), "{error:?}");
    assert_eq!(error.to_string(), unreadable[0].reason);
    // Its supervisor refuses, too, and the other container's does not.
    let refused = within(runtime.remove(second, true)).await.unwrap_err();
    assert!(matches!(refused, RuntimeError::Document(_)), "{refused:?}");
    within(runtime.remove(first, false)).await.unwrap();
}

#[tokio::test]
async fn a_container_s_writable_layer_takes_what_was_written() {
    let testbed = Testbed::open();
    let id = testbed.create("web", workload()).await;
    assert_eq!(testbed.runtime.written(id).await, 0, "it has none yet");
    let disk = testbed.runtime.writable_disk(id);
    std::fs::create_dir_all(disk.parent().unwrap()).unwrap();
    std::fs::write(&disk, vec![7; 64 << 10]).unwrap();
    // The file system may give the blocks later.
    let written = async || testbed.runtime.written(id).await;
    std::fs::File::open(&disk).unwrap().sync_all().unwrap();
    assert!(written().await >= 64 << 10);
}

#[tokio::test]
async fn a_handle_is_forgotten_by_its_own_supervisor_alone() {
    let testbed = Testbed::open();
    let id = testbed.create("web", workload()).await;
    let snapshot = testbed.runtime.require(id).await.unwrap();
    let handle = testbed.runtime.handle_of(&snapshot);
    let (other, _asks) = Handle::new(snapshot.run_state, handle.policy());
    testbed.runtime.forget(id, &Arc::new(other));
    let known = testbed.runtime.known_handle(id).unwrap();
    assert!(Arc::ptr_eq(&known, &handle));
    testbed.runtime.forget(id, &handle);
    assert!(testbed.runtime.known_handle(id).is_none());
}

#[tokio::test]
async fn starts_are_counted_and_limits_of_vms_known() {
    let testbed = Testbed::open();
    assert_eq!(testbed.runtime.vms_unlimited(), None);
    let registry = Registry::default();
    testbed.runtime.register_metrics(&registry).unwrap();
    let (_id, _shim) = testbed.running("web", workload()).await;
    let counted = "vch_vm_starts_total{outcome=\"running\"} 1";
    let text = registry.text().unwrap();
    assert!(text.contains(counted), "{text}");
}

#[tokio::test]
async fn a_host_without_cgroups_is_told_of_only_if_vms_run_there() {
    let testbed = Testbed::open();
    let without = |vms| {
        let runtime = Runtime::with_cgroups(
            testbed.runtime.0.requests.clone(),
            vms,
            testbed.dirs.clone(),
            Arc::clone(&testbed.runtime.0.disks),
            Cgroups::open(Path::new("/nowhere")),
        );
        runtime.vms_unlimited()
    };
    let told = without(Some(Vms::sample())).unwrap();
    assert!(told.contains("/nowhere/cgroup.controllers"), "{told}");
    assert_eq!(without(None), None);
}

#[test]
fn only_a_channel_of_the_runtime_has_a_directory_of_sockets() {
    let path = "/run/vch/vms/7/tether.sock".to_owned();
    let path = path.try_into().unwrap();
    let own = Channel::Chardev { path };
    assert_eq!(sockets(&own), Some(Path::new("/run/vch/vms/7")));
    assert_eq!(sockets(&Channel::Unix { path: None }), None);
}

#[tokio::test]
async fn events_of_unknown_containers_are_told_to_none() {
    let testbed = Testbed::open();
    let mut events = testbed.runtime.events().listen();
    let unknown = ContainerId::from_bytes([7; 32]);
    testbed.runtime.tell(unknown, ContainerAction::Listed).await;
    let id = testbed.create("web", workload()).await;
    let first = within(events.recv()).await.unwrap();
    assert_eq!(
        (first.container, &first.action),
        (id, &ContainerAction::Created)
    );
}
