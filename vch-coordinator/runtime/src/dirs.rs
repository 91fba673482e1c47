//! Where what belongs to containers lies.

use std::path::PathBuf;
use vch_ledger::ContainerId;

/// The directories of containers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dirs {
    /// Lasts over restarts.
    pub state: PathBuf,
    /// Sockets.
    pub run: PathBuf,
}

impl Dirs {
    /// Returns the directory of what lasts of a container: its disk, its log, how it ended.
    pub fn of(&self, container: ContainerId) -> PathBuf {
        self.containers().join(container.to_string())
    }

    /// Returns the directory that holds every container's directory.
    pub fn containers(&self) -> PathBuf {
        self.state.join("containers")
    }

    /// Returns the directory of the sockets of the container that bears this token.
    pub fn sockets(&self, token: &str) -> PathBuf {
        self.run.join("vms").join(token)
    }
}
