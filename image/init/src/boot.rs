//! Prepares the guest after its boot, up to a root directory that a container can leave.

use crate::{kernel_module, modprobe};
use nix::{
    errno::Errno,
    libc,
    mount::{MsFlags, mount},
    sys::reboot::{RebootMode, reboot},
    unistd::{chdir, chroot, sync},
};
use std::{
    fs::{self, File},
    io,
    os::{fd::AsRawFd, unix::fs::symlink},
    path::Path,
};
use thiserror::Error;

const NEW_ROOT: &str = "/newroot";
const AGENT: &str = "sbin/tether-net";
const MODULES: &str = "/lib/modules";
const PARAMETERS_DIR: &str = "/proc/sys";

/// Directories of the new root.
const DIRS: [&str; 7] = ["proc", "sys", "dev", "run", "sbin", "etc", "container"];

/// A file system of the kernel's.
struct KernelMount {
    kind: &'static str,
    /// Below the new root.
    target: &'static str,
    options: Option<&'static str>,
}

/// The file systems of the new root, in the order in which they are mounted.
const MOUNTS: [KernelMount; 4] = [
    KernelMount {
        kind: "proc",
        target: "proc",
        options: None,
    },
    KernelMount {
        kind: "sysfs",
        target: "sys",
        options: None,
    },
    KernelMount {
        kind: "devtmpfs",
        target: "dev",
        options: None,
    },
    KernelMount {
        kind: "cgroup2",
        target: "sys/fs/cgroup",
        // A container that may write its cgroup tree does not change the bounds that its own root has.
        options: Some("nsdelegate,memory_recursiveprot"),
    },
];

/// Kernel parameters of every container VM; a container's own `--sysctl` is set later and wins.
const PARAMETERS: [(&str, &str); 4] = [
    // An ordinary user's process in its own container listens on any port, and pings, as with dockerd.
    ("net/ipv4/ip_unprivileged_port_start", "0"),
    ("net/ipv4/ping_group_range", "0 2147483647"),
    // `--ulimit nofile` may be as large as the kernel lets it be: its sysctl_nr_open_max, rounded to 64.
    ("fs/nr_open", "1073741816"),
    // Only a parent traces: a process of the container takes no descriptor of one that init is about to let run.
    ("kernel/yama/ptrace_scope", "1"),
];

/// The reason for which the guest can't be prepared.
#[derive(Debug, Error)]
pub enum BootError {
    /// A file system can't be mounted.
    #[error("cannot mount {what}")]
    Mount {
        /// The file system, as the object of the sentence "cannot mount {what}".
        what: &'static str,
        /// The kernel's error.
        #[source]
        source: Errno,
    },
    /// A file is missing, or can't be made.
    #[error("cannot {what}")]
    File {
        /// The operation, as the verb of the sentence "cannot {what}".
        what: &'static str,
        /// The system's error.
        #[source]
        source: io::Error,
    },
}

fn file(what: &'static str) -> impl FnOnce(io::Error) -> BootError {
    move |source| BootError::File { what, source }
}

fn mounted(what: &'static str, done: Result<(), Errno>) -> Result<(), BootError> {
    done.map_err(|source| BootError::Mount { what, source })
}

/// Mounts the kernel's file systems (/proc, /sys, /dev, cgroup2) on a new root in memory. A container can leave this
/// root by pivot_root(2), which refuses to leave the initramfs. Loads the kernel modules of the initramfs, and brings
/// the loopback interface up.
///
/// # Errors
/// Returns [`BootError::Mount`] if a file system can't be mounted, [`BootError::File`] if a directory can't be made,
/// the agent can't be copied, or the initramfs lists no modules.
pub fn prepare() -> Result<(), BootError> {
    let root = Path::new(NEW_ROOT);
    fs::create_dir_all(root).map_err(file("make the new root"))?;
    let tmpfs = Some("tmpfs");
    let done = mount(tmpfs, root, tmpfs, MsFlags::empty(), Some("mode=755"));
    mounted("the new root", done)?;
    for dir in DIRS {
        fs::create_dir_all(root.join(dir)).map_err(file("make folders"))?;
    }
    // The agent is absent from an image that has none: the container's network stays as it is.
    match fs::copy(Path::new("/").join(AGENT), root.join(AGENT)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(file("copy the agent")(error));
        }
        _ => {}
    }
    for KernelMount {
        kind,
        target,
        options,
    } in MOUNTS
    {
        let target = root.join(target);
        let done = mount(Some(kind), &target, Some(kind), MsFlags::empty(), options);
        mounted(kind, done)?;
    }
    load_modules(Path::new(MODULES))?;
    mounted("the root", enter(root))?;
    link_up("lo");
    // The kernel calls it for a module that it lacks; it is this program.
    symlink("/proc/1/exe", modprobe::PATH).map_err(file("name the loader of modules"))
}

/// Makes a mounted directory the root, with mounts that no other namespace sees.
fn enter(root: &Path) -> Result<(), Errno> {
    let none: Option<&str> = None;
    chdir(root)?;
    mount(Some("."), "/", none, MsFlags::MS_MOVE, none)?;
    chroot(".")?;
    chdir("/")?;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(none, "/", none, private, none)
}

/// Sets the kernel parameters that every container VM has. A failure is logged.
pub fn set_parameters() {
    for (name, value) in PARAMETERS {
        let set = fs::write(Path::new(PARAMETERS_DIR).join(name), value);
        if let Err(error) = set {
            eprintln!("init: {name} is not {value}: {error}");
        }
    }
}

/// Loads the modules of the initramfs, in the order that was recorded when the image was made, and removes their files.
/// One that is not loaded is logged; it is missed later, by what needs it.
///
/// # Errors
/// Returns [`BootError::File`] if the list of modules can't be read.
fn load_modules(dir: &Path) -> Result<(), BootError> {
    let order = fs::read_to_string(dir.join("order")).map_err(file("read the order of modules"))?;
    for name in order.lines() {
        let path = dir.join(format!("{name}.ko"));
        let loaded = File::open(&path).and_then(|module| kernel_module::insert(&module));
        if let Err(error) = loaded {
            eprintln!("init: module {name} is not loaded: {error}");
        }
        // It is not needed any more, and this is memory.
        let _ = fs::remove_file(&path);
    }
    Ok(())
}

/// Brings a link up (netdevice(7)). A failure is logged: a container without a loopback is no reason to end.
#[expect(
    unsafe_code,
    reason = "SIOCSIFFLAGS (netdevice(7)) has no safe wrapper"
)]
fn link_up(name: &str) {
    nix::ioctl_write_ptr_bad!(set_flags, libc::SIOCSIFFLAGS, libc::ifreq);
    let Ok(socket) = std::net::UdpSocket::bind("0.0.0.0:0") else {
        return;
    };
    let mut ifr_name = [0; libc::IFNAMSIZ];
    for (to, from) in ifr_name.iter_mut().zip(name.bytes()) {
        *to = from.cast_signed();
    }
    #[expect(clippy::cast_possible_truncation, reason = "the flags have 16 bits")]
    let ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    let request = libc::ifreq {
        ifr_name,
        ifr_ifru: libc::__c_anonymous_ifr_ifru { ifru_flags },
    };
    // SAFETY: the socket is open and the kernel reads one ifreq.
    if let Err(error) = unsafe { set_flags(socket.as_raw_fd(), &raw const request) } {
        eprintln!("init: {name} is not up: {error}");
    }
}

/// Sets the kernel's NIS domain name (setdomainname(2)), as `docker run --domainname` does.
///
/// # Errors
/// Returns the kernel's error if it refuses the name.
pub fn set_domain(name: &str) -> io::Result<()> {
    fs::write("/proc/sys/kernel/domainname", name)
}

/// Writes caches to disk, and powers the VM off.
pub fn power_off() {
    sync();
    // Where that fails there is nothing else to be done: the kernel panics when init ends, and so does the VM.
    let _ = reboot(RebootMode::RB_POWER_OFF);
}

#[cfg(test)]
mod tests;
