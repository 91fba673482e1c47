//! The guest from the kernel's hands to a root that can be left.

use crate::modprobe;
use nix::{
    errno::Errno,
    libc,
    mount::{MsFlags, mount},
    sys::{
        reboot::{RebootMode, reboot},
        time::TimeSpec,
    },
    time::{ClockId, clock_gettime, clock_settime},
    unistd::{chdir, chroot, sync},
};
use std::{
    ffi::CString,
    fs::{self, File},
    io,
    os::{fd::AsRawFd, unix::fs::symlink},
    path::Path,
    time::Duration,
};
use thiserror::Error;

const NEW_ROOT: &str = "/newroot";
const AGENT: &str = "sbin/tether-net";

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

/// Why the guest does not get so far.
#[derive(Debug, Error)]
pub enum BootError {
    /// A file system.
    #[error("cannot mount {what}")]
    Mount {
        /// Which.
        what: &'static str,
        /// Why.
        #[source]
        source: Errno,
    },
    /// A file.
    #[error("cannot {what}")]
    File {
        /// What was tried.
        what: &'static str,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

fn file(what: &'static str) -> impl FnOnce(io::Error) -> BootError {
    move |source| BootError::File { what, source }
}

/// Mounts what the kernel shows, on a root of our own: one with a parent, so that a container can leave
/// it by pivot_root(2), which refuses to leave the initramfs.
pub fn prepare() -> Result<(), BootError> {
    fs::create_dir_all(NEW_ROOT).map_err(file("make the new root"))?;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    let none: Option<&str> = None;
    let mounted =
        |what, done: Result<(), Errno>| done.map_err(|source| BootError::Mount { what, source });
    mounted(
        "the new root",
        mount(
            Some("tmpfs"),
            NEW_ROOT,
            Some("tmpfs"),
            MsFlags::empty(),
            Some("mode=755"),
        ),
    )?;
    let root = Path::new(NEW_ROOT);
    for dir in ["proc", "sys", "dev", "run", "sbin", "etc", "container"] {
        fs::create_dir_all(root.join(dir)).map_err(file("make folders"))?;
    }
    // The agent is absent from an image that has none: the container's network stays as it is.
    match fs::copy(Path::new("/").join(AGENT), root.join(AGENT)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(file("copy the agent")(error));
        }
        _ => {}
    }
    for (kind, path) in [("proc", "proc"), ("sysfs", "sys"), ("devtmpfs", "dev")] {
        let target = root.join(path);
        mounted(
            kind,
            mount(Some(kind), &target, Some(kind), MsFlags::empty(), none),
        )?;
    }
    let cgroups = root.join("sys/fs/cgroup");
    // A container that may write its cgroup tree does not change the bounds that its own root has.
    let bounded = Some("nsdelegate,memory_recursiveprot");
    mounted(
        "cgroup2",
        mount(
            Some("cgroup2"),
            &cgroups,
            Some("cgroup2"),
            MsFlags::empty(),
            bounded,
        ),
    )?;
    load_modules()?;
    mounted("the root", chdir(NEW_ROOT))?;
    mounted(
        "the root",
        mount(Some("."), "/", none, MsFlags::MS_MOVE, none),
    )?;
    mounted("the root", chroot("."))?;
    mounted("the root", chdir("/"))?;
    mounted("the root", mount(none, "/", none, private, none))?;
    link_up("lo");
    for (name, value) in PARAMETERS {
        let set = fs::write(Path::new("/proc/sys").join(name), value);
        if let Err(error) = set {
            eprintln!("init: {name} is not {value}: {error}");
        }
    }
    // The kernel calls it for a module that it lacks; it is this program.
    symlink("/proc/1/exe", modprobe::PATH).map_err(file("name the loader of modules"))
}

/// In the order that was recorded when the image was made; one that is not loaded is missed later, by
/// whoever needs it.
fn load_modules() -> Result<(), BootError> {
    let order =
        fs::read_to_string("/lib/modules/order").map_err(file("read the order of modules"))?;
    for name in order.lines() {
        let path = format!("/lib/modules/{name}.ko");
        let loaded = File::open(&path).and_then(|module| load(&module));
        if let Err(error) = loaded {
            eprintln!("init: module {name} is not loaded: {error}");
        }
        // It is not needed any more, and this is memory.
        let _ = fs::remove_file(&path);
    }
    Ok(())
}

/// Loads a module into the kernel; one that is there already is fine.
///
/// # Errors
/// The kernel does not take it.
#[expect(
    unsafe_code,
    reason = "finit_module(2) has no safe wrapper in nix's version"
)]
pub fn load(module: &File) -> io::Result<()> {
    let parameters = CString::default();
    // SAFETY: the descriptor is open, and the parameters end with a zero.
    let done = unsafe {
        libc::syscall(
            libc::SYS_finit_module,
            module.as_raw_fd(),
            parameters.as_ptr(),
            0,
        )
    };
    match done {
        0 => Ok(()),
        _ => match io::Error::last_os_error() {
            error if error.raw_os_error() == Some(libc::EEXIST) => Ok(()),
            error => Err(error),
        },
    }
}

/// netdevice(7). A container without a loopback is no reason to end.
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

/// Sets the kernel's domain name (setdomainname(2)).
///
/// # Errors
/// It is longer than the kernel's 64 bytes.
pub fn set_domain(name: &str) -> io::Result<()> {
    fs::write("/proc/sys/kernel/domainname", name)
}

/// The guest's clock, milliseconds since 1970.
pub fn clock_ms() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_REALTIME).map(Duration::from);
    now.map_or(0, |now| u64::try_from(now.as_millis()).unwrap_or(u64::MAX))
}

/// Lets the guest's clock run a little faster or slower until it has gained or lost so much (adjtime(3)): 500 parts in
/// a million.
#[expect(unsafe_code, reason = "adjtime(3) has no safe wrapper in nix")]
pub fn slew_clock(offset_ms: i64) {
    let delta = libc::timeval {
        tv_sec: offset_ms / 1000,
        tv_usec: offset_ms % 1000 * 1000,
    };
    // SAFETY: the kernel reads one timeval and does not write to it.
    let done = unsafe { libc::adjtime(&raw const delta, std::ptr::null_mut()) };
    if let Err(error) = Errno::result(done) {
        eprintln!("init: the clock is not slewed: {error}");
    }
}

/// Sets the guest's clock, milliseconds since 1970.
pub fn set_clock(now_ms: u64) {
    let now = TimeSpec::from_duration(Duration::from_millis(now_ms));
    if let Err(error) = clock_settime(ClockId::CLOCK_REALTIME, now) {
        eprintln!("init: the clock is not set: {error}");
    }
}

/// Mixes random bytes into the kernel's, and lets it draw from them at once (random(4)).
#[expect(
    unsafe_code,
    reason = "RNDADDENTROPY and RNDRESEEDCRNG (linux/random.h) have no safe wrapper"
)]
pub fn reseed(seed: &[u8; 32]) {
    nix::ioctl_write_ptr_bad!(
        add_entropy,
        nix::request_code_write!(b'R', 0x03, 2 * size_of::<libc::c_int>()),
        Entropy
    );
    nix::ioctl_none_bad!(reseed_crng, nix::request_code_none!(b'R', 0x07));
    let done = File::options()
        .write(true)
        .open("/dev/random")
        .and_then(|random| {
            let entropy = Entropy {
                bits: 256,
                bytes: 32,
                seed: *seed,
            };
            // SAFETY: the kernel reads the two counts, and as many bytes behind them as the second says.
            unsafe { add_entropy(random.as_raw_fd(), &raw const entropy) }?;
            // SAFETY: no argument.
            unsafe { reseed_crng(random.as_raw_fd()) }?;
            Ok(())
        });
    if let Err(error) = done {
        eprintln!("init: random numbers are not seeded: {error}");
    }
}

/// `struct rand_pool_info` of linux/random.h, with its bytes.
#[repr(C)]
struct Entropy {
    bits: libc::c_int,
    bytes: libc::c_int,
    seed: [u8; 32],
}

/// Since the guest booted, microseconds.
pub fn uptime_us() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_BOOTTIME).map(Duration::from);
    now.map_or(0, |now| u64::try_from(now.as_micros()).unwrap_or(u64::MAX))
}

/// Writes back what is to be written, and ends the VM.
pub fn power_off() {
    sync();
    // Where that fails there is nothing else to be done: the kernel panics when init ends, and so does the VM.
    let _ = reboot(RebootMode::RB_POWER_OFF);
}
