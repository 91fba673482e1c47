//! Runs the network agent (`tether-net`) beside the container, and receives its state
//! (sd_notify(3)).

use crate::rootfs::ROOT;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use std::{
    io::{self, Write},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixDatagram,
    },
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    time::{Duration, Instant},
};

const PROGRAM: &str = "/sbin/tether-net";
const NOTIFY: &str = "/run/notify";
/// Keeps an agent that ends at once from eating the processor.
const PAUSE: Duration = Duration::from_secs(1);

const NOTHING: &str = "it has said nothing";
/// The status of an agent that is ready to begin (`tether-net --hold`).
const HELD: &str = "held";

/// The process of the network agent (`tether-net`). It is started while the VM has no container
/// yet, and held until a container begins: in a VM that is saved as a template meanwhile, the agent
/// only has to continue.
pub struct Agent {
    notify: UnixDatagram,
    child: Option<Child>,
    /// The agent's standard input, until the root is there.
    hold: Option<ChildStdin>,
    begun: bool,
    rooted: bool,
    again: Option<Instant>,
    /// Whether the agent has configured the network. Always true if the image has no agent.
    pub ready: bool,
    /// The agent's last status message, for errors.
    pub status: String,
}

impl Agent {
    /// Starts the agent in its held state. Without an agent in the image, starts nothing, and the
    /// network counts as ready.
    ///
    /// # Errors
    /// Returns the system's error if the socket for the agent's messages can't be made.
    pub fn start() -> io::Result<Self> {
        let notify = UnixDatagram::bind(NOTIFY)?;
        notify.set_nonblocking(true)?;
        let there = Path::new(PROGRAM).exists();
        let mut agent = Self {
            notify,
            child: None,
            hold: None,
            begun: false,
            rooted: false,
            again: there.then(Instant::now),
            ready: !there,
            status: NOTHING.to_owned(),
        };
        agent.keep();
        Ok(agent)
    }

    /// Lets the held agent begin, since a container's run has begun. An agent that can't be told
    /// has ended, and is started again.
    pub fn begin(&mut self) {
        self.begun = true;
        NOTHING.clone_into(&mut self.status);
        if let Some(hold) = &mut self.hold {
            let _ = hold.write_all(b"\n");
        }
    }

    /// Tells the agent that the container's root file system is mounted, so that it can write files
    /// there.
    pub fn root_is_there(&mut self) {
        self.rooted = true;
        self.hold = None;
    }

    /// Returns whether the agent is started and waits to begin, or the image has no agent.
    pub fn is_held(&self) -> bool {
        self.ready || self.status == HELD
    }

    fn spawn(&mut self) -> io::Result<()> {
        let mut command = Command::new(PROGRAM);
        command
            .args(["--root", ROOT, "--hostname", "kernel", "--log", "kmsg"])
            .env("NOTIFY_SOCKET", NOTIFY);
        if !self.rooted {
            command.arg("--hold").stdin(Stdio::piped());
        }
        let mut child = command.spawn()?;
        self.hold = child.stdin.take();
        self.child = Some(child);
        self.again = None;
        if self.begun {
            self.begin();
        }
        Ok(())
    }

    /// Returns the descriptor to poll for the agent's messages.
    pub fn notify(&self) -> BorrowedFd<'_> {
        self.notify.as_fd()
    }

    /// Returns when [`Agent::keep`] must be called; `None` while the agent runs.
    pub fn deadline(&self) -> Option<Instant> {
        self.again
    }

    /// Reads the agent's messages, and updates its status. Does not wait.
    pub fn hear(&mut self) {
        let mut buffer = [0; 4096];
        while let Ok(count) = self.notify.recv(&mut buffer) {
            for line in String::from_utf8_lossy(&buffer[..count]).lines() {
                self.notified(line);
            }
        }
    }

    /// Takes one assignment of sd_notify(3).
    fn notified(&mut self, assignment: &str) {
        match assignment.split_once('=') {
            Some(("READY", "1")) => self.ready = true,
            Some(("STATUS", status)) => status.clone_into(&mut self.status),
            _ => {}
        }
    }

    /// Returns whether the child with this process ID, which has ended, was the agent. If so, it
    /// will be started again after a pause.
    pub fn ended(&mut self, pid: Pid) -> bool {
        let own = self.child.as_ref().map(Child::id);
        if own != u32::try_from(pid.as_raw()).ok() {
            return false;
        }
        self.child = None;
        self.again = Some(Instant::now() + PAUSE);
        true
    }

    /// Starts the agent again if it has ended and the pause of one second is over.
    pub fn keep(&mut self) {
        if self.again.is_some_and(|again| again <= Instant::now())
            && let Err(error) = self.spawn()
        {
            eprintln!("init: tether-net does not start: {error}");
            self.again = Some(Instant::now() + PAUSE);
        }
    }

    /// Ends the agent by SIGTERM, before the VM ends.
    pub fn end(&mut self) {
        if let Some(child) = self.child.take()
            && let Ok(pid) = i32::try_from(child.id())
        {
            // It has ended by itself then.
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        self.again = None;
    }
}

#[cfg(test)]
mod tests;
