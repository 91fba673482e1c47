//! A saved VM wakes up as other containers, each with a network, names and random numbers of its own.
//!
//! The template has what QEMU saves: a UART, virtserialports, a virtio NIC, the virtio source of randomness and PCIe
//! root ports. It has no vhost-user vsock device, which QEMU refuses to save.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::time::{Duration, Instant};

use lab::{Coordinator, Lab, Need, Tap, Template, Tether, Vm, VmBuilder, prerequisites};
use serde_json::Value;

const BOOT: Duration = Duration::from_secs(30);
const SOON: Duration = Duration::from_secs(15);

/// A container with a NIC on `web`; gives the NIC's endpoint. To the coordinator, a UART and a
/// virtserialport are the same: a chardev's socket.
fn add(lab: &Lab, vch: &Coordinator<'_>, name: &str, nic: &str) -> Value {
    let channel = Tether::Port.channel(lab, name);
    vch.vchctl(&format!(
        "container add {name} --hostname {name} --channel {channel}"
    ))
    .unwrap();
    vch.ask(&format!("container connect {name} web --nic {nic}"))
        .unwrap()
}

/// The devices of them all.
fn described(lab: &Lab, vch: &Coordinator<'_>, name: &str) -> VmBuilder {
    let vm = vch.vm(name, Tether::Port).unwrap();
    vm.serial(lab.path(&format!("{name}.line"))).root_ports(1)
}

/// Saves a VM that is ready as the container `saved`; gives how another container names the NIC that it has.
fn save(vch: &Coordinator<'_>, saved: &Value, vm: VmBuilder) -> (Template, String) {
    let mut pci_path = String::new();
    let template = Template::save_after(vm, |vm| {
        vch.ready("saved", BOOT)?;
        bears(vm, "eth0", saved, saved);
        pci_path = vm.succeed("basename $(readlink -f /sys/class/net/eth0/device/..)")?;
        Ok(())
    });
    // As in 0000:00:02.0, below the root bus.
    let nic = format!("pci:{}", pci_path.trim().rsplit(':').next().unwrap());
    (template.unwrap(), nic)
}

fn text<'a>(endpoint: &'a Value, field: &str) -> &'a str {
    endpoint[field].as_str().unwrap()
}

fn address(endpoint: &Value) -> String {
    let net = endpoint["addresses"][0].as_str().unwrap();
    net.split('/').next().unwrap().to_owned()
}

/// Its link has what is its own, and nothing of the template's.
fn bears(vm: &mut Vm, link: &str, own: &Value, saved: &Value) {
    let shown = vm.succeed(&format!("ip address show {link}")).unwrap();
    let has = |endpoint: &Value| {
        let inet = shown.contains(&format!("inet {}/", address(endpoint)));
        (shown.contains(text(endpoint, "mac")), inet)
    };
    assert_eq!(has(own), (true, true), "{shown}");
    if own != saved {
        assert_eq!(has(saved), (false, false), "{shown}");
    }
}

#[test]
fn clones_of_a_container_are_containers_of_their_own() {
    prerequisites::check(&[Need::Agent]).unwrap();
    let lab = Lab::of_vms("clone").unwrap();
    let topology = lab.topology().unwrap();
    let vch = Coordinator::start(&lab, &topology.vch).unwrap();
    vch.vchctl("network create web").unwrap();
    vch.vchctl("network create store").unwrap();

    // The template lives as a container before it is saved.
    let saved = add(&lab, &vch, "saved", "mac");
    vch.vchctl("container start saved").unwrap();
    let (template, nic) = save(&vch, &saved, described(&lab, &vch, "saved"));

    // Both begin with the NIC that was saved; the second gets one more before it goes on.
    let of_one = add(&lab, &vch, "one", &nic);
    let of_two = add(&lab, &vch, "two", &nic);
    let one = described(&lab, &vch, "one");
    let two = described(&lab, &vch, "two");
    let late = vch.ask("container connect two store").unwrap();
    vch.vchctl("container start one").unwrap();
    vch.vchctl("container start two").unwrap();
    let mut one = template.restore(one).unwrap();
    let mut two = template.restore(two).unwrap();
    let tap = Tap::open(&topology.vch, text(&late, "link")).unwrap();
    two.plug_nic("late", tap, text(&late, "mac"), 0).unwrap();
    let began = Instant::now();
    one.resume().unwrap();
    two.resume().unwrap();
    vch.ready("one", SOON).unwrap();
    println!("one is ready {:?} after both went on", began.elapsed());
    vch.ready("two", SOON).unwrap();
    println!("two is ready {:?} after both went on", began.elapsed());

    let draw = "head -c 16 /dev/urandom | hexdump -v -e '1/1 \"%02x\"'";
    let drawn = [one.succeed(draw).unwrap(), two.succeed(draw).unwrap()];
    println!("drawn: {drawn:?}");
    // A kernel that is up for seconds reseeds itself every few of them, so this alone would be no proof.
    assert_ne!(drawn[0], drawn[1]);
    for vm in [&one, &two] {
        let console = vm.console();
        assert!(console.contains("random numbers are reseeded"), "{console}");
    }

    bears(&mut one, "eth0", &of_one, &saved);
    bears(&mut two, "eth0", &of_two, &saved);
    bears(&mut two, "eth1", &late, &saved);
    for (vm, name) in [(&mut one, "one"), (&mut two, "two")] {
        assert_eq!(vm.succeed("hostname").unwrap().trim(), name);
        let hosts = vm.succeed("cat /etc/hosts").unwrap();
        assert!(hosts.contains(name) && !hosts.contains("saved"), "{hosts}");
    }
    println!("{}", one.succeed("ping -c 1 -W 2 two").unwrap());
    println!("{}", two.succeed("ping -c 1 -W 2 one").unwrap());

    // Everybody's records are their own.
    for (name, endpoint) in [("saved", &saved), ("one", &of_one), ("two", &of_two)] {
        let shown = vch.ask(&format!("container inspect {name}")).unwrap();
        let web = &shown["endpoints"]["web"];
        assert_eq!(
            (&web["mac"], &web["addresses"]),
            (&endpoint["mac"], &endpoint["addresses"])
        );
        assert_eq!(shown["session"]["live"], name != "saved", "{shown:#}");
    }
}

#[test]
fn a_clone_on_a_serial_line_is_a_container_of_its_own() {
    prerequisites::check(&[Need::Agent]).unwrap();
    let lab = Lab::of_vms("line").unwrap();
    let topology = lab.topology().unwrap();
    let vch = Coordinator::start(&lab, &topology.vch).unwrap();
    vch.vchctl("network create web").unwrap();
    let saved = add(&lab, &vch, "saved", "mac");
    vch.vchctl("container start saved").unwrap();
    let vm = vch.vm("saved", Tether::Serial).unwrap();
    let (template, nic) = save(&vch, &saved, vm);

    let own = add(&lab, &vch, "clone", &nic);
    vch.vchctl("container start clone").unwrap();
    let vm = vch.vm("clone", Tether::Serial).unwrap();
    let mut vm = template.restore(vm).unwrap();
    let began = Instant::now();
    vm.resume().unwrap();
    vch.ready("clone", SOON).unwrap();
    println!("the clone is ready {:?} after it went on", began.elapsed());
    bears(&mut vm, "eth0", &own, &saved);
    assert_eq!(vm.succeed("hostname").unwrap().trim(), "clone");
    vm.succeed("ping -c 1 -W 5 172.18.0.1").unwrap();
}
