//! Init's side: what it hears of a child until the child runs its program.

use super::{
    DEADLINE, EXECUTES, FAULTS, IN_PLACE, MAX_REASON, Pipes, Spawn, TERMINAL, ended, send,
};
use crate::{
    confine::{Refused, failed},
    process::Ends,
};
use nix::{
    errno::Errno,
    sys::{
        signal::{Signal, kill},
        socket::{ControlMessageOwned, MsgFlags, recvmsg},
    },
    unistd::Pid,
};
use protocol::process::{Fault, Output};
use std::{
    io::IoSliceMut,
    os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
    time::Instant,
};

impl Spawn {
    /// Init's side, once the child is there.
    pub fn pending(self, pid: Pid) -> PendingChild {
        PendingChild {
            pid,
            line: self.own.line,
            pipes: self.own.pipes,
            input: self.input,
            terminal: None,
            inner: None,
            in_place: false,
            released: false,
            deadline: Instant::now() + DEADLINE,
        }
    }
}

/// A child, as init sees it until it runs its program.
pub struct PendingChild {
    pid: Pid,
    line: OwnedFd,
    pipes: Option<Pipes>,
    input: bool,
    terminal: Option<OwnedFd>,
    /// Its number in the container, once it is about to run its program.
    inner: Option<u32>,
    in_place: bool,
    released: bool,
    deadline: Instant,
}

/// How far a child is.
pub enum Progress {
    /// Not there yet.
    Pending(PendingChild),
    /// It runs its program.
    Started(Started),
    /// It does not start.
    Refused(Refused),
}

/// A process that was started.
pub struct Started {
    pub pid: Pid,
    /// Its number in the container.
    pub inner: u32,
    pub ends: Ends,
}

/// What init hears of the child.
enum Heard {
    Nothing,
    Terminal(Option<OwnedFd>),
    InPlace,
    Executes(u32),
    Refused(Refused),
    /// It runs its program, or has ended.
    Over,
}

impl PendingChild {
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// What to wait for.
    pub fn line(&self) -> BorrowedFd<'_> {
        self.line.as_fd()
    }

    /// When it is late; never while init holds it.
    pub fn deadline(&self) -> Option<Instant> {
        (!self.is_held()).then_some(self.deadline)
    }

    /// It is in its place, and waits for [`PendingChild::release`].
    pub fn is_held(&self) -> bool {
        self.in_place && !self.released
    }

    /// Lets a child that is in its place go on.
    pub fn release(&mut self) -> Result<(), Refused> {
        self.deadline = Instant::now() + DEADLINE;
        self.released = true;
        send(&self.line, IN_PLACE, &[], &[]).map_err(|_| ended())
    }

    /// Ends it: nobody waits for it any longer.
    pub fn abandon(self) {
        // It has ended by itself then.
        let _ = kill(self.pid, Signal::SIGKILL);
    }

    /// Hears what it has said, without waiting.
    pub fn advance(mut self, now: Instant) -> Progress {
        loop {
            match self.hear() {
                Ok(Heard::Nothing) => break,
                Ok(Heard::Terminal(its)) => self.terminal = its,
                Ok(Heard::InPlace) => self.in_place = true,
                Ok(Heard::Executes(inner)) => self.inner = Some(inner),
                Ok(Heard::Refused(refused)) => return Progress::Refused(refused),
                Ok(Heard::Over) => return self.over(),
                Err(refused) => {
                    self.abandon();
                    return Progress::Refused(refused);
                }
            }
        }
        if self.deadline().is_none_or(|deadline| deadline > now) {
            return Progress::Pending(self);
        }
        self.abandon();
        let reason = format!(
            "the process did not begin within {} s: it was stopped, or waits for a file of the container",
            DEADLINE.as_secs()
        );
        Progress::Refused((Fault::Other, reason))
    }

    /// The line is at its end.
    fn over(self) -> Progress {
        let Some(inner) = self.inner else {
            return Progress::Refused(ended());
        };
        let pid = self.pid;
        match self.ends() {
            Ok(ends) => Progress::Started(Started { pid, inner, ends }),
            Err(refused) => {
                // Nobody would carry what it writes.
                let _ = kill(pid, Signal::SIGKILL);
                Progress::Refused(refused)
            }
        }
    }

    fn ends(self) -> Result<Ends, Refused> {
        if let Some([stdin, stdout, stderr]) = self.pipes {
            return Ok(Ends {
                input: self.input.then_some(stdin),
                outputs: vec![(Output::Stdout, stdout), (Output::Stderr, stderr)],
                terminal: None,
            });
        }
        let terminal = self.terminal.ok_or_else(ended)?;
        let copy = || {
            let copy = terminal.as_fd().try_clone_to_owned();
            copy.map_err(failed("keep the terminal"))
        };
        Ok(Ends {
            input: if self.input { Some(copy()?) } else { None },
            outputs: vec![(Output::Stdout, copy()?)],
            terminal: Some(terminal),
        })
    }

    fn hear(&self) -> Result<Heard, Refused> {
        let mut buffer = vec![0; MAX_REASON + 1];
        let mut space = nix::cmsg_space!([RawFd; 1]);
        let (count, rights) = {
            let mut slices = [IoSliceMut::new(&mut buffer)];
            let flags = MsgFlags::MSG_CMSG_CLOEXEC | MsgFlags::MSG_DONTWAIT;
            let line = self.line.as_raw_fd();
            let message = match recvmsg::<()>(line, &mut slices, Some(&mut space), flags) {
                Ok(message) => message,
                Err(Errno::EAGAIN | Errno::EINTR) => return Ok(Heard::Nothing),
                Err(error) => return Err(failed("hear the child")(error)),
            };
            let mut rights = Vec::new();
            for control in message.cmsgs().map_err(failed("hear the child"))? {
                if let ControlMessageOwned::ScmRights(received) = control {
                    rights.extend(received);
                }
            }
            (message.bytes, rights)
        };
        let message = buffer.get(..count).unwrap_or_default();
        Ok(match message.split_first() {
            None => Heard::Over,
            Some((&TERMINAL, _)) => {
                Heard::Terminal(rights.first().map(|descriptor| owned(*descriptor)))
            }
            Some((&IN_PLACE, _)) => Heard::InPlace,
            Some((&EXECUTES, inner)) => {
                let inner = inner.try_into().map_or(0, u32::from_le_bytes);
                Heard::Executes(inner)
            }
            Some((number, reason)) => {
                let reason = String::from_utf8_lossy(reason).into_owned();
                Heard::Refused((fault(*number), reason))
            }
        })
    }
}

#[expect(
    unsafe_code,
    reason = "a descriptor that came by SCM_RIGHTS (unix(7)) is a number"
)]
fn owned(descriptor: RawFd) -> OwnedFd {
    // SAFETY: the kernel has just made it, and no other code knows it.
    unsafe { OwnedFd::from_raw_fd(descriptor) }
}

fn fault(number: u8) -> Fault {
    let index = usize::from(number).saturating_sub(1);
    FAULTS.get(index).copied().unwrap_or(Fault::Other)
}
