//! The disk of kernel modules that a container VM loads on demand: a squashfs file beside the initramfs, with every
//! module of its kernel except those of vsock.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use thiserror::Error;
use vch_qemu::MODULE_DISK;

use crate::debian::{self, DebianError};
use crate::modules::{Described, ModuleTree, ModulesError, index};
/// The number of the disk's recipe: a disk of other contents gets another number.
const RECIPE: u32 = 2;
/// Directories below `kernel/` that it leaves out: no socket of AF_VSOCK is made in such a VM then, whatever a process may.
const WITHOUT: &[&str] = &["net/vmw_vsock"];

/// The reason for which the disk of kernel modules can't be made.
#[derive(Debug, Error)]
pub enum ModuleDiskError {
    /// The kernel's modules can't be read.
    #[error(transparent)]
    Modules(#[from] ModulesError),
    /// The program `mksquashfs` is missing or failed.
    #[error(transparent)]
    Tool(#[from] DebianError),
    /// A file or directory can't be written.
    #[error("can't write {path}")]
    Write {
        /// The path of the file or directory.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
}

fn write_error(path: &Path) -> impl FnOnce(io::Error) -> ModuleDiskError {
    let path = path.to_owned();
    |source| ModuleDiskError::Write { path, source }
}

/// Makes the disk `modules.squashfs` in the directory `dir`, and returns its path. `version` is the directory
/// `lib/modules/VERSION` of an unpacked kernel package, whose modules the disk gets, except those of vsock. If `dir`
/// has a disk of the same kernel version, returns its path and makes nothing.
///
/// # Errors
/// Returns [`ModuleDiskError`] if the modules can't be read, or if the disk can't be made or written. An existing disk
/// stays.
pub fn build(version: &Path, dir: &Path) -> Result<PathBuf, ModuleDiskError> {
    let disk = dir.join(MODULE_DISK);
    let stamp = dir.join("modules.stamp");
    let kernel = version.file_name().unwrap_or_default().to_string_lossy();
    let wanted = format!("{kernel} {RECIPE}\n");
    if disk.is_file() && fs::read_to_string(&stamp).is_ok_and(|there| there == wanted) {
        return Ok(disk);
    }
    let modules = ModuleTree::read(version)?.all_but(WITHOUT)?;
    let work = dir.join("modules.partial");
    clear(&work)?;
    fs::create_dir_all(&work).map_err(write_error(&work))?;
    lay_out(&modules, &work)?;
    let partial = dir.join("modules.squashfs.partial");
    clear(&partial)?;
    let mut pack = Command::new("mksquashfs");
    pack.arg(&work).arg(&partial).args([
        "-all-root",
        "-all-time",
        "0",
        "-mkfs-time",
        "0",
        "-no-progress",
        "-quiet",
        "-comp",
        "zstd",
        "-Xcompression-level",
        "3",
    ]);
    debian::run(&mut pack, "mksquashfs", "squashfs-tools")?;
    clear(&work)?;
    fs::rename(&partial, &disk).map_err(write_error(&disk))?;
    fs::write(&stamp, wanted).map_err(write_error(&stamp))?;
    Ok(disk)
}

/// Writes every module under the name by which container-init looks for it, and the index.
fn lay_out(modules: &[Described], work: &Path) -> Result<(), ModuleDiskError> {
    for module in modules {
        let path = work.join(format!("{}.ko", module.name));
        fs::copy(&module.path, &path).map_err(write_error(&path))?;
    }
    let path = work.join("index");
    fs::write(&path, index(modules)).map_err(write_error(&path))
}

fn clear(path: &Path) -> Result<(), ModuleDiskError> {
    let cleared = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    };
    cleared.map_err(write_error(path))
}
