//! A NIC that comes into a running VM and goes again.

use std::time::Duration;

use lab::{Coordinator, Lab, Need, Tap, Tether, eventually, prerequisites};

const READY: Duration = Duration::from_secs(60);
const SOON: Duration = Duration::from_secs(10);

#[test]
fn a_nic_is_configured_when_it_appears_and_missed_when_it_goes() {
    prerequisites::check(&[Need::Agent]).unwrap();
    let lab = Lab::of_vms("hotplug").unwrap();
    let topology = lab.topology().unwrap();
    let vch = Coordinator::start(&lab, &topology.vch).unwrap();
    vch.vchctl("network create web").unwrap();
    vch.vchctl("network create store --subnet 10.77.0.0/24")
        .unwrap();
    let channel = Tether::Port.channel(&lab, "app");
    vch.vchctl(&format!("container add app --channel {channel}"))
        .unwrap();
    vch.vchctl("container connect app web").unwrap();
    vch.vchctl("container start app").unwrap();
    let vm = vch.vm("app", Tether::Port).unwrap();
    let mut vm = vm.root_ports(1).boot().unwrap();
    vch.ready("app", READY).unwrap();

    // Asked for while the VM runs: in force on the VCH, pending until there is a NIC.
    let connected = vch.ask("container connect app store").unwrap();
    assert_eq!(connected["progress"], "pending", "{connected:#}");
    let text = |field: &str| connected[field].as_str().unwrap().to_owned();
    let (mac, interface) = (text("mac"), text("interface"));
    let address = connected["addresses"][0].as_str().unwrap().to_owned();
    eventually(SOON, "the agent says that it waits for the NIC", || {
        let shown = vch.ask("container inspect app").unwrap();
        shown["endpoints"]["store"]["state"] == "waiting"
    })
    .unwrap();

    // That network's gateway is to be the container's first; until its NIC is there the other one serves.
    vm.succeed("ping -c 1 -W 5 198.18.0.1").unwrap();
    vm.succeed("nslookup 172.18.0.2").unwrap();

    // Both times are the guest's own.
    let watch = format!(
        "until grep -q {mac} /sys/class/net/*/address; do usleep 5000; done
        read appeared rest </proc/uptime
        until ip addr show dev {interface} 2>/dev/null | grep -q 'inet {address}'; do usleep 5000; done
        read configured rest </proc/uptime; echo $appeared $configured >/root/times"
    );
    vm.succeed(&format!("( {watch} ) >/dev/null 2>&1 &"))
        .unwrap();
    let tap = Tap::open(&topology.vch, &text("link")).unwrap();
    vm.plug_nic("late", tap, &mac, 0).unwrap();
    vch.ready("app", SOON).unwrap();
    let times = vm
        .succeed("until [ -s /root/times ]; do usleep 5000; done; cat /root/times")
        .unwrap();
    let times: Vec<f64> = times
        .split_whitespace()
        .map(|time| time.parse().unwrap())
        .collect();
    println!(
        "configured {:.2} s after the NIC appeared",
        times[1] - times[0]
    );
    assert!(times[1] - times[0] <= 2.0, "{times:?}");
    vm.succeed("ping -c 1 -W 5 10.77.0.1").unwrap();

    // Disconnected, then unplugged; nothing fails on the way.
    let answer = vch.ask("container disconnect app store").unwrap();
    assert_eq!(answer["progress"], "done", "{answer:#}");
    vm.unplug_nic("late").unwrap();
    eventually(SOON, "the NIC is gone", || {
        let links = vm.succeed("ip link").unwrap();
        !links.contains(&mac)
    })
    .unwrap();
    let shown = vch.ready("app", SOON).unwrap();
    assert_eq!(shown["session"]["failures"].as_array().unwrap().len(), 0);
    assert_eq!(shown["session"]["live"], true);
    assert!(
        !vm.console().contains("tether-net: error"),
        "{}",
        vm.console()
    );
    vm.succeed("ping -c 1 -W 5 172.18.0.1").unwrap();
    let links = topology.vch.ip("-br link").unwrap();
    assert!(!links.contains(&text("link")), "the tap is gone: {links}");
}
