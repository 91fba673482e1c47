//! The container's own view: its namespaces, its root, and the processes that are born into it.

mod view;

use crate::{
    cgroup,
    confine::{Refused, confine, failed},
    fork::{fork, leave},
    process::Ends,
    terminal,
};
use nix::{
    libc,
    sched::{CloneFlags, setns, unshare},
    sys::{
        signal::{SigSet, Signal, kill},
        socket::{
            AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType,
            recvmsg, sendmsg, socketpair,
        },
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::{ForkResult, Pid, dup2_stderr, dup2_stdin, dup2_stdout, pipe2, setsid},
};
use protocol::process::{Fault, Output, Process, Start};
use std::{
    fs::File,
    io::{IoSlice, IoSliceMut},
    os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd},
};

/// Most bytes of a reason.
const MAX_REASON: usize = 4096;

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

/// Starts the container's own process, in namespaces of its own.
pub fn start(start: &Start) -> Result<(Started, Namespaces), Refused> {
    let process = &start.process;
    let birth = Birth::prepare(process)?;
    let kinds = libc::CLONE_NEWNS | libc::CLONE_NEWPID | libc::CLONE_NEWIPC;
    let child = fork(kinds).map_err(failed("fork"))?;
    let Some(pid) = child else {
        birth.be(process, start.reaper, || {
            // In the cgroup first: it is the root of the namespace that is made in it.
            cgroup::enter().map_err(failed("enter the cgroup"))?;
            unshare(CloneFlags::CLONE_NEWCGROUP).map_err(failed("make a namespace"))?;
            view::make(start)
        });
    };
    // While it stands: it waits until its other end is read.
    let namespaces = Namespaces::of(pid);
    let ends = birth.born()?;
    Ok((Started { pid, ends }, namespaces?))
}

/// Starts another process in a container that runs.
pub fn exec(process: &Process, namespaces: &Namespaces) -> Result<Started, Refused> {
    let birth = Birth::prepare(process)?;
    let enter = |pids: &OwnedFd| setns(pids, CloneFlags::CLONE_NEWPID);
    enter(&namespaces.pids).map_err(failed("enter the container"))?;
    let child = fork(0);
    if let Ok(None) = child {
        birth.be(process, false, || {
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
    let ends = birth.born()?;
    Ok(Started { pid, ends })
}

/// The two sides of a birth: streams, and a socket by which the child says how it goes.
struct Birth {
    told: OwnedFd,
    tells: OwnedFd,
    /// Our ends and the child's: input, output, error. None for a terminal.
    pipes: Option<([OwnedFd; 3], [OwnedFd; 3])>,
    size: Option<protocol::process::TerminalSize>,
    input: bool,
}

impl Birth {
    fn prepare(process: &Process) -> Result<Self, Refused> {
        let (told, tells) = socketpair(
            AddressFamily::Unix,
            SockType::SeqPacket,
            None,
            SockFlag::SOCK_CLOEXEC,
        )
        .map_err(failed("make a socket"))?;
        let pipe = || pipe2(nix::fcntl::OFlag::O_CLOEXEC).map_err(failed("make a pipe"));
        let pipes = if process.terminal.is_some() {
            None
        } else {
            let ((its_in, our_in), (our_out, its_out), (our_err, its_err)) =
                (pipe()?, pipe()?, pipe()?);
            Some(([our_in, our_out, our_err], [its_in, its_out, its_err]))
        };
        Ok(Self {
            told,
            tells,
            pipes,
            size: process.terminal,
            input: process.input,
        })
    }

    /// The child's side: ends in its program, or with what went wrong.
    fn be(self, process: &Process, reaper: bool, enter: impl FnOnce() -> Result<(), Refused>) -> ! {
        let tells = self.tells.as_raw_fd();
        let (fault, reason) = match self.become_it(process, reaper, enter) {
            Ok(never) => match never {},
            Err(refused) => refused,
        };
        let mut message = vec![fault_number(fault)];
        message.extend(reason.bytes().take(MAX_REASON));
        // Init learns otherwise that it ended.
        let _ = sendmsg::<()>(
            tells,
            &[IoSlice::new(&message)],
            &[],
            MsgFlags::empty(),
            None,
        );
        leave(0)
    }

    fn become_it(
        &self,
        process: &Process,
        reaper: bool,
        enter: impl FnOnce() -> Result<(), Refused>,
    ) -> Result<std::convert::Infallible, Refused> {
        enter()?;
        let input = match (&self.pipes, self.size) {
            (Some((_, [input, output, error])), _) => {
                setsid().map_err(failed("begin a session"))?;
                let null = File::open("/dev/null").map_err(failed("open /dev/null"))?;
                dup2_stdout(output).map_err(failed("set standard output"))?;
                dup2_stderr(error).map_err(failed("set standard error"))?;
                if self.input {
                    dup2_stdin(input)
                } else {
                    dup2_stdin(null)
                }
            }
            (None, size) => {
                let (master, slave, name) = terminal::new().map_err(failed("make a terminal"))?;
                if let Some(size) = size {
                    terminal::resize(&master, size);
                }
                terminal::control(&slave).map_err(failed("take the terminal"))?;
                view::console(&name);
                let rights = [master.as_raw_fd()];
                sendmsg::<()>(
                    self.tells.as_raw_fd(),
                    &[IoSlice::new(&[0])],
                    &[ControlMessage::ScmRights(&rights)],
                    MsgFlags::empty(),
                    None,
                )
                .map_err(failed("pass the terminal on"))?;
                dup2_stdout(&slave).map_err(failed("set standard output"))?;
                dup2_stderr(&slave).map_err(failed("set standard error"))?;
                dup2_stdin(&slave)
            }
        };
        input.map_err(failed("set standard input"))?;
        let program = confine(process)?;
        if reaper {
            reap()?;
        }
        Err(program.exec())
    }

    /// Init's side: waits until the child runs its program, or says why not.
    fn born(self) -> Result<Ends, Refused> {
        drop(self.tells);
        let mut terminal = None;
        let mut buffer = vec![0; MAX_REASON + 1];
        let mut space = nix::cmsg_space!([std::os::fd::RawFd; 1]);
        loop {
            let (count, rights) = {
                let mut slices = [IoSliceMut::new(&mut buffer)];
                let flags = MsgFlags::MSG_CMSG_CLOEXEC;
                let message =
                    recvmsg::<()>(self.told.as_raw_fd(), &mut slices, Some(&mut space), flags)
                        .map_err(failed("hear the child"))?;
                let mut rights = Vec::new();
                for control in message.cmsgs().map_err(failed("hear the child"))? {
                    if let ControlMessageOwned::ScmRights(received) = control {
                        rights.extend(received);
                    }
                }
                (message.bytes, rights)
            };
            match (count, buffer[0]) {
                (0, _) => break,
                (_, 0) => terminal = rights.first().map(|descriptor| owned(*descriptor)),
                (_, number) => {
                    let reason = String::from_utf8_lossy(&buffer[1..count]).into_owned();
                    return Err((fault(number), reason));
                }
            }
        }
        self_ends(self.pipes, terminal, self.input)
    }
}

#[expect(
    unsafe_code,
    reason = "a descriptor that came by SCM_RIGHTS (unix(7)) is a number"
)]
fn owned(descriptor: std::os::fd::RawFd) -> OwnedFd {
    // SAFETY: the kernel has just made it, and nobody else knows it.
    unsafe { OwnedFd::from_raw_fd(descriptor) }
}

type Pipes = Option<([OwnedFd; 3], [OwnedFd; 3])>;

fn self_ends(pipes: Pipes, terminal: Option<OwnedFd>, input: bool) -> Result<Ends, Refused> {
    if let Some(([our_in, our_out, our_err], _its)) = pipes {
        return Ok(Ends {
            input: input.then_some(our_in),
            outputs: vec![(Output::Stdout, our_out), (Output::Stderr, our_err)],
            terminal: None,
        });
    }
    let ended = || (Fault::Other, "the process ended before it began".to_owned());
    let terminal = terminal.ok_or_else(ended)?;
    let copy = || {
        terminal
            .as_fd()
            .try_clone_to_owned()
            .map_err(failed("keep the terminal"))
    };
    Ok(Ends {
        input: if input { Some(copy()?) } else { None },
        outputs: vec![(Output::Stdout, copy()?)],
        terminal: Some(terminal),
    })
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

const FAULTS: [Fault; 6] = [
    Fault::NotFound,
    Fault::NotExecutable,
    Fault::User,
    Fault::RootFileSystem,
    Fault::Network,
    Fault::Other,
];

/// From 1 on: 0 says that a terminal comes.
fn fault_number(fault: Fault) -> u8 {
    let place = FAULTS.iter().position(|one| *one == fault);
    place
        .and_then(|place| u8::try_from(place + 1).ok())
        .unwrap_or(1)
}

fn fault(number: u8) -> Fault {
    let place = usize::from(number).saturating_sub(1);
    FAULTS.get(place).copied().unwrap_or(Fault::Other)
}
