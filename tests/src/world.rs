//! The environment of one test: its directory, and its turn to run VMs.

use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};

use crate::prerequisites::{self, Need};
use crate::registry::{self, Made};
use crate::topology::Topology;

/// VM tests of all processes of this machine take turns on it.
const TURN: &str = "vch-lab.lock";

/// The environment of one test: a directory of its own and, for tests with VMs, the turn to run them, which only
/// one test of the machine has at a time. Clones share the environment; dropping the last one removes the
/// directory.
#[derive(Debug, Clone)]
pub struct Lab {
    inside: Arc<Inside>,
}

#[derive(Debug)]
struct Inside {
    dir: PathBuf,
    made: Made,
    /// Held until the world ends; the kernel frees it with the descriptor.
    turn: Option<File>,
}

impl Lab {
    /// Makes the environment of a test without VMs: its directory. `label` is a part of the directory's name.
    ///
    /// # Errors
    /// Returns an error if the process is not root, `ip` is missing, or the directory cannot be made.
    pub fn of_namespaces(label: &str) -> Result<Self> {
        prerequisites::check(Need::NAMESPACES)?;
        Self::create(label, None)
    }

    /// Makes the environment of a test with VMs: its directory, and the turn to run VMs. Waits, without a limit, while
    /// another test of this machine has the turn. `label` is a part of the directory's name.
    ///
    /// # Errors
    /// Returns an error if the machine lacks what VMs need, or the directory cannot be made.
    pub fn of_vms(label: &str) -> Result<Self> {
        prerequisites::check(Need::VMS)?;
        let path = std::env::temp_dir().join(TURN);
        let turn = File::create(&path).and_then(|file| file.lock().map(|()| file));
        Self::create(
            label,
            Some(turn.with_context(|| format!("lock {}", path.display()))?),
        )
    }

    fn create(label: &str, turn: Option<File>) -> Result<Self> {
        let dir = std::env::temp_dir().join(registry::unique(label));
        let made = Made::Dir(dir.clone());
        registry::note(made.clone());
        let inside = Inside { dir, made, turn };
        DirBuilder::new()
            .mode(0o700)
            .create(&inside.dir)
            .context("make the test's folder")?;
        Ok(Self {
            inside: Arc::new(inside),
        })
    }

    /// Returns the test's directory, which is removed at the end. Its path is short enough for Unix sockets in it.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.inside.dir
    }

    /// Returns the path of the file or directory `name` in the test's directory; it need not exist.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.inside.dir.join(name)
    }

    /// Returns the content of the file `name` in the test's directory as text; empty if the file does not exist or
    /// cannot be read.
    #[must_use]
    pub fn read(&self, name: &str) -> String {
        fs::read(self.path(name))
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// Returns whether this test has the turn to run VMs.
    pub(crate) fn may_run_vms(&self) -> bool {
        self.inside.turn.is_some()
    }

    /// Makes the network namespaces of an end-to-end test, with their links and addresses: a VCH, and the namespaces
    /// behind its networks. They are removed when the returned value is dropped.
    ///
    /// # Errors
    /// Returns an error if a namespace or link cannot be made.
    pub fn topology(&self) -> Result<Topology> {
        Topology::create()
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        registry::remove(&self.made);
    }
}
