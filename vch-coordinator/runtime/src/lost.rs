//! Directories of containers that the ledger (the coordinator's store of decisions) does not know.
//! They are kept: losing the ledger, or restoring an older copy of it, must not delete the
//! containers' disks.
//!
//! A removal marks the container's directory before it is committed, so that after a crash the next
//! start of the coordinator knows which directories to delete. Every other directory without a row
//! in the ledger is moved to `lost/`.

use super::{Dirs, event::now_ns};
use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};
use vch_ledger::ContainerId;

/// Converts nanoseconds to the seconds since 1970 that names in `lost/` contain.
const NS_PER_SECOND: u128 = 1_000_000_000;
/// The file that marks the directory of a container whose removal has begun.
const REMOVING: &str = "removing";
/// The maximum number of directories of the same container in `lost/` with the same second in their
/// names.
const SAME_NAMES: u32 = 100;

/// The result of the cleanup of containers' directories at a start of the coordinator.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Swept {
    /// The directories of committed removals, which are deleted now.
    pub removed: Vec<String>,
    /// The new paths of directories without a row in the ledger.
    pub lost: Vec<PathBuf>,
    /// One message for each directory that could not be deleted or moved.
    pub left: Vec<String>,
}

impl Dirs {
    /// Returns the path of the directory `lost/`, to which the coordinator moves, at its start, directories of
    /// containers that its ledger does not know. It keeps them for the user.
    pub fn lost(&self) -> PathBuf {
        self.state.join("lost")
    }

    /// Marks a container's directory as being removed. This is called before the container's
    /// removal is committed: if the coordinator then crashes, its next start deletes a marked
    /// directory of a container that the ledger does not know. Does nothing if the directory does
    /// not exist.
    ///
    /// # Errors
    /// Returns an error if the mark cannot be made. The container must not be removed then.
    pub fn mark_removal(&self, container: ContainerId) -> io::Result<()> {
        match fs::write(self.of(container).join(REMOVING), "") {
            // A container that was never started has no directory.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done,
        }
    }

    /// Removes the mark of [`mark_removal`](Self::mark_removal), because the container's removal was refused and it
    /// stays. Errors are logged.
    pub fn unmark_removal(&self, container: ContainerId) {
        let mark = self.of(container).join(REMOVING);
        match fs::remove_file(&mark) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                // The mark has an effect only if the ledger does not know the container.
                tracing::warn!(path = %mark.display(), %error, "mark of a removal not deleted");
            }
            _ => {}
        }
    }

    /// Deletes the directory of a container that was removed from the ledger, the mark of
    /// [`mark_removal`](Self::mark_removal) last. Does nothing if the directory does not exist.
    ///
    /// # Errors
    /// Returns an error if a file cannot be deleted. The directory stays marked then, and the next start of the
    /// coordinator deletes the rest.
    pub fn discard(&self, container: ContainerId) -> io::Result<()> {
        let directory = self.of(container);
        match remove_marked(&directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done,
        }
    }

    /// Deletes the directory of a container that was removed from the ledger, unless a process, such as QEMU, has files
    /// of it open. Does nothing if the directory does not exist.
    ///
    /// # Errors
    /// - The errors of [`mark_removal`](Self::mark_removal).
    /// - The errors of [`discard`](Self::discard).
    pub fn discard_unused(&self, container: ContainerId) -> io::Result<()> {
        let directory = self.of(container);
        if !directory.exists() || user_of(&directory).is_some() {
            return Ok(());
        }
        self.mark_removal(container)?;
        self.discard(container)
    }

    /// Deletes the directories of committed removals, and moves other directories without a row in
    /// the ledger to `lost/`. `known` has the IDs of the containers in the ledger.
    ///
    /// # Errors
    /// Returns an error, and changes nothing, if the directory of all containers cannot be read.
    pub(super) fn sweep(&self, known: &BTreeSet<String>) -> io::Result<Swept> {
        let mut swept = Swept::default();
        let entries = match fs::read_dir(self.containers()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(swept),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            // An entry whose name is not a container's ID was not made by the VCH, for example
            // `lost+found` of a file system.
            let Ok(id) = name.parse::<ContainerId>() else {
                continue;
            };
            let directory = entry.path();
            if known.contains(&name) {
                self.unmark_removal(id);
            } else if directory.join(REMOVING).exists() {
                match remove_marked(&directory) {
                    Ok(()) => swept.removed.push(name),
                    Err(error) => swept.left.push(format!(
                        "the directory {} of a removed container can't be removed: {error}",
                        directory.display()
                    )),
                }
            } else if let Some(process) = user_of(&directory) {
                swept.left.push(format!(
                    "the ledger does not know the container of {}, in which process {process} has files open: end that process, or put back the newest copy of the ledger, and start the coordinator again",
                    directory.display()
                ));
            } else {
                match self.move_aside(&directory, &name) {
                    Ok(path) => swept.lost.push(path),
                    Err(error) => swept.left.push(format!(
                        "the ledger does not know the container of {}, which can't be moved to {}: {error}",
                        directory.display(),
                        self.lost().display()
                    )),
                }
            }
        }
        Ok(swept)
    }

    fn move_aside(&self, directory: &Path, name: &str) -> io::Result<PathBuf> {
        let lost = self.lost();
        fs::create_dir_all(&lost)?;
        let now = now_ns() / NS_PER_SECOND;
        let mut target = lost.join(format!("{name}-{now}"));
        let mut number = 1;
        while target.exists() && number < SAME_NAMES {
            number += 1;
            target = lost.join(format!("{name}-{now}-{number}"));
        }
        fs::rename(directory, &target)?;
        Ok(target)
    }

    /// Returns one message for the user for each directory in [`lost/`](Self::lost), with its path and what to do with
    /// it. Empty if there is no such directory.
    pub fn lost_words(&self) -> Vec<String> {
        // Usually there is no such directory.
        let Ok(entries) = fs::read_dir(self.lost()) else {
            return Vec::new();
        };
        let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        let words = paths.iter().map(|path| {
            format!(
                "{}: of a container that the ledger did not know; put its disk to use or remove it",
                path.display()
            )
        });
        words.collect()
    }
}

/// Deletes a marked directory, its mark last, so that an interrupted deletion is recognized.
fn remove_marked(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_name() == REMOVING {
            continue;
        }
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    fs::remove_dir_all(directory)
}

/// Returns a process that has files of a directory open, such as a VM's shim or QEMU; `None` if no
/// process has.
fn user_of(directory: &Path) -> Option<u32> {
    let processes = fs::read_dir("/proc").ok()?;
    let numbers = processes
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let holds = |process: &u32| {
        let Ok(open) = fs::read_dir(format!("/proc/{process}/fd")) else {
            // The process has ended.
            return false;
        };
        open.flatten()
            .filter_map(|entry| fs::read_link(entry.path()).ok())
            .any(|path| path.starts_with(directory))
    };
    numbers.into_iter().find(holds)
}

#[cfg(test)]
mod tests;
