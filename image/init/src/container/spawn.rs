//! A process from its fork to its exec: its streams, and the line by which the child says how it goes.
//!
//! ```text
//!   init: Spawn::prepare ── fork ──► child: closes what is not its own, enters the container,
//!     │                                     [is held until init releases it,] takes its streams, is confined, execs
//!     └─► PendingChild, polled ◄── line: IN_PLACE · TERMINAL · EXECUTES · a fault, or the end
//! ```
//!
//! Init never waits for a child: it polls the line, and kills a child that is late.

mod pending;

pub use pending::{PendingChild, Progress, Started};

use super::view;
use crate::{
    confine::{Refused, confine, failed},
    descriptors,
    fork::leave,
    reaper, terminal,
};
use nix::{
    errno::Errno,
    fcntl::OFlag,
    libc,
    sys::{
        prctl,
        socket::{
            AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, recvmsg, sendmsg,
            socketpair,
        },
        stat::makedev,
    },
    unistd::{dup2_stderr, dup2_stdin, dup2_stdout, getpid, pipe2, setsid},
};
use protocol::process::{Fault, Process, TerminalSize};
use std::{
    convert::Infallible,
    fs::File,
    io::{IoSlice, IoSliceMut},
    os::{
        fd::{AsRawFd, OwnedFd, RawFd},
        unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt},
    },
    time::Duration,
};

/// How long a child may take from its fork until it is in its place, and from there until it runs its program. It takes
/// some milliseconds; on a host whose disks are busy, 13 s were seen. One that was stopped, or waits for a file of the
/// container, would take for ever. The shim and its clients wait longer.
const DEADLINE: Duration = Duration::from_secs(30);
/// Most bytes of a reason.
const MAX_REASON: usize = 4096;
/// First byte of a message: the terminal comes with it.
const TERMINAL: u8 = 0;
/// The child is in its place, and waits; init's answer lets it go on.
const IN_PLACE: u8 = u8::MAX;
/// The child is about to run its program; its number in the container follows.
const EXECUTES: u8 = u8::MAX - 1;
/// All other first bytes: what went wrong, by its position here, from 1 on.
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

/// A child that is about to be forked.
pub struct Spawn {
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

impl Side {
    fn descriptors(&self) -> Vec<RawFd> {
        let pipes = self.pipes.iter().flatten();
        let mut all: Vec<RawFd> = pipes.map(AsRawFd::as_raw_fd).collect();
        all.push(self.line.as_raw_fd());
        all
    }
}

/// How the child runs its program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Role {
    /// Below a small init (`--init`).
    pub reaper: bool,
    /// It waits for init once it has entered the container.
    pub held: bool,
}

impl Spawn {
    /// What a process needs to be spawned.
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

    /// The child's side: ends in its program, or with what went wrong. It enters the container first, for which it
    /// keeps the descriptors `keep`.
    pub fn run(
        self,
        process: &Process,
        role: Role,
        keep: &[RawFd],
        enter: impl FnOnce() -> Result<(), Refused>,
    ) -> ! {
        let Self {
            own,
            childs,
            size,
            input,
        } = self;
        // They are closed by their numbers, with all of init's others.
        std::mem::forget(own);
        let alone = || {
            descriptors::close_others(&[&childs.descriptors()[..], keep].concat())?;
            // Until its exec no process of the container traces it or takes its descriptors.
            prctl::set_dumpable(false).map_err(failed("hide from the container"))?;
            // The container's own may be anything by now.
            let null = File::open("/dev/null").map_err(failed("open /dev/null"))?;
            dup2_stdin(&null)
                .and_then(|()| dup2_stdout(&null))
                .and_then(|()| dup2_stderr(&null))
                .map_err(failed("leave init's console"))?;
            Ok(null)
        };
        let became = alone().and_then(|null| {
            enter()?;
            let null = containers_null().unwrap_or(null);
            descriptors::close_others(&[&childs.descriptors()[..], &[null.as_raw_fd()]].concat())?;
            if role.held {
                wait(&childs.line)?;
            }
            childs.execute(process, role, &null, size, input)
        });
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
    fn execute(
        &self,
        process: &Process,
        role: Role,
        null: &File,
        size: Option<TerminalSize>,
        input: bool,
    ) -> Result<Infallible, Refused> {
        let done = match &self.pipes {
            Some([stdin, stdout, stderr]) => {
                setsid().map_err(failed("begin a session"))?;
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
        let inner = getpid().as_raw().to_le_bytes();
        send(&self.line, EXECUTES, &inner, &[]).map_err(failed("tell init"))?;
        if role.reaper {
            return Err(reaper::exec(&program));
        }
        Err(program.exec())
    }
}

/// The container's own /dev/null, if it still is one: what it has in its place may block, or be anything.
fn containers_null() -> Option<File> {
    let flags = libc::O_NONBLOCK | libc::O_NOFOLLOW | libc::O_NOCTTY;
    let opened = File::options()
        .read(true)
        .custom_flags(flags)
        .open("/dev/null");
    let file = opened.ok()?;
    let found = file.metadata().ok()?;
    let is_null = found.file_type().is_char_device() && found.rdev() == makedev(1, 3);
    is_null.then_some(file)
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

fn number(fault: Fault) -> u8 {
    let index = FAULTS.iter().position(|one| *one == fault);
    let number = index.and_then(|index| u8::try_from(index + 1).ok());
    number.unwrap_or(1)
}

#[cfg(test)]
mod tests;
