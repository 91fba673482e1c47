//! An init that has greeted a shim, for tests that request containers of it.

use crate::{
    cgroup,
    guest_lab::{Disks, Shim},
    run::serve,
};
use protocol::process::{COVERED, FromInit, Phase, Process, ProcessId, READ_ONLY, Start, VERSION};
use std::fs;

pub const MAIN: ProcessId = ProcessId::MAIN;
/// Docker's default capabilities.
const DEFAULT: [u8; 14] = [0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31];

pub fn shell(script: &str) -> Process {
    Process {
        args: ["/bin/sh", "-c", script].map(str::to_owned).to_vec(),
        capabilities: DEFAULT.to_vec(),
        ..Process::default()
    }
}

pub fn start(process: Process) -> Start {
    let texts = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
    Start {
        image_disk: Disks::IMAGE.to_owned(),
        writable_disk: Disks::WRITABLE.to_owned(),
        shm_bytes: 1 << 20,
        network_deadline_ms: 20_000,
        masked_paths: texts(COVERED),
        read_only_paths: texts(READ_ONLY),
        process,
        ..Start::default()
    }
}

/// Returns a shim whose init has answered; the guest has no agent, and so no network to wait for.
pub fn booted() -> Shim {
    cgroup::make().unwrap();
    // Of an earlier init of the same test.
    let _ = fs::remove_file("/run/notify");
    let mut shim = Shim::new(|line| serve(line, 7));
    assert_eq!(shim.next(), FromInit::Ready { version: VERSION });
    assert_eq!(shim.hello(), [Phase::Init, Phase::Devices]);
    shim
}

/// Runs a container with one process to its end; returns standard output, standard error and the
/// exit code.
pub fn ran(start: &Start) -> (String, String, u8) {
    let _disks = Disks::new();
    let mut shim = booted();
    shim.start(start);
    let (stdout, stderr, exit) = shim.ended(MAIN);
    assert_eq!(shim.power_off(), 0);
    (stdout, stderr, exit.code)
}
