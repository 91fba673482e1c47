//! `make demo`: two container VMs get their network, and one pings the other by name.
//!
//! Everything is real: `vch-coordinator` and `vchctl`, QEMU, the agent in each VM. Only the VCH and the world outside
//! are network namespaces of this machine.

use std::io::{Write, stdout};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use lab::{Coordinator, Lab, Need, Tether, Topology, Vm, prerequisites, registry};

const NEEDS: &[Need] = &[Need::Agent, Need::VhostDeviceVsock];
const READY: Duration = Duration::from_secs(60);
/// The time within which an address that another program removed must be back.
const BACK: f64 = 2.0;
const CID: u32 = 3;

fn main() -> ExitCode {
    let began = Instant::now();
    let left = || match registry::existing() {
        left if left.is_empty() => Ok(()),
        left => Err(anyhow!("it left behind {left:?}")),
    };
    match demo().and_then(|()| left()) {
        Ok(()) => {
            println!(
                "\nAll of it is removed. {:.1} s.",
                began.elapsed().as_secs_f64()
            );
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("\nThe demo failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Says what happens, and how long it took when it is over.
fn phase<T>(what: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    println!("\n== {what}");
    stdout().flush()?;
    let began = Instant::now();
    let done = work()?;
    println!("   ({:.2} s)", began.elapsed().as_secs_f64());
    Ok(done)
}

fn demo() -> Result<()> {
    prerequisites::check(NEEDS)?;
    let lab = Lab::of_vms("demo")?;
    let (topology, vsock) = phase(
        "Network namespaces: `vch`, and one behind each of its networks",
        || Ok((lab.topology()?, lab.vsock(&[CID])?)),
    )?;
    println!(
        "   vch is {} on 10.2.0.0/16; outside is its gateway {}, and has {} with no way back to bridges",
        Topology::VCH,
        Topology::GATEWAY,
        Topology::BEYOND
    );
    let vch = phase("The coordinator starts in `vch`", || {
        Coordinator::start(&lab, &topology.vch)
    })?;
    let links_before = topology.vch.ip("-br link")?.lines().count();
    let (server, client) = (Tether::Serial, Tether::Vsock(&vsock, CID));
    phase(
        "A bridge network and two containers, typed as a person would",
        || {
            typed(&vch, "network create web")?;
            for (name, tether) in [("server", server), ("client", client)] {
                let channel = tether.channel(&lab, name);
                typed(&vch, &format!("container add {name} --channel {channel}"))?;
                typed(&vch, &format!("container connect {name} web"))?;
                typed(&vch, &format!("container start {name}"))?;
            }
            Ok(())
        },
    )?;
    let mut vms = phase(
        "Both VMs boot: `server` with its agent on a serial line, `client` on vsock",
        || boot(&vch, server, client),
    )?;
    phase("What the coordinator knows of them", || {
        typed(&vch, "container ls")
    })?;
    let [of_server, of_client] = ["server", "client"].map(|name| address(&vch, name));
    let (of_server, of_client) = (of_server?, of_client?);
    let (of_server, _) = of_server.split_once('/').context("no prefix length")?;
    let client = &mut vms.1;
    phase("`client` pings `server` by name", || {
        run_and_show(client, "ping -c 3 server", "3 packets received")
    })?;
    phase(&format!("`client` asks who {of_server} is"), || {
        run_and_show(client, &format!("nslookup {of_server}"), "server.web")
    })?;
    phase(
        &format!(
            "`client` reaches {}, which knows no way to its network: masquerade",
            Topology::BEYOND
        ),
        || {
            run_and_show(
                client,
                &format!("ping -c 1 {}", Topology::BEYOND),
                "1 packets received",
            )
        },
    )?;
    phase("Somebody removes the address of `client` in its VM", || {
        heals(client, &of_client)
    })?;
    phase("Everything is removed", || {
        drop(vms);
        for name in ["server", "client"] {
            typed(&vch, &format!("container rm --force {name}"))?;
        }
        typed(&vch, "network rm web")?;
        let links = topology.vch.ip("-br link")?;
        ensure!(
            links.lines().count() == links_before,
            "links are left in the VCH:\n{links}"
        );
        Ok(())
    })
}

/// Runs `vchctl` and shows both what was typed and what it said.
fn typed(vch: &Coordinator<'_>, words: &str) -> Result<()> {
    println!("   $ vchctl {words}");
    indent(&vch.vchctl(words)?);
    Ok(())
}

fn boot(vch: &Coordinator<'_>, server: Tether<'_>, client: Tether<'_>) -> Result<(Vm, Vm)> {
    let mut vms = (
        vch.vm("server", server)?.start()?,
        vch.vm("client", client)?.start()?,
    );
    for vm in [&mut vms.0, &mut vms.1] {
        let booted = vm.ready()?.as_secs_f64();
        println!("   {} has booted after {booted:.2} s", vm.name());
        vch.ready(vm.name(), READY)?;
        indent(&vm.succeed("ip -4 -o addr show dev eth0; ip route")?);
    }
    Ok(vms)
}

/// Runs a command in a VM and shows its own lines, among which must be `expected`.
fn run_and_show(vm: &mut Vm, command: &str, expected: &str) -> Result<()> {
    println!("   {}# {command}", vm.name());
    let said = vm.succeed(command)?;
    indent(&said);
    ensure!(said.contains(expected), "it did not say `{expected}`");
    Ok(())
}

/// Both times are the guest's own.
fn heals(vm: &mut Vm, address: &str) -> Result<()> {
    let remove = format!("ip addr del {address} dev eth0");
    println!("   {}# {remove}", vm.name());
    let script = format!(
        "{remove} && read began rest </proc/uptime
        until ip addr show dev eth0 | grep -q 'inet {address}'; do usleep 10000; done
        read ended rest </proc/uptime; echo $began $ended"
    );
    let said = vm.succeed(&script)?;
    let times: Vec<f64> = said.split_whitespace().flat_map(str::parse).collect();
    let [removed, back] = times[..] else {
        bail!("the guest said {said:?}");
    };
    let elapsed = back - removed;
    println!("   {address} is back after {elapsed:.2} s of the guest's time");
    ensure!(elapsed <= BACK, "that is more than {BACK} s");
    Ok(())
}

fn address(vch: &Coordinator<'_>, name: &str) -> Result<String> {
    let shown = vch.ask(&format!("container inspect {name}"))?;
    let address = shown["endpoints"]["web"]["addresses"][0].as_str();
    Ok(address.context("no address")?.to_owned())
}

fn indent(text: &str) {
    for line in text.lines() {
        println!("   {line}");
    }
}
