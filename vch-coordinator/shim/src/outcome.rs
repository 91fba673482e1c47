//! The outcome of a VM's run, which the shim writes as `exit.json` into the container's directory.

use crate::{log::Position, phase::Phase};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
};

/// The name of the outcome's file in the container's directory.
pub const FILE: &str = "exit.json";
/// The name of the outcome's file while it is written; until then it reserves the space.
const PARTIAL: &str = "exit.json.partial";
/// Bytes: one with all its phases has some two thousand.
const ROOM: usize = 16 << 10;
/// Most bytes of one that is read.
const MAX_BYTES: u64 = 1 << 20;

/// The phase in which a container's root file system is there.
const MOUNTED: &str = "mounted";

/// Whether a clone's failure is due to its template, the saved VM that it was cloned from. [`Outcome::blame`] decides
/// it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The template is not the cause.
    None,
    /// The cause may be the template or the container that the clone was started for.
    Either,
    /// The template is the cause.
    Template,
}

/// The outcome of a VM's run: how the container's process ended, or why it did not run. The shim
/// writes it to `exit.json` before it reports the end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The exit code of the container's process. If it did not run, 125 to 127 as in Docker; 137 if
    /// it was killed or if its VM ended first.
    pub code: u8,
    /// Whether the guest's kernel killed the process because the container ran out of memory.
    pub out_of_memory: bool,
    /// When the process started, in milliseconds since 1970 (UTC); 0 if it did not.
    pub started_ms: u64,
    /// When the run ended, in milliseconds since 1970 (UTC), whether its process had started or
    /// not.
    pub finished_ms: u64,
    /// The position of the container's log at which the output of this run begins.
    #[serde(default)]
    pub log_from: Position,
    /// Why the process did not run, or why its VM ended before it; `None` if the process ended by
    /// itself or was killed by request.
    pub failure: Option<Failure>,
    /// The phases of the start that ended, each with its time, in order.
    pub phases: Vec<Phase>,
}

/// The reason for which a container's process did not run, or for which its VM ended before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// A stable code, for programs. `not-found`, `not-executable`, `user` and `process`: the process can't be started;
    /// `root-file-system` and `network`: the guest can't set these up. `boot-timeout`, `vm-died`, `vm-not-started`,
    /// `vm-version` and `no-clone`: the VM did not start or ended; `channel`: the guest's init broke the protocol or
    /// its line. `shim-lost` comes from the coordinator, if the shim was killed.
    pub code: String,
    /// The reason in words, for a person.
    pub text: String,
}

impl Outcome {
    /// Decides whether the VM failed because of the template (saved VM) that it was cloned from, by the failure's code
    /// and by whether the root file system was mounted. [`Blame::None`] if it did not fail. Meaningful only for a
    /// clone.
    #[must_use]
    pub fn blame(&self) -> Blame {
        let Some(failure) = &self.failure else {
            return Blame::None;
        };
        match &*failure.code {
            // Nothing of a container is in a clone before it is restored.
            "no-clone" => Blame::Template,
            "vm-not-started" | "vm-died" | "boot-timeout" => {
                // From there on it is the container, and what it brings, that holds a start up.
                let mounted = self.phases.iter().any(|phase| phase.name == MOUNTED);
                if mounted { Blame::None } else { Blame::Either }
            }
            _ => Blame::None,
        }
    }

    /// Writes the outcome durably, as the last file of the run. On a full disk it uses the space
    /// that [`clear`](Self::clear) reserved.
    ///
    /// # Errors
    /// Returns an error if the file can't be written, synced or renamed.
    pub(crate) fn write(&self, dir: &Path) -> io::Result<()> {
        let partial = dir.join(PARTIAL);
        let mut file = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&partial)?;
        let text = serde_json::to_vec(self)?;
        file.write_all(&text)?;
        file.set_len(text.len() as u64)?;
        file.sync_all()?;
        fs::rename(&partial, dir.join(FILE))?;
        File::open(dir)?.sync_all()
    }

    /// Reads the outcome of a container's last run from `exit.json` in the container's directory `dir`. Returns `None`
    /// if the file does not exist: the container never ran, its run has not ended, or its shim was killed.
    ///
    /// # Errors
    /// Returns the system's error if the file can't be read, `InvalidData` or `UnexpectedEof` if it is not an outcome.
    pub fn read(dir: &Path) -> io::Result<Option<Self>> {
        use io::Read;
        let file = match File::open(dir.join(FILE)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        let mut text = Vec::new();
        file.take(MAX_BYTES).read_to_end(&mut text)?;
        Ok(Some(serde_json::from_slice(&text)?))
    }

    /// Removes the last run's outcome before the next run, and reserves space for that run's.
    ///
    /// # Errors
    /// Returns the error of removing the file, or of a full disk.
    pub(crate) fn clear(dir: &Path) -> io::Result<()> {
        match fs::remove_file(dir.join(FILE)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        File::create(dir.join(PARTIAL))?.write_all(&[0; ROOM])
    }
}

#[cfg(test)]
mod tests;
