//! The container's namespaces, and the processes that are started in them.

pub mod nodes;
mod view;

pub use view::set_network;

use crate::{
    cgroup,
    fork::fork,
    spawn::{PendingChild, Role, Spawn},
    start_error::{StartError, failed},
};
use nix::{
    libc,
    sched::{CloneFlags, setns, unshare},
    unistd::Pid,
};
use protocol::process::{Process, Start};
use std::{
    fs::File,
    os::fd::{AsRawFd, OwnedFd, RawFd},
};

/// Open descriptors of the namespaces of a running container, in which further processes are
/// started.
pub struct Namespaces {
    /// The container's first process.
    first: Pid,
    /// The pid namespace, which children are forked into.
    pids: OwnedFd,
    /// The namespaces that a child enters by itself.
    others: Vec<OwnedFd>,
    /// Init's own pid namespace, to come back to.
    own: OwnedFd,
}

impl Namespaces {
    /// Opens the namespaces of the container's main process, while it waits in all of them.
    ///
    /// # Errors
    /// Returns [`Fault::Other`](protocol::process::Fault::Other) if the process has ended.
    pub fn of(pid: Pid) -> Result<Self, StartError> {
        let open = |who: &str, kind: &str| {
            let file = File::open(format!("/proc/{who}/ns/{kind}"));
            file.map(OwnedFd::from).map_err(failed("open a namespace"))
        };
        let who = pid.to_string();
        Ok(Self {
            first: pid,
            pids: open(&who, "pid")?,
            // The mounts last: from then on init's own files are out of sight.
            others: ["ipc", "cgroup", "mnt"]
                .map(|kind| open(&who, kind))
                .into_iter()
                .collect::<Result<_, _>>()?,
            own: open("self", "pid")?,
        })
    }
}

/// Forks the container's main process into namespaces of its own. The child mounts the container's
/// file systems, then waits until it is released.
///
/// # Errors
/// Returns [`Fault::Other`](protocol::process::Fault::Other) if no descriptor or process is left.
pub fn begin(start: &Start) -> Result<PendingChild, StartError> {
    let process = &start.process;
    let spawn = Spawn::prepare(process)?;
    let kinds = libc::CLONE_NEWNS | libc::CLONE_NEWPID | libc::CLONE_NEWIPC;
    let child = fork(kinds).map_err(failed("fork"))?;
    let Some(pid) = child else {
        let role = Role {
            reaper: start.reaper,
            held: true,
        };
        spawn.run(process, role, &[], || {
            // In the cgroup first: it is the root of the namespace that is made in it.
            cgroup::enter(None).map_err(failed("enter the cgroup"))?;
            unshare(CloneFlags::CLONE_NEWCGROUP).map_err(failed("make a namespace"))?;
            view::make(start)
        });
    };
    Ok(spawn.pending(pid))
}

/// Forks a further process (`docker exec`) into the namespaces of a running container.
///
/// # Errors
/// Returns [`Fault::Other`](protocol::process::Fault::Other) if the container has ended, or if no
/// descriptor or process is left.
pub fn exec(process: &Process, namespaces: &Namespaces) -> Result<PendingChild, StartError> {
    let spawn = Spawn::prepare(process)?;
    let enter = |pids: &OwnedFd| setns(pids, CloneFlags::CLONE_NEWPID);
    enter(&namespaces.pids).map_err(failed("enter the container"))?;
    let child = fork(0);
    if let Ok(None) = child {
        let role = Role {
            reaper: false,
            held: false,
        };
        let keep: Vec<RawFd> = namespaces.others.iter().map(AsRawFd::as_raw_fd).collect();
        spawn.run(process, role, &keep, || {
            cgroup::enter(Some(namespaces.first)).map_err(failed("enter the cgroup"))?;
            for namespace in &namespaces.others {
                setns(namespace, CloneFlags::empty()).map_err(failed("enter the container"))?;
            }
            Ok(())
        });
    }
    enter(&namespaces.own).map_err(failed("leave the container"))?;
    let pid = child.ok().flatten();
    let pid = pid.ok_or_else(|| StartError::other("the container has ended".to_owned()))?;
    Ok(spawn.pending(pid))
}
