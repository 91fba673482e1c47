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
//! The same program is, by the name that it is called by, the small init of `--init` ([`reaper`]), run anew inside of
//! the container, and the kernel's loader of modules ([`modprobe`]).
//!
//! One thread, one poll(2); init never waits for a child. Invariants: a process of the container sees nothing of init's files,
//! devices and processes; what it writes is sent as fast as the other side takes it, and never
//! dropped; its end is told when all that it wrote was sent.

mod agent;
mod boot;
mod capabilities;
mod cgroup;
mod clock;
mod confine;
mod container;
mod descriptors;
mod devices;
mod disk;
mod early;
mod fork;
mod line;
mod modprobe;
mod process;
mod reaper;
mod rootfs;
mod run;
mod seccomp;
mod signals;
mod terminal;
mod usage;
mod user;

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args_os()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    match args.first().map(String::as_str) {
        Some(reaper::NAME) => reaper::run(&args),
        Some(modprobe::PATH) => modprobe::run(&args),
        _ if std::process::id() == 1 => init(),
        _ => {
            eprintln!(
                "container-init: it is the first process of a container VM and of no use elsewhere"
            );
            ExitCode::from(2)
        }
    }
}

fn init() -> ExitCode {
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
