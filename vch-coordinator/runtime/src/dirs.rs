//! The directories of containers' files.

use std::path::PathBuf;
use vch_ledger::ContainerId;

/// The two directories below which the coordinator keeps the files of containers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dirs {
    /// The directory of persistent files, which outlive a restart of the host.
    pub state: PathBuf,
    /// The directory below which each running VM has a directory of sockets; its content may be lost at a restart of
    /// the host.
    pub run: PathBuf,
}

impl Dirs {
    /// Returns the path of the directory of a container's persistent files: its disk, its log and the outcome of its
    /// last run. The directory exists from the container's first start on.
    pub fn of(&self, container: ContainerId) -> PathBuf {
        self.containers().join(container.to_string())
    }

    /// Returns the directory that holds every container's directory.
    pub fn containers(&self) -> PathBuf {
        self.state.join("containers")
    }

    /// Returns the directory of the sockets of one container's VM. `token` is the random name that
    /// the container got at its creation.
    pub fn sockets(&self, token: &str) -> PathBuf {
        self.run.join("vms").join(token)
    }
}
