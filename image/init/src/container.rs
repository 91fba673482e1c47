//! The container's own view: its namespaces, its root, and the processes that are born into it.

mod birth;
mod view;

pub use view::set_network;

use crate::{
    cgroup,
    confine::{Refused, failed},
    fork::{fork, leave},
    process::Ends,
};
use birth::{Birth, Expected};
use nix::{
    libc,
    sched::{CloneFlags, setns, unshare},
    sys::{
        signal::{SigSet, Signal, kill},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::{ForkResult, Pid},
};
use protocol::process::{Fault, Process, Start};
use std::{fs::File, os::fd::OwnedFd};

/// The namespaces of a container that runs.
pub struct Namespaces {
    /// What a child is born into.
    pids: OwnedFd,
    /// What it enters by itself.
    others: Vec<OwnedFd>,
    /// Init's own, to come back to.
    own: OwnedFd,
}

impl Namespaces {
    fn of(pid: Pid) -> Result<Self, Refused> {
        let open = |who: &str, kind: &str| {
            let file = File::open(format!("/proc/{who}/ns/{kind}"));
            file.map(OwnedFd::from).map_err(failed("open a namespace"))
        };
        let who = pid.to_string();
        Ok(Self {
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

/// A process that was started.
pub struct Started {
    pub pid: Pid,
    pub ends: Ends,
}

/// The container's own process before it runs its program: it makes its view of the container, and waits. It ends
/// when this is dropped.
pub struct Unborn {
    pid: Pid,
    expected: Expected,
}

impl Unborn {
    /// Begins the container's own process, in namespaces of its own.
    pub fn begin(start: &Start) -> Result<Self, Refused> {
        let process = &start.process;
        let birth = Birth::prepare(process)?;
        let kinds = libc::CLONE_NEWNS | libc::CLONE_NEWPID | libc::CLONE_NEWIPC;
        let child = fork(kinds).map_err(failed("fork"))?;
        let Some(pid) = child else {
            birth.be(process, start.reaper, true, || {
                // In the cgroup first: it is the root of the namespace that is made in it.
                cgroup::enter().map_err(failed("enter the cgroup"))?;
                unshare(CloneFlags::CLONE_NEWCGROUP).map_err(failed("make a namespace"))?;
                view::make(start)
            });
        };
        let expected = birth.expect();
        Ok(Self { pid, expected })
    }

    /// Lets it run its program.
    pub fn run(self) -> Result<(Started, Namespaces), Refused> {
        let Self { pid, expected } = self;
        expected.in_place()?;
        // Once it is in all of them, and while it waits.
        let namespaces = Namespaces::of(pid)?;
        expected.release()?;
        let ends = expected.born()?;
        Ok((Started { pid, ends }, namespaces))
    }
}

/// Starts another process in a container that runs.
pub fn exec(process: &Process, namespaces: &Namespaces) -> Result<Started, Refused> {
    let birth = Birth::prepare(process)?;
    let enter = |pids: &OwnedFd| setns(pids, CloneFlags::CLONE_NEWPID);
    enter(&namespaces.pids).map_err(failed("enter the container"))?;
    let child = fork(0);
    if let Ok(None) = child {
        birth.be(process, false, false, || {
            cgroup::enter().map_err(failed("enter the cgroup"))?;
            for namespace in &namespaces.others {
                setns(namespace, CloneFlags::empty()).map_err(failed("enter the container"))?;
            }
            Ok(())
        });
    }
    enter(&namespaces.own).map_err(failed("leave the container"))?;
    let pid = child.ok().flatten();
    let pid = pid.ok_or_else(|| (Fault::Other, "the container has ended".to_owned()))?;
    let ends = birth.expect().born()?;
    Ok(Started { pid, ends })
}

/// The small init of `--init`: the program is its child, and it reaps what that leaves behind. Comes back
/// in the child.
#[expect(
    unsafe_code,
    reason = "fork is unsafe in general; this program has one thread"
)]
fn reap() -> Result<(), Refused> {
    let all = SigSet::all();
    all.thread_block().map_err(failed("block signals"))?;
    // SAFETY: there is one thread, so no lock is held by another one.
    let child = match unsafe { nix::unistd::fork() }.map_err(failed("fork"))? {
        ForkResult::Child => return Ok(()),
        ForkResult::Parent { child } => child,
    };
    loop {
        let signal = all.wait().unwrap_or(Signal::SIGCHLD);
        if signal != Signal::SIGCHLD {
            // It has just ended then.
            let _ = kill(child, signal);
            continue;
        }
        while let Ok(status) = waitpid(Pid::from_raw(-1), Some(WaitPidFlag::WNOHANG)) {
            if status == WaitStatus::StillAlive {
                break;
            }
            if status.pid() == Some(child) {
                leave(code(status));
            }
        }
    }
}

/// An exit code as shells have it.
pub fn code(status: WaitStatus) -> i32 {
    match status {
        WaitStatus::Exited(_, code) => code,
        WaitStatus::Signaled(_, signal, _) => 128 + signal as i32,
        _ => 0,
    }
}
