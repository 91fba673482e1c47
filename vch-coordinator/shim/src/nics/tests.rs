//! Tests of NICs: QEMU is played by the other end of its control channel; taps are real, in a network namespace of
//! each test's own.

use super::{NicError, Nics};
use crate::{
    launch::{Nic, PORTS},
    qmp::fake::{FakeQemu, deleted, done, refused},
    tap::tests::own_namespace_with,
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, path::PathBuf};

fn nic(id: &str) -> Nic {
    Nic {
        id: id.to_owned(),
        mac: [2, 0x42, 0xac, 0x11, 0, 9],
        tap: format!("vt-{id}"),
    }
}

fn names(heard: &[Value]) -> Vec<&str> {
    heard
        .iter()
        .map(|command| command["execute"].as_str().unwrap())
        .collect()
}

/// Answers a command as a QEMU that obeys; a device that is removed is gone at once.
fn obeys(command: &Value) -> Vec<Value> {
    match command["execute"].as_str() {
        Some("device_del") => {
            let device = command["arguments"]["id"].as_str().unwrap();
            vec![done(), deleted(device)]
        }
        _ => vec![done()],
    }
}

#[tokio::test]
async fn a_nic_is_plugged_once_and_its_slot_is_free_when_it_has_gone() {
    own_namespace_with(&["vt-n1", "vt-n2"]);
    let (qemu, qmp) = FakeQemu::new(obeys).await;
    let mut nics = Nics::new(qmp, BTreeMap::new(), &[nic("first")]);
    nics.plug(&nic("n1")).await.unwrap();
    nics.plug(&nic("n1")).await.unwrap();
    nics.unplug("n1").await.unwrap();
    nics.unplug("n1").await.unwrap();
    nics.plug(&nic("n2")).await.unwrap();
    nics.reattach(&nic("n2")).unwrap();
    nics.quit().await;
    drop(nics);
    let heard = qemu.heard().await;
    let plugged = ["getfd", "netdev_add", "device_add"];
    let unplugged = ["device_del", "netdev_del"];
    let expected = [&plugged[..], &unplugged, &plugged, &["quit"]].concat();
    assert_eq!(names(&heard), expected);
    assert_eq!(
        heard[1]["arguments"],
        json!({"type": "tap", "id": "net-n1", "fd": "fd-n1"})
    );
    let device = json!({
        "driver": "virtio-net-pci",
        "id": "n1",
        "netdev": "net-n1",
        "mac": "02:42:ac:11:00:09",
        "bus": "rp1",
        "romfile": "",
    });
    assert_eq!(heard[2]["arguments"], device);
    assert_eq!(
        heard[7]["arguments"]["bus"], "rp1",
        "the slot is used again"
    );
}

#[tokio::test]
async fn a_device_that_qemu_refuses_leaves_nothing_behind() {
    own_namespace_with(&["vt-n1"]);
    let mut refuses = true;
    let (qemu, qmp) = FakeQemu::new(move |command| {
        if command["execute"] == "device_add" && std::mem::replace(&mut refuses, false) {
            return vec![refused("Bus 'rp0' does not support hotplugging")];
        }
        obeys(command)
    })
    .await;
    let mut nics = Nics::new(qmp, BTreeMap::new(), &[]);
    let error = nics.plug(&nic("n1")).await.unwrap_err();
    assert_eq!(error.code(), "qemu");
    assert!(error.to_string().contains("hotplugging"), "{error}");
    // Its tap is not held: the same NIC comes at the next try.
    nics.plug(&nic("n1")).await.unwrap();
    drop(nics);
    let heard = qemu.heard().await;
    let plugged = ["getfd", "netdev_add", "device_add"];
    let expected = [&plugged[..], &["netdev_del"], &plugged].concat();
    assert_eq!(names(&heard), expected);
}

#[tokio::test]
async fn a_nic_without_a_tap_and_one_too_many_are_told_from_what_qemu_says() {
    own_namespace_with(&[]);
    let (qemu, qmp) = FakeQemu::new(obeys).await;
    let all: Vec<Nic> = (1..PORTS).map(|n| nic(&format!("n{n}"))).collect();
    let mut nics = Nics::new(qmp, BTreeMap::new(), &all);
    let missing = nics.plug(&nic("missing")).await.unwrap_err();
    assert_eq!(missing.code(), "tap");
    assert!(missing.to_string().contains("vt-missing"), "{missing}");
    nics.slots.insert(PORTS - 1, "last".to_owned());
    let full = nics.plug(&nic("more")).await.unwrap_err();
    assert!(matches!(full, NicError::Full), "{full}");
    assert_eq!(full.code(), "no-slot");
    let unknown = nics.reattach(&nic("more")).unwrap_err();
    assert_eq!(unknown.code(), "no-such-nic");
    drop(nics);
    assert_eq!(names(&qemu.heard().await), Vec::<&str>::new());
}

#[tokio::test]
async fn a_device_that_is_going_or_has_gone_is_no_error() {
    own_namespace_with(&["vt-n1", "vt-n2"]);
    let (qemu, qmp) = FakeQemu::new(|command| {
        let device = command["arguments"]["id"].as_str();
        match (command["execute"].as_str(), device) {
            (Some("device_del"), Some("n1")) => vec![
                refused("Device n1 is already in the process of unplug"),
                deleted("n1"),
            ],
            (Some("device_del"), _) => vec![refused("Device 'n2' not found")],
            _ => vec![done()],
        }
    })
    .await;
    let mut nics = Nics::new(qmp, BTreeMap::new(), &[]);
    for id in ["n1", "n2"] {
        nics.plug(&nic(id)).await.unwrap();
        nics.unplug(id).await.unwrap();
    }
    drop(nics);
    let heard = qemu.heard().await;
    let gone = heard
        .iter()
        .filter(|command| command["execute"] == "netdev_del");
    let gone: Vec<_> = gone.map(|command| &command["arguments"]["id"]).collect();
    assert_eq!(gone, ["net-n1", "net-n2"]);
}

#[tokio::test]
async fn a_clone_gets_its_disks_before_it_runs() {
    let (qemu, qmp) = FakeQemu::new(obeys).await;
    let disks = ["/dev/fdset/7", "/dev/fdset/8"].map(PathBuf::from);
    let nics = Nics::equip(qmp, &disks).await.unwrap();
    assert_eq!(nics.slots.len(), 2);
    drop(nics);
    let heard = qemu.heard().await;
    let disk = ["blockdev-add", "device_add"];
    assert_eq!(names(&heard), [&disk[..], &disk, &["cont"]].concat());
    let [image, own] = [&heard[0]["arguments"], &heard[2]["arguments"]];
    assert_eq!(
        (&image["read-only"], &own["read-only"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(image["file"]["filename"], "/dev/fdset/7");
    assert_eq!(own["file"]["locking"], "auto");
    assert_eq!(heard[3]["arguments"]["bus"], "rp1");
}
