//! Debian packages as a source of files: downloaded by `apt-get`, unpacked by `dpkg-deb`, never
//! installed.
//!
//! A package that was unpacked before is used as it is, without a query of the Debian archive:
//! remove its directory to get a newer one.

mod suite;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use thiserror::Error;

pub use suite::Suite;

/// The reason for which a Debian package can't be downloaded or unpacked, or for which a program that a build runs (of
/// apt, dpkg, busybox or squashfs-tools) failed.
#[derive(Debug, Error)]
pub enum DebianError {
    /// A program is missing or can't be started.
    #[error("can't start `{program}`: on Debian install it by `apt-get install {package}`")]
    Start {
        /// The name of the program.
        program: &'static str,
        /// The Debian package that contains it.
        package: &'static str,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// A program ran and failed.
    #[error(
        "`{command}` failed: {reason}; run `apt-get update` when the package list is old or empty"
    )]
    Failed {
        /// The command line.
        command: String,
        /// What the program wrote to standard error.
        reason: String,
    },
    /// The output of a program, or what was downloaded, is not as expected.
    #[error("package `{package}`: {reason}")]
    Unexpected {
        /// The name of the package.
        package: String,
        /// The problem, in words.
        reason: String,
    },
    /// A file of this machine can't be read.
    #[error("can't read {path}")]
    Read {
        /// The path of the file.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// A file or directory can't be created, renamed or removed.
    #[error("can't write {path}")]
    Write {
        /// The path of the file or directory.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
}

/// Returns the name of the first package that a package depends on at present, according to this machine's package
/// lists (`apt-cache show`). For a meta package such as `linux-image-cloud-amd64` that is the kernel.
///
/// # Errors
/// Returns [`DebianError`] if apt can't be run, or if the package is unknown or depends on nothing.
pub fn first_dependency(package: &str) -> Result<String, DebianError> {
    let listing = run(
        Command::new("apt-cache").args(["show", "--no-all-versions", package]),
        "apt-cache",
        "apt",
    )?;
    dependency_in(&listing).ok_or_else(|| DebianError::Unexpected {
        package: package.to_owned(),
        reason: "it depends on nothing; choose the package yourself".to_owned(),
    })
}

/// Downloads a package of this machine's own Debian sources, and unpacks it into `dir`. Does nothing if `dir` exists;
/// an interrupted call leaves no `dir`. Concurrent calls, also of other processes, wait for the one that unpacks, by a
/// lock file beside `dir`, which stays there.
///
/// # Errors
/// Returns [`DebianError`] if the download or the unpacking fails.
pub fn unpacked(package: &str, dir: &Path) -> Result<(), DebianError> {
    if dir.is_dir() {
        return Ok(());
    }
    let _lock = locked(&dir.with_extension("lock"))?;
    if dir.is_dir() {
        return Ok(());
    }
    let mut apt_get = Command::new("apt-get");
    // apt's own download user can't write into a build directory that belongs to another user.
    apt_get.args(["-q", "-o", "APT::Sandbox::User=root"]);
    unpacked_by(&mut apt_get, package, dir)
}

/// Waits for a lock (flock(2)) on a file, which is created if it is not there; it is given back when the file is dropped.
fn locked(path: &Path) -> Result<fs::File, DebianError> {
    let parent = path.parent().unwrap_or(Path::new(""));
    fs::create_dir_all(parent)
        .and_then(|()| fs::File::create(path))
        .and_then(|file| file.lock().map(|()| file))
        .map_err(write_error(path))
}

/// Downloads `package` by an `apt-get` with its options, and unpacks it.
fn unpacked_by(apt_get: &mut Command, package: &str, dir: &Path) -> Result<(), DebianError> {
    let work = dir.with_extension("partial");
    let cleared = match fs::remove_dir_all(&work) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    };
    let files = work.join("files");
    cleared
        .and_then(|()| fs::create_dir_all(&files))
        .map_err(write_error(&work))?;
    let download = apt_get.args(["download", package]).current_dir(&work);
    run(download, "apt-get", "apt")?;
    let archive = only_package(&work).map_err(write_error(&work))?;
    let archive = archive.ok_or_else(|| DebianError::Unexpected {
        package: package.to_owned(),
        reason: "the download left no .deb file".to_owned(),
    })?;
    run(
        Command::new("dpkg-deb").arg("-x").arg(&archive).arg(&files),
        "dpkg-deb",
        "dpkg",
    )?;
    fs::rename(&files, dir).map_err(write_error(dir))?;
    fs::remove_dir_all(&work).map_err(write_error(&work))
}

fn write_error(path: &Path) -> impl FnOnce(io::Error) -> DebianError {
    let path = path.to_owned();
    |source| DebianError::Write { path, source }
}

fn only_package(dir: &Path) -> io::Result<Option<PathBuf>> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

fn dependency_in(listing: &str) -> Option<String> {
    let depends = listing
        .lines()
        .find_map(|line| line.strip_prefix("Depends: "))?;
    let name = depends.split([' ', ',']).next()?;
    (!name.is_empty()).then(|| name.to_owned())
}

/// Runs a program to its end; returns its standard output.
///
/// # Errors
/// Returns [`DebianError::Start`] if the program can't be started, [`DebianError::Failed`] if it
/// fails.
pub(crate) fn run(
    command: &mut Command,
    program: &'static str,
    package: &'static str,
) -> Result<String, DebianError> {
    let output = command.output().map_err(|source| DebianError::Start {
        program,
        package,
        source,
    })?;
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(DebianError::Failed {
            command: format!("{command:?}"),
            reason,
        });
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_dependency_is_a_bare_name() {
        let listing =
            "Package: x\nDepends: linux-image-6.1.0-9-cloud-amd64 (= 6.1.1-1), kmod\nSize: 1\n";
        assert_eq!(
            dependency_in(listing).as_deref(),
            Some("linux-image-6.1.0-9-cloud-amd64")
        );
        assert_eq!(dependency_in("Package: x\n"), None);
    }

    #[test]
    fn a_package_that_is_there_is_not_downloaded_again() {
        let dir = tempfile::tempdir().unwrap();
        unpacked("no such package", dir.path()).unwrap();
    }
}
