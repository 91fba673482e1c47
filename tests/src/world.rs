//! One test's world.

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

/// A directory of its own and, for tests with VMs, the turn to run them. Cheap to clone; the last one removes it.
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
    /// For a test without VMs.
    pub fn of_namespaces(label: &str) -> Result<Self> {
        prerequisites::check(Need::NAMESPACES)?;
        Self::create(label, None)
    }

    /// For a test with VMs: waits until no other test runs any.
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

    /// The test's directory, removed with the world. Its path is short enough for Unix sockets in it.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.inside.dir
    }

    /// A path in the test's directory.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.inside.dir.join(name)
    }

    /// What a file of the test's directory holds, or nothing.
    #[must_use]
    pub fn read(&self, name: &str) -> String {
        fs::read(self.path(name))
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// Whether this world has the turn to run VMs.
    pub(crate) fn may_run_vms(&self) -> bool {
        self.inside.turn.is_some()
    }

    /// The namespace `vch`, and one behind each of its networks.
    pub fn topology(&self) -> Result<Topology> {
        Topology::create()
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        registry::remove(&self.made);
    }
}
