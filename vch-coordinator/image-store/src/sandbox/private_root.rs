//! A private root directory that has the staging directory and nothing else of the host but what the job needs.

use super::{Needs, SandboxError, failed};
use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{chdir, chroot, pivot_root};
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::{Path, PathBuf};

/// The path of the staging directory within the private root.
const WORK: &str = "work";
/// The mount options of the private root, which holds copies of small files.
const ROOT: &str = "size=16m,mode=755";
/// The most bytes of a file that is copied: Debian's bundle of certificates has about 220 KiB.
const FILE_BYTES: u64 = 4 << 20;
/// The files for name resolution and for certificates (resolver(5), nsswitch.conf(5)).
const NETWORK: &[&str] = &[
    "etc/resolv.conf",
    "etc/hosts",
    "etc/nsswitch.conf",
    "etc/ssl/certs/ca-certificates.crt",
];
/// The files with which programs are started (ld.so(8)).
const PROGRAMS: &[&str] = &["etc/ld.so.cache"];
/// Beside /usr, of which these are parts on Debian.
const OUTSIDE_USR: &[&str] = &["bin", "sbin", "lib", "lib32", "lib64", "libx32"];

/// Makes a private root directory, and changes this process's root to it for good. The process must have a mount
/// namespace of its own.
///
/// # Errors
/// Returns [`SandboxError`] with the step that the kernel refuses.
pub(super) fn enter(dir: &Path, needs: Needs) -> Result<(), SandboxError> {
    const NONE: Option<&str> = None;
    chdir(dir).map_err(failed("enter the staging folder"))?;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(NONE, "/", NONE, private, NONE).map_err(failed("keep mounts to itself"))?;
    // Hides the other helpers' directories too.
    let root = dir.parent().unwrap_or(dir);
    let closed = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("tmpfs"), root, Some("tmpfs"), closed, Some(ROOT))
        .map_err(failed("make a private root"))?;
    // The coordinator's is narrower: with it the job's user could read nothing here.
    let before = umask(Mode::from_bits_truncate(0o022));
    let filled = fill(root, needs, closed);
    umask(before);
    filled?;
    let fixed = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY | closed;
    mount(NONE, root, NONE, fixed, NONE).map_err(failed("protect the private root"))?;
    turn(root)?;
    chdir(&Path::new("/").join(WORK)).map_err(failed("enter the staging folder"))
}

fn fill(root: &Path, needs: Needs, closed: MsFlags) -> Result<(), SandboxError> {
    bind(Path::new("."), &make(root, WORK)?, closed)?;
    match needs {
        Needs::Nothing => Ok(()),
        Needs::Network => copy(root, NETWORK),
        Needs::Programs => programs(root),
    }
}

/// Turns to the new root, and lets the old one go.
fn turn(root: &Path) -> Result<(), SandboxError> {
    chdir(root).map_err(failed("enter the private root"))?;
    match pivot_root(".", ".") {
        Ok(()) => umount2(".", MntFlags::MNT_DETACH).map_err(failed("leave the host's files")),
        // The host's root is its initramfs, from which no process can pivot (pivot_root(2)).
        Err(Errno::EINVAL) => {
            const NONE: Option<&str> = None;
            mount(Some("."), "/", NONE, MsFlags::MS_MOVE, NONE)
                .map_err(failed("move the private root"))?;
            chroot(".").map_err(failed("leave the host's files"))
        }
        Err(error) => Err(failed("leave the host's files")(error)),
    }
}

fn programs(root: &Path) -> Result<(), SandboxError> {
    copy(root, PROGRAMS)?;
    let flags = MsFlags::MS_RDONLY | MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    bind(Path::new("/usr"), &make(root, "usr")?, flags)?;
    for name in OUTSIDE_USR {
        let source = Path::new("/").join(name);
        match fs::symlink_metadata(&source) {
            Ok(about) if about.is_symlink() => {
                let target = fs::read_link(&source).map_err(failed("look for programs"))?;
                symlink(target, root.join(name)).map_err(failed("make a private root"))?;
            }
            Ok(_) => bind(&source, &make(root, name)?, flags)?,
            Err(_) => {}
        }
    }
    make(root, "dev")?;
    let null = root.join("dev/null");
    File::create(&null).map_err(failed("make a private root"))?;
    bind(
        Path::new("/dev/null"),
        &null,
        MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC,
    )
}

/// Binds one mount, and with it nothing that is mounted below it.
fn bind(source: &Path, target: &Path, flags: MsFlags) -> Result<(), SandboxError> {
    const NONE: Option<&str> = None;
    let step = "show a folder in the private root";
    mount(Some(source), target, NONE, MsFlags::MS_BIND, NONE).map_err(failed(step))?;
    let flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | flags;
    mount(NONE, target, NONE, flags, NONE).map_err(failed(step))
}

fn make(root: &Path, name: &str) -> Result<PathBuf, SandboxError> {
    let path = root.join(name);
    let made = DirBuilder::new().recursive(true).mode(0o755).create(&path);
    made.map_err(failed("make a private root"))?;
    Ok(path)
}

/// Copies those of these files that are there; the others are not needed.
fn copy(root: &Path, names: &[&str]) -> Result<(), SandboxError> {
    for name in names {
        let mut bytes = Vec::new();
        let read = File::open(Path::new("/").join(name))
            .and_then(|file| file.take(FILE_BYTES).read_to_end(&mut bytes));
        match read {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(failed("copy what a job needs")(error)),
        }
        let dir = name.rsplit_once('/').map_or("", |(dir, _)| dir);
        make(root, dir)?;
        fs::write(root.join(name), bytes).map_err(failed("make a private root"))?;
    }
    Ok(())
}
