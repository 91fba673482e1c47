//! Limits the shim and QEMU on the host, in addition to the VM's cgroup: limits of each process, and the order in which
//! the kernel kills the processes when the host runs out of memory.

use crate::{launch::Launch, stderr::log};
use nix::{
    fcntl::{OFlag, open},
    sys::{
        resource::{Resource, getrlimit, setrlimit},
        stat::Mode,
    },
    unistd::write,
};
use std::{fs, io};

/// The shim's `oom_score_adj` (proc(5), -1000 to 1000), by which the kernel chooses what to kill for memory: the shim
/// is killed after QEMU, which ends with it in any case, and before the coordinator, whose unit says -900.
const SHIM_SCORE: &str = "-500";
/// QEMU goes before what else is on the host.
const QEMU_SCORE: &str = "500";
/// The file that `oom_score_adj` is written to.
const SCORE: &std::ffi::CStr = c"/proc/self/oom_score_adj";
/// Descriptors of a shim: each client has one, and each NIC.
const SHIM_DESCRIPTORS: u64 = 4096;
/// Descriptors of a QEMU: some 20, and three a NIC.
const QEMU_DESCRIPTORS: u64 = 1024;
/// Processes and threads of a QEMU's user, who has no others: see `pids.max` of its cgroup.
const QEMU_TASKS: u64 = 512;

/// Sets the resource limits of this process, the shim, and moves it into its VM's cgroup, in which its QEMU starts,
/// too.
///
/// # Errors
/// Returns the system's error if a limit can't be set, or if the launch names a cgroup that can't be joined: no process
/// of the VM may run outside of it.
pub fn shim(launch: &Launch) -> io::Result<()> {
    limits(&[
        (Resource::RLIMIT_CORE, 0),
        (Resource::RLIMIT_NOFILE, SHIM_DESCRIPTORS),
    ])?;
    // Needs CAP_SYS_RESOURCE, which root has unless it is in a container.
    if let Err(error) = fs::write("/proc/self/oom_score_adj", SHIM_SCORE) {
        log(format_args!(
            "the shim is as good as any to be killed for memory: {error}"
        ));
    }
    match &launch.cgroup {
        // 0: the one who writes.
        Some(cgroup) => fs::write(cgroup.join("cgroup.procs"), "0"),
        None => Ok(()),
    }
}

/// Sets the resource limits of a child process that will execute QEMU, while it is root. Called between fork and exec,
/// so it makes system calls only.
///
/// # Errors
/// Returns the kernel's error if a limit can't be set.
pub fn qemu() -> io::Result<()> {
    limits(&[
        (Resource::RLIMIT_CORE, 0),
        (Resource::RLIMIT_NOFILE, QEMU_DESCRIPTORS),
        (Resource::RLIMIT_NPROC, QEMU_TASKS),
    ])?;
    let score = open(SCORE, OFlag::O_WRONLY | OFlag::O_CLOEXEC, Mode::empty())?;
    write(score, QEMU_SCORE.as_bytes())?;
    Ok(())
}

fn limits(limits: &[(Resource, u64)]) -> io::Result<()> {
    for (resource, most) in limits {
        // What is less already stays: raising it takes a capability that root in a container may lack.
        let (_, hard) = getrlimit(*resource)?;
        let most = hard.min(*most);
        setrlimit(*resource, most, most)?;
    }
    Ok(())
}
