//! How a VM's life ended: `exit.json` in the container's directory.

use crate::{log::Position, stage::Phase};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
};

/// The file's name.
pub const FILE: &str = "exit.json";
/// The same while it is written, and what has its room until then.
const PARTIAL: &str = "exit.json.partial";
/// Bytes: one with all its phases has some two thousand.
const ROOM: usize = 16 << 10;
/// Most bytes of one that is read.
const MAX_BYTES: u64 = 1 << 20;

/// The phase in which a container's root file system is there.
const MOUNTED: &str = "mounted";

/// Whose fault it was that a clone did not start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// Not the template's.
    None,
    /// The template's, or its container's.
    Either,
    /// The template's.
    Template,
}

/// How a VM's life ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The process's exit code; where it did not run, 125 to 127 as Docker has them.
    pub code: u8,
    /// The guest's kernel killed it for want of memory.
    pub out_of_memory: bool,
    /// When the process started, milliseconds since 1970; 0 where it did not.
    pub started_ms: u64,
    /// When it ended.
    pub finished_ms: u64,
    /// Where what this life wrote begins in the log.
    #[serde(default)]
    pub log_from: Position,
    /// Why it did not run, or was torn down.
    pub failure: Option<Failure>,
    /// What came when.
    pub phases: Vec<Phase>,
}

/// Why a container did not run, or its VM ended under it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Stays the same for ever: `boot-timeout`, `vm-died`, `vm-not-started`, `network`, `not-found`,
    /// `not-executable`, `user`, `root-file-system`, `process`, `channel`, `no-clone`.
    pub code: String,
    /// In words for a person.
    pub text: String,
}

impl Outcome {
    /// What it says of the template that the VM was a clone of, where it was one.
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

    /// Writes it durably; nothing else is written after it. On a full disk it has the room that
    /// [`clear`](Self::clear) took for it.
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

    /// What a life that is over left behind; `None` where a life has begun and not ended.
    ///
    /// # Errors
    /// A file that is there and can't be read, or is none of ours.
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

    /// Forgets the last life, before the next one, and takes room for how that one will end.
    ///
    /// # Errors
    /// As remove(2), but for a file that is not there; a full disk.
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
