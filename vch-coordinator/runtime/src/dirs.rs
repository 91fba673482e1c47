//! The directories of containers' files.

use std::path::PathBuf;
use vch_ledger::ContainerId;

/// The directories of containers' files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dirs {
    /// The directory of files that outlive a restart of the VCH.
    pub state: PathBuf,
    /// The directory of sockets.
    pub run: PathBuf,
}

impl Dirs {
    /// Returns the directory of a container's persistent files: its disk, its log, and how it
    /// ended.
    pub fn of(&self, container: ContainerId) -> PathBuf {
        self.containers().join(container.to_string())
    }

    /// Returns the directory that holds every container's directory.
    pub fn containers(&self) -> PathBuf {
        self.state.join("containers")
    }

    /// Returns the directory of the sockets of the container with this token.
    pub fn sockets(&self, token: &str) -> PathBuf {
        self.run.join("vms").join(token)
    }
}
