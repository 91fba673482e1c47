//! The first process of a container VM.
//!
//! ```text
//!   kernel ──► boot: mounts, modules ──► line: protocol::process on the virtserialport `vch.process`
//!            agent: tether-net, held          │ (a template is saved here)
//!            agent: begins                   ◄┤ Hello
//!            root: squashfs + ext4 = overlay ◄┤ Start
//!            container: namespaces; waits until the agent's first spec is applied
//!            confinement, exec ──► streams by windows ──► Exited ──► PowerOff
//! ```
//!
//! One thread, one poll(2). Invariants: a process of the container sees nothing of init's files,
//! devices and processes; what it writes is sent as fast as the other side takes it, and never
//! dropped; its end is told when all that it wrote was sent.

mod agent;
mod boot;
mod capabilities;
mod cgroup;
mod confine;
mod container;
mod devices;
mod disk;
mod fork;
mod line;
mod process;
mod rootfs;
mod run;
mod seccomp;
mod terminal;
mod usage;
mod user;

use std::process::ExitCode;

fn main() -> ExitCode {
    if std::process::id() != 1 {
        eprintln!(
            "container-init: it is the first process of a container VM and of no use elsewhere"
        );
        return ExitCode::from(2);
    }
    let ended = run::run();
    // The console is all that is left.
    if let Err(error) = ended {
        eprintln!("init: {error}");
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            eprintln!("init: because {cause}");
            source = cause.source();
        }
    }
    boot::power_off();
    ExitCode::FAILURE
}
