//! Directories of containers that the ledger does not know. They are kept: a ledger that was lost, or of
//! which an older copy was put back, must not take the containers' disks with it.
//!
//! A removal marks the directory before it is committed, so that a coordinator that dies in between knows
//! at its next start which directories are to go. Every other one that no row names is moved to `lost/`.

use super::{Dirs, event::now_ns};
use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};
use vch_ledger::ContainerId;

/// Names in `lost/` bear the seconds since 1970.
const NS_PER_SECOND: u128 = 1_000_000_000;
/// A file in the directory of a container whose removal has begun.
const REMOVING: &str = "removing";
/// Names like it in `lost/`: a container that was lost twice within a second has at most so many.
const SAME_NAMES: u32 = 100;

/// What became of the directories at a start.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Swept {
    /// Of removals that were committed: gone.
    pub removed: Vec<String>,
    /// That no row names: where they are now.
    pub lost: Vec<PathBuf>,
    /// That stay where they are, in words.
    pub left: Vec<String>,
}

impl Dirs {
    /// Returns the directory for directories of containers that the ledger does not know.
    pub fn lost(&self) -> PathBuf {
        self.state.join("lost")
    }

    /// Marks a container's directory, if there is one, before its removal is committed.
    ///
    /// # Errors
    /// The file can't be made; the container must not be removed then.
    pub fn mark_removal(&self, container: ContainerId) -> io::Result<()> {
        match fs::write(self.of(container).join(REMOVING), "") {
            // It never started.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done,
        }
    }

    /// Takes the mark away: the removal was refused.
    pub fn unmark_removal(&self, container: ContainerId) {
        let mark = self.of(container).join(REMOVING);
        match fs::remove_file(&mark) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                // It counts only where the ledger does not know the container.
                tracing::warn!(path = %mark.display(), %error, "the mark of a removal stays");
            }
            _ => {}
        }
    }

    /// Removes the directory of a container that the ledger has forgotten.
    ///
    /// # Errors
    /// Something of it stays, with the mark, and goes at the next start.
    pub fn discard(&self, container: ContainerId) -> io::Result<()> {
        let directory = self.of(container);
        match remove_marked(&directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done,
        }
    }

    /// The same, unless a process has files of it open.
    ///
    /// # Errors
    /// As [`discard`](Self::discard).
    pub fn discard_unused(&self, container: ContainerId) -> io::Result<()> {
        let directory = self.of(container);
        if !directory.exists() || user_of(&directory).is_some() {
            return Ok(());
        }
        self.mark_removal(container)?;
        self.discard(container)
    }

    /// Ends removals that were committed, and moves aside what no row names.
    ///
    /// # Errors
    /// The directory of all containers can't be read; nothing has changed then.
    pub(super) fn sweep(&self, known: &BTreeSet<String>) -> io::Result<Swept> {
        let mut swept = Swept::default();
        let entries = match fs::read_dir(self.containers()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(swept),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            // What bears no container's name was made by others: `lost+found` of a file system.
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

    /// What lies in `lost/`, in words, for as long as it does.
    pub fn lost_words(&self) -> Vec<String> {
        // Most often there is no such directory.
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

/// Removes a marked directory, its mark last: a removal that ends early is known again.
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

/// A process that has files of a directory open: a VM's shim, or its QEMU.
fn user_of(directory: &Path) -> Option<u32> {
    let processes = fs::read_dir("/proc").ok()?;
    let numbers = processes
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let holds = |process: &u32| {
        let Ok(open) = fs::read_dir(format!("/proc/{process}/fd")) else {
            // It has ended.
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
