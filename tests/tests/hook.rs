//! A running VM is changed by way of the hook: connected, disconnected, and repaired when another program deletes its
//! tap.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::thread;
use std::time::{Duration, Instant};

use lab::hook::{Hook, Request};
use lab::{Coordinator, Lab, Need, Tap, Tether, Topology, Vm, eventually, prerequisites};
use serde_json::Value;

const READY: Duration = Duration::from_secs(60);
const SOON: Duration = Duration::from_secs(10);
/// From the deletion of a tap to the guest's traffic.
const HEALED: Duration = Duration::from_secs(2);

#[test]
fn a_running_vm_is_plugged_unplugged_and_mended() {
    prerequisites::check(&[Need::Agent]).unwrap();
    let lab = Lab::of_vms("hook").unwrap();
    let topology = lab.topology().unwrap();
    let hook = Hook::listen(&lab).unwrap();
    let vch = Coordinator::start_with(&lab, &topology.vch, &hook.table()).unwrap();
    for network in ["web", "store", "full"] {
        vch.vchctl(&format!("network create {network}")).unwrap();
    }
    let channel = Tether::Port.channel(&lab, "app");
    vch.vchctl(&format!("container add app --channel {channel}"))
        .unwrap();
    let first = vch.ask("container connect app web").unwrap();
    vch.vchctl("container start app").unwrap();
    let tap = Tap::open(&topology.vch, first["link"].as_str().unwrap()).unwrap();
    let kept = tap.try_clone().unwrap();
    let vm = vch.vm_with("app", Tether::Port, vec![tap]).unwrap();
    let mut vm = vm.root_ports(1).boot().unwrap();
    vch.ready("app", READY).unwrap();

    connect_and_disconnect(&vch, &topology, &hook, &mut vm);
    a_refused_plug_is_undone(&vch, &hook);
    a_tap_that_was_deleted_is_mended(&topology, &hook, &mut vm, (&kept, &first));
}

/// Runs `vchctl` while the test answers the hook; returns its answer.
fn asked(
    vch: &Coordinator<'_>,
    hook: &Hook,
    command: &str,
    act: impl FnOnce(Request),
) -> anyhow::Result<Value> {
    thread::scope(|scope| {
        let asking = scope.spawn(|| vch.ask(command));
        act(hook.next(SOON).unwrap());
        asking.join().unwrap()
    })
}

fn connect_and_disconnect(vch: &Coordinator<'_>, topology: &Topology, hook: &Hook, vm: &mut Vm) {
    let began = Instant::now();
    let connected = asked(vch, hook, "container connect app store", |request| {
        assert_eq!(request.what, "plug");
        assert_eq!(request.text("container"), "app");
        let tap = Tap::open(&topology.vch, request.text("tap")).unwrap();
        vm.plug_nic("late", tap, request.text("mac"), 0).unwrap();
        request.done().unwrap();
    })
    .unwrap();
    println!("connected and configured in {:.2?}", began.elapsed());
    assert_eq!(connected["progress"], "done", "{connected:#}");
    assert_eq!(connected["state"], "up");
    let gateway = vch.gateways("store").unwrap()[0];
    vm.succeed(&format!("ping -c 1 -W 5 {gateway}")).unwrap();

    let tap = connected["link"].as_str().unwrap();
    let stands = || topology.vch.ip("-br link").unwrap().contains(tap);
    let gone = asked(vch, hook, "container disconnect app store", |request| {
        assert_eq!(request.what, "unplug");
        request.refuse("busy").unwrap();
    })
    .unwrap();
    // The removal stands, and is tried again; until then the VM has its NIC on a tap that is there.
    assert_eq!(gone["progress"], "pending", "{gone:#}");
    let unsettled = || vch.ask("status").unwrap()["unsettled"].to_string();
    let request = hook.next(SOON).unwrap();
    assert_eq!((&*request.what, request.text("tap")), ("unplug", tap));
    assert!(stands() && unsettled().contains("busy"), "{}", unsettled());
    vm.unplug_nic("late").unwrap();
    request.done().unwrap();
    eventually(SOON, "the tap goes with its NIC", || !stands()).unwrap();
    eventually(SOON, "all is settled", || unsettled() == "[]").unwrap();
}

fn a_refused_plug_is_undone(vch: &Coordinator<'_>, hook: &Hook) {
    let before = vch.ask("container inspect app").unwrap();
    let refused = thread::scope(|scope| {
        let asking = scope.spawn(|| vch.ask("container connect app full"));
        let request = hook.next(SOON).unwrap();
        assert_eq!(request.what, "plug");
        request.refuse("no free slot").unwrap();
        // Nobody knows how far it came.
        let request = hook.next(SOON).unwrap();
        assert_eq!(request.what, "unplug");
        request.done().unwrap();
        asking.join().unwrap()
    });
    let refused = refused.unwrap_err().to_string();
    assert!(
        refused.contains("was undone") && refused.contains("no free slot"),
        "{refused}"
    );
    eventually(SOON, "the container is as it was", || {
        let after = vch.ask("container inspect app").unwrap();
        after["endpoints"] == before["endpoints"]
    })
    .unwrap();
}

fn a_tap_that_was_deleted_is_mended(
    topology: &Topology,
    hook: &Hook,
    vm: &mut Vm,
    (kept, endpoint): (&Tap, &Value),
) {
    let link = endpoint["link"].as_str().unwrap();
    let header = kept.header().unwrap();
    vm.succeed(&format!("ping -c 1 -W 5 {}", Topology::BEYOND))
        .unwrap();
    topology.vch.ip(&format!("link delete {link}")).unwrap();
    let deleted = Instant::now();
    let request = hook.next(SOON).unwrap();
    assert_eq!((&*request.what, request.text("tap")), ("replug", link));
    let asked = deleted.elapsed();
    kept.attach_again(link, header).unwrap();
    request.done().unwrap();
    vm.succeed(&format!(
        "until ping -c 1 -W 1 {} >/dev/null; do :; done",
        Topology::BEYOND
    ))
    .unwrap();
    let flows = deleted.elapsed();
    println!("a deleted tap: asked to mend after {asked:.2?}, traffic after {flows:.2?}");
    assert!(flows <= HEALED, "{flows:?}");
}
