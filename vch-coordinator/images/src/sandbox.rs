//! What `vch-image` gives up before it reads anything: root, the network, memory without bound, and all
//! folders but its staging folder.

use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::Signal;
use nix::unistd::{Gid, Uid, chdir, geteuid, setgroups, setresgid, setresuid};
use std::path::Path;
use thiserror::Error;

/// Address space: decoders take some 100 MiB, a million names some 500, `sqfstar` its queues.
const MEMORY_BYTES: u64 = 4 << 30;
const FILES: u64 = 1_024;

/// The step that the kernel refused.
#[derive(Debug, Error)]
#[error("can't {step}")]
pub struct SandboxError {
    step: &'static str,
    #[source]
    source: Errno,
}

/// Enters the staging folder for good, with the coordinator's network or without any. `file_bytes` bounds each file that is written.
pub fn enter(
    folder: &Path,
    user: (u32, u32),
    file_bytes: u64,
    network: bool,
) -> Result<(), SandboxError> {
    let step = |step| move |source| SandboxError { step, source };
    chdir(folder).map_err(step("enter the staging folder"))?;
    if geteuid().is_root() {
        let (uid, gid) = (Uid::from_raw(user.0), Gid::from_raw(user.1));
        if uid.is_root() {
            return Err(step("work as root: set `images.user`")(Errno::EPERM));
        }
        if !network {
            unshare(CloneFlags::CLONE_NEWNET).map_err(step("leave the network"))?;
        }
        unshare(CloneFlags::CLONE_NEWIPC).map_err(step("leave the other processes"))?;
        setgroups(&[]).map_err(step("leave root's groups"))?;
        setresgid(gid, gid, gid).map_err(step("change the group"))?;
        setresuid(uid, uid, uid).map_err(step("change the user"))?;
    }
    prctl::set_no_new_privs().map_err(step("give up privileges"))?;
    // A change of user takes back what was said before of the parent's death.
    prctl::set_pdeathsig(Signal::SIGKILL).map_err(step("end with the coordinator"))?;
    for (resource, most) in [
        (Resource::RLIMIT_AS, MEMORY_BYTES),
        (Resource::RLIMIT_FSIZE, file_bytes),
        (Resource::RLIMIT_NOFILE, FILES),
        (Resource::RLIMIT_CORE, 0),
    ] {
        setrlimit(resource, most, most).map_err(step("set a limit"))?;
    }
    Ok(())
}
