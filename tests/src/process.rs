//! Child processes that end with the test.
//!
//! The kernel's parent-death signal is sent when the *thread* that started the child ends, and a test's thread ends
//! before the test process does: so all children are started by one thread that lives as long as the process.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus};
use std::sync::mpsc::{Sender, channel};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sched::{CloneFlags, setns};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::deadline::eventually_some;
use crate::registry::{self, Made};

type Job = Box<dyn FnOnce() + Send>;

static SPAWNER: LazyLock<Mutex<Sender<Job>>> = LazyLock::new(|| {
    let (sender, jobs) = channel::<Job>();
    thread::spawn(move || jobs.into_iter().for_each(|job| job()));
    Mutex::new(sender)
});

/// A child process of the test. Killed (SIGKILL) and waited for when it is dropped, if it still runs; it also ends with
/// the test process.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    made: Made,
}

/// The context in which a child is started.
#[derive(Debug, Default)]
pub(crate) struct SpawnContext {
    /// The network namespace that the child is in.
    pub(crate) namespace: Option<OwnedFd>,
    /// The descriptors that the child inherits, under the same numbers.
    pub(crate) inherited: Vec<OwnedFd>,
}

impl Process {
    /// Starts `command`; `name` is for error messages.
    ///
    /// # Errors
    /// Returns an error if the program cannot be started.
    pub fn spawn(name: &str, command: Command) -> Result<Self> {
        Self::spawn_in(name, command, SpawnContext::default())
    }

    pub(crate) fn spawn_in(
        name: &str,
        mut command: Command,
        context: SpawnContext,
    ) -> Result<Self> {
        prepare(&mut command, &context);
        let (answer, child) = channel();
        let job: Job = Box::new(move || {
            drop(answer.send(command.spawn()));
            drop(context);
        });
        let spawner = SPAWNER.lock().unwrap_or_else(PoisonError::into_inner);
        spawner
            .send(job)
            .map_err(|_| anyhow!("the thread that starts children ended"))?;
        drop(spawner);
        let child = child.recv().context("the thread that starts children")?;
        let child = child.with_context(|| format!("can't start {name}"))?;
        let pid = i32::try_from(child.id()).context("a process id")?;
        let made = Made::Process(pid);
        registry::note(made.clone());
        Ok(Self {
            name: name.to_owned(),
            child,
            made,
        })
    }

    /// Returns the process ID.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Takes the process's standard input and output, if both are pipes and were not taken before.
    pub(crate) fn pipes(&mut self) -> Option<(ChildStdin, ChildStdout)> {
        self.child.stdin.take().zip(self.child.stdout.take())
    }

    /// Sends a signal to the process.
    ///
    /// # Errors
    /// Returns the error of the system if the process does not exist any more.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let pid = i32::try_from(self.child.id()).context("a process id")?;
        kill(Pid::from_raw(pid), signal).with_context(|| format!("{signal} to {}", self.name))
    }

    /// Returns whether the process still runs; `false` if it has ended.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits until the process has ended by itself, and returns its status. No signal is sent.
    ///
    /// # Errors
    /// Returns an error if it still runs when the time is over; it then goes on.
    pub fn wait_within(&mut self, within: Duration) -> Result<ExitStatus> {
        let what = format!("{} ends", self.name);
        let ended = eventually_some(within, &what, || self.child.try_wait().transpose())?;
        registry::forget(&self.made);
        Ok(ended?)
    }

    /// Asks the process to end (SIGTERM), waits for its end, and returns its status.
    ///
    /// # Errors
    /// Returns an error if SIGTERM cannot be sent, or the process still runs when the time is over; it then goes on.
    pub fn terminate(&mut self, within: Duration) -> Result<ExitStatus> {
        self.signal(Signal::SIGTERM)?;
        self.wait_within(within)
    }

    /// Kills the process (SIGKILL) and waits for its end. Does nothing if it was waited for already.
    ///
    /// # Errors
    /// Returns the error of the system if it cannot be killed.
    pub fn kill(&mut self) -> Result<()> {
        self.child
            .kill()
            .with_context(|| format!("kill {}", self.name))?;
        self.child
            .wait()
            .with_context(|| format!("wait for {}", self.name))?;
        registry::forget(&self.made);
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A child that was waited for is not signalled again: std remembers that it ended.
        drop(self.kill());
    }
}

#[expect(
    unsafe_code,
    reason = "namespace, inheritance and parent-death signal can be set in the child alone"
)]
pub(crate) fn prepare(command: &mut Command, context: &SpawnContext) {
    let namespace = context.namespace.as_ref().map(AsRawFd::as_raw_fd);
    let inherited: Vec<RawFd> = context.inherited.iter().map(AsRawFd::as_raw_fd).collect();
    let in_child = move || -> io::Result<()> {
        set_pdeathsig(Signal::SIGKILL)?;
        if let Some(namespace) = namespace {
            // SAFETY: the caller keeps `context` open until the child is started.
            setns(
                unsafe { BorrowedFd::borrow_raw(namespace) },
                CloneFlags::CLONE_NEWNET,
            )?;
        }
        for fd in &inherited {
            // SAFETY: as above.
            fcntl(
                unsafe { BorrowedFd::borrow_raw(*fd) },
                FcntlArg::F_SETFD(FdFlag::empty()),
            )?;
        }
        Ok(())
    };
    // SAFETY: the closure makes system calls only and allocates nothing.
    unsafe { command.pre_exec(in_child) };
}
