//! A full disk under the coordinator's store: what cannot be kept is refused and changes nothing, and what is there can
//! be removed.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::fmt::Write as _;

use anyhow::Result;
use lab::{Coordinator, Lab, SmallDisk};

/// Room for a store, not for many networks of this test's.
const DISK_MIB: u32 = 32;
/// Each network takes some 80 KB twice: as itself, and in the list of what was done last.
const LABELS: usize = 20;
const LABEL_BYTES: usize = 4_096;
const MOST: usize = 250;

fn create(vch: &Coordinator<'_>, number: usize) -> Result<String> {
    let mut command = format!("network create n{number} --internal --subnet 10.9.{number}.0/24");
    for label in 0..LABELS {
        let filler = "x".repeat(LABEL_BYTES);
        write!(command, " --label l{label}={filler}")?;
    }
    vch.vchctl(&command)
}

fn networks(vch: &Coordinator<'_>) -> usize {
    vch.ask("network ls").unwrap().as_array().unwrap().len()
}

#[test]
fn a_full_disk_refuses_what_is_new_and_lets_go_what_is_there() {
    let lab = Lab::of_namespaces("full-disk").unwrap();
    let topology = lab.topology().unwrap();
    let disk = SmallDisk::mount(&lab, "vch/state", DISK_MIB).unwrap();
    let mut vch = Coordinator::start(&lab, &topology.vch).unwrap();
    let predefined = networks(&vch);
    create(&vch, 0).unwrap();
    disk.fill().unwrap();
    // The store has some room of its own.
    let refused = (1..MOST).find_map(|number| Some((number, create(&vch, number).err()?)));
    let (made, refusal) = refused.unwrap();
    assert!(made > 1, "it has none");
    // The command is a long one.
    let refusal = refusal.to_string();
    let (_, told) = refusal.rsplit_once("status: ").unwrap();
    assert!(
        told.contains("no space left on the disk of `vch.state_dir`"),
        "{told}"
    );
    assert_eq!(networks(&vch), predefined + made);
    for number in 0..made {
        vch.vchctl(&format!("network rm n{number}")).unwrap();
    }
    assert_eq!(networks(&vch), predefined);
    disk.free().unwrap();
    create(&vch, made).unwrap();

    // What was answered is there, and nothing of what was refused.
    vch.kill().unwrap();
    vch.restart().unwrap();
    assert_eq!(networks(&vch), predefined + 1);
    vch.vchctl(&format!("network inspect n{made}")).unwrap();
}
