//! The device nodes of a container's /dev: Docker's default ones, those that the user asks for, or all of the VM's.

use crate::start_error::{StartError, failed};
use nix::{
    libc,
    sys::stat::{Mode, SFlag, makedev, mknod},
    unistd::{Gid, Uid, chown},
};
use protocol::process::{Device, Start};
use std::{
    fs, io,
    os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

const DEV: &str = "/dev";
/// The devices that every container has: names, majors and minors (the kernel's `admin-guide/devices`).
const USUAL: &[(&str, u32, u32)] = &[
    ("/dev/null", 1, 3),
    ("/dev/zero", 1, 5),
    ("/dev/full", 1, 7),
    ("/dev/random", 1, 8),
    ("/dev/urandom", 1, 9),
    ("/dev/tty", 5, 0),
];
/// Devices whose modules are loaded when a node is opened: before that the kernel shows none.
const ON_DEMAND: &[(&str, u32, u32)] = &[
    ("/dev/fuse", 10, 229),
    ("/dev/loop-control", 10, 237),
    ("/dev/mapper/control", 10, 236),
    ("/dev/net/tun", 10, 200),
    ("/dev/ppp", 108, 0),
    ("/dev/vhost-net", 10, 238),
];
/// Directories and links of /dev that a container has of its own.
const OWN: &[&str] = &["console", "fd", "mqueue", "ptmx", "pts", "shm"];
/// The mode of a node that every user may open.
const OPEN: u32 = 0o666;
/// The mode of a node that only its owner may open.
const CLOSED: u32 = 0o600;

/// A device node: its path, kind, numbers, mode and owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    path: PathBuf,
    block: bool,
    /// Major and minor, as makedev(3) has them.
    number: u64,
    mode: u32,
    owner: (u32, u32),
}

impl Node {
    fn character(path: &str, major: u32, minor: u32, mode: u32) -> Self {
        Self {
            path: path.into(),
            block: false,
            number: makedev(major.into(), minor.into()),
            mode,
            owner: (0, 0),
        }
    }

    /// Describes a node of the VM's by its file; returns `None` where the file is no device.
    fn of(path: &Path) -> io::Result<Option<Self>> {
        let found = fs::symlink_metadata(path)?;
        let kind = found.file_type();
        let device = kind.is_block_device() || kind.is_char_device();
        Ok(device.then(|| Self {
            path: path.to_owned(),
            block: kind.is_block_device(),
            number: found.rdev(),
            mode: found.mode() & 0o777,
            owner: (found.uid(), found.gid()),
        }))
    }

    /// Returns whether the node is a block device, its major number and its minor number.
    pub fn numbers(&self) -> (bool, u32, u32) {
        let [major, minor] = [libc::major(self.number), libc::minor(self.number)];
        (self.block, major, minor)
    }

    /// Makes the node at its path, and the directories above it. Does nothing if a file is at the path already.
    ///
    /// # Errors
    /// Returns the system's error if the file system takes no device nodes.
    pub fn make(&self) -> io::Result<()> {
        if let Some(dir) = self.path.parent() {
            fs::create_dir_all(dir)?;
        }
        let kind = if self.block {
            SFlag::S_IFBLK
        } else {
            SFlag::S_IFCHR
        };
        let mode = Mode::from_bits_truncate(self.mode);
        match mknod(&self.path, kind, mode, self.number) {
            // One that was asked for twice, or is among the usual ones.
            Err(nix::errno::Errno::EEXIST) => return Ok(()),
            made => made?,
        }
        let (uid, gid) = self.owner;
        chown(
            &self.path,
            Some(Uid::from_raw(uid)),
            Some(Gid::from_raw(gid)),
        )?;
        // What mknod(2) made is less the umask.
        fs::set_permissions(&self.path, fs::Permissions::from_mode(self.mode))
    }
}

/// Returns the device nodes of a container's /dev. The caller is still in init's root, where the VM's own nodes are.
///
/// # Errors
/// Returns [`Fault::Other`](protocol::process::Fault::Other) if the VM does not have a device, or /dev can't be read.
pub fn of(start: &Start) -> Result<Vec<Node>, StartError> {
    let usual = USUAL.iter();
    let mut nodes: Vec<Node> = usual
        .map(|(path, major, minor)| Node::character(path, *major, *minor, OPEN))
        .collect();
    for device in &start.devices {
        nodes.push(asked(device)?);
    }
    if start.privileged {
        let mut all = Vec::new();
        collect(Path::new(DEV), &mut all).map_err(failed("look at the VM's devices"))?;
        nodes.extend(all);
        let on_demand = ON_DEMAND.iter();
        nodes.extend(
            on_demand.map(|(path, major, minor)| Node::character(path, *major, *minor, CLOSED)),
        );
    }
    Ok(nodes)
}

/// Returns the node of a device that the user asked for (`--device`), at its path in the container.
///
/// # Errors
/// Returns [`Fault::Other`](protocol::process::Fault::Other) if the VM does not have the device.
pub fn asked(device: &Device) -> Result<Node, StartError> {
    let on_demand = ON_DEMAND.iter().find(|(path, ..)| *path == device.source);
    let node = match (Node::of(Path::new(&device.source)), on_demand) {
        (Ok(Some(node)), _) => node,
        (_, Some((path, major, minor))) => Node::character(path, *major, *minor, CLOSED),
        (found, None) => {
            let why = found
                .err()
                .map_or_else(|| "not a device node".to_owned(), |error| error.to_string());
            let reason = format!(
                "error gathering device information while adding custom device {:?}: {why}: devices are those of the \
                 container's VM",
                device.source
            );
            return Err(StartError::other(reason));
        }
    };
    Ok(Node {
        path: Path::new("/").join(&device.path),
        ..node
    })
}

/// Collects all nodes below a directory of the VM's own /dev, except those that the container has of its own.
fn collect(dir: &Path, nodes: &mut Vec<Node>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let own = path.parent() == Some(Path::new(DEV))
            && OWN.iter().any(|own| path.file_name() == Some(own.as_ref()));
        if own {
            continue;
        }
        if fs::symlink_metadata(&path)?.is_dir() {
            collect(&path, nodes)?;
        } else if let Some(node) = Node::of(&path)?
            && !is_channel(&path)
        {
            nodes.push(node);
        }
    }
    Ok(())
}

/// Returns whether a node is a channel of agent or init: the device program refuses those in any case.
fn is_channel(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with("vport")
}

#[cfg(test)]
mod tests;
