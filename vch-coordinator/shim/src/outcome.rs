//! The outcome of a VM's run: `exit.json` in the container's directory.

use crate::{log::Position, phase::Phase};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
};

/// The file name of the outcome.
pub const FILE: &str = "exit.json";
/// The name of the outcome's file while it is written; until then it reserves the space.
const PARTIAL: &str = "exit.json.partial";
/// Bytes: one with all its phases has some two thousand.
const ROOM: usize = 16 << 10;
/// Most bytes of one that is read.
const MAX_BYTES: u64 = 1 << 20;

/// The phase in which a container's root file system is there.
const MOUNTED: &str = "mounted";

/// Whether a template is the cause of a clone's failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The cause is not the template.
    None,
    /// The cause is the template or its container.
    Either,
    /// The cause is the template.
    Template,
}

/// The outcome of a VM's run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The process's exit code; if it did not run, 125 to 127 as in Docker.
    pub code: u8,
    /// Whether the guest's kernel killed the process for want of memory.
    pub out_of_memory: bool,
    /// The time at which the process started, in milliseconds since 1970; 0 if it did not.
    pub started_ms: u64,
    /// The time at which the process ended, or the run if its process did not start, in milliseconds since 1970.
    pub finished_ms: u64,
    /// The position of the log at which this run's output begins.
    #[serde(default)]
    pub log_from: Position,
    /// The failure, if the process did not run or its VM ended under it.
    pub failure: Option<Failure>,
    /// The phases of the start, with their times.
    pub phases: Vec<Phase>,
}

/// Why a container did not run, or its VM ended under it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// A stable code: `boot-timeout`, `vm-died`, `vm-not-started`, `network`, `not-found`, `not-executable`, `user`,
    /// `root-file-system`, `process`, `channel`, `no-clone`.
    pub code: String,
    /// The reason, for a person.
    pub text: String,
}

impl Outcome {
    /// Returns whether the failure of a clone is its template's.
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

    /// Reads the outcome of the last run; `None` if a run has begun and not ended.
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
