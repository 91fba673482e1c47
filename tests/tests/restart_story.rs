//! Two container VMs on one bridge network, from their first boot to a reboot, on real VMs.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::time::Duration;

use lab::{Coordinator, Lab, Need, Tether, Topology, Vm, eventually, prerequisites};
use serde_json::{Value, json};

const READY: Duration = Duration::from_secs(60);
const SOON: Duration = Duration::from_secs(10);

fn endpoint(container: &Value) -> (&str, &str) {
    let endpoint = &container["endpoints"]["web"];
    let address = endpoint["addresses"][0].as_str().unwrap();
    (address, endpoint["mac"].as_str().unwrap())
}

/// Returns the address and the MAC address of eth0, as the guest's kernel has them.
fn in_guest(vm: &mut Vm) -> (String, String) {
    let text = vm.succeed("ip addr show dev eth0").unwrap();
    let after = |word: &str| {
        let mut words = text.split_whitespace().skip_while(|one| *one != word);
        words.nth(1).unwrap_or_default().to_owned()
    };
    (after("inet"), after("link/ether"))
}

#[test]
fn two_vms_are_given_their_network_and_keep_it() {
    prerequisites::check(&[Need::Agent, Need::VhostDeviceVsock]).unwrap();
    let lab = Lab::of_vms("story").unwrap();
    let topology = lab.topology().unwrap();
    let vsock = lab.vsock(&[3]).unwrap();
    let mut vch = Coordinator::start(&lab, &topology.vch).unwrap();
    vch.vchctl("network create web").unwrap();
    let tethers = [
        ("server", Tether::Serial),
        ("client", Tether::Vsock(&vsock, 3)),
    ];
    for (name, tether) in tethers {
        let channel = tether.channel(&lab, name);
        vch.vchctl(&format!("container add {name} --channel {channel}"))
            .unwrap();
        vch.vchctl(&format!("container connect {name} web"))
            .unwrap();
        vch.vchctl(&format!("container start {name}")).unwrap();
    }
    let start = |name: &str, tether| vch.vm(name, tether).unwrap().reboots().start().unwrap();
    let [mut server, mut client] = tethers.map(|(name, tether)| start(name, tether));
    server.ready().unwrap();
    client.ready().unwrap();
    let of_server = vch.ready("server", READY).unwrap();
    let of_client = vch.ready("client", READY).unwrap();

    names_and_the_world(&mut client, &of_server);
    what_is_removed_comes_back(&mut client, &of_client);
    the_coordinator_dies_and_comes_back(&mut vch, &mut server, &mut client, &of_server);
    a_reboot_changes_nothing(&vch, &mut server, &mut client, &of_server);
}

fn names_and_the_world(client: &mut Vm, server: &Value) {
    let (address, _) = endpoint(server);
    let (address, _) = address.split_once('/').unwrap();
    let said = client.succeed("ping -c 3 server").unwrap();
    assert!(said.contains(&format!("PING server ({address})")), "{said}");
    assert!(said.contains("3 packets received"), "{said}");
    let said = client.succeed(&format!("nslookup {address}")).unwrap();
    assert!(said.contains("name = server.web"), "{said}");
    client
        .succeed(&format!("ping -c 1 {}", Topology::GATEWAY))
        .unwrap();
    client
        .succeed(&format!("ping -c 1 {}", Topology::BEYOND))
        .unwrap();
}

/// Both times are the guest's own.
fn what_is_removed_comes_back(vm: &mut Vm, container: &Value) {
    let (address, _) = endpoint(container);
    let script = format!(
        "ip addr del {address} dev eth0 && read began rest </proc/uptime
        until ip addr show dev eth0 | grep -q 'inet {address}'; do usleep 10000; done
        until ip route | grep -q ^default; do usleep 10000; done
        read ended rest </proc/uptime; echo $began $ended"
    );
    let said = vm.succeed(&script).unwrap();
    let times: Vec<f64> = said
        .split_whitespace()
        .map(|time| time.parse().unwrap())
        .collect();
    println!("an address is back after {:.2} s", times[1] - times[0]);
    assert!(times[1] - times[0] <= 2.0, "{said}");
}

fn the_coordinator_dies_and_comes_back(
    vch: &mut Coordinator<'_>,
    server: &mut Vm,
    client: &mut Vm,
    before: &Value,
) {
    let links_before = links_seen(client);
    let steps_before = steps(client);
    vch.kill().unwrap();
    client.succeed("ping -c 1 198.18.0.1").unwrap();
    // This guest stands still meanwhile: what is known of it after the start was stored before the kill.
    server.qmp().execute("stop", json!({})).unwrap();
    vch.restart().unwrap();
    let known = vch.ask("container inspect server").unwrap();
    assert_eq!(known["session"]["live"], false);
    assert_eq!(known["session"]["reported"], before["session"]["reported"]);
    for field in ["generation", "incarnation", "endpoints"] {
        assert_eq!(known[field], before[field], "{field}");
    }
    server.resume().unwrap();
    for name in ["server", "client"] {
        eventually(SOON, "the session is live again", || {
            vch.ask(&format!("container inspect {name}")).unwrap()["session"]["live"] == true
        })
        .unwrap();
    }
    let after = vch.ask("container inspect client").unwrap();
    let (address, mac) = in_guest(client);
    assert_eq!(endpoint(&after), (&*address, &*mac));
    assert_eq!(after["endpoints"]["web"]["observed"], json!([address]));
    client.succeed("ping -c 1 server").unwrap();

    // The kernel counts each loss of carrier; a link set down would cost the agent steps to mend.
    assert_eq!(links_seen(client), links_before);
    assert!(steps_before > 0, "no step was seen");
    assert_eq!(steps(client), steps_before);
}

/// How often the guest's kernel has lost and found the carrier of eth0, and the link's number.
fn links_seen(vm: &mut Vm) -> String {
    vm.succeed("cd /sys/class/net/eth0 && cat carrier_down_count carrier_up_count ifindex")
        .unwrap()
}

/// Returns how many changes the agent has made since its VM booted.
fn steps(vm: &Vm) -> usize {
    let console = vm.console();
    let changes = [
        ": info: set ",
        ": info: add ",
        ": info: remove ",
        ": info: write ",
    ];
    let lines = console.lines();
    lines
        .filter(|line| changes.iter().any(|change| line.contains(change)))
        .count()
}

fn a_reboot_changes_nothing(
    vch: &Coordinator<'_>,
    server: &mut Vm,
    client: &mut Vm,
    before: &Value,
) {
    server.reboot().unwrap();
    let (address, mac) = endpoint(before);
    let has_it = || in_guest(server) == (address.to_owned(), mac.to_owned());
    eventually(SOON, "the rebooted VM has its address again", has_it).unwrap();
    let after = vch.ready("server", SOON).unwrap();
    assert_eq!(endpoint(&after), (address, mac));
    assert_eq!(after["incarnation"], before["incarnation"]);
    let said = client.succeed("ping -c 1 server").unwrap();
    assert!(said.contains(address.split('/').next().unwrap()), "{said}");
}
