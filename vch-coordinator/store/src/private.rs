//! Directories that only root may use: the coordinator's state directory and run directory.
//!
//! They contain what other users of the host must not read: environments of containers with passwords, disks, memory of
//! templates (saved VMs), sockets, locks. The top directory lets only its owner pass; the modes below it are a second
//! barrier. Both are set at each start.

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

/// The reason why a directory can't be restricted to root.
#[derive(Debug, Error)]
pub enum PrivateError {
    /// The directory can't be created, read or changed.
    #[error("cannot use {}: make the folder writable, or set `{setting}`", path.display())]
    File {
        /// The directory's path.
        path: PathBuf,
        /// The setting of vch.toml that contains the path.
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
        /// The setting of vch.toml that contains the path.
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
        /// The setting of vch.toml that contains the path.
        setting: &'static str,
        /// The user ID of the directory's owner.
        owner: u32,
    },
    /// Other users can use the directory, and it has content that is not the VCH's. It is not restricted, since that
    /// would keep these users from their files.
    #[error(
        "{} is open to other users and holds what is not the VCH's: `chmod 0700` it if it is the VCH's alone, or set `{setting}` to a directory of its own",
        path.display()
    )]
    Shared {
        /// The directory's path.
        path: PathBuf,
        /// The setting of vch.toml that contains the path.
        setting: &'static str,
    },
}

/// Creates a directory, and those above it that are missing, with mode 0700. An existing directory that other users can
/// use is restricted to its owner, if it is empty or contains an entry named in `marks` (which shows that it is the
/// VCH's). `setting` is the setting of vch.toml that contains the path, for errors.
///
/// # Errors
/// In all of these cases the directory's mode is unchanged. Returns
/// - [`PrivateError::File`] if the directory can't be created, read or changed,
/// - [`PrivateError::NoDirectory`] if the path is something else,
/// - [`PrivateError::Owner`] if its owner is not the user that this process runs as,
/// - [`PrivateError::Shared`] if other users can use it, and it has only other content.
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

/// Removes the access of other users from all files and directories below `directory`, at most 17 levels deep. Left out
/// are its direct entries named in `except` with all that they contain, symbolic links, and sockets, whose modes decide
/// which users may connect. Failures are only logged, since other users can't pass `directory` itself.
pub fn repair_below(directory: &Path, except: &[&str]) {
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
