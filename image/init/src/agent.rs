//! The agent beside the container, and how far it says that it is (sd_notify(3)).

use crate::rootfs::ROOT;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use std::{
    io,
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixDatagram,
    },
    path::Path,
    process::{Child, Command},
    time::{Duration, Instant},
};

const PROGRAM: &str = "/sbin/tether-net";
const NOTIFY: &str = "/run/notify";
/// Keeps one that can't live from eating the processor.
const PAUSE: Duration = Duration::from_secs(1);

/// The agent.
pub struct Agent {
    notify: UnixDatagram,
    child: Option<Child>,
    again: Option<Instant>,
    /// It has applied a spec.
    pub ready: bool,
    /// What it said last.
    pub status: String,
}

impl Agent {
    /// Starts it; an image without one has no network to wait for.
    pub fn start() -> io::Result<Self> {
        let notify = UnixDatagram::bind(NOTIFY)?;
        notify.set_nonblocking(true)?;
        let mut agent = Self {
            notify,
            child: None,
            again: None,
            ready: !Path::new(PROGRAM).exists(),
            status: "it has said nothing".to_owned(),
        };
        if !agent.ready {
            agent.spawn()?;
        }
        Ok(agent)
    }

    fn spawn(&mut self) -> io::Result<()> {
        let child = Command::new(PROGRAM)
            .args(["--root", ROOT, "--hostname", "kernel"])
            .env("NOTIFY_SOCKET", NOTIFY)
            .spawn()?;
        self.child = Some(child);
        self.again = None;
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
