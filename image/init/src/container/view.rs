//! What the container sees: its root, and fresh views of the kernel with Docker's covers over them.

use crate::{
    confine::{Refused, failed},
    rootfs::ROOT,
};
use nix::{
    mount::{MntFlags, MsFlags, mount, umount2},
    sys::stat::{Mode, SFlag, makedev, mknod},
    unistd::{chdir, pivot_root, symlinkat},
};
use protocol::process::{COVERED, READ_ONLY, Start};
use std::{fs, path::Path};

/// Names, majors and minors (the kernel's `admin-guide/devices`).
const DEVICES: &[(&str, u64, u64)] = &[
    ("null", 1, 3),
    ("zero", 1, 5),
    ("full", 1, 7),
    ("random", 1, 8),
    ("urandom", 1, 9),
    ("tty", 5, 0),
];
const LINKS: &[(&str, &str)] = &[
    ("ptmx", "pts/ptmx"),
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("core", "/proc/kcore"),
];
const NONE: Option<&str> = None;

/// Makes it, in a mount namespace of the caller's own, and leaves init's root behind.
pub fn make(start: &Start) -> Result<(), Refused> {
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(NONE, "/", NONE, private, NONE).map_err(failed("part from init's mounts"))?;
    mount(Some(ROOT), ROOT, NONE, MsFlags::MS_BIND, NONE).map_err(failed("bind the root"))?;
    chdir(ROOT).map_err(failed("enter the root"))?;
    // The old root lies over the new one then, and is let go (pivot_root(2)).
    pivot_root(".", ".").map_err(failed("change the root"))?;
    umount2(".", MntFlags::MNT_DETACH).map_err(failed("leave init's root"))?;
    chdir("/").map_err(failed("enter the root"))?;

    kernel_views()?;
    devices(start.shm_bytes)?;
    for tmpfs in &start.tmpfs {
        let flags = MsFlags::MS_NODEV | MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
        let (flags, data) = options(flags, &tmpfs.options);
        mounted("tmpfs", &tmpfs.path, flags, &data)?;
    }
    set(&start.sysctls, |name| !of_the_network(name))?;
    for path in READ_ONLY.iter().filter(|path| Path::new(path).exists()) {
        again(path, MsFlags::MS_RDONLY)?;
    }
    for path in COVERED.iter().map(Path::new).filter(|path| path.exists()) {
        let done = if path.is_dir() {
            mount(
                Some("tmpfs"),
                path,
                Some("tmpfs"),
                MsFlags::MS_RDONLY,
                Some("size=0"),
            )
        } else {
            mount(Some("/dev/null"), path, NONE, MsFlags::MS_BIND, NONE)
        };
        done.map_err(failed("cover what is not the container's"))?;
    }
    // An `exec` finds it or fails; what the container begins in is made for it.
    let folder = &start.process.folder;
    if !folder.is_empty() {
        fs::create_dir_all(folder).map_err(failed("make the working directory"))?;
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

/// Sets those of the network, which has to be there: they are the whole VM's.
pub fn set_network(sysctls: &[(String, String)]) -> Result<(), Refused> {
    set(sysctls, of_the_network)
}

fn of_the_network(name: &str) -> bool {
    name.starts_with("net.")
}

fn set(sysctls: &[(String, String)], which: fn(&str) -> bool) -> Result<(), Refused> {
    for (name, value) in sysctls.iter().filter(|(name, _)| which(name)) {
        let path = Path::new("/proc/sys").join(name.replace('.', "/"));
        let what = format!("set {name}");
        fs::write(path, value).map_err(failed(&what))?;
    }
    Ok(())
}

fn kernel_views() -> Result<(), Refused> {
    let quiet = MsFlags::MS_NODEV | MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    mounted("proc", "/proc", quiet, "")?;
    mounted("sysfs", "/sys", quiet | MsFlags::MS_RDONLY, "")?;
    mounted("cgroup2", "/sys/fs/cgroup", quiet | MsFlags::MS_RDONLY, "")
}

fn devices(shm_bytes: u64) -> Result<(), Refused> {
    mounted("tmpfs", "/dev", MsFlags::MS_NOSUID, "mode=755,size=65536k")?;
    let quiet = MsFlags::MS_NODEV | MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    let pts = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    mounted(
        "devpts",
        "/dev/pts",
        pts,
        "newinstance,ptmxmode=0666,mode=0620,gid=5",
    )?;
    mounted(
        "tmpfs",
        "/dev/shm",
        quiet,
        &format!("mode=1777,size={shm_bytes}"),
    )?;
    mounted("mqueue", "/dev/mqueue", quiet, "")?;
    let open = Mode::from_bits_truncate(0o666);
    for (name, major, minor) in DEVICES {
        let path = Path::new("/dev").join(name);
        mknod(&path, SFlag::S_IFCHR, open, makedev(*major, *minor))
            .map_err(failed("make a device"))?;
        // What mknod(2) made is less the umask.
        let all = std::os::unix::fs::PermissionsExt::from_mode(0o666);
        fs::set_permissions(&path, all).map_err(failed("make a device"))?;
    }
    for (name, target) in LINKS {
        let path = Path::new("/dev").join(name);
        symlinkat(*target, nix::fcntl::AT_FDCWD, &path).map_err(failed("make a link"))?;
    }
    Ok(())
}

fn mounted(kind: &str, place: &str, flags: MsFlags, options: &str) -> Result<(), Refused> {
    let what = format!("mount {place}");
    fs::create_dir_all(place).map_err(failed(&what))?;
    mount(Some(kind), place, Some(kind), flags, Some(options)).map_err(failed(&what))
}

/// What is there, mounted once more with other flags.
fn again(path: &str, flags: MsFlags) -> Result<(), Refused> {
    let bind = MsFlags::MS_BIND;
    let done = mount(Some(path), path, NONE, bind | MsFlags::MS_REC, NONE);
    done.map_err(failed("mount it again"))?;
    let remount = bind | MsFlags::MS_REMOUNT | flags;
    mount(NONE, path, NONE, remount, NONE).map_err(failed("mount it again"))
}

/// Flags and data of mount(8)'s options.
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
            // A container's devices are those in /dev.
            "dev" | "nodev" => {}
            "noatime" => flags |= MsFlags::MS_NOATIME,
            word => data.push(word),
        }
    }
    (flags, data.join(","))
}

/// The console of a container with a terminal is that. Of a process beside the first it is there already.
pub fn console(terminal: &str) {
    let place = "/dev/console";
    if Path::new(place).exists() {
        return;
    }
    let made = fs::File::create(place);
    if made.is_ok() {
        // Without one the container has no console: as without a terminal.
        let _ = mount(Some(terminal), place, NONE, MsFlags::MS_BIND, NONE);
    }
}
