//! Directories that only root may use: the state directory and the run directory.
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

/// The mode of a directory that its owner alone enters, reads and writes.
const DIRECTORY: u32 = 0o700;
/// The mode bits of all users but the owner.
const OTHERS: u32 = 0o077;
/// A directory tree is at most this deep; the VCH's own are 4. A deeper one is not followed.
const DEEPEST: usize = 16;

/// Why a directory can't be made or kept for its owner alone.
#[derive(Debug, Error)]
pub enum PrivateError {
    /// The directory can't be made, read or changed.
    #[error("cannot use {}: make the folder writable, or set `{setting}`", path.display())]
    File {
        /// The directory's path.
        path: PathBuf,
        /// The setting of vch.toml that names the directory.
        setting: &'static str,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// The path is not a directory.
    #[error("{} is not a directory: remove it, or set `{setting}`", path.display())]
    NoDirectory {
        /// The path.
        path: PathBuf,
        /// The setting of vch.toml that names the directory.
        setting: &'static str,
    },
    /// Another user owns the directory, and could change its content.
    #[error(
        "{} belongs to user {owner}, who could change what the VCH keeps there: `chown root` it, or set `{setting}`",
        path.display()
    )]
    Owner {
        /// The directory's path.
        path: PathBuf,
        /// The setting of vch.toml that names the directory.
        setting: &'static str,
        /// The user ID of the owner.
        owner: u32,
    },
    /// The directory is open to other users and has content that is not the VCH's: closing it would
    /// shut other users out of their files.
    #[error(
        "{} is open to other users and holds what is not the VCH's: `chmod 0700` it if it is the VCH's alone, or set `{setting}` to a directory of its own",
        path.display()
    )]
    Shared {
        /// The directory's path.
        path: PathBuf,
        /// The setting of vch.toml that names the directory.
        setting: &'static str,
    },
}

/// Makes a directory with mode 0700. If it exists and is open to other users, closes it, provided that it is empty or
/// contains one of the names in `marks`. `setting` is the name of the setting in vch.toml that holds the path, for
/// errors.
///
/// # Errors
/// Leaves the directory's mode as it is, and returns
/// - [`PrivateError::File`] if the directory can't be made, read or changed,
/// - [`PrivateError::NoDirectory`] if the path is something else,
/// - [`PrivateError::Owner`] if another user owns it,
/// - [`PrivateError::Shared`] if it is open to other users and has other content only.
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

/// Returns whether a directory has any content but `lost+found`, which each new ext4 file system
/// has.
fn holds_anything(directory: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(directory)? {
        if entry?.file_name() != "lost+found" {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Takes the rights of other users from everything below a directory, except from the subdirectories `except` and
/// from sockets, whose modes say which users may connect. Logs what can't be changed: the directory above it lets no
/// other user pass.
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
