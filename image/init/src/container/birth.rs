//! The two sides of a process's birth: its streams, and a line by which the child says how it goes.

use super::{reap, view};
use crate::{
    confine::{Refused, confine, failed},
    fork::leave,
    process::Ends,
    terminal,
};
use nix::{
    errno::Errno,
    fcntl::OFlag,
    sys::socket::{
        AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, recvmsg,
        sendmsg, socketpair,
    },
    unistd::{dup2_stderr, dup2_stdin, dup2_stdout, pipe2, setsid},
};
use protocol::process::{Fault, Output, Process, TerminalSize};
use std::{
    convert::Infallible,
    fs::File,
    io::{IoSlice, IoSliceMut},
    os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd},
};

/// Most bytes of a reason.
const MAX_REASON: usize = 4096;
/// First byte of a message: the terminal comes with it.
const TERMINAL: u8 = 0;
/// The child is in its place, and waits; init's answer lets it go on.
const IN_PLACE: u8 = u8::MAX;
/// All other first bytes: what went wrong, by its place here, from 1 on.
const FAULTS: [Fault; 6] = [
    Fault::NotFound,
    Fault::NotExecutable,
    Fault::User,
    Fault::RootFileSystem,
    Fault::Network,
    Fault::Other,
];

/// Input, output, error.
type Pipes = [OwnedFd; 3];

/// A birth, before the child is there.
pub struct Birth {
    own: Side,
    childs: Side,
    size: Option<TerminalSize>,
    input: bool,
}

struct Side {
    line: OwnedFd,
    /// None for a terminal.
    pipes: Option<Pipes>,
}

/// A birth, as init sees it once the child is there.
pub struct Expected {
    own: Side,
    input: bool,
}

/// What init hears of the child.
enum Heard {
    Terminal(Option<OwnedFd>),
    InPlace,
    Refused(Refused),
    /// It runs its program, or has ended.
    Over,
}

impl Birth {
    /// What a process needs to be born.
    pub fn prepare(process: &Process) -> Result<Self, Refused> {
        let kind = SockType::SeqPacket;
        let lines = socketpair(AddressFamily::Unix, kind, None, SockFlag::SOCK_CLOEXEC);
        let (own_line, childs_line) = lines.map_err(failed("make a socket"))?;
        let pipe = || pipe2(OFlag::O_CLOEXEC).map_err(failed("make a pipe"));
        let (own_pipes, childs_pipes) = if process.terminal.is_some() {
            (None, None)
        } else {
            let ((its_in, our_in), (our_out, its_out), (our_err, its_err)) =
                (pipe()?, pipe()?, pipe()?);
            (
                Some([our_in, our_out, our_err]),
                Some([its_in, its_out, its_err]),
            )
        };
        Ok(Self {
            own: Side {
                line: own_line,
                pipes: own_pipes,
            },
            childs: Side {
                line: childs_line,
                pipes: childs_pipes,
            },
            size: process.terminal,
            input: process.input,
        })
    }

    /// Init's side, once the child is there.
    pub fn expect(self) -> Expected {
        Expected {
            own: self.own,
            input: self.input,
        }
    }

    /// The child's side: ends in its program, or with what went wrong. It enters the container first; one that is
    /// `held` then waits until init lets it go on.
    pub fn be(
        self,
        process: &Process,
        reaper: bool,
        held: bool,
        enter: impl FnOnce() -> Result<(), Refused>,
    ) -> ! {
        let Self {
            own,
            childs,
            size,
            input,
        } = self;
        // With it held here, the child would not hear that init has let go of it.
        drop(own);
        let entered = enter().and_then(|()| if held { wait(&childs.line) } else { Ok(()) });
        let became = entered.and_then(|()| childs.become_it(process, reaper, size, input));
        let (fault, reason) = match became {
            Ok(never) => match never {},
            Err(refused) => refused,
        };
        let reason = reason.as_bytes();
        let reason = &reason[..reason.len().min(MAX_REASON)];
        // Init learns otherwise that it ended.
        let _ = send(&childs.line, number(fault), reason, &[]);
        leave(0)
    }
}

impl Side {
    fn become_it(
        &self,
        process: &Process,
        reaper: bool,
        size: Option<TerminalSize>,
        input: bool,
    ) -> Result<Infallible, Refused> {
        let done = match &self.pipes {
            Some([stdin, stdout, stderr]) => {
                setsid().map_err(failed("begin a session"))?;
                let null = File::open("/dev/null").map_err(failed("open /dev/null"))?;
                dup2_stdout(stdout).map_err(failed("set standard output"))?;
                dup2_stderr(stderr).map_err(failed("set standard error"))?;
                if input {
                    dup2_stdin(stdin)
                } else {
                    dup2_stdin(null)
                }
            }
            None => {
                let (master, slave, name) = terminal::new().map_err(failed("make a terminal"))?;
                if let Some(size) = size {
                    terminal::resize(&master, size);
                }
                terminal::control(&slave).map_err(failed("take the terminal"))?;
                view::console(&name);
                send(&self.line, TERMINAL, &[], &[master.as_raw_fd()])
                    .map_err(failed("pass the terminal on"))?;
                dup2_stdout(&slave).map_err(failed("set standard output"))?;
                dup2_stderr(&slave).map_err(failed("set standard error"))?;
                dup2_stdin(&slave)
            }
        };
        done.map_err(failed("set standard input"))?;
        let program = confine(process)?;
        if reaper {
            reap()?;
        }
        Err(program.exec())
    }
}

impl Expected {
    /// Waits until a child that is held is in its place.
    pub fn in_place(&self) -> Result<(), Refused> {
        match self.hear()? {
            Heard::InPlace => Ok(()),
            Heard::Refused(refused) => Err(refused),
            Heard::Terminal(_) | Heard::Over => Err(ended()),
        }
    }

    /// Lets it go on.
    pub fn release(&self) -> Result<(), Refused> {
        send(&self.own.line, IN_PLACE, &[], &[]).map_err(|_| ended())
    }

    /// Waits until the child runs its program, or says why not.
    pub fn born(self) -> Result<Ends, Refused> {
        let mut terminal = None;
        loop {
            match self.hear()? {
                Heard::Over => break,
                Heard::Terminal(its) => terminal = its,
                Heard::Refused(refused) => return Err(refused),
                Heard::InPlace => {}
            }
        }
        if let Some([stdin, stdout, stderr]) = self.own.pipes {
            return Ok(Ends {
                input: self.input.then_some(stdin),
                outputs: vec![(Output::Stdout, stdout), (Output::Stderr, stderr)],
                terminal: None,
            });
        }
        let terminal = terminal.ok_or_else(ended)?;
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
            let flags = MsgFlags::MSG_CMSG_CLOEXEC;
            let line = self.own.line.as_raw_fd();
            let message = recvmsg::<()>(line, &mut slices, Some(&mut space), flags)
                .map_err(failed("hear the child"))?;
            let mut rights = Vec::new();
            for control in message.cmsgs().map_err(failed("hear the child"))? {
                if let ControlMessageOwned::ScmRights(received) = control {
                    rights.extend(received);
                }
            }
            (message.bytes, rights)
        };
        Ok(match (count, buffer[0]) {
            (0, _) => Heard::Over,
            (_, TERMINAL) => Heard::Terminal(rights.first().map(|descriptor| owned(*descriptor))),
            (_, IN_PLACE) => Heard::InPlace,
            (_, number) => {
                let reason = String::from_utf8_lossy(&buffer[1..count]).into_owned();
                Heard::Refused((fault(number), reason))
            }
        })
    }
}

/// Says that this one is in its place, and waits for init's answer.
fn wait(line: &OwnedFd) -> Result<(), Refused> {
    send(line, IN_PLACE, &[], &[]).map_err(failed("tell init"))?;
    let mut answer = [0];
    let mut slices = [IoSliceMut::new(&mut answer)];
    let heard = recvmsg::<()>(line.as_raw_fd(), &mut slices, None, MsgFlags::empty());
    match heard.map_err(failed("hear init"))?.bytes {
        // There is no network for it, say.
        0 => Err(ended()),
        _ => Ok(()),
    }
}

fn send(line: &OwnedFd, kind: u8, text: &[u8], rights: &[RawFd]) -> Result<(), Errno> {
    let parts = [
        IoSlice::new(std::slice::from_ref(&kind)),
        IoSlice::new(text),
    ];
    let rights = ControlMessage::ScmRights(rights);
    let controls = match &rights {
        ControlMessage::ScmRights([]) => &[][..],
        _ => std::slice::from_ref(&rights),
    };
    let flags = MsgFlags::MSG_NOSIGNAL;
    sendmsg::<()>(line.as_raw_fd(), &parts, controls, flags, None).map(drop)
}

fn ended() -> Refused {
    let reason = "the process ended before it began";
    (Fault::Other, reason.to_owned())
}

#[expect(
    unsafe_code,
    reason = "a descriptor that came by SCM_RIGHTS (unix(7)) is a number"
)]
fn owned(descriptor: RawFd) -> OwnedFd {
    // SAFETY: the kernel has just made it, and nobody else knows it.
    unsafe { OwnedFd::from_raw_fd(descriptor) }
}

fn number(fault: Fault) -> u8 {
    let place = FAULTS.iter().position(|one| *one == fault);
    let number = place.and_then(|place| u8::try_from(place + 1).ok());
    number.unwrap_or(1)
}

fn fault(number: u8) -> Fault {
    let place = usize::from(number).saturating_sub(1);
    FAULTS.get(place).copied().unwrap_or(Fault::Other)
}
