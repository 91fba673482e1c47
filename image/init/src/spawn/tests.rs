//! Tests of a child's handshake, with a real child outside of a container.

use super::{PendingChild, Progress, Role, Spawn, pending::DEADLINE};
use crate::{
    fork::{fork, leave},
    guest_lab::in_guest,
    start_error::{StartError, failed},
};
use nix::sys::{
    signal::Signal,
    wait::{WaitStatus, waitpid},
};
use protocol::process::{Fault, Process};
use std::{
    fs::File,
    io::Read,
    time::{Duration, Instant},
};

const SOON: Duration = Duration::from_secs(10);

/// Forks a child that enters no container, and does `instead` in place of its program.
fn child(instead: impl FnOnce() -> Result<(), StartError>) -> PendingChild {
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

/// Returns the outcome of a child, as of a time.
fn outcome(mut child: PendingChild, as_of: Instant) -> Result<super::Started, StartError> {
    let end = Instant::now() + SOON;
    loop {
        match child.advance(as_of) {
            Progress::Started(started) => return Ok(started),
            Progress::Failed(error) => return Err(error),
            Progress::Pending(still) => child = still,
        }
        assert!(Instant::now() < end, "nothing is heard of it");
        std::thread::yield_now();
    }
}

#[test]
fn a_child_s_fault_is_heard_in_its_own_words() {
    in_guest(|| {
        let unknown = StartError::new(Fault::User, "nobody knows it".to_owned());
        let told = unknown.clone();
        let pending = child(|| Err(told));
        let pid = pending.pid();
        let heard = outcome(pending, Instant::now()).err().unwrap();
        waitpid(pid, None).unwrap();
        assert_eq!(heard, unknown);
    });
}

#[test]
fn a_child_that_ends_without_a_word_has_not_started() {
    in_guest(|| {
        let pending = child(|| leave(3));
        let pid = pending.pid();
        let error = outcome(pending, Instant::now()).err().unwrap();
        waitpid(pid, None).unwrap();
        let expected = StartError::other("the process ended before it began".to_owned());
        assert_eq!(error, expected);
    });
}

#[test]
fn a_child_that_is_late_is_killed() {
    in_guest(|| {
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
        let error = outcome(pending, Instant::now() + DEADLINE).err().unwrap();
        let ended = waitpid(pid, None).unwrap();
        assert_eq!(error.fault, Fault::Other);
        assert!(
            error.reason.contains("did not begin within 30 s"),
            "{error}"
        );
        assert!(format!("{ended:?}").contains("SIGKILL"), "{ended:?}");
    });
}

#[test]
fn a_child_that_is_held_runs_once_it_is_released() {
    in_guest(|| {
        let process = Process {
            args: vec!["/bin/true".to_owned()],
            ..Process::default()
        };
        let begin = || {
            let spawn = Spawn::prepare(&process).unwrap();
            let role = Role {
                reaper: false,
                held: true,
            };
            let mut child = match fork(0).unwrap() {
                Some(pid) => spawn.pending(pid),
                None => spawn.run(&process, role, &[], || Ok(())),
            };
            assert!(child.deadline().is_some());
            while !child.is_held() {
                child = match child.advance(Instant::now()) {
                    Progress::Pending(child) => child,
                    _ => panic!("it does not wait"),
                };
            }
            // However long init holds it, it is not late.
            assert_eq!(child.deadline(), None);
            child
        };
        let mut child = begin();
        let pid = child.pid();
        child.release().unwrap();
        assert!(child.deadline().is_some());
        let started = outcome(child, Instant::now()).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(started.inner, pid.as_raw().cast_unsigned());
        assert!(started.ends.input.is_none() && started.ends.terminal.is_none());
        assert_eq!(started.ends.outputs.len(), 2);
        assert_eq!(waitpid(pid, None), Ok(WaitStatus::Exited(pid, 0)));

        let child = begin();
        let pid = child.pid();
        child.abandon();
        let killed = WaitStatus::Signaled(pid, Signal::SIGKILL, false);
        assert_eq!(waitpid(pid, None), Ok(killed));
    });
}

#[test]
fn a_child_that_ended_cannot_be_released() {
    in_guest(|| {
        let mut child = child(|| leave(0));
        waitpid(child.pid(), None).unwrap();
        let error = child.release().unwrap_err();
        assert_eq!(error.reason, "the process ended before it began");
    });
}

#[test]
fn a_child_holds_nothing_of_init_s_while_it_enters() {
    in_guest(|| {
        // What init has open, and does not close at an exec.
        let (mut told, own) = std::io::pipe().unwrap();
        let kept = File::open("/proc/self/stat").unwrap();
        nix::fcntl::fcntl(
            &kept,
            nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::empty()),
        )
        .unwrap();
        let pending = child(move || {
            let listed = std::fs::read_dir("/proc/self/fd").map_err(failed("list"))?;
            let mut targets: Vec<String> = listed
                .flatten()
                .filter_map(|entry| std::fs::read_link(entry.path()).ok())
                .map(|target| target.display().to_string())
                .collect();
            targets.retain(|target| !target.starts_with("/proc/"));
            targets.sort();
            std::mem::forget(own);
            Err(StartError::other(targets.join(" ")))
        });
        let pid = pending.pid();
        let listed = outcome(pending, Instant::now()).err().unwrap().reason;
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
        assert!(nothing.is_empty());
    });
}
