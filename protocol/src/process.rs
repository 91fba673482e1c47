//! The messages between a container VM's init and its shim: the process to run, and its streams.
//!
//! ```text
//!   coordinator ──► shim (one for each VM) ═══ virtserialport `vch.process` ═══ container-init, PID 1 of the guest
//!                                   ToInit ──►            ◄── FromInit
//! ```
//!
//! The channel is apart from the agent's: streams never use the tether session. Messages travel in frames
//! ([`crate::frame`]), marked with the run's nonce, which [`ToInit::Hello`] brings: frames that an earlier run of a
//! cloned VM left on the line have another one.
//!
//! A stream is never lost and never piles up: each direction of each process has a window. The sender
//! may have [`WINDOW`] bytes under way; the receiver gives back, by [`ToInit::Taken`] and
//! [`FromInit::Taken`], what it has carried on.

mod codec;

use serde::{Deserialize, Serialize};

/// The name of the virtserialport between a VM's shim and its init; the agent has a channel of its
/// own.
pub const PORT: &str = "vch.process";
/// The version of these messages that this build speaks. Both sides come from one release: a shim refuses an init of
/// another version.
pub const VERSION: u16 = 2;
/// The most bytes of one stream that may be in flight.
pub const WINDOW: u32 = 256 * 1024;
/// The most bytes in one message of a stream.
pub const MAX_CHUNK: usize = 16 * 1024;
/// The most arguments of a command line, and the most variables of an environment.
pub const MAX_WORDS: usize = 4096;
/// The default paths that are hidden from a container, in Docker's order: files are covered by /dev/null, directories
/// by an empty one.
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
/// The default paths that a container can't write.
pub const READ_ONLY: &[&str] = &[
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
];
/// The most processes at once: the container's own, and those of `exec`.
pub const MAX_PROCESSES: usize = 256;

/// The number of a process of the container: [`ProcessId::MAIN`], or that of one that `exec`
/// started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ProcessId(pub u32);

impl ProcessId {
    /// The number of the container's own process: with its end the container ends.
    pub const MAIN: Self = Self(0);
}

/// A message to the guest's init.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToInit {
    /// Begins a run, and lets the agent begin; the frame's nonce is this run's. Answered with [`FromInit::Ready`].
    Hello {
        /// The version of the messages; see [`VERSION`].
        version: u16,
        /// The time in milliseconds since 1970: the guest's clock is set to it.
        now_ms: u64,
        /// Random bytes for the guest's kernel: a clone's would otherwise draw the same numbers as
        /// every other clone's.
        seed: [u8; 32],
    },
    /// Mounts the root file system, waits for the network, and runs the process.
    Start(Box<Start>),
    /// Runs another process in the container.
    Exec {
        /// The number that the process has from now on; not in use yet.
        id: ProcessId,
        /// The process to run.
        process: Box<Process>,
    },
    /// Brings bytes for a process's standard input.
    Input {
        /// The process's number.
        id: ProcessId,
        /// The bytes, at most [`MAX_CHUNK`].
        bytes: Vec<u8>,
    },
    /// Ends a process's standard input.
    InputEnd {
        /// The process's number.
        id: ProcessId,
    },
    /// Acknowledges output: this many bytes more may be in flight.
    Taken {
        /// The process's number.
        id: ProcessId,
        /// The stream.
        stream: Output,
        /// The number of bytes.
        bytes: u32,
    },
    /// Sets the size of a process's terminal.
    Resize {
        /// The process's number.
        id: ProcessId,
        /// The new size.
        size: TerminalSize,
    },
    /// Sends a signal to a process.
    Signal {
        /// The process's number.
        id: ProcessId,
        /// The signal's number on Linux, x86-64 (signal(7)).
        signal: u8,
    },
    /// Asks for the container's processes; answered with [`FromInit::Listed`].
    List {
        /// The number that the answer repeats.
        request: u32,
    },
    /// Asks for the container's use of resources; answered with [`FromInit::Used`].
    Usage {
        /// The number that the answer repeats.
        request: u32,
    },
    /// Ends every process, writes caches to disk, and powers off.
    PowerOff,
    /// Replaces all bounds of the container's cgroup; answered with [`FromInit::Updated`].
    Update {
        /// The number that the answer repeats.
        request: u32,
        /// The bounds from now on: what is `None` or empty here is not bounded any more.
        cgroup: Box<CgroupLimits>,
    },
    /// Brings the host's time, which the guest's clock follows.
    Clock {
        /// The time of sending, in milliseconds since 1970.
        now_ms: u64,
    },
}

/// A message from the guest's init.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromInit {
    /// Tells that init runs and has taken the run's nonce. With
    /// [`SessionNonce::NONE`](crate::message::SessionNonce::NONE) it waits for a run, and holds the agent: a VM that
    /// is to be a template is saved then.
    Ready {
        /// The version of the messages; see [`VERSION`].
        version: u16,
    },
    /// Tells that a phase of the start has ended.
    Phase {
        /// The phase.
        phase: Phase,
        /// The time since the guest booted, by its own clock (CLOCK_BOOTTIME), in microseconds.
        uptime_us: u64,
    },
    /// Tells that a process runs.
    Started {
        /// The process's number.
        id: ProcessId,
        /// The process ID in the container.
        pid: u32,
    },
    /// Tells that a process can't be started.
    NotStarted {
        /// The process's number.
        id: ProcessId,
        /// The kind of reason.
        fault: Fault,
        /// The reason, for a person.
        reason: String,
    },
    /// Brings bytes that a process wrote.
    Output {
        /// The process's number.
        id: ProcessId,
        /// The stream that they were written on.
        stream: Output,
        /// The bytes, at most [`MAX_CHUNK`].
        bytes: Vec<u8>,
    },
    /// Acknowledges input: this many bytes more may be in flight.
    Taken {
        /// The process's number.
        id: ProcessId,
        /// The number of bytes.
        bytes: u32,
    },
    /// Tells that a process has ended, after all of its output.
    Exited {
        /// The process's number.
        id: ProcessId,
        /// The exit status.
        exit: Exit,
    },
    /// Answers [`ToInit::List`].
    Listed {
        /// The number of the request.
        request: u32,
        /// The container's processes, ordered by process ID.
        processes: Vec<Listed>,
    },
    /// Answers [`ToInit::Usage`].
    Used {
        /// The number of the request.
        request: u32,
        /// The container's use of resources.
        usage: Usage,
    },
    /// Answers [`ToInit::Update`].
    Updated {
        /// The number of the request.
        request: u32,
        /// A message for each bound that is not in force: its file in the cgroup, its value and the reason. Empty if
        /// all are.
        refused: Vec<String>,
    },
}

/// The container's set-up, and its process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// The serial number of the virtio-blk disk that holds the image's root file system, a
    /// squashfs.
    pub image_disk: String,
    /// The serial number of the virtio-blk disk that holds the container's writable layer, an ext4.
    #[serde(rename = "upper_disk")]
    pub writable_disk: String,
    /// Whether to mount the root file system read-only.
    pub read_only: bool,
    /// The size of /dev/shm in bytes; 0 for a container without one (`--ipc none`).
    pub shm_bytes: u64,
    /// The file systems in memory to mount.
    pub tmpfs: Vec<Tmpfs>,
    /// The kernel parameters of the container (sysctl(8)): names with dots, and values.
    pub sysctls: Vec<(String, String)>,
    /// Whether to run a small init as process 1, which reaps orphans (`--init`).
    pub reaper: bool,
    /// The time that the network may take before the process starts, in milliseconds.
    pub network_deadline_ms: u32,
    /// The container's own process.
    pub process: Process,
    /// Whether the container has the whole VM (`--privileged`): every device but the VM's channels, a writable /sys,
    /// /proc and cgroup tree, no hidden paths. `process.privileged` says the same of its process.
    pub privileged: bool,
    /// The kernel's domain name (setdomainname(2)); empty to leave it unset.
    pub domain: String,
    /// The bounds of the container's cgroup.
    pub cgroup: CgroupLimits,
    /// The devices of the VM that the container has beside the usual ones (`--device`).
    pub devices: Vec<Device>,
    /// The paths hidden from the container; [`COVERED`] unless the user says otherwise.
    pub masked_paths: Vec<String>,
    /// The paths that the container can't write; [`READ_ONLY`] unless the user says otherwise.
    pub read_only_paths: Vec<String>,
    /// The directories of the root file system that are made if they are missing, and that stay writable if it is
    /// read-only (a `VOLUME` of the image).
    pub volumes: Vec<String>,
}

/// Bounds of the container's cgroup in the guest (the kernel's `admin-guide/cgroup-v2`). A field that is `None` or
/// empty sets no bound.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CgroupLimits {
    /// `memory.max` in bytes: beyond it the kernel ends processes of the container, and no others.
    pub memory: Option<u64>,
    /// `memory.low` in bytes: the memory that is kept for the container when memory is short
    /// (`--memory-reservation`).
    pub memory_low: Option<u64>,
    /// `pids.max`: the most processes and threads.
    pub tasks: Option<u64>,
    /// `cpu.weight`, 1 to 10,000; [`cpu_weight`] converts Docker's shares.
    pub cpu_weight: Option<u16>,
    /// `cpu.max`: the most processor time.
    pub cpu_max: Option<CpuMax>,
    /// `cpuset.cpus`: the processors to use, such as `0-2,4`.
    pub cpus: String,
    /// `cpuset.mems`: the memory nodes to use, such as `0`.
    pub memory_nodes: String,
}

/// The processor time in each period (`cpu.max`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CpuMax {
    /// The processor time in a period, in microseconds; more than a period means more than one
    /// processor.
    pub quota_us: u64,
    /// The period in microseconds; Docker's default is 100,000.
    pub period_us: u64,
}

/// Returns the value of `cpu.weight` for Docker's CPU shares (2 to 262,144, default 1,024), as runc converts them.
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
    /// The device's path in the VM, such as `/dev/net/tun`.
    pub source: String,
    /// The device's path in the container.
    pub path: String,
    /// The access: some of `r`, `w` and `m` for reading, writing and making nodes.
    pub access: String,
}

/// A file system in memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tmpfs {
    /// The path of the mount point.
    pub path: String,
    /// The options of mount(8), such as `size=64m,mode=1777`.
    pub options: String,
}

/// A process to run in the container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// The program and its arguments. A program without a slash is looked up in `PATH` of
    /// `environment`.
    #[serde(rename = "words")]
    pub args: Vec<String>,
    /// The environment, as `NAME=value`.
    pub environment: Vec<String>,
    /// The working directory; `/` if empty. That of the container's own process is made if it is
    /// missing.
    #[serde(rename = "folder")]
    pub dir: String,
    /// The user, as Docker has it: `user`, `uid`, `user:group` or `uid:gid`, looked up in the container's own files;
    /// root if empty.
    pub user: String,
    /// The further groups, by name or number.
    pub groups: Vec<String>,
    /// The size of the terminal; `None` for three streams in place of a terminal.
    pub terminal: Option<TerminalSize>,
    /// Whether the standard input stays open; otherwise it is at its end from the start.
    pub input: bool,
    /// The capabilities (capabilities(7)) by their numbers, in ascending order.
    pub capabilities: Vec<u8>,
    /// Whether the process may not gain privileges (PR_SET_NO_NEW_PRIVS).
    pub no_new_privileges: bool,
    /// The limits of setrlimit(2): number of the resource, soft limit, hard limit.
    pub limits: Vec<(u8, u64, u64)>,
    /// The process's `oom_score_adj`, by which the kernel chooses what to kill when memory runs
    /// out: -1000 to 1000.
    pub oom_score: i16,
    /// Whether the process has every capability and no filter of system calls (`--privileged`); `capabilities` is
    /// ignored then.
    pub privileged: bool,
    /// Whether the process has no filter of system calls (`--security-opt seccomp=unconfined`).
    pub unfiltered: bool,
}

/// The size of a terminal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TerminalSize {
    /// The number of lines.
    pub rows: u16,
    /// The number of characters in a line.
    pub columns: u16,
}

/// An output stream of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Output {
    /// Standard output, or the terminal if the process has one.
    Stdout,
    /// Standard error.
    Stderr,
}

/// The phases of a start, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Phase {
    /// Init runs.
    Init,
    /// Modules are loaded and devices are found.
    Devices,
    /// The root file system is mounted.
    Mounted,
    /// The agent has its root, and may write files there. It runs since init does.
    Agent,
    /// The agent has applied its first spec.
    Network,
    /// The process was started.
    Process,
}

/// The kind of reason for which a process can't be started; in Docker's exit codes 127 for not found, 126 for not
/// executable, 125 for all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fault {
    /// The program does not exist.
    NotFound,
    /// The program can't be executed.
    NotExecutable,
    /// The user or the group does not exist.
    User,
    /// The root file system can't be mounted.
    RootFileSystem,
    /// The network was not up in time, or the agent reported a refusal.
    Network,
    /// Another reason.
    Other,
}

/// The exit status of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// The exit code; 128 + n if signal n killed the process.
    pub code: u8,
    /// Whether the kernel killed the process, or another one of the container, for want of memory.
    pub out_of_memory: bool,
}

/// A process in a list, as ps(1) shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// The process ID in the container.
    pub pid: u32,
    /// The parent's process ID.
    pub parent: u32,
    /// The effective user ID.
    pub uid: u32,
    /// The processor time used, in milliseconds.
    pub cpu_ms: u64,
    /// The time at which it started, in milliseconds since the guest booted.
    pub started_ms: u64,
    /// The command line.
    pub command_line: String,
    /// The state, as ps(1) writes it under STAT.
    pub state: String,
    /// The memory in KiB: virtual, resident.
    pub memory_kib: [u64; 2],
}

/// The container's use of resources.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// The processor time in nanoseconds: all, user, system.
    pub cpu_ns: [u64; 3],
    /// The memory in use in bytes: all, and its part that is cache of files.
    pub memory: [u64; 2],
    /// The memory that the container may use, in bytes.
    pub memory_limit: u64,
    /// The number of processes and threads.
    pub tasks: u32,
    /// The bytes read from disks, and written to them.
    pub disk: [u64; 2],
    /// The number of processors online.
    pub cpus: u16,
    /// The counters of each interface.
    pub interfaces: Vec<InterfaceUsage>,
}

/// The counters of an interface, as ip-link(8) shows them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceUsage {
    /// The interface's name.
    pub name: String,
    /// Received bytes, packets, errors, and dropped packets.
    pub received: [u64; 4],
    /// Sent bytes, packets, errors, and dropped packets.
    pub sent: [u64; 4],
}

#[cfg(test)]
mod tests;
