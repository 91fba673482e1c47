//! A child's handshake, with a real child in no container.

use super::{DEADLINE, PendingChild, Progress, Role, Spawn};
use crate::{
    confine::Refused,
    fork::{fork, leave},
};
use nix::sys::wait::waitpid;
use protocol::process::{Fault, Process};
use std::{
    fs::File,
    io::Read,
    time::{Duration, Instant},
};

const SOON: Duration = Duration::from_secs(10);

/// A child that enters nothing; what it does in place of its program is `instead`.
fn child(instead: impl FnOnce() -> Result<(), Refused>) -> PendingChild {
    let process = Process {
        args: vec!["/bin/true".to_owned()],
        ..Process::default()
    };
    let spawn = Spawn::prepare(&process).unwrap();
    let role = Role {
        reaper: false,
        held: false,
    };
    match fork(0).unwrap() {
        Some(pid) => spawn.pending(pid),
        None => spawn.run(&process, role, &[], instead),
    }
}

/// Where it comes to, as of a time.
fn come(mut child: PendingChild, as_of: Instant) -> Result<super::Started, Refused> {
    let end = Instant::now() + SOON;
    loop {
        match child.advance(as_of) {
            Progress::Started(started) => return Ok(started),
            Progress::Refused(refused) => return Err(refused),
            Progress::Pending(still) => child = still,
        }
        assert!(Instant::now() < end, "nothing is heard of it");
        std::thread::yield_now();
    }
}

#[test]
fn a_child_s_fault_is_heard_in_its_own_words() {
    let pending = child(|| Err((Fault::User, "nobody knows it".to_owned())));
    let pid = pending.pid();
    let heard = come(pending, Instant::now()).err().unwrap();
    waitpid(pid, None).unwrap();
    assert_eq!(heard, (Fault::User, "nobody knows it".to_owned()));
}

#[test]
fn a_child_that_ends_without_a_word_has_not_started() {
    let pending = child(|| leave(3));
    let pid = pending.pid();
    let (fault, reason) = come(pending, Instant::now()).err().unwrap();
    waitpid(pid, None).unwrap();
    assert_eq!(fault, Fault::Other);
    assert_eq!(reason, "the process ended before it began");
}

#[test]
fn a_child_that_is_late_is_killed() {
    let pending = child(|| {
        loop {
            nix::unistd::pause();
        }
    });
    let pid = pending.pid();
    let early = pending.advance(Instant::now());
    let Progress::Pending(pending) = early else {
        panic!("it has nothing to say yet");
    };
    let (fault, reason) = come(pending, Instant::now() + DEADLINE).err().unwrap();
    let ended = waitpid(pid, None).unwrap();
    assert_eq!(fault, Fault::Other);
    assert!(reason.contains("did not begin within 30 s"), "{reason}");
    assert!(format!("{ended:?}").contains("SIGKILL"), "{ended:?}");
}

#[test]
fn a_child_holds_nothing_of_init_s_while_it_enters() {
    // What init has open, and does not close at an exec.
    let (mut told, own) = std::io::pipe().unwrap();
    let kept = File::open("/proc/self/stat").unwrap();
    nix::fcntl::fcntl(
        &kept,
        nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::empty()),
    )
    .unwrap();
    let pending = child(move || {
        let listed = std::fs::read_dir("/proc/self/fd").map_err(crate::confine::failed("list"))?;
        let mut targets: Vec<String> = listed
            .flatten()
            .filter_map(|entry| std::fs::read_link(entry.path()).ok())
            .map(|target| target.display().to_string())
            .collect();
        targets.retain(|target| !target.starts_with("/proc/"));
        targets.sort();
        std::mem::forget(own);
        Err((Fault::Other, targets.join(" ")))
    });
    let pid = pending.pid();
    let (_, listed) = come(pending, Instant::now()).err().unwrap();
    waitpid(pid, None).unwrap();
    drop(kept);
    let kinds: Vec<&str> = listed
        .split(' ')
        .map(|target| target.split(':').next().unwrap_or_default())
        .collect();
    let expected = [
        "/dev/null",
        "/dev/null",
        "/dev/null",
        "/dev/null",
        "pipe",
        "pipe",
        "pipe",
        "socket",
    ];
    assert_eq!(kinds, expected, "{listed}");
    let mut nothing = Vec::new();
    told.read_to_end(&mut nothing).unwrap();
}
