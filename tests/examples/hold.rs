//! Makes a topology, a directory and a child, says so, and holds them until its input ends: to look at the lab by hand, and
//! for the test of what a signal leaves.

use std::io::{Read, stdin};
use std::process::Command;

use anyhow::Result;
use lab::{Lab, Process};

fn main() -> Result<()> {
    let lab = Lab::of_namespaces("hold")?;
    let topology = lab.topology()?;
    let mut sleep = Command::new("sleep");
    sleep.arg("600");
    let child = topology.vch.spawn("sleep", sleep)?;
    let orphaned = Process::spawn("sleep", {
        let mut sleep = Command::new("sleep");
        sleep.arg("600");
        sleep
    })?;
    println!("{}", topology.vch.path());
    println!("{}", topology.outside.path());
    println!("{}", lab.dir().display());
    println!("/proc/{}", child.pid());
    println!("/proc/{}", orphaned.pid());
    println!("held");
    stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
