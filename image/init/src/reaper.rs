//! The small init of `docker run --init`: process 1 of the container. It reaps orphaned processes, and passes signals
//! on to the one program that it runs.
//!
//! The small init is `container-init` once more, executed anew, so that it holds nothing of the VM's init. It is called
//! as Docker's is: `/sbin/docker-init -- PROGRAM ...`.

use crate::{
    confine::{Program, find},
    exit_code::exit_code,
    signals,
    start_error::StartError,
};
use nix::{
    errno::Errno,
    libc,
    sys::{
        prctl,
        signal::{SigSet, SigmaskHow, sigprocmask},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::{ForkResult, Pid, getpgrp, setpgid, tcsetpgrp},
};
use std::{io::stdin, process::ExitCode};
use thiserror::Error;

/// The name by which this program is called to be the small init.
pub const NAME: &str = "/sbin/docker-init";
const SEPARATOR: &str = "--";
/// This program, wherever its file is: the container's root has none.
const OWN: &str = "/proc/self/exe";
/// No program was found.
const NOT_FOUND: u8 = 127;

/// The reason for which the small init can't run its program.
#[derive(Debug, Error)]
enum ReaperError {
    /// A system call failed.
    #[error("{}", .0.desc())]
    System(#[from] Errno),
    /// The program can't be started.
    #[error(transparent)]
    Program(StartError),
}

/// Replaces the calling process by the small init, which runs `program`. Returns only if that fails, with the reason.
pub fn exec(program: &Program) -> StartError {
    let called = [NAME, SEPARATOR].map(str::to_owned);
    match program.below(OWN, called) {
        Ok(own) => own.exec(),
        Err(error) => error,
    }
}

/// Runs the small init: starts the program that `args` names, and waits for its end. Returns the program's exit code.
pub fn run(args: &[String]) -> ExitCode {
    let args: Vec<String> = args.iter().skip(2).cloned().collect();
    let code = supervise(&args).unwrap_or_else(|error| {
        eprintln!("[FATAL docker-init (1)] {error}");
        NOT_FOUND
    });
    ExitCode::from(code)
}

/// Runs the program as a child, passes signals on to it and reaps all children; returns the program's exit code.
///
/// # Errors
/// Returns [`ReaperError::System`] if a system call fails, and, in the child, [`ReaperError::Program`] if the program
/// can't be started.
#[expect(
    unsafe_code,
    reason = "fork is unsafe in general; this program has one thread"
)]
fn supervise(args: &[String]) -> Result<u8, ReaperError> {
    prctl::set_name(c"docker-init")?;
    let all = SigSet::all();
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&all), None)?;
    // SAFETY: there is one thread, so no lock is held by another one.
    let child = match unsafe { nix::unistd::fork() }? {
        ForkResult::Child => return Err(ReaperError::Program(exec_program(args))),
        ForkResult::Parent { child } => child,
    };
    loop {
        let signal = signals::wait_for_any();
        if signal != libc::SIGCHLD {
            // It has just ended then.
            let _ = signals::send(child, signal);
            continue;
        }
        while let Ok(status) = waitpid(Pid::from_raw(-1), Some(WaitPidFlag::WNOHANG)) {
            if status == WaitStatus::StillAlive {
                break;
            }
            if status.pid() == Some(child) {
                return Ok(exit_code(status));
            }
        }
    }
}

/// Makes the calling child the program: in a process group of its own, in the foreground of its terminal, so that keys
/// are for it alone. Returns only if that fails, with the reason.
fn exec_program(args: &[String]) -> StartError {
    // It is new, and leads no session.
    let _ = setpgid(Pid::from_raw(0), Pid::from_raw(0));
    // Without a terminal there is no foreground. SIGTTOU is blocked here.
    let _ = tcsetpgrp(stdin(), getpgrp());
    let environment = std::env::vars_os().filter_map(|(name, value)| {
        let variable = [name, value].map(|text| text.into_string().ok());
        let [Some(name), Some(value)] = variable else {
            return None;
        };
        Some(format!("{name}={value}"))
    });
    match find(args, environment.collect()) {
        Ok(program) => program.exec(),
        Err(error) => error,
    }
}

#[cfg(test)]
mod tests;
