//! A program at a terminal: the test types keys and reads what the terminal shows.

use std::io::{Read, Write};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::deadline::eventually_some;
use crate::process::Process;

/// The character that ends the program in the foreground.
const INTERRUPT: &str = "\u{3}";

/// A program that runs at a terminal of its own, whose keys a test types and whose output it reads. Killed on drop.
#[derive(Debug)]
pub struct Terminal {
    process: Process,
    keys: ChildStdin,
    output: Arc<Mutex<Vec<u8>>>,
    screen: JoinHandle<()>,
    /// How much of it was read already.
    read: usize,
}

impl Terminal {
    /// Runs `line`, one program with its arguments, at a new terminal, and returns without waiting for its end. `shell`
    /// is the command of a POSIX shell without arguments, such as [`Docker::shell`](crate::Docker::shell), whose
    /// environment the program gets.
    ///
    /// # Errors
    /// Returns an error if the program `script`, which makes the terminal, cannot be started.
    pub fn run(mut shell: Command, line: &str) -> Result<Self> {
        // `script` (of Debian's essential bsdutils) makes the terminal and hands on what is typed. It runs a shell of
        // the user's choice, which is to be out of the way: else ^C ends some shells and not others.
        shell.args(["-c", "exec script -qefc \"exec $1\" /dev/null", "sh", line]);
        shell.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = Process::spawn("script", shell)?;
        let (keys, mut screen) = process.pipes().context("script has pipes")?;
        let output = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&output);
        // Ends with the terminal, whose last writer is gone by then.
        let screen = thread::spawn(move || {
            let mut some = [0; 4096];
            while let Ok(length @ 1..) = screen.read(&mut some) {
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                kept.extend_from_slice(&some[..length]);
            }
        });
        Ok(Self {
            process,
            keys,
            output,
            screen,
            read: 0,
        })
    }

    /// Types a line and the enter key.
    ///
    /// # Errors
    /// Returns the error of the system if the terminal is closed.
    pub fn line(&mut self, line: &str) -> Result<()> {
        self.keys(&format!("{line}\n"))
    }

    /// Presses ^C, which interrupts the program in the foreground unless it has set the terminal otherwise.
    ///
    /// # Errors
    /// Returns the error of the system if the terminal is closed.
    pub fn interrupt(&mut self) -> Result<()> {
        self.keys(INTERRUPT)
    }

    fn keys(&mut self, keys: &str) -> Result<()> {
        let typed = self.keys.write_all(keys.as_bytes());
        typed.with_context(|| format!("type {keys:?} behind {}", self.text()))
    }

    /// Waits until the terminal shows `text` behind the output that earlier calls returned, and returns the output from
    /// there to the end of `text`. Carriage returns are left out.
    ///
    /// # Errors
    /// Returns an error with the output if the text does not appear in time, or before the program ends.
    pub fn until(&mut self, text: &str, within: Duration) -> Result<String> {
        let what = format!("the terminal shows {text:?}");
        let before = self.read;
        let found = eventually_some(within, &what, || {
            // Asked first: what it showed last is read after it has ended.
            let ended = self.screen.is_finished();
            let shown = self.text();
            let new = shown.get(before..)?;
            if let Some(at) = new.find(text) {
                return Some(Some(before + at + text.len()));
            }
            ended.then_some(None)
        });
        let shown = self.text();
        let Some(end) = found.with_context(|| shown.clone())? else {
            bail!("not before its program ended: {what}: {shown}");
        };
        self.read = end;
        Ok(shown[before..end].to_owned())
    }

    /// Waits until the program has ended with success, and returns all of its output since the start, without carriage
    /// returns.
    ///
    /// # Errors
    /// Returns an error with the output if it still runs when the time is over, or fails.
    pub fn end(mut self, within: Duration) -> Result<String> {
        let status = self.process.wait_within(within);
        let status = status.with_context(|| self.text())?;
        ensure!(status.success(), "{status}: {}", self.text());
        let Self { screen, output, .. } = self;
        ensure!(
            screen.join().is_ok(),
            "what the terminal shows can't be read"
        );
        Ok(text(&output))
    }

    fn text(&self) -> String {
        text(&self.output)
    }
}

/// Returns the shown text without the carriage returns that a terminal adds.
fn text(output: &Mutex<Vec<u8>>) -> String {
    let output = output.lock().unwrap_or_else(PoisonError::into_inner);
    String::from_utf8_lossy(&output).replace('\r', "")
}
