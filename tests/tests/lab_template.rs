//! Saved VMs and their clones.

use std::time::{Duration, Instant};

use anyhow::Result;
use lab::{Lab, Namespace, Need, Tap, Template, VmBuilder, eventually, prerequisites};

const SAVED_MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 0x31];
const OTHER_MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 0x32];
const SOON: Duration = Duration::from_secs(10);

fn described(lab: &Lab, vch: &Namespace, name: &str, mac: [u8; 6]) -> Result<VmBuilder> {
    let tap = Tap::create(vch, name)?;
    Ok(lab
        .vm(name)
        .nic(tap, mac)
        .port("tether.0", lab.path(&format!("{name}.port")))
        .root_ports(1))
}

#[test]
fn clones_go_on_where_the_saved_vm_stopped_each_on_its_own() {
    let lab = Lab::of_vms("clones").unwrap();
    let topology = lab.topology().unwrap();
    let vch = &topology.vch;
    let template = Template::save(described(&lab, vch, "saved", SAVED_MAC).unwrap()).unwrap();

    let began = Instant::now();
    let mut one = template
        .clone_vm(described(&lab, vch, "one", OTHER_MAC).unwrap())
        .unwrap();
    println!(
        "a clone answers {:?} after its description began",
        began.elapsed()
    );
    assert_eq!(
        one.succeed("cat /sys/class/net/eth0/address").unwrap(),
        "02:00:00:00:00:31\n"
    );
    one.succeed("echo one >/root/mark").unwrap();

    let mut two = template
        .restore(described(&lab, vch, "two", OTHER_MAC).unwrap())
        .unwrap();
    two.plug_nic(
        "late",
        Tap::create(vch, "late").unwrap(),
        "02:00:00:00:00:44",
        0,
    )
    .unwrap();
    two.resume().unwrap();
    let ready = two.ready().unwrap();
    println!("a clone with one more NIC answers after {ready:?}");
    let uptime = two.succeed("cut -d ' ' -f 1 /proc/uptime").unwrap();
    let uptime = Duration::from_secs_f64(uptime.trim().parse().unwrap());
    assert!(
        uptime > ready,
        "it did not boot again: {uptime:?} of its own time after {ready:?}"
    );
    assert_eq!(
        two.run("cat /root/mark").unwrap().status,
        1,
        "one clone does not see what another writes"
    );
    eventually(
        SOON,
        "the NIC plugged in while it was paused is there",
        || two.run("test -e /sys/class/net/eth1").unwrap().status == 0,
    )
    .unwrap();
}

#[test]
fn a_vsock_device_can_not_be_saved() {
    prerequisites::check(&[Need::VhostDeviceVsock]).unwrap();
    let lab = Lab::of_vms("unsaved").unwrap();
    let vsock = lab.vsock(&[3]).unwrap();
    let error = Template::save(lab.vm("saved").vsock(&vsock, 3)).unwrap_err();
    let error = format!("{error:#}");
    println!("{error}");
    assert!(
        error.contains("non-migratable") && error.contains("vhost-user-vsock"),
        "{error}"
    );
}
