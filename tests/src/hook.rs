//! Stands in for the hook: the program that a coordinator asks to plug and unplug the NICs of VMs that it does not
//! run itself (`runtime.hook` in vch.toml).

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::deadline::eventually_some;
use crate::world::Lab;

/// A Unix socket on which a test acts as the hook: it receives the coordinator's requests, carries them out on its VM,
/// and answers.
#[derive(Debug)]
pub struct Hook {
    listener: UnixListener,
    path: PathBuf,
}

/// A request of the coordinator to the hook, which waits for its answer. If it is dropped without [`Request::done`] or
/// [`Request::refuse`], the connection closes without an answer.
#[derive(Debug)]
pub struct Request {
    /// The operation: `plug`, `unplug` or `replug` (make a plugged NIC work again on a tap that was deleted and made
    /// anew).
    pub what: String,
    /// The description of the NIC as a JSON object, with the text fields `container`, `container_id`, `endpoint_id`,
    /// `interface`, `tap`, `mac` and `nic`.
    pub nic: Value,
    stream: UnixStream,
}

impl Hook {
    /// Opens the hook's socket, the file `hook` in the test's directory.
    ///
    /// # Errors
    /// Returns the error of the system if the socket cannot be opened.
    pub fn listen(lab: &Lab) -> Result<Self> {
        let path = lab.path("hook");
        let listener = UnixListener::bind(&path).context("listen as the hook")?;
        listener.set_nonblocking(true)?;
        Ok(Self { listener, path })
    }

    /// Returns the table `[runtime]` of vch.toml, as TOML text, that makes the coordinator use this hook.
    #[must_use]
    pub fn table(&self) -> String {
        format!("[runtime]\nhook = \"{}\"", self.path.display())
    }

    /// Returns the path of the hook's socket.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Waits for the coordinator's next request, and returns it; one that has arrived before this call counts. `within`
    /// is also the limit for reading it.
    ///
    /// # Errors
    /// Returns an error if no request arrives in time, or if it is not valid.
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
    /// Returns the text of a field of the NIC's description, such as `tap`; empty if the description does not have the
    /// field.
    #[must_use]
    pub fn text(&self, field: &str) -> &str {
        self.nic[field].as_str().unwrap_or_default()
    }

    /// Answers that the request was carried out.
    ///
    /// # Errors
    /// Returns the error of the system if the answer cannot be sent.
    pub fn done(self) -> Result<()> {
        self.answer(&json!({ "done": true }))
    }

    /// Answers that the request was refused, with this reason.
    ///
    /// # Errors
    /// Returns the error of the system if the answer cannot be sent.
    pub fn refuse(self, reason: &str) -> Result<()> {
        self.answer(&json!({ "error": reason }))
    }

    fn answer(mut self, answer: &Value) -> Result<()> {
        writeln!(self.stream, "{answer}").context("answer the coordinator")
    }
}
