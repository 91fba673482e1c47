//! A process from its fork to its exec: its streams, and the line by which the child says how it goes.
//!
//! ```text
//!   init: Spawn::prepare ── fork ──► child: closes what is not its own, enters the container,
//!     │                                     [is held until init releases it,] takes its streams, is confined, execs
//!     └─► PendingChild, polled ◄── line: IN_PLACE · TERMINAL · EXECUTES · a fault, or the end
//! ```
//!
//! Init never waits for a child: it polls the line, and kills a child that is late.

use super::view;
use crate::{
    confine::{Refused, confine, failed},
    descriptors,
    fork::leave,
    process::Ends,
    reaper, terminal,
};
use nix::{
    errno::Errno,
    fcntl::OFlag,
    libc,
    sys::{
        prctl,
        signal::{Signal, kill},
        socket::{
            AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType,
            recvmsg, sendmsg, socketpair,
        },
        stat::makedev,
    },
    unistd::{Pid, dup2_stderr, dup2_stdin, dup2_stdout, getpid, pipe2, setsid},
};
use protocol::process::{Fault, Output, Process, TerminalSize};
use std::{
    convert::Infallible,
    fs::File,
    io::{IoSlice, IoSliceMut},
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
        unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt},
    },
    time::{Duration, Instant},
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
            // Until its exec nobody of the container traces it or takes its descriptors.
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

#[cfg(test)]
mod tests;
