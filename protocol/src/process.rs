//! What a container VM's init is told to run, and the streams of what runs.
//!
//! ```text
//!   coordinator ──► shim (one for each VM) ═══ virtserialport `vch.process` ═══ container-init, PID 1 of the guest
//!                                   ToInit ──►            ◄── FromInit
//! ```
//!
//! The channel is apart from the agent's: streams never use the tether session. Messages travel in
//! frames ([`crate::frame`]), marked with the life's nonce, which [`ToInit::Hello`] brings: what an
//! earlier life of a cloned VM left on the line bears another one.
//!
//! A stream is never lost and never piles up: each direction of each process has a window. The sender
//! may have [`WINDOW`] bytes under way; the receiver gives back, by [`ToInit::Taken`] and
//! [`FromInit::Taken`], what it has carried on.

mod codec;

use serde::{Deserialize, Serialize};

/// The name of the virtserialport.
pub const PORT: &str = "vch.process";
/// The version that this build speaks. Both sides come from one release: a shim refuses an init of another version.
pub const VERSION: u16 = 2;
/// Most bytes of one stream under way.
pub const WINDOW: u32 = 256 * 1024;
/// Most bytes in one message of a stream.
pub const MAX_CHUNK: usize = 16 * 1024;
/// Most words of a command line, and most variables of an environment.
pub const MAX_WORDS: usize = 4096;
/// What of the kernel's own files a container does not see, in Docker's order: files are covered by /dev/null,
/// directories by an empty one.
pub const COVERED: &[&str] = &[
    "/proc/asound",
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
];
/// What of them it can't write.
pub const READ_ONLY: &[&str] = &[
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
];
/// Most processes at once: the container's own, and those of `exec`.
pub const MAX_PROCESSES: usize = 256;

/// A process of the container: [`ProcessId::MAIN`], or one that `exec` started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ProcessId(pub u32);

impl ProcessId {
    /// The container's own process: with it the container ends.
    pub const MAIN: Self = Self(0);
}

/// To the guest's init.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToInit {
    /// A life begins, and the agent with it; the frame's nonce is this life's. Answered with [`FromInit::Ready`].
    Hello {
        /// [`VERSION`].
        version: u16,
        /// Milliseconds since 1970: the guest's clock is set to it.
        now_ms: u64,
        /// Random bytes: a clone's kernel would draw the same numbers as every other clone's.
        seed: [u8; 32],
    },
    /// Mount the root file system, wait for the network, run the process.
    Start(Box<Start>),
    /// Run another process in the container.
    Exec {
        /// Its number from now on; not in use.
        id: ProcessId,
        /// What to run.
        process: Box<Process>,
    },
    /// Bytes for a process's standard input.
    Input {
        /// Of which process.
        id: ProcessId,
        /// At most [`MAX_CHUNK`].
        bytes: Vec<u8>,
    },
    /// A process's standard input is at its end.
    InputEnd {
        /// Of which process.
        id: ProcessId,
    },
    /// Output was carried on: so many bytes more may be under way.
    Taken {
        /// Of which process.
        id: ProcessId,
        /// Of which of its streams.
        stream: Output,
        /// How many.
        bytes: u32,
    },
    /// A process's terminal has another size.
    Resize {
        /// Of which process.
        id: ProcessId,
        /// Its size.
        size: TerminalSize,
    },
    /// Send a signal to a process.
    Signal {
        /// To which.
        id: ProcessId,
        /// Its number on Linux, x86-64 (signal(7)).
        signal: u8,
    },
    /// List the container's processes; answered with [`FromInit::Listed`].
    List {
        /// To know the answer by.
        request: u32,
    },
    /// What the container uses; answered with [`FromInit::Used`].
    Usage {
        /// To know the answer by.
        request: u32,
    },
    /// End every process, write back what is to be written, and power off.
    PowerOff,
    /// Bounds the container's cgroup anew, as a whole; answered with [`FromInit::Updated`].
    Update {
        /// To know the answer by.
        request: u32,
        /// The bounds from now on: what is `None` or empty here has none any more.
        cgroup: Box<CgroupLimits>,
    },
    /// The host's time: the guest's clock follows it.
    Clock {
        /// Milliseconds since 1970, when this was sent.
        now_ms: u64,
    },
}

/// From the guest's init.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromInit {
    /// It is there and has taken the life's nonce; without one, that it waits for a life, and the agent is held:
    /// a VM that is to be a template is saved then.
    Ready {
        /// [`VERSION`].
        version: u16,
    },
    /// A phase of the start is at its end.
    Phase {
        /// Which.
        phase: Phase,
        /// Since the guest booted, by its own clock (CLOCK_BOOTTIME), microseconds.
        uptime_us: u64,
    },
    /// A process runs.
    Started {
        /// Which.
        id: ProcessId,
        /// Its number in the container.
        pid: u32,
    },
    /// A process does not start.
    NotStarted {
        /// Which.
        id: ProcessId,
        /// What was at fault.
        fault: Fault,
        /// In words for a person.
        reason: String,
    },
    /// Bytes that a process wrote.
    Output {
        /// Which.
        id: ProcessId,
        /// On which stream.
        stream: Output,
        /// At most [`MAX_CHUNK`].
        bytes: Vec<u8>,
    },
    /// Input was carried on: so many bytes more may be under way.
    Taken {
        /// Of which process.
        id: ProcessId,
        /// How many.
        bytes: u32,
    },
    /// A process has ended, and all that it wrote has been sent.
    Exited {
        /// Which.
        id: ProcessId,
        /// How.
        exit: Exit,
    },
    /// Answers [`ToInit::List`].
    Listed {
        /// As asked.
        request: u32,
        /// The container's processes, by number.
        processes: Vec<Listed>,
    },
    /// Answers [`ToInit::Usage`].
    Used {
        /// As asked.
        request: u32,
        /// What is used.
        usage: Usage,
    },
    /// Answers [`ToInit::Update`].
    Updated {
        /// As asked.
        request: u32,
        /// For each bound that is not in force: its file in the cgroup, its value and the reason, in words. Empty:
        /// all are.
        refused: Vec<String>,
    },
}

/// How the container is set up and what it runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// The image's root file system is a squashfs on this virtio-blk disk, by its serial number.
    pub image_disk: String,
    /// What the container writes is kept on this ext4 disk, by its serial number.
    #[serde(rename = "upper_disk")]
    pub writable_disk: String,
    /// Mount the root file system read-only.
    pub read_only: bool,
    /// Bytes of /dev/shm; 0: the container has none (`--ipc none`).
    pub shm_bytes: u64,
    /// File systems in memory.
    pub tmpfs: Vec<Tmpfs>,
    /// Kernel parameters of the container (sysctl(8)): names with dots, and values.
    pub sysctls: Vec<(String, String)>,
    /// Run a small init as process 1, which reaps orphans (`--init`).
    pub reaper: bool,
    /// How long the network may take until the process starts, milliseconds.
    pub network_deadline_ms: u32,
    /// What is run.
    pub process: Process,
    /// The container has the whole VM (`--privileged`): every device but the VM's channels, a writable /sys, /proc and
    /// cgroup tree, nothing covered. `process.privileged` says the same of its process.
    pub privileged: bool,
    /// The kernel's domain name (setdomainname(2)); empty: none.
    pub domain: String,
    /// Bounds of the container's cgroup.
    pub cgroup: CgroupLimits,
    /// Devices of the VM that the container has beside the usual ones (`--device`).
    pub devices: Vec<Device>,
    /// What of the kernel's own files the container does not see; [`COVERED`] unless the user says otherwise.
    pub masked_paths: Vec<String>,
    /// What of them it can't write; [`READ_ONLY`] unless the user says otherwise.
    pub read_only_paths: Vec<String>,
    /// Directories of the root file system that are made where they are missing, and stay writable where it is read-only
    /// (a `VOLUME` of the image).
    pub volumes: Vec<String>,
}

/// Bounds of the container's cgroup in the guest (the kernel's `admin-guide/cgroup-v2`). What is `None` or empty is
/// not bounded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CgroupLimits {
    /// `memory.max`, bytes: beyond it the kernel ends processes of the container, and no others.
    pub memory: Option<u64>,
    /// `memory.low`, bytes: what is kept for the container when memory is short (`--memory-reservation`).
    pub memory_low: Option<u64>,
    /// `pids.max`: processes and threads.
    pub tasks: Option<u64>,
    /// `cpu.weight`, 1 to 10,000; see [`cpu_weight`] for Docker's shares.
    pub cpu_weight: Option<u16>,
    /// `cpu.max`.
    pub cpu_max: Option<CpuMax>,
    /// `cpuset.cpus`, as `0-2,4`.
    pub cpus: String,
    /// `cpuset.mems`, as `0`.
    pub memory_nodes: String,
}

/// Processor time in each period (`cpu.max`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CpuMax {
    /// Microseconds of processor time in a period; more than a period is more than one processor.
    pub quota_us: u64,
    /// Microseconds; Docker's default is 100,000.
    pub period_us: u64,
}

/// The weight of `cpu.weight` for Docker's CPU shares (2 to 262,144, default 1,024), as runc converts them.
#[must_use]
pub fn cpu_weight(shares: u64) -> Option<u16> {
    if shares == 0 {
        return None;
    }
    let shares = shares.clamp(2, 262_144);
    u16::try_from(1 + (shares - 2) * 9_999 / 262_142).ok()
}

/// A device of the VM that the container has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// In the VM, as `/dev/net/tun`.
    pub source: String,
    /// In the container.
    pub path: String,
    /// Some of `r`, `w` and `m`: reading, writing, making nodes of it.
    pub access: String,
}

/// A file system in memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tmpfs {
    /// Where.
    pub path: String,
    /// Options of mount(8), as `size=64m,mode=1777`.
    pub options: String,
}

/// What is run in the container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// The program and its arguments. The program is looked for in `PATH` of `environment`.
    #[serde(rename = "words")]
    pub args: Vec<String>,
    /// `NAME=value`.
    pub environment: Vec<String>,
    /// The working directory. Empty: `/`. The container's own is made where it is missing.
    #[serde(rename = "folder")]
    pub dir: String,
    /// As Docker has it: `user`, `uid`, `user:group`, `uid:gid`, from the container's own files. Empty: root.
    pub user: String,
    /// Further groups, by name or number.
    pub groups: Vec<String>,
    /// A terminal, of this size, in place of three streams.
    pub terminal: Option<TerminalSize>,
    /// Its standard input stays open; otherwise it is at its end from the start.
    pub input: bool,
    /// Capabilities (capabilities(7)) by their numbers, in ascending order.
    pub capabilities: Vec<u8>,
    /// It may gain no privileges (PR_SET_NO_NEW_PRIVS).
    pub no_new_privileges: bool,
    /// Limits of setrlimit(2): number of the resource, soft, hard.
    pub limits: Vec<(u8, u64, u64)>,
    /// For the kernel's choice of whom to kill when memory runs out: -1000 to 1000.
    pub oom_score: i16,
    /// Every capability, and no filter of system calls (`--privileged`): `capabilities` is not looked at.
    pub privileged: bool,
    /// No filter of system calls (`--security-opt seccomp=unconfined`).
    pub unfiltered: bool,
}

/// Rows and columns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TerminalSize {
    /// Lines.
    pub rows: u16,
    /// Characters in a line.
    pub columns: u16,
}

/// What a process writes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Output {
    /// Standard output; the terminal, where there is one.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Phases of a start, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Phase {
    /// Init runs.
    Init,
    /// Modules are loaded and devices found.
    Devices,
    /// The root file system is mounted.
    Mounted,
    /// The agent has its root, and may write files there; it runs since init does.
    Agent,
    /// The agent has applied its first spec.
    Network,
    /// The process was started.
    Process,
}

/// Why a process does not start, in Docker's terms: 127 not found, 126 not executable, 125 all else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fault {
    /// The program is not there.
    NotFound,
    /// It can't be executed.
    NotExecutable,
    /// The user or the group is unknown.
    User,
    /// The root file system can't be mounted.
    RootFileSystem,
    /// The network did not come in time, or the agent refused it.
    Network,
    /// Something else.
    Other,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// Its exit code; 128 + n for one that signal n killed.
    pub code: u8,
    /// The kernel killed it, or another process of the container, for want of memory.
    pub out_of_memory: bool,
}

/// A process in a list, as ps(1) shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Its number in the container.
    pub pid: u32,
    /// Its parent's.
    pub parent: u32,
    /// Its effective user.
    pub uid: u32,
    /// Processor time used, milliseconds.
    pub cpu_ms: u64,
    /// When it started: since the guest booted, milliseconds.
    pub started_ms: u64,
    /// Its command line.
    pub command_line: String,
    /// Its state, as ps(1) writes it under STAT.
    pub state: String,
    /// KiB of memory: virtual, resident.
    pub memory_kib: [u64; 2],
}

/// What the container uses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Processor time, nanoseconds: all, user, system.
    pub cpu_ns: [u64; 3],
    /// Bytes of memory in use, of which so many are cache of files.
    pub memory: [u64; 2],
    /// Bytes of memory that it may use.
    pub memory_limit: u64,
    /// Processes and threads.
    pub tasks: u32,
    /// Bytes read from disks and written to them.
    pub disk: [u64; 2],
    /// Processors online.
    pub cpus: u16,
    /// Each interface's counters.
    pub interfaces: Vec<InterfaceUsage>,
}

/// An interface's counters, as ip-link(8) shows them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceUsage {
    /// Its name.
    pub name: String,
    /// Received: bytes, packets, errors, dropped.
    pub received: [u64; 4],
    /// Sent: the same.
    pub sent: [u64; 4],
}

#[cfg(test)]
mod tests;
