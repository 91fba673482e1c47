//! Network namespaces, which tests make for themselves.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Command, Output, Stdio};
use std::thread;

use anyhow::{Context, Result, anyhow, bail};
use nix::sched::{CloneFlags, setns};

use crate::prerequisites::{self, Need};
use crate::process::{self, Process, SpawnContext};
use crate::registry::{self, Made};

/// A network namespace that `ip netns` lists. Removed on drop.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    file: File,
    made: Made,
}

impl Namespace {
    /// Makes a namespace in which `lo` is up. Its name begins with `lab-`, this process's ID and a number, and ends
    /// with `label`.
    ///
    /// # Errors
    /// Returns an error if the process is not root, `ip` is missing, or the namespace cannot be made.
    pub fn create(label: &str) -> Result<Self> {
        prerequisites::check(Need::NAMESPACES)?;
        let name = registry::unique(label);
        let made = Made::Namespace(name.clone());
        registry::note(made.clone());
        let opened = succeed(Command::new("ip").args(["netns", "add", &name]))
            .and_then(|_| File::open(format!("/run/netns/{name}")).context("open the namespace"));
        let file = match opened {
            Ok(file) => file,
            Err(error) => {
                registry::remove(&made);
                return Err(error);
            }
        };
        let namespace = Self { name, file, made };
        namespace.ip("link set lo up")?;
        Ok(namespace)
    }

    /// Returns the name by which `ip netns exec` finds the namespace.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the path of the file that programs open to enter the namespace (setns(2)).
    #[must_use]
    pub fn path(&self) -> String {
        format!("/run/netns/{}", self.name)
    }

    /// Runs `work` in the namespace, on a thread of its own, and returns its result. Sockets that `work` opens and
    /// returns stay in the namespace.
    ///
    /// # Errors
    /// Returns an error if the namespace cannot be entered or `work` panics.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        let entered = thread::scope(|scope| {
            let inside =
                scope.spawn(|| setns(&self.file, CloneFlags::CLONE_NEWNET).map(|()| work()));
            inside
                .join()
                .map_err(|_| anyhow!("the work in {} panicked", self.name))
        });
        entered?.with_context(|| format!("enter {}", self.name))
    }

    /// Starts a program in the namespace. `name` is for error messages.
    ///
    /// # Errors
    /// Returns an error if the program cannot be started.
    pub fn spawn(&self, name: &str, command: Command) -> Result<Process> {
        Process::spawn_in(
            name,
            command,
            SpawnContext {
                namespace: Some(self.descriptor()?),
                ..SpawnContext::default()
            },
        )
    }

    /// Runs a program in the namespace to its end, without a time limit and with empty standard input, and returns its
    /// status and output.
    ///
    /// # Errors
    /// Returns an error if the program cannot be started. A program that fails is not an error.
    pub fn output(&self, mut command: Command) -> Result<Output> {
        let context = SpawnContext {
            namespace: Some(self.descriptor()?),
            ..SpawnContext::default()
        };
        process::prepare(&mut command, &context);
        command
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("run {command:?}"))
    }

    /// Runs `ip` in the namespace with these words, separated by white space, as arguments, and returns its standard
    /// output.
    ///
    /// # Errors
    /// Returns an error with the text of `ip` if it fails.
    pub fn ip(&self, words: &str) -> Result<String> {
        succeed(
            Command::new("ip")
                .args(["-n", &self.name])
                .args(words.split_whitespace()),
        )
    }

    fn descriptor(&self) -> Result<OwnedFd> {
        self.file
            .as_fd()
            .try_clone_to_owned()
            .context("duplicate a descriptor")
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        registry::remove(&self.made);
    }
}

/// Runs a program to its end; anything but success is an error with what it wrote.
fn succeed(command: &mut Command) -> Result<String> {
    let output = command
        .output()
        .with_context(|| format!("run {command:?}"))?;
    if !output.status.success() {
        bail!(
            "{command:?}: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
