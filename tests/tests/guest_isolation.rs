//! What keeps everybody but the coordinator away from an agent, and everybody but the agent away from the coordinator.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use lab::{Coordinator, Lab, Member, Need, Process, Tap, Vm, eventually, paths, prerequisites};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(10);
const BOOT: Duration = Duration::from_secs(30);
const MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 0x21];
/// Every vsock port that the documentation names: the agent's, and the coordinator's for native vsock.
const DOCUMENTED_PORTS: [u32; 2] = [1023, 1021];

/// Returns the state of the VCH that a guest could change, and the state of its session.
fn held(vch: &Coordinator<'_>, topology: &lab::Topology) -> Result<(Value, Value, String)> {
    Ok((
        vch.ask("container inspect guarded")?,
        vch.ask("network ls")?,
        // The kernel takes `tentative` away once it knows that no neighbour has the address (RFC 4862, 5.4).
        topology
            .vch
            .ip("-o address show")?
            .replace(" tentative", ""),
    ))
}

/// Runs a script as uid 1000 of the guest; gives its status and standard output.
fn as_user(vm: &mut Vm, script: &str) -> Result<(u8, String)> {
    let output = vm.run(&format!("su user -c '{script}'"))?;
    Ok((output.status, output.stdout))
}

fn logs(vch: &Coordinator<'_>, line: &str) -> Result<()> {
    let what = format!("the coordinator's log says {line:?}");
    eventually(SOON, &what, || vch.log().contains(line)).with_context(|| vch.log())
}

#[test]
fn an_ordinary_process_of_the_guest_reaches_neither_the_agent_nor_the_vch() {
    prerequisites::check(&[Need::Agent, Need::Probe, Need::VhostDeviceVsock]).unwrap();
    let lab = Lab::of_vms("guard").unwrap();
    let topology = lab.topology().unwrap();
    let vch = Coordinator::start(&lab, &topology.vch).unwrap();
    let vsock = lab.vsock(&[3]).unwrap();
    vch.vchctl("network create web").unwrap();
    let channel = format!("hybrid-vsock:{}:1023", vsock.path(3).display());
    vch.vchctl(&format!("container add guarded --channel {channel}"))
        .unwrap();
    let connect = "container connect guarded web --mac 02:00:00:00:00:21";
    let endpoint = vch.ask(connect).unwrap();
    vch.vchctl("container start guarded").unwrap();
    let tap = Tap::open(&topology.vch, endpoint["link"].as_str().unwrap()).unwrap();
    let mut vm = lab
        .vm("guarded")
        .image(&paths::guarded_image().unwrap())
        .kernel_option("tether.channel=vsock-listen:1023")
        .vsock(&vsock, 3)
        .serial(lab.path("line"))
        .port("tether.0", lab.path("port"))
        .nic(tap, MAC)
        .boot()
        .unwrap();
    vch.ready("guarded", BOOT).unwrap();
    let before = held(&vch, &topology).unwrap();

    assert_eq!(
        as_user(&mut vm, "id -u; vsock-probe bind 1023").unwrap(),
        (1, "1000\nEACCES\n".to_owned())
    );
    for port in DOCUMENTED_PORTS {
        let (status, errno) = as_user(&mut vm, &format!("vsock-probe connect 2 {port}")).unwrap();
        // vhost-device-vsock drops the request; the host kernel's own device resets the connection.
        let refused = ["ETIMEDOUT\n", "ECONNRESET\n"].contains(&errno.as_str());
        assert!(status == 1 && refused, "port {port}: {status} {errno}");
    }
    nothing_that_carries_a_channel_opens(&mut vm).unwrap();
    a_connection_from_within_is_closed_at_once(&mut vm, &vch).unwrap();

    vch.ready("guarded", SOON).unwrap();
    assert_eq!(
        held(&vch, &topology).unwrap(),
        before,
        "nothing has changed"
    );
    assert!(!vch.log().contains("session is over"), "{}", vch.log());
}

/// The UART and the virtserialport are there, and root's alone.
fn nothing_that_carries_a_channel_opens(vm: &mut Vm) -> Result<()> {
    let devices = vm.succeed("ls /dev/ttyS[01] /dev/vport*p*")?;
    let devices: Vec<&str> = devices.split_whitespace().collect();
    assert!(devices.len() >= 4, "{devices:?}");
    for device in devices {
        for open in ["<", ">>"] {
            let script = format!("su user -c ': {open}{device}'");
            let output = vm.run(&script)?;
            assert!(
                output.status != 0 && output.stderr.contains("ermission denied"),
                "{script}: {output:?}"
            );
        }
    }
    assert_eq!(as_user(vm, ": </dev/virtio-ports/tether.0")?.0, 1);
    Ok(())
}

/// By the guest's loopback transport, where even root is not the host.
fn a_connection_from_within_is_closed_at_once(vm: &mut Vm, vch: &Coordinator<'_>) -> Result<()> {
    // Its own side stays open: it is the agent who closes.
    vm.succeed("mkfifo /run/open; sleep 20 >/run/open &")?;
    let begun = Instant::now();
    let root = vm.run("timeout 5 vsock-probe connect 1 1023 1000 </run/open")?;
    assert_eq!((root.status, root.stdout.as_str()), (0, ""), "{root:?}");
    println!("closed within {:?}", begun.elapsed());
    logs(vch, "agent: closed a connection from vsock CID 1 port 1000")?;
    assert_eq!(
        as_user(vm, "timeout 5 vsock-probe connect 1 1023 </run/open")?,
        (0, String::new())
    );
    let ordinary = || {
        let log = vch.log();
        log.matches("agent: closed a connection from vsock CID 1 port ")
            .count()
            == 2
    };
    eventually(SOON, "the second connection is logged too", ordinary)
}

#[test]
fn a_second_agent_on_one_channel_is_refused_and_the_first_goes_on() {
    prerequisites::check(Need::MEMBERS).unwrap();
    let lab = Lab::of_namespaces("second").unwrap();
    let topology = lab.topology().unwrap();
    let vch = Coordinator::start(&lab, &topology.vch).unwrap();
    vch.vchctl("network create web").unwrap();
    let first = Member::start(&lab, &vch, "first", &["web"]).unwrap();
    let shown = vch.ready("first", SOON).unwrap();

    let root = lab.path("elsewhere");
    std::fs::create_dir_all(root.join("etc")).unwrap();
    let mut command = Command::new(paths::agent());
    command
        .arg("--channel")
        .arg(shown["channel"].as_str().unwrap());
    command.arg("--root").arg(&root);
    command.stderr(std::fs::File::create(lab.path("second.log")).unwrap());
    let mut second = Process::spawn("second agent", command).unwrap();
    logs(&vch, "a second agent connected: refused").unwrap();
    let told = || lab.read("second.log").contains("no session: Occupied");
    eventually(SOON, "the second is told why", told).unwrap();
    assert_eq!(vch.ready("first", SOON).unwrap(), shown);

    // The next spec is the first one's: the second, which asks on, is given none.
    vch.vchctl("network create store").unwrap();
    first.connect(&vch, "store").unwrap();
    let shown = vch.ready("first", SOON).unwrap();
    assert_eq!(shown["endpoints"]["store"]["state"], "up");
    assert_eq!(std::fs::read_dir(root.join("etc")).unwrap().count(), 0);
    second.kill().unwrap();
    assert!(!vch.log().contains("session is over"), "{}", vch.log());
    assert_eq!(
        first.resolve("first").unwrap().len(),
        1,
        "its network is as it was"
    );
}
