//! The program that runs the VMs, as the coordinator sees it: the other end of `runtime.hook`.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::deadline::eventually_some;
use crate::world::Lab;

/// Hears what the coordinator asks for; the test does it to its VM, and answers.
#[derive(Debug)]
pub struct Hook {
    listener: UnixListener,
    path: PathBuf,
}

/// What the coordinator asks for. Unanswered, it is a conversation that broke off.
#[derive(Debug)]
pub struct Request {
    /// `plug`, `unplug` or `replug`.
    pub what: String,
    /// Which NIC.
    pub nic: Value,
    stream: UnixStream,
}

impl Hook {
    /// Listens in the test's directory.
    pub fn listen(lab: &Lab) -> Result<Self> {
        let path = lab.path("hook");
        let listener = UnixListener::bind(&path).context("listen as the hook")?;
        listener.set_nonblocking(true)?;
        Ok(Self { listener, path })
    }

    /// The table of vch.toml that names it.
    #[must_use]
    pub fn table(&self) -> String {
        format!("[runtime]\nhook = \"{}\"", self.path.display())
    }

    /// Its socket.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Waits for the next request.
    pub fn next(&self, within: Duration) -> Result<Request> {
        let accepted = eventually_some(within, "the coordinator asks the hook", || {
            self.listener.accept().ok()
        })?;
        let (stream, _) = accepted;
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(within))?;
        let mut line = String::new();
        BufReader::new(&stream)
            .read_line(&mut line)
            .context("read a request")?;
        let whole: Value = serde_json::from_str(&line).with_context(|| line.clone())?;
        let (what, nic) = whole
            .as_object()
            .and_then(|one| one.iter().next())
            .with_context(|| line.clone())?;
        Ok(Request {
            what: what.clone(),
            nic: nic.clone(),
            stream,
        })
    }
}

impl Request {
    /// A text of the NIC.
    #[must_use]
    pub fn text(&self, field: &str) -> &str {
        self.nic[field].as_str().unwrap_or_default()
    }

    /// It is so.
    pub fn done(self) -> Result<()> {
        self.answer(&json!({ "done": true }))
    }

    /// It can't be.
    pub fn refuse(self, reason: &str) -> Result<()> {
        self.answer(&json!({ "error": reason }))
    }

    fn answer(mut self, answer: &Value) -> Result<()> {
        writeln!(self.stream, "{answer}").context("answer the coordinator")
    }
}
