//! The agent beside the container, and how far it says that it is (sd_notify(3)).

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
/// Keeps one that can't live from eating the processor.
const PAUSE: Duration = Duration::from_secs(1);

const NOTHING: &str = "it has said nothing";
/// What it says once it is ready to begin (`tether-net --hold`).
const HELD: &str = "held";

/// The agent. It is started before there is a life and a root, and held until then: a VM that is saved meanwhile has one
/// that only needs to go on.
pub struct Agent {
    notify: UnixDatagram,
    child: Option<Child>,
    /// Its standard input, until the root is there.
    hold: Option<ChildStdin>,
    begun: bool,
    rooted: bool,
    again: Option<Instant>,
    /// It has applied a spec.
    pub ready: bool,
    /// What it said last.
    pub status: String,
}

impl Agent {
    /// Starts it; an image without one has no network to wait for.
    ///
    /// # Errors
    /// It can't be heard.
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

    /// Lets it begin: the VM has a life. One that can't be told has ended, and comes again.
    pub fn begin(&mut self) {
        self.begun = true;
        NOTHING.clone_into(&mut self.status);
        if let Some(hold) = &mut self.hold {
            let _ = hold.write_all(b"\n");
        }
    }

    /// Lets it write files: its root is there.
    pub fn root_is_there(&mut self) {
        self.rooted = true;
        self.hold = None;
    }

    /// It waits to begin, or there is none.
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

    /// Where it says how far it is.
    pub fn notify(&self) -> BorrowedFd<'_> {
        self.notify.as_fd()
    }

    /// When to come back.
    pub fn deadline(&self) -> Option<Instant> {
        self.again
    }

    /// Hears what it says.
    pub fn hear(&mut self) {
        let mut buffer = [0; 4096];
        while let Ok(count) = self.notify.recv(&mut buffer) {
            for line in String::from_utf8_lossy(&buffer[..count]).lines() {
                match line.split_once('=') {
                    Some(("READY", "1")) => self.ready = true,
                    Some(("STATUS", status)) => status.clone_into(&mut self.status),
                    _ => {}
                }
            }
        }
    }

    /// Whether that child was it; then it comes again.
    pub fn ended(&mut self, pid: Pid) -> bool {
        let own = self.child.as_ref().map(Child::id);
        if own != u32::try_from(pid.as_raw()).ok() {
            return false;
        }
        self.child = None;
        self.again = Some(Instant::now() + PAUSE);
        true
    }

    /// Starts it again when its time has come.
    pub fn keep(&mut self) {
        if self.again.is_some_and(|again| again <= Instant::now())
            && let Err(error) = self.spawn()
        {
            eprintln!("init: tether-net does not start: {error}");
            self.again = Some(Instant::now() + PAUSE);
        }
    }

    /// Ends it, before the VM ends.
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
