//! The connection to the shell in a guest, which runs the test's scripts. The guest's end is `lab_shell` in the
//! boot image's `init`, which describes the format of both directions.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// For the way there and back, on top of what the command may take.
const MARGIN: Duration = Duration::from_secs(10);

/// The status and the output of a script that [`Vm::run`](super::Vm::run) or [`Vm::run_within`](super::Vm::run_within)
/// ran in a guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The exit status; 137 if the script was killed because its time was over.
    pub status: u8,
    /// The standard output.
    pub stdout: String,
    /// The standard error.
    pub stderr: String,
}

/// The connection to the shell in a guest, by which a [`Vm`](super::Vm) runs the scripts of tests. It has no public
/// functions.
#[derive(Debug)]
pub struct Shell {
    stream: BufReader<UnixStream>,
    next: u64,
}

impl Shell {
    pub(super) fn new(stream: UnixStream) -> Result<Self> {
        stream.set_write_timeout(Some(MARGIN))?;
        Ok(Self {
            stream: BufReader::new(stream),
            next: 0,
        })
    }

    pub(super) fn run(&mut self, within: Duration, script: &str) -> Result<Output> {
        let token = self.request(within, script)?;
        let end = Instant::now() + within + MARGIN;
        loop {
            let (answered, output) = self.answer(end)?;
            // Another token answers a command that was given up.
            if answered == token {
                return Ok(output);
            }
        }
    }

    /// Sends a command that is not answered, because it ends the shell.
    pub(super) fn send(&mut self, script: &str) -> Result<()> {
        self.request(MARGIN, script).map(drop)
    }

    fn request(&mut self, within: Duration, script: &str) -> Result<String> {
        let token = format!("t{}", self.next);
        self.next += 1;
        let line = format!(
            "{token} {} {}\n",
            within.as_secs().max(1),
            STANDARD.encode(script)
        );
        self.stream
            .get_mut()
            .write_all(line.as_bytes())
            .context("send a command")?;
        Ok(token)
    }

    fn answer(&mut self, end: Instant) -> Result<(String, Output)> {
        let mut line = Vec::new();
        self.limit(end)?;
        self.stream
            .read_until(b'\n', &mut line)
            .context("the guest answers")?;
        let line = String::from_utf8_lossy(&line).into_owned();
        let words: Vec<_> = line.split_whitespace().collect();
        let [token, status, stdout, stderr] = words[..] else {
            bail!("the guest's shell wrote {line:?}");
        };
        let status = status.parse().context("an exit status")?;
        let stdout = self.bytes(end, stdout.parse().context("a length")?)?;
        let stderr = self.bytes(end, stderr.parse().context("a length")?)?;
        Ok((
            token.to_owned(),
            Output {
                status,
                stdout,
                stderr,
            },
        ))
    }

    fn bytes(&mut self, end: Instant, count: u32) -> Result<String> {
        self.limit(end)?;
        let mut bytes = vec![0; usize::try_from(count)?];
        self.stream
            .read_exact(&mut bytes)
            .context("the guest's output")?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn limit(&self, end: Instant) -> Result<()> {
        let left = end
            .saturating_duration_since(Instant::now())
            .max(Duration::from_millis(1));
        Ok(self.stream.get_ref().set_read_timeout(Some(left))?)
    }
}
