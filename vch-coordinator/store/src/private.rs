//! Directories that are root's alone: the state directory and the run directory.
//!
//! What lies in them is not for other users of the host: environments of containers with their
//! passwords, disks, the memory of templates, sockets, locks. Only their owner passes through
//! the top directory, so that the modes below it are a second line; both are set at each start.

use nix::unistd::geteuid;
use std::{
    fs::{self, DirBuilder, Metadata, Permissions},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};
use thiserror::Error;

/// Of a directory: its owner enters, reads and writes.
const DIRECTORY: u32 = 0o700;
/// The rights of all users but the owner.
const OTHERS: u32 = 0o077;
/// A directory tree is at most this deep; the VCH's own are 4. A deeper one is not followed.
const DEEPEST: usize = 16;

/// Why a directory is not its owner's alone.
#[derive(Debug, Error)]
pub enum PrivateError {
    /// It can't be made, read or changed.
    #[error("cannot use {}: make the folder writable, or set `{setting}`", path.display())]
    File {
        /// What was tried.
        path: PathBuf,
        /// The setting that names the directory.
        setting: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is not a directory.
    #[error("{} is not a directory: remove it, or set `{setting}`", path.display())]
    NoDirectory {
        /// Where.
        path: PathBuf,
        /// The setting that names it.
        setting: &'static str,
    },
    /// Another user could change what is in it.
    #[error(
        "{} belongs to user {owner}, who could change what the VCH keeps there: `chown root` it, or set `{setting}`",
        path.display()
    )]
    Owner {
        /// Where.
        path: PathBuf,
        /// The setting that names it.
        setting: &'static str,
        /// Its owner.
        owner: u32,
    },
    /// It is used by others too, who would be shut out.
    #[error(
        "{} is open to other users and holds what is not the VCH's: `chmod 0700` it if it is the VCH's alone, or set `{setting}` to a directory of its own",
        path.display()
    )]
    Shared {
        /// Where.
        path: PathBuf,
        /// The setting that names it.
        setting: &'static str,
    },
}

/// Makes a directory for its owner alone, or shuts others out of one that is there: one that has any
/// of these `marks` in it, or nothing. `setting` is what names it in vch.toml.
///
/// # Errors
/// [`PrivateError`]; others' rights have not changed then.
pub fn provide(path: &Path, marks: &[&str], setting: &'static str) -> Result<(), PrivateError> {
    let file = |source| PrivateError::File {
        path: path.to_owned(),
        setting,
        source,
    };
    let mut builder = DirBuilder::new();
    builder
        .recursive(true)
        .mode(DIRECTORY)
        .create(path)
        .map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => PrivateError::NoDirectory {
                path: path.to_owned(),
                setting,
            },
            _ => file(source),
        })?;
    let found = fs::metadata(path).map_err(file)?;
    let owner = geteuid().as_raw();
    if found.uid() != owner {
        return Err(PrivateError::Owner {
            path: path.to_owned(),
            setting,
            owner: found.uid(),
        });
    }
    if found.mode() & OTHERS == 0 {
        return Ok(());
    }
    let marked = marks
        .iter()
        .any(|mark| path.join(mark).symlink_metadata().is_ok());
    if !marked && holds_anything(path).map_err(file)? {
        return Err(PrivateError::Shared {
            path: path.to_owned(),
            setting,
        });
    }
    repair(path, &found).map_err(file)
}

/// Whether there is anything in a directory but what each new ext4 file system has.
fn holds_anything(directory: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(directory)? {
        if entry?.file_name() != "lost+found" {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Takes the rights of others from everything below a directory, but for the subdirectories `except`
/// and for sockets, whose modes say who may connect. What can't be mended is logged: the directory
/// above it lets no other user pass.
pub fn mend_below(directory: &Path, except: &[&str]) {
    let mut repaired = 0;
    walk(directory, except, DEEPEST, &mut repaired);
    if repaired > 0 {
        tracing::warn!(directory = %directory.display(), mended = repaired, "files were open to other users: closed");
    }
}

fn walk(directory: &Path, except: &[&str], deeper: usize, repaired: &mut usize) {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) => {
            tracing::warn!(directory = %directory.display(), %error, "modes are not looked at");
            return;
        }
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let is_excepted = except.iter().any(|name| entry.file_name() == *name);
        // Of the entry itself: a symbolic link is not followed.
        let Ok(found) = entry.metadata() else {
            continue;
        };
        let kind = found.file_type();
        if is_excepted || !(kind.is_dir() || kind.is_file()) {
            continue;
        }
        if found.mode() & OTHERS != 0 {
            match repair(&path, &found) {
                Ok(()) => *repaired += 1,
                Err(error) => {
                    tracing::warn!(path = %path.display(), %error, "it stays open to other users");
                }
            }
        }
        if kind.is_dir() && deeper > 0 {
            walk(&path, &[], deeper - 1, repaired);
        }
    }
}

fn repair(path: &Path, found: &Metadata) -> io::Result<()> {
    fs::set_permissions(
        path,
        Permissions::from_mode(found.mode() & !OTHERS & 0o7777),
    )
}

#[cfg(test)]
mod tests;
