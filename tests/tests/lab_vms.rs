//! The lab's own VMs: each test boots what it needs, one test at a time.

use std::fs;
use std::io::{Read, Write};
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use image::bootstrap::{Recipe, Variant};
use lab::{Lab, Need, Tap, eventually, paths, prerequisites};

const MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 0x11];
const SOON: Duration = Duration::from_secs(10);

#[test]
fn a_command_in_a_vm_gives_its_status_and_both_outputs() {
    let lab = Lab::of_vms("command").unwrap();
    let mut vm = lab.vm("one").boot().unwrap();
    let output = vm.run("echo out; echo err >&2; exit 3").unwrap();
    assert_eq!(
        (
            output.status,
            output.stdout.as_str(),
            output.stderr.as_str()
        ),
        (3, "out\n", "err\n")
    );
    let slow = vm.run_within(Duration::from_secs(1), "sleep 60").unwrap();
    assert_eq!(slow.status, 137, "killed when its time is up");
    assert_eq!(
        vm.succeed("printf 'a\\0b'; id -u").unwrap(),
        "a\0b0\n",
        "the shell goes on"
    );
    assert!(vm.console().contains("init: ready"), "{}", vm.console());
    assert!(!vm.console().contains("is not loaded"), "{}", vm.console());
    assert_eq!(vm.succeed("su user -c 'id -u'").unwrap(), "1000\n");
    assert_eq!(
        vm.run("su user -c 'cat /dev/ttyS0'").unwrap().status,
        1,
        "the channels are root's"
    );
    vm.quit().unwrap();
}

#[test]
fn a_vm_is_pinged_over_its_tap_and_nothing_is_left_of_it() {
    let lab = Lab::of_vms("ping").unwrap();
    let topology = lab.topology().unwrap();
    let tap = Tap::create(&topology.vch, "tap0").unwrap();
    topology
        .vch
        .ip("address add 172.16.0.1/24 dev tap0")
        .unwrap();
    let mut vm = lab.vm("one").nic(tap, MAC).boot().unwrap();
    vm.succeed("ip link set eth0 up && ip address add 172.16.0.2/24 dev eth0")
        .unwrap();
    assert!(
        vm.succeed("cat /sys/class/net/eth0/address")
            .unwrap()
            .contains("02:00:00:00:00:11")
    );
    assert!(
        vm.succeed("ping -c 1 -W 5 172.16.0.1")
            .unwrap()
            .contains("1 packets received")
    );
    let mut traceless = Command::new("ip");
    traceless.args(["neighbour", "show", "172.16.0.2"]);
    let seen = topology.vch.output(traceless).unwrap();
    assert!(String::from_utf8_lossy(&seen.stdout).contains("02:00:00:00:00:11"));

    let process = format!("/proc/{}", vm.pid());
    let dir = lab.dir().to_owned();
    let namespaces = [topology.vch.path(), topology.outside.path()];
    drop((vm, topology, lab));
    for path in namespaces
        .iter()
        .map(Path::new)
        .chain([Path::new(&process), &dir])
    {
        assert!(!path.exists(), "{} is left", path.display());
    }
}

#[test]
fn a_nic_comes_and_goes_while_the_vm_runs() {
    let lab = Lab::of_vms("hotplug").unwrap();
    let topology = lab.topology().unwrap();
    let mut vm = lab.vm("one").root_ports(2).boot().unwrap();
    for _ in 0..2 {
        let tap = Tap::create(&topology.vch, "tap1").unwrap();
        let began = Instant::now();
        vm.plug_nic("late", tap, "02:00:00:00:00:22", 1).unwrap();
        eventually(SOON, "the NIC is in the guest", || {
            vm.run("test -e /sys/class/net/eth0").unwrap().status == 0
        })
        .unwrap();
        println!("plugged in {:?}", began.elapsed());
        assert_eq!(
            vm.succeed("cat /sys/class/net/eth0/address").unwrap(),
            "02:00:00:00:00:22\n"
        );
        vm.unplug_nic("late").unwrap();
        assert_eq!(vm.run("test -e /sys/class/net/eth0").unwrap().status, 1);
        topology.vch.ip("link delete tap1").unwrap();
    }
}

#[test]
fn names_in_the_guest_resolve_by_hosts_file_and_by_name_server() {
    let lab = Lab::of_vms("names").unwrap();
    let topology = lab.topology().unwrap();
    let tap = Tap::create(&topology.vch, "tap0").unwrap();
    topology
        .vch
        .ip("address add 172.16.0.1/24 dev tap0")
        .unwrap();
    let server = topology
        .vch
        .run(|| UdpSocket::bind("172.16.0.1:53").unwrap())
        .unwrap();
    let answering = server.try_clone().unwrap();
    let answers = thread::spawn(move || answer_every_name_with(&answering, [172, 16, 0, 1]));
    let mut vm = lab.vm("one").nic(tap, MAC).boot().unwrap();
    vm.succeed("ip link set eth0 up && ip address add 172.16.0.2/24 dev eth0")
        .unwrap();
    vm.succeed("echo nameserver 172.16.0.1 >/etc/resolv.conf; echo 172.16.0.2 own >/etc/hosts")
        .unwrap();
    let by_hosts = vm.succeed("ping -c 1 -W 5 own").unwrap();
    assert!(by_hosts.contains("PING own (172.16.0.2)"), "{by_hosts}");
    let by_server = vm.succeed("ping -c 1 -W 5 server").unwrap();
    assert!(
        by_server.contains("64 bytes from 172.16.0.1: seq=0"),
        "{by_server}"
    );
    server
        .send_to(b"end", server.local_addr().unwrap())
        .unwrap();
    answers.join().unwrap().unwrap();
}

/// A name server until it gets `end`: every A question has this answer, every other question none.
fn answer_every_name_with(socket: &UdpSocket, address: [u8; 4]) -> std::io::Result<()> {
    let mut query = [0; 512];
    loop {
        let (length, from) = socket.recv_from(&mut query)?;
        if &query[..length] == b"end" {
            return Ok(());
        }
        let is_a = query[..length].ends_with(&[0, 1, 0, 1]);
        let mut answer = query[..length].to_vec();
        answer[2..8].copy_from_slice(&[0x85, 0x80, 0, 1, 0, u8::from(is_a)]);
        if is_a {
            answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4]);
            answer.extend(address);
        }
        socket.send_to(&answer, from)?;
    }
}

#[test]
fn an_agent_that_dies_is_started_again_but_only_when_a_channel_is_given() {
    let lab = Lab::of_vms("agent").unwrap();
    let stand_in = lab.path("stand-in");
    fs::write(&stand_in, "#!/bin/sh\necho ran >>/run/ran\nexit 7\n").unwrap();
    fs::set_permissions(&stand_in, fs::Permissions::from_mode(0o755)).unwrap();
    let image = paths::build(&Recipe::new("stand-in").agent(&stand_in)).unwrap();
    let mut idle = lab.vm("idle").image(&image).boot().unwrap();
    assert_eq!(idle.run("cat /run/ran").unwrap().status, 1);
    let mut vm = lab
        .vm("one")
        .image(&image)
        .kernel_option("tether.channel=virtio:tether.0")
        .boot()
        .unwrap();
    eventually(SOON, "it ran twice", || {
        vm.run("cat /run/ran")
            .unwrap()
            .stdout
            .starts_with("ran\nran\n")
    })
    .unwrap();
    assert!(
        vm.console()
            .contains("init: tether-net ended with status 7"),
        "{}",
        vm.console()
    );
}

#[test]
fn the_host_variant_loads_all_of_its_modules() {
    let lab = Lab::of_vms("host").unwrap();
    let image = paths::build(&Recipe::new("bare-host").variant(Variant::Host)).unwrap();
    let mut vm = lab.vm("one").image(&image).boot().unwrap();
    assert!(!vm.console().contains("is not loaded"), "{}", vm.console());
    vm.succeed("brctl addbr br0 && tunctl -t tap0 && brctl addif br0 tap0")
        .unwrap();
    let loaded = vm.succeed("cut -d ' ' -f 1 /proc/modules").unwrap();
    for module in [
        "nf_tables",
        "nft_masq",
        "nft_chain_nat",
        "veth",
        "vmw_vsock_virtio_transport",
        "vsock_loopback",
    ] {
        assert!(
            loaded.lines().any(|line| line == module),
            "{module} in {loaded}"
        );
    }
}

#[test]
fn a_guest_that_reboots_answers_again() {
    let lab = Lab::of_vms("reboot").unwrap();
    let mut vm = lab.vm("one").reboots().boot().unwrap();
    let first = vm.succeed("cat /proc/sys/kernel/random/boot_id").unwrap();
    vm.reboot().unwrap();
    assert_ne!(
        vm.succeed("cat /proc/sys/kernel/random/boot_id").unwrap(),
        first
    );
}

#[test]
fn two_guests_on_vsock_and_serial_boot_side_by_side() {
    prerequisites::check(&[Need::VhostDeviceVsock]).unwrap();
    let lab = Lab::of_vms("channels").unwrap();
    let vsock = lab.vsock(&[3, 4]).unwrap();
    // The device serves the next VM with the same CID as it did the first.
    lab.vm("three")
        .vsock(&vsock, 3)
        .boot()
        .unwrap()
        .quit()
        .unwrap();
    let (line, port) = (lab.path("line"), lab.path("port"));
    let mut three = lab
        .vm("three")
        .vsock(&vsock, 3)
        .serial(&line)
        .start()
        .unwrap();
    let mut four = lab
        .vm("four")
        .vsock(&vsock, 4)
        .port("tether.0", &port)
        .start()
        .unwrap();
    println!(
        "ready after {:?} and {:?}",
        three.ready().unwrap(),
        four.ready().unwrap()
    );

    // Port 1 of a guest without a listener: its kernel refuses, which the host sees as the end of the stream.
    for cid in [3, 4] {
        let mut stream = UnixStream::connect(vsock.path(cid)).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        stream.write_all(b"CONNECT 1\n").unwrap();
        assert_eq!(stream.read(&mut [0; 64]).unwrap(), 0, "guest {cid}");
    }

    let mut serial = UnixStream::connect(&line).unwrap();
    serial.set_read_timeout(Some(SOON)).unwrap();
    three
        .succeed("stty -F /dev/ttyS1 raw && echo over the line >/dev/ttyS1")
        .unwrap();
    let mut text = [0; 14];
    serial.read_exact(&mut text).unwrap();
    assert_eq!(&text, b"over the line\n");

    let mut stream = UnixStream::connect(&port).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    four.succeed("echo over the port >/dev/$(basename $(grep -l '^tether.0$' /sys/class/virtio-ports/*/name | xargs dirname))")
        .unwrap();
    stream.read_exact(&mut text).unwrap();
    assert_eq!(&text, b"over the port\n");
}
