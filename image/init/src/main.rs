//! `container-init`: the first process (init) of a container VM. It prepares the guest, starts the container's process
//! as the host's shim (`vch-shim`, the process that runs the VM) asks for it, and carries the process's input and
//! output.
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
//! The same program has two other uses, which it recognises by the name that it is called by: the small init of
//! `--init` ([`reaper`]), run anew inside of the container, and the kernel's loader of modules ([`modprobe`]).
//!
//! Init has one thread and one poll(2) ([`run`]); it never waits for a child ([`spawn`]). Invariants: a process of the
//! container sees nothing of init's files, devices and processes; the bytes that it writes are sent as fast as the
//! other side takes them, and never dropped; its end is reported once all of them were sent.
//!
//! Files below this one depend in one direction: `run` on `process_table`, `process_table` on `container`, `container`
//! on `spawn`, `spawn` on `confine` and `reaper`; `boot` and `modprobe` have `kernel_module` in common.

mod agent;
mod boot;
mod capabilities;
mod cgroup;
mod clock;
mod confine;
mod container;
mod descriptors;
mod devices;
mod early;
mod entropy;
mod exit_code;
mod fork;
mod kernel_module;
mod line;
mod modprobe;
mod process;
mod process_table;
mod reaper;
mod rootfs;
mod run;
mod seccomp;
mod signals;
mod spawn;
mod start_error;
mod sysfs;
mod system_clock;
mod terminal;
mod usage;
mod user;

#[cfg(test)]
mod guest_lab;

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
