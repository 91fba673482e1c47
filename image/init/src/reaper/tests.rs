//! The small init as process 1 of a pid namespace.

use super::{NOT_FOUND, supervise};
use crate::{
    fork::{fork, leave},
    guest_lab::{eventually, in_guest},
    signals,
};
use nix::{
    libc,
    sys::wait::{WaitStatus, waitpid},
    unistd::Pid,
};
use std::{fs, path::Path};

/// Begins the small init of a shell's script.
fn begin(program: &[&str]) -> Pid {
    let args: Vec<String> = program.iter().map(|&arg| arg.to_owned()).collect();
    match fork(libc::CLONE_NEWPID).unwrap() {
        Some(pid) => pid,
        None => match supervise(&args) {
            Ok(code) => leave(code.into()),
            Err(reason) => {
                eprintln!("{reason}");
                leave(NOT_FOUND.into())
            }
        },
    }
}

fn code(pid: Pid) -> i32 {
    match waitpid(pid, None).unwrap() {
        WaitStatus::Exited(_, code) => code,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_small_init_ends_as_its_program_does() {
    in_guest(
        "reaper::tests::the_small_init_ends_as_its_program_does",
        || {
            let shell = |script| code(begin(&["/bin/sh", "-c", script]));
            assert_eq!(shell("exit 5"), 5);
            assert_eq!(shell("kill -9 $$"), 137);
            // A child that is left behind is reaped, and its end is not the program's.
            assert_eq!(
                shell("(sleep 0.1; exit 3) & exec sh -c 'sleep 0.3; exit 4'"),
                4
            );
            assert_eq!(code(begin(&["/absent"])), i32::from(NOT_FOUND));
        },
    );
}

#[test]
fn signals_are_passed_on_real_time_ones_too() {
    in_guest(
        "reaper::tests::signals_are_passed_on_real_time_ones_too",
        || {
            let real_time = 40;
            for (number, name) in [
                (libc::SIGTERM, "TERM"),
                (libc::SIGUSR1, "USR1"),
                (real_time, "40"),
            ] {
                let ready = format!("/tmp/ready-{name}");
                // Its own trap, and a wait that a signal interrupts.
                let script =
                    format!("trap 'exit 9' {name}; sleep 1000 & echo > {ready}; wait; exit 1");
                let pid = begin(&["/bin/sh", "-c", &script]);
                eventually("the trap", || Path::new(&ready).exists().then_some(()));
                signals::send(pid, number).unwrap();
                assert_eq!(code(pid), 9, "{name}");
                fs::remove_file(ready).unwrap();
            }
        },
    );
}
