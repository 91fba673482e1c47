//! Makes the bootstrap image (the kernel and initramfs that container VMs boot) from Debian's
//! packages, and writes its files.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use thiserror::Error;

use crate::archive::{Archive, ArchiveError};
use crate::debian::{self, DebianError};
use crate::kernel::{self, KernelError};
use crate::module_disk::{self, ModuleDiskError};
use crate::modules::{ModuleTree, ModulesError};

#[cfg(test)]
mod tests;

const KERNEL_META_PACKAGE: &str = "linux-image-cloud-amd64";
const BUSYBOX_PACKAGE: &str = "busybox-static";
const INIT: &[u8] = include_bytes!("../guest/init");

/// Every container VM: its NICs, the channels that the agent speaks over, and a source of randomness.
const CONTAINER_MODULES: &[&str] = &[
    "virtio_pci",
    "virtio_net",
    "virtio_console",
    "virtio_rng",
    "vmw_vsock_virtio_transport",
    "vsock_loopback",
];
/// The modules of a VM that runs an image: its NICs, lines and disks, and the file systems on these. It has no vsock
/// device, and no process in it needs a vsock socket.
const WORKLOAD_MODULES: &[&str] = &[
    "virtio_pci",
    "virtio_net",
    "virtio_console",
    "virtio_rng",
    "virtio_blk",
    "squashfs",
    "overlay",
];
/// The further modules of a VM that is itself a Virtual Container Host.
const HOST_MODULES: &[&str] = &[
    "virtio_blk",
    "bridge",
    "tun",
    "veth",
    "nf_tables",
    "nft_chain_nat",
    "nft_nat",
    "nft_masq",
    "nft_meta_bridge",
    "nf_conntrack_netlink",
    "nft_connlimit",
    "nft_redir",
    "nft_ct",
    "nft_fib_inet",
    "nft_reject_inet",
    "nft_log",
];

/// The reason for which [`Recipe::build`] did not make the image.
#[derive(Debug, Error)]
pub enum BootstrapError {
    /// A Debian package can't be downloaded or unpacked.
    #[error(transparent)]
    Debian(#[from] DebianError),
    /// The kernel's modules can't be read or put in order.
    #[error(transparent)]
    Modules(#[from] ModulesError),
    /// The disk of kernel modules can't be made.
    #[error(transparent)]
    ModuleDisk(#[from] ModuleDiskError),
    /// No uncompressed kernel (`vmlinux`) can be extracted from the Debian package's kernel file.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// A file can't be added to the initramfs.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The image's name is empty, or has a character other than ASCII letters, digits, `-` and `_`.
    #[error("image name {name:?}: use letters, digits, `-` and `_`")]
    Name {
        /// The name, as it was given.
        name: String,
    },
    /// A file that is to be in the image can't be read: one that the recipe names, or one of an unpacked Debian
    /// package.
    #[error("can't read {path}, which is to be part of the image")]
    Read {
        /// The path of the file.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// The unpacked kernel package has no kernel, or no modules.
    #[error("{dir} has no `{what}`: remove {dir} and run again")]
    Incomplete {
        /// The directory of the unpacked package.
        dir: PathBuf,
        /// The missing file or directory, below `dir`.
        what: &'static str,
    },
    /// A file or directory of the result can't be written.
    #[error("can't write {path}")]
    Write {
        /// The path of the file or directory.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
}

/// The kind of VM that boots an image, which decides the kernel modules in the image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Variant {
    /// A VM that has NICs and the channels of the network agent (vsock, virtserialport), but no disks: its file system
    /// is the initramfs alone. The default.
    #[default]
    Container,
    /// A VM that is itself a Virtual Container Host: as [`Self::Container`], and with bridges, tap devices, NAT and
    /// disks.
    Host,
    /// A VM that runs a container from an image: it has NICs, virtserialports, disks and the file systems on them, but
    /// no vsock. Its further kernel modules are on a disk of their own, from which they are loaded on demand.
    Workload,
}

/// The description of a bootstrap image, which a VM boots: its name, the kind of VM, and the files that are added.
/// [`Recipe::build`] makes the image.
#[derive(Debug, Clone, Default)]
pub struct Recipe {
    name: String,
    variant: Variant,
    agent: Option<PathBuf>,
    init: Option<PathBuf>,
    added: Vec<(PathBuf, String)>,
}

/// The paths of the files that [`Recipe::build`] made and that a VM boots, and what is known about them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// The path of the uncompressed kernel (`vmlinux`), an ELF file.
    pub kernel: PathBuf,
    /// The path of the initramfs.
    pub initramfs: PathBuf,
    /// The path of the squashfs file with the kernel modules that are loaded on demand; `None` unless the kind of VM is
    /// [`Variant::Workload`].
    pub modules: Option<PathBuf>,
    /// The size of the initramfs in bytes.
    pub initramfs_bytes: u64,
    /// Whether the initramfs was written; `false` if it existed with the same bytes. Says nothing about the other
    /// files.
    pub changed: bool,
}

impl Recipe {
    /// Returns the recipe of an image with the initramfs `NAME.cpio`, for [`Variant::Container`] and without a network
    /// agent. Its first process is a shell script that runs by busybox.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }

    /// Sets the kind of VM that boots the image, which decides the kernel modules in it.
    #[must_use]
    pub fn variant(mut self, variant: Variant) -> Self {
        self.variant = variant;
        self
    }

    /// Adds the file at `path`, a statically linked program, to the image as `/sbin/tether-net`, the network agent.
    #[must_use]
    pub fn agent(mut self, path: impl Into<PathBuf>) -> Self {
        self.agent = Some(path.into());
        self
    }

    /// Makes the file at `path`, a statically linked program, the first process (`/init`) of the guest, instead of the
    /// shell script, and leaves out busybox.
    #[must_use]
    pub fn init(mut self, path: impl Into<PathBuf>) -> Self {
        self.init = Some(path.into());
        self
    }

    /// Adds the file at the path `host` of this machine to the image, at the absolute path `guest`. It has mode 0755 in
    /// the image if it is executable on this machine, else 0644.
    #[must_use]
    pub fn add(mut self, host: impl Into<PathBuf>, guest: &str) -> Self {
        self.added.push((host.into(), guest.to_owned()));
        self
    }

    /// Makes the image in the directory `dir`, which is made if it does not exist. Downloads the Debian packages
    /// (kernel, busybox) if they are not in `dir` yet, and writes only files whose content changed. A concurrent call
    /// for the same directory, also of another process, waits.
    ///
    /// # Errors
    /// Returns the [`BootstrapError`] of the step that failed.
    pub fn build(&self, dir: &Path) -> Result<Image, BootstrapError> {
        let odd = |c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_');
        if self.name.is_empty() || self.name.contains(odd) {
            return Err(BootstrapError::Name {
                name: self.name.clone(),
            });
        }
        fs::create_dir_all(dir).map_err(write_error(dir))?;
        let lock = dir.join(".lock");
        let held = File::create(&lock)
            .and_then(|file| file.lock().map(|()| file))
            .map_err(write_error(&lock))?;
        let kernel_package = dir.join("kernel");
        if !kernel_package.is_dir() {
            debian::unpacked(
                &debian::first_dependency(KERNEL_META_PACKAGE)?,
                &kernel_package,
            )?;
        }
        let busybox_package = dir.join("busybox");
        debian::unpacked(BUSYBOX_PACKAGE, &busybox_package)?;
        let kernel = unpacked_kernel(&kernel_package, &dir.join("vmlinux"))?;
        let archive = self.archive(&kernel_package, &busybox_package)?.to_newc();
        let initramfs = dir.join(format!("{}.cpio", self.name));
        let modules = match self.variant {
            Variant::Workload => Some(module_disk::build(&versions(&kernel_package)?, dir)?),
            Variant::Container | Variant::Host => None,
        };
        let changed = write_if_changed(&initramfs, &archive).map_err(write_error(&initramfs))?;
        drop(held);
        Ok(Image {
            kernel,
            initramfs,
            modules,
            initramfs_bytes: archive.len() as u64,
            changed,
        })
    }

    fn archive(
        &self,
        kernel_package: &Path,
        busybox_package: &Path,
    ) -> Result<Archive, BootstrapError> {
        let mut archive = Archive::new();
        for dir in [
            "/dev", "/etc", "/mnt", "/proc", "/root", "/run", "/sys", "/tmp",
        ] {
            archive.dir(dir)?;
        }
        // The kernel opens it for init before anything is mounted.
        archive.device("/dev/console", 5, 1)?;
        match &self.init {
            Some(init) => add_file(&mut archive, init, "/init")?,
            None => add_shell(&mut archive, busybox_package)?,
        }
        add_modules(&mut archive, kernel_package, self.variant)?;
        if let Some(agent) = &self.agent {
            add_file(&mut archive, agent, "/sbin/tether-net")?;
        }
        for (host, guest) in &self.added {
            add_file(&mut archive, host, guest)?;
        }
        Ok(archive)
    }
}

/// Adds the shell script that is the first process, with the files that it needs.
fn add_shell(archive: &mut Archive, busybox_package: &Path) -> Result<(), BootstrapError> {
    archive.file("/init", INIT.to_vec(), true)?;
    archive.file(
        "/etc/passwd",
        b"root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/tmp:/bin/sh\n".to_vec(),
        false,
    )?;
    archive.file("/etc/group", b"root:x:0:\nuser:x:1000:\n".to_vec(), false)?;
    add_busybox(archive, busybox_package)
}

fn add_busybox(archive: &mut Archive, package: &Path) -> Result<(), BootstrapError> {
    let busybox = package.join("bin/busybox");
    add_file(archive, &busybox, "/bin/busybox")?;
    let applets = debian::run(
        Command::new(&busybox).arg("--list"),
        "busybox",
        BUSYBOX_PACKAGE,
    )?;
    for applet in applets.lines().filter(|applet| *applet != "busybox") {
        archive.link(&format!("/bin/{applet}"), "busybox")?;
    }
    Ok(())
}

/// Returns the directory of the modules of the package's one kernel.
fn versions(package: &Path) -> Result<PathBuf, BootstrapError> {
    let all = package.join("lib/modules");
    first_in(&all, "").ok_or_else(|| BootstrapError::Incomplete {
        dir: package.to_owned(),
        what: "lib/modules/VERSION",
    })
}

fn add_modules(
    archive: &mut Archive,
    package: &Path,
    variant: Variant,
) -> Result<(), BootstrapError> {
    let tree = ModuleTree::read(&versions(package)?)?;
    let wanted = match variant {
        Variant::Container => CONTAINER_MODULES.to_vec(),
        Variant::Host => [CONTAINER_MODULES, HOST_MODULES].concat(),
        Variant::Workload => WORKLOAD_MODULES.to_vec(),
    };
    let mut order = String::new();
    for module in tree.closure(&wanted)? {
        order.push_str(&module.name);
        order.push('\n');
        archive.file(
            &format!("/lib/modules/{}.ko", module.name),
            module.contents,
            false,
        )?;
    }
    Ok(archive.file("/lib/modules/order", order.into_bytes(), false)?)
}

fn add_file(archive: &mut Archive, host: &Path, guest: &str) -> Result<(), BootstrapError> {
    let failed = |source| BootstrapError::Read {
        path: host.to_owned(),
        source,
    };
    let contents = fs::read(host).map_err(failed)?;
    let executable = fs::metadata(host).map_err(failed)?.permissions().mode() & 0o111 != 0;
    Ok(archive.file(guest, contents, executable)?)
}

/// Returns the uncompressed kernel beside the package; makes it once for each package.
fn unpacked_kernel(package: &Path, vmlinux: &Path) -> Result<PathBuf, BootstrapError> {
    let incomplete = || BootstrapError::Incomplete {
        dir: package.to_owned(),
        what: "boot/vmlinuz-VERSION",
    };
    let packed = first_in(&package.join("boot"), "vmlinuz-").ok_or_else(incomplete)?;
    let modified = |path: &Path| fs::metadata(path).and_then(|data| data.modified());
    let unpacked_at = fs::metadata(package).and_then(|data| data.created()).ok();
    if modified(vmlinux).is_ok_and(|made| unpacked_at.is_none_or(|package| made >= package)) {
        return Ok(vmlinux.to_owned());
    }
    let packed = fs::read(&packed).map_err(|source| BootstrapError::Read {
        path: packed,
        source,
    })?;
    write_if_changed(vmlinux, &kernel::vmlinux(&packed)?).map_err(write_error(vmlinux))?;
    Ok(vmlinux.to_owned())
}

fn first_in(dir: &Path, prefix: &str) -> Option<PathBuf> {
    let entries = fs::read_dir(dir).ok()?.filter_map(Result::ok);
    entries
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
        .map(|entry| entry.path())
        .min()
}

/// Replaces a file whole, and only when its bytes differ.
fn write_if_changed(path: &Path, contents: &[u8]) -> io::Result<bool> {
    if fs::read(path).is_ok_and(|there| there == contents) {
        return Ok(false);
    }
    let partial = path.with_extension("partial");
    fs::write(&partial, contents)?;
    fs::rename(&partial, path)?;
    Ok(true)
}

fn write_error(path: &Path) -> impl FnOnce(io::Error) -> BootstrapError {
    let path = path.to_owned();
    |source| BootstrapError::Write { path, source }
}
