//! Makes the container's view of the machine: its root directory, and new mounts of the kernel's file systems, with the
//! paths hidden that Docker hides.

use super::nodes::{self, Node};
use crate::{
    rootfs::ROOT,
    start_error::{StartError, failed},
};
use nix::{
    mount::{MntFlags, MsFlags, mount, umount2},
    unistd::{chdir, pivot_root, symlinkat},
};
use protocol::process::Start;
use std::{fs, io, path::Path};

/// Links of /dev, and their targets.
const LINKS: &[(&str, &str)] = &[
    ("ptmx", "pts/ptmx"),
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("core", "/proc/kcore"),
];
const NONE: Option<&str> = None;

/// Makes the view in the mount namespace of the caller, which is the container's, and leaves init's root.
///
/// # Errors
/// Returns [`Fault::Other`](protocol::process::Fault::Other) with the file system that can't be mounted, the device,
/// directory or link that can't be made, or the kernel parameter that can't be set.
pub fn make(start: &Start) -> Result<(), StartError> {
    let nodes = nodes::of(start)?;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(NONE, "/", NONE, private, NONE).map_err(failed("part from init's mounts"))?;
    mount(Some(ROOT), ROOT, NONE, MsFlags::MS_BIND, NONE).map_err(failed("bind the root"))?;
    chdir(ROOT).map_err(failed("enter the root"))?;
    // The old root lies over the new one then, and is let go (pivot_root(2)).
    pivot_root(".", ".").map_err(failed("change the root"))?;
    umount2(".", MntFlags::MNT_DETACH).map_err(failed("leave init's root"))?;
    chdir("/").map_err(failed("enter the root"))?;

    kernel_views(start.privileged)?;
    devices(start.shm_bytes, &nodes)?;
    for tmpfs in &start.tmpfs {
        let flags = MsFlags::MS_NODEV | MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
        let (flags, data) = options(flags, &tmpfs.options);
        mounted("tmpfs", &tmpfs.path, flags, &data)?;
    }
    set(&start.sysctls, |name| !of_the_network(name))?;
    if !start.privileged {
        restrict(start)?;
    }
    // An `exec` finds it or fails; what the container begins in is made for it.
    let dir = &start.process.dir;
    if !dir.is_empty() {
        fs::create_dir_all(dir).map_err(|error| no_dir(dir, &error))?;
    }
    for volume in &start.volumes {
        fs::create_dir_all(volume).map_err(failed("make the folder of a volume"))?;
        if start.read_only {
            // A mount of its own, which the root's flags leave alone.
            let done = mount(Some(&**volume), &**volume, NONE, MsFlags::MS_BIND, NONE);
            done.map_err(failed("mount the folder of a volume"))?;
        }
    }
    if start.read_only {
        again("/", MsFlags::MS_RDONLY | MsFlags::MS_NODEV)?;
    }
    Ok(())
}

/// Says in dockerd's words that a file stands where the working directory should be.
fn no_dir(dir: &str, error: &io::Error) -> StartError {
    let reason = match error.kind() {
        io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
            format!("Cannot mkdir: {dir} is not a directory")
        }
        _ => format!("make the working directory: {error}"),
    };
    StartError::other(reason)
}

/// Covers those of the kernel's own files that are not the container's. A file that the kernel lacks needs no cover.
fn restrict(start: &Start) -> Result<(), StartError> {
    let there = |paths: &[String]| -> Vec<String> {
        let there = paths.iter().filter(|path| Path::new(path).exists());
        there.cloned().collect()
    };
    for path in there(&start.read_only_paths) {
        again(&path, MsFlags::MS_RDONLY)?;
    }
    for path in there(&start.masked_paths) {
        let done = if Path::new(&path).is_dir() {
            let empty = Some("size=0");
            mount(
                Some("tmpfs"),
                &*path,
                Some("tmpfs"),
                MsFlags::MS_RDONLY,
                empty,
            )
        } else {
            mount(Some("/dev/null"), &*path, NONE, MsFlags::MS_BIND, NONE)
        };
        done.map_err(failed("cover what is not the container's"))?;
    }
    Ok(())
}

/// Sets the kernel parameters (`--sysctl`) whose names begin with `net.`. The interfaces must exist. The parameters
/// apply to the whole VM.
///
/// # Errors
/// Returns [`Fault::Other`](protocol::process::Fault::Other) if the kernel has no such parameter, or refuses the value.
pub fn set_network(sysctls: &[(String, String)]) -> Result<(), StartError> {
    set(sysctls, of_the_network)
}

fn of_the_network(name: &str) -> bool {
    name.starts_with("net.")
}

fn set(sysctls: &[(String, String)], which: fn(&str) -> bool) -> Result<(), StartError> {
    for (name, value) in sysctls.iter().filter(|(name, _)| which(name)) {
        let path = Path::new("/proc/sys").join(name.replace('.', "/"));
        let what = format!("set {name}");
        fs::write(path, value).map_err(failed(&what))?;
    }
    Ok(())
}

fn kernel_views(privileged: bool) -> Result<(), StartError> {
    let quiet = MsFlags::MS_NODEV | MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    let read_only = if privileged {
        MsFlags::empty()
    } else {
        MsFlags::MS_RDONLY
    };
    mounted("proc", "/proc", quiet, "")?;
    mounted("sysfs", "/sys", quiet | read_only, "")?;
    mounted("cgroup2", "/sys/fs/cgroup", quiet | read_only, "")
}

fn devices(shm_bytes: u64, nodes: &[Node]) -> Result<(), StartError> {
    mounted("tmpfs", "/dev", MsFlags::MS_NOSUID, "mode=755,size=65536k")?;
    let quiet = MsFlags::MS_NODEV | MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    let pts = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    mounted(
        "devpts",
        "/dev/pts",
        pts,
        "newinstance,ptmxmode=0666,mode=0620,gid=5",
    )?;
    if shm_bytes > 0 {
        let options = format!("mode=1777,size={shm_bytes}");
        mounted("tmpfs", "/dev/shm", quiet, &options)?;
    }
    mounted("mqueue", "/dev/mqueue", quiet, "")?;
    for node in nodes {
        node.make().map_err(failed("make a device"))?;
    }
    for (name, target) in LINKS {
        let path = Path::new("/dev").join(name);
        symlinkat(*target, nix::fcntl::AT_FDCWD, &path).map_err(failed("make a link"))?;
    }
    Ok(())
}

fn mounted(kind: &str, path: &str, flags: MsFlags, options: &str) -> Result<(), StartError> {
    let what = format!("mount {path}");
    fs::create_dir_all(path).map_err(failed(&what))?;
    mount(Some(kind), path, Some(kind), flags, Some(options)).map_err(failed(&what))
}

/// Mounts a path once more over itself, with other flags.
fn again(path: &str, flags: MsFlags) -> Result<(), StartError> {
    let bind = MsFlags::MS_BIND;
    let done = mount(Some(path), path, NONE, bind | MsFlags::MS_REC, NONE);
    done.map_err(failed("mount it again"))?;
    let remount = bind | MsFlags::MS_REMOUNT | flags;
    mount(NONE, path, NONE, remount, NONE).map_err(failed("mount it again"))
}

/// Parses mount(8)'s options into flags, which begin with those given, and data.
fn options(mut flags: MsFlags, text: &str) -> (MsFlags, String) {
    let mut data = Vec::new();
    for word in text.split(',').filter(|word| !word.is_empty()) {
        match word {
            "ro" => flags |= MsFlags::MS_RDONLY,
            "rw" => flags -= MsFlags::MS_RDONLY,
            "exec" => flags -= MsFlags::MS_NOEXEC,
            "noexec" => flags |= MsFlags::MS_NOEXEC,
            "suid" => flags -= MsFlags::MS_NOSUID,
            "nosuid" => flags |= MsFlags::MS_NOSUID,
            // A device opens where the container's device program says so, wherever its node is.
            "dev" => flags -= MsFlags::MS_NODEV,
            "nodev" => flags |= MsFlags::MS_NODEV,
            "noatime" => flags |= MsFlags::MS_NOATIME,
            word => data.push(word),
        }
    }
    (flags, data.join(","))
}

#[cfg(test)]
mod tests;
