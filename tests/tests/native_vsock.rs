//! Native AF_VSOCK between siblings: the coordinator in a VM that is a VCH, the agent in another VM.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use lab::{Lab, Namespace, Need, Tap, Topology, Vm, eventually, paths, prerequisites};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(30);
const BOOT: Duration = Duration::from_secs(60);
const VCH_CID: u32 = 3;
const SIBLING_CID: u32 = 4;
const EXTERNAL: &str = "[[external]]
name = \"default-external\"
interface = \"external\"
subnets = [{ subnet = \"10.2.0.0/24\", address = \"10.2.0.2\" }]
";
const MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 0x31];
/// Programs built without optimisation, emulated.
const HOST_MEMORY_MIB: u32 = 256;

/// Runs `vchctl` in the VCH VM, which must succeed or end as `pending` (4).
fn ask(vch: &mut Vm, words: &str) -> Result<Value> {
    let output = vch.run_within(BOOT, &format!("vchctl --format json {words}"))?;
    assert!(
        matches!(output.status, 0 | 4),
        "vchctl {words}: {output:?}\n{}",
        log(vch)
    );
    serde_json::from_str(&output.stdout).with_context(|| format!("vchctl {words}: {output:?}"))
}

fn log(vch: &mut Vm) -> String {
    vch.succeed("cat /run/vch.log").unwrap_or_default()
}

fn logs(vch: &mut Vm, line: &str) -> Result<()> {
    let what = format!("the coordinator's log says {line:?}");
    eventually(SOON, &what, || log(vch).contains(line)).with_context(|| log(vch))
}

fn start_coordinator(vch: &mut Vm) -> Result<()> {
    for (interface, address) in [
        (Topology::MANAGEMENT_INTERFACE, Topology::MANAGEMENT),
        (Topology::ENDPOINT_INTERFACE, Topology::ENDPOINT),
        (Topology::EXTERNAL_INTERFACE, Topology::VCH),
    ] {
        vch.succeed(&format!(
            "ip link add {interface} type bridge
            ip address add {address}/24 dev {interface}"
        ))?;
    }
    let config = format!("[tether]\nvsock_port = 1021\n{EXTERNAL}");
    let config = format!("{config}{}", Topology::tables(&config));
    vch.succeed(&format!(
        "cat >/etc/vch.toml <<'END'\n{config}\nEND
        NO_COLOR=1 vch-coordinator --config /etc/vch.toml >/run/vch.log 2>&1 &"
    ))?;
    let answers = || {
        vch.run("vchctl status")
            .is_ok_and(|output| output.status == 0)
    };
    let started = eventually(BOOT, "the coordinator answers in its VM", answers);
    started.with_context(|| log(vch))
}

#[test]
fn a_sibling_s_agent_gets_its_network_by_native_vsock_once_its_cid_is_a_container_s() {
    let needs = [Need::Agent, Need::Probe, Need::Host, Need::VhostDeviceVsock];
    prerequisites::check(&needs).unwrap();
    let lab = Lab::of_vms("native").unwrap();
    let wire = Namespace::create("wire").unwrap();
    let vsock = lab.vsock(&[VCH_CID, SIBLING_CID]).unwrap();
    let (daemon, asker) = (
        paths::host_program("vch-coordinator"),
        paths::host_program("vchctl"),
    );
    let programs: [(&Path, &str); 2] =
        [(&daemon, "/sbin/vch-coordinator"), (&asker, "/sbin/vchctl")];
    let begun = Instant::now();
    let vch = lab
        .vm("vch")
        .image(&paths::host_image(&programs).unwrap())
        .memory_mib(HOST_MEMORY_MIB);
    let mut vch = vch.vsock(&vsock, VCH_CID).start().unwrap();
    let sibling = lab
        .vm("sibling")
        .image(&paths::guarded_image().unwrap())
        .kernel_option("tether.channel=vsock:3:1021")
        .vsock(&vsock, SIBLING_CID);
    let tap = Tap::create(&wire, "tap0").unwrap();
    vch.ready().unwrap();
    start_coordinator(&mut vch).unwrap();
    println!(
        "the coordinator answers {:?} after the start",
        begun.elapsed()
    );
    // After its listener is there: what a sibling asks of a guest that is not up is dropped.
    let mut sibling = sibling.nic(tap, MAC).boot().unwrap();

    // No container has this CID yet.
    logs(&mut vch, "peer=vsock CID 4 port ").unwrap();
    assert!(log(&mut vch).contains("no container has this CID: disconnected"));

    ask(&mut vch, "network create web").unwrap();
    for (name, cid) in [("sibling", SIBLING_CID), ("nobody", 5)] {
        ask(
            &mut vch,
            &format!("container add {name} --channel vsock:{cid}"),
        )
        .unwrap();
    }
    let connect = "container connect sibling web --mac 02:00:00:00:00:31 --alias www";
    let endpoint = ask(&mut vch, connect).unwrap();
    ask(&mut vch, "container connect nobody web").unwrap();
    for name in ["sibling", "nobody"] {
        ask(&mut vch, &format!("container start {name}")).unwrap();
    }
    let started = Instant::now();
    let shown = ask(&mut vch, "container wait sibling --timeout 30").unwrap();
    assert_eq!(
        shown["session"]["state"],
        "ready",
        "{shown:#}\n{}",
        log(&mut vch)
    );
    println!("ready {:?} after `container start`", started.elapsed());

    // What was told is what the sibling's kernel has, and what was reported.
    let address = endpoint["addresses"][0].as_str().unwrap();
    let there = sibling.succeed("ip -o -4 address show dev eth0").unwrap();
    assert!(there.contains(&format!(" {address} ")), "{there}");
    let reported = &shown["endpoints"]["web"];
    assert_eq!(
        (&reported["observed"][0], &reported["state"]),
        (&json!(address), &json!("up"))
    );
    let hosts = sibling.succeed("cat /etc/hosts").unwrap();
    let own = sibling.succeed("hostname").unwrap();
    let (own, bare) = (own.trim(), address.split('/').next().unwrap());
    assert!(hosts.contains(&format!("{bare}\t{own}\n")), "{hosts}");

    // The CID says who it is: the other container has no session.
    let nobody = ask(&mut vch, "container inspect nobody").unwrap();
    assert_ne!(nobody["session"]["state"], "ready", "{nobody:#}");

    // An ordinary process of the sibling has its CID but not its ports.
    let said = sibling.run("su user -c 'vsock-probe sibling 3 1021 </dev/null'");
    assert_eq!(said.unwrap().stdout, "", "it is told nothing");
    logs(&mut vch, "not from a privileged port: disconnected").unwrap();
    let shown = ask(&mut vch, "container wait sibling --timeout 10").unwrap();
    assert_eq!(shown["session"]["state"], "ready", "{shown:#}");
    assert!(!log(&mut vch).contains("session is over"));
}
