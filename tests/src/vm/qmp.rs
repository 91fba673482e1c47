//! QEMU's machine protocol (QMP), by which a program controls a running QEMU: a JSON object on each line (QEMU's
//! `docs/interop/qmp-spec`).

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, IoSlice, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use serde_json::{Value, json};

/// QEMU answers at once unless the machine is overloaded.
const ANSWER: Duration = Duration::from_secs(20);

/// A connection to QEMU's machine protocol, by which a test gives commands to the QEMU of a VM. Events that arrive
/// while an answer is awaited are kept until a caller asks for them.
#[derive(Debug)]
pub struct Qmp {
    stream: BufReader<UnixStream>,
    events: VecDeque<Value>,
}

impl Qmp {
    pub(super) fn greet(stream: UnixStream) -> Result<Self> {
        let mut qmp = Self {
            stream: BufReader::new(stream),
            events: VecDeque::new(),
        };
        let greeting = qmp.read(Instant::now() + ANSWER)?;
        if greeting.get("QMP").is_none() {
            bail!("QMP began with {greeting}");
        }
        qmp.execute("qmp_capabilities", json!({}))?;
        Ok(qmp)
    }

    /// Runs a command, such as `cont`, with its arguments (a JSON object), and returns the `return` value of its
    /// answer.
    ///
    /// # Errors
    /// Returns QEMU's error if it refuses the command, or an error if it does not answer within 20 s.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "callers write the arguments in place"
    )]
    pub fn execute(&mut self, command: &str, arguments: Value) -> Result<Value> {
        self.send(&json!({"execute": command, "arguments": arguments}), None)?;
        self.answer()
            .with_context(|| format!("QMP {command} {arguments}"))
    }

    /// Passes an open file descriptor to QEMU, which later commands refer to as `name`.
    ///
    /// # Errors
    /// Returns QEMU's error if it refuses the descriptor, or an error if it does not answer within 20 s.
    pub fn send_descriptor(&mut self, name: &str, descriptor: &OwnedFd) -> Result<()> {
        self.send(
            &json!({"execute": "getfd", "arguments": {"fdname": name}}),
            Some(descriptor),
        )?;
        self.answer().with_context(|| format!("QMP getfd {name}"))?;
        Ok(())
    }

    /// Waits for an event of this name whose data `fits` accepts, and returns the data. An event that arrived before
    /// this call, and was not returned yet, counts. Other events of the same name are dropped.
    ///
    /// # Errors
    /// Returns an error if no such event arrives in time.
    pub fn event(
        &mut self,
        within: Duration,
        name: &str,
        fits: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        let end = Instant::now() + within;
        loop {
            while let Some(position) = self.events.iter().position(|event| event["event"] == name) {
                let event = self.events.remove(position).unwrap_or_default();
                if fits(&event["data"]) {
                    return Ok(event["data"].clone());
                }
            }
            let message = self
                .read(end)
                .with_context(|| format!("wait for the QMP event {name}"))?;
            self.events.push_back(message);
        }
    }

    fn answer(&mut self) -> Result<Value> {
        let end = Instant::now() + ANSWER;
        loop {
            let mut message = self.read(end)?;
            if message.get("event").is_some() {
                self.events.push_back(message);
            } else if let Some(value) = message.get_mut("return") {
                return Ok(value.take());
            } else {
                bail!(
                    "{}",
                    message["error"]["desc"]
                        .as_str()
                        .unwrap_or("an answer without sense")
                );
            }
        }
    }

    fn send(&mut self, message: &Value, descriptor: Option<&OwnedFd>) -> Result<()> {
        let line = format!("{message}\n");
        let stream = self.stream.get_mut();
        let Some(descriptor) = descriptor else {
            return Ok(stream.write_all(line.as_bytes())?);
        };
        let rights = [descriptor.as_raw_fd()];
        let control = [ControlMessage::ScmRights(&rights)];
        let sent = sendmsg::<()>(
            stream.as_raw_fd(),
            &[IoSlice::new(line.as_bytes())],
            &control,
            MsgFlags::empty(),
            None,
        )?;
        Ok(stream.write_all(&line.as_bytes()[sent..])?)
    }

    fn read(&mut self, end: Instant) -> Result<Value> {
        let left = end
            .saturating_duration_since(Instant::now())
            .max(Duration::from_millis(1));
        self.stream.get_ref().set_read_timeout(Some(left))?;
        let mut line = String::new();
        if self.stream.read_line(&mut line).context("QMP answers")? == 0 {
            bail!("QEMU closed QMP");
        }
        serde_json::from_str(&line).with_context(|| format!("QMP sent {line:?}"))
    }
}
