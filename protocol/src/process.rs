//! The messages between a VM's shim and the init of its guest: the process to run, and its streams.
//!
//! ```text
//!   coordinator ──► shim (one for each VM) ═══ virtserialport `vch.process` ═══ container-init, PID 1 of the guest
//!                                   ToInit ──►            ◄── FromInit
//! ```
//!
//! The agent has a channel of its own; streams of processes never use it. Messages travel in frames ([`crate::frame`]).
//! Each frame has the nonce of the run, which [`ToInit::Hello`] brings. Frames of an earlier run, which a cloned VM may
//! still have on its line, have another nonce and are dropped.
//!
//! No stream loses bytes, and none is buffered without bound: each stream of each process has a window. A sender may
//! have [`WINDOW`] unacknowledged bytes; the receiver acknowledges the bytes that it has passed on, by
//! [`ToInit::Taken`] and [`FromInit::Taken`].

mod codec;

use serde::{Deserialize, Serialize};

/// The name of the virtserialport that connects a VM's shim with its init.
pub const PORT: &str = "vch.process";
/// The version of these messages (between a VM's shim and its init) that this build supports. A shim refuses an init of
/// another version, and an init starts no container for a shim of another version.
pub const VERSION: u16 = 2;
/// The most bytes of one stream that may be sent and not yet acknowledged.
pub const WINDOW: u32 = 256 * 1024;
/// The most bytes of a stream in one message.
pub const MAX_CHUNK: usize = 16 * 1024;
/// The most entries of a list in [`Start`] or [`Process`], such as arguments, variables or paths, but not capabilities.
pub const MAX_WORDS: usize = 4096;
/// The paths that are hidden from a container by default, unless it is privileged; in Docker's order. Over a file
/// /dev/null is mounted, over a directory an empty read-only tmpfs.
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
/// The paths that a container can't write by default, unless it is privileged: they are mounted read-only.
pub const READ_ONLY: &[&str] = &[
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
];
/// The most processes that the shim may have started in a container at once: its own, and those of `docker exec`.
pub const MAX_PROCESSES: usize = 256;

/// The shim's number for a process that it started in the container: [`ProcessId::MAIN`], or one chosen for an exec. It
/// is not the PID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ProcessId(pub u32);

impl ProcessId {
    /// The number of the container's own process. When that process ends, the container ends.
    pub const MAIN: Self = Self(0);
}

/// A message from the shim (the process on the VCH that runs the VM) to the init of the guest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToInit {
    /// Begins a run of the container, and allows the agent to begin. The frame's nonce marks the run. Answered with
    /// [`FromInit::Ready`].
    Hello {
        /// The version of the shim's messages; see [`VERSION`].
        version: u16,
        /// The VCH's time in milliseconds since 1970, to which init sets the guest's clock.
        now_ms: u64,
        /// Random bytes for the guest's kernel. Without them all clones of one saved VM would draw the same random
        /// numbers.
        seed: [u8; 32],
    },
    /// Mounts the root file system, waits for the network, and then starts the container's own process. Answered with
    /// [`FromInit::Started`] or [`FromInit::NotStarted`].
    Start(Box<Start>),
    /// Starts a further process (`docker exec`); answered with [`FromInit::Started`] or [`FromInit::NotStarted`].
    Exec {
        /// The new process's number, which no running process has.
        id: ProcessId,
        /// The process to run.
        process: Box<Process>,
    },
    /// Contains bytes for a process's standard input; dropped if no such process runs or is being started.
    Input {
        /// The process's number.
        id: ProcessId,
        /// The bytes, at most [`MAX_CHUNK`].
        bytes: Vec<u8>,
    },
    /// Closes a process's standard input behind all bytes that were sent before; ignored for a terminal.
    InputEnd {
        /// The process's number.
        id: ProcessId,
    },
    /// Acknowledges output of a process: init may send this many more bytes of the stream.
    Taken {
        /// The process's number.
        id: ProcessId,
        /// The acknowledged stream.
        stream: Output,
        /// The number of bytes that the shim has passed on since its last acknowledgement.
        bytes: u32,
    },
    /// Sets the size of a process's terminal; ignored if the process has none.
    Resize {
        /// The process's number.
        id: ProcessId,
        /// The new size.
        size: TerminalSize,
    },
    /// Sends a signal to a process alone, not to its children; ignored if the process has ended.
    Signal {
        /// The number that the shim gave the process when it started it.
        id: ProcessId,
        /// The signal's number on Linux, x86-64 (signal(7)).
        signal: u8,
    },
    /// Asks for the list of the container's processes; answered with [`FromInit::Listed`].
    List {
        /// The request's number, chosen by the shim, which the answer repeats.
        request: u32,
    },
    /// Asks for the container's use of resources; answered with [`FromInit::Used`].
    Usage {
        /// The request's number, chosen by the shim, which the answer repeats.
        request: u32,
    },
    /// Ends every process, writes file caches to disk, and powers the VM off; not answered.
    PowerOff,
    /// Replaces all limits of the container's cgroup; answered with [`FromInit::Updated`].
    Update {
        /// The request's number, chosen by the shim, which the answer repeats.
        request: u32,
        /// The new limits. A field that is `None` or empty removes that limit.
        cgroup: Box<CgroupLimits>,
    },
    /// Contains the VCH's time; init keeps the guest's clock in agreement with it.
    Clock {
        /// The time at which the message was sent, in milliseconds since 1970.
        now_ms: u64,
    },
}

/// A message from the init of the guest to the shim (the process on the VCH that runs the VM).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromInit {
    /// Reports that init is ready for [`ToInit::Start`]. If the frame's nonce is
    /// [`SessionNonce::NONE`](crate::message::SessionNonce::NONE), init has not received a [`ToInit::Hello`] and holds
    /// the agent: a VM that becomes a template for clones is saved in this state.
    Ready {
        /// The version of init's messages; see [`VERSION`].
        version: u16,
    },
    /// Reports that a phase of the start is complete.
    Phase {
        /// The phase.
        phase: Phase,
        /// The time at the phase's end, in microseconds since the guest booted (CLOCK_BOOTTIME).
        uptime_us: u64,
    },
    /// Reports that a process was started.
    Started {
        /// The process's number.
        id: ProcessId,
        /// The process's PID in the container's namespace.
        pid: u32,
    },
    /// Reports that a process can't be started.
    NotStarted {
        /// The process's number.
        id: ProcessId,
        /// The kind of failure.
        fault: Fault,
        /// The failure as an English sentence.
        reason: String,
    },
    /// Contains bytes that a process has written.
    Output {
        /// The process's number.
        id: ProcessId,
        /// The stream to which the process wrote.
        stream: Output,
        /// The bytes, at most [`MAX_CHUNK`].
        bytes: Vec<u8>,
    },
    /// Acknowledges input of a process: the shim may send this many more bytes.
    Taken {
        /// The process's number.
        id: ProcessId,
        /// The number of bytes that init has passed on to the process since its last acknowledgement.
        bytes: u32,
    },
    /// Reports that a process has ended; all of its output was sent before.
    Exited {
        /// The process's number.
        id: ProcessId,
        /// The exit status.
        exit: Exit,
    },
    /// Answers [`ToInit::List`].
    Listed {
        /// The number of the request that this answers.
        request: u32,
        /// The container's processes, ordered by process ID; at most 256 of them.
        processes: Vec<Listed>,
    },
    /// Answers [`ToInit::Usage`].
    Used {
        /// The number of the request that this answers.
        request: u32,
        /// The container's use of resources.
        usage: Usage,
    },
    /// Answers [`ToInit::Update`].
    Updated {
        /// The number of the request that this answers.
        request: u32,
        /// A message for each limit that the kernel refused: the limit's file in the cgroup, its value and the reason.
        /// Empty if all limits are in force.
        refused: Vec<String>,
    },
}

/// All that init needs to set the container up and start its own process ([`ToInit::Start`]).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// The serial number of the virtio-blk disk that holds the image's root file system, a
    /// squashfs.
    pub image_disk: String,
    /// The serial number of the virtio-blk disk that holds the container's writable layer, an ext4.
    #[serde(rename = "upper_disk")]
    pub writable_disk: String,
    /// Whether to mount the root file system read-only (`--read-only`).
    pub read_only: bool,
    /// The size of /dev/shm in bytes; 0 for no /dev/shm (`--ipc none`).
    pub shm_bytes: u64,
    /// The tmpfs file systems to mount (`--tmpfs`).
    pub tmpfs: Vec<Tmpfs>,
    /// The kernel settings of the container (`--sysctl`): dotted names, as in `net.core.somaxconn`, and values. If one
    /// can't be set, the start fails.
    pub sysctls: Vec<(String, String)>,
    /// Whether process 1 is a small init (`--init`), which runs `process` and reaps orphans; otherwise it is `process`.
    pub reaper: bool,
    /// The longest time in milliseconds to wait for the network, once the root file system is mounted. Then the start
    /// fails with [`Fault::Network`].
    pub network_deadline_ms: u32,
    /// The container's own process; the container ends with it.
    pub process: Process,
    /// Whether the container may use the whole VM (`--privileged`): all devices except the VM's channels, writable
    /// /sys, /proc and cgroups, no hidden paths. [`Process::privileged`] is separate.
    pub privileged: bool,
    /// The NIS domain name to set in the guest (setdomainname(2)); empty to set none.
    pub domain: String,
    /// The limits of the container's cgroup. If the kernel refuses one, the start fails.
    pub cgroup: CgroupLimits,
    /// The devices of the VM that the container can use in addition to the usual ones, such as /dev/null (`--device`).
    pub devices: Vec<Device>,
    /// The paths that are hidden from the container, [`COVERED`] by default; ignored if missing, or if `privileged`.
    pub masked_paths: Vec<String>,
    /// The paths that the container can't write, [`READ_ONLY`] by default; ignored if missing, or if `privileged`.
    pub read_only_paths: Vec<String>,
    /// The paths of the image's `VOLUME`s in the root file system. Missing directories are created; they stay writable
    /// even if the root file system is read-only.
    pub volumes: Vec<String>,
}

/// The resource limits of a container, set on its cgroup in the guest (the kernel's `admin-guide/cgroup-v2`). A field
/// that is `None` or empty sets no limit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CgroupLimits {
    /// `memory.max` in bytes. If the container needs more, the kernel kills processes of the container only.
    pub memory: Option<u64>,
    /// `memory.low` in bytes: the memory that the kernel leaves to the container when memory is short
    /// (`--memory-reservation`); `None` for nothing.
    pub memory_low: Option<u64>,
    /// `pids.max`: the most processes and threads of the container; `None` for no limit.
    pub tasks: Option<u64>,
    /// `cpu.weight`, 1 to 10,000: the container's share of contended processor time. [`cpu_weight`] converts Docker's
    /// shares; `None` for the kernel's default of 100.
    pub cpu_weight: Option<u16>,
    /// `cpu.max`: the most processor time that the container gets; `None` for no limit.
    pub cpu_max: Option<CpuMax>,
    /// `cpuset.cpus`: the VM's processors that the container may use, such as `0-2,4`; empty for all.
    pub cpus: String,
    /// `cpuset.mems`: the VM's NUMA nodes whose memory the container may use, such as `0`; empty for all.
    pub memory_nodes: String,
}

/// The most processor time of a container in each period (`cpu.max` of cgroup v2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CpuMax {
    /// The processor time in each period, in microseconds. A quota of two periods is the time of two processors.
    pub quota_us: u64,
    /// The length of a period in microseconds; Docker's default is 100,000.
    pub period_us: u64,
}

/// Converts Docker's CPU shares (2 to 262,144, default 1,024) to a value of `cpu.weight` (1 to 10,000), as runc does.
/// Shares out of the range count as its nearest end. Returns `None` for 0, which means no weight.
#[must_use]
pub fn cpu_weight(shares: u64) -> Option<u16> {
    if shares == 0 {
        return None;
    }
    let shares = shares.clamp(2, 262_144);
    u16::try_from(1 + (shares - 2) * 9_999 / 262_142).ok()
}

/// A device of the VM that a container can use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// The path of the device node in the VM, such as `/dev/net/tun`.
    pub source: String,
    /// The path of the device node in the container.
    pub path: String,
    /// What the container may do: some of `r` (read), `w` (write) and `m` (create nodes).
    pub access: String,
}

/// A tmpfs (a file system in memory) to mount in the container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tmpfs {
    /// The path of the mount point in the container.
    pub path: String,
    /// The mount options (tmpfs(5)), such as `size=64m,exec`. `nodev`, `nosuid` and `noexec` hold unless it has the
    /// opposite.
    pub options: String,
}

/// A process to run in the container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// The program and its arguments. If the program has no slash, it is searched in the `PATH` of `environment`.
    #[serde(rename = "words")]
    pub args: Vec<String>,
    /// The environment variables, as `NAME=value`; init adds `PATH` and `HOME` if they are missing.
    pub environment: Vec<String>,
    /// The working directory; `/` if empty. A missing one is created for the container's own process, not for an exec.
    #[serde(rename = "folder")]
    pub dir: String,
    /// The user as Docker writes it: `user`, `uid`, `user:group` or `uid:gid`; root if empty. Names are looked up in
    /// the container's /etc/passwd and /etc/group.
    pub user: String,
    /// The supplementary groups, by name or number; those of /etc/group are added if `user` names no group.
    pub groups: Vec<String>,
    /// The size of the terminal to create; `None` to give the process three separate streams instead.
    pub terminal: Option<TerminalSize>,
    /// Whether standard input is open. Otherwise the process reads end-of-file at once.
    pub input: bool,
    /// The capabilities of the process (capabilities(7)) as numbers, in ascending order. A process of root has them
    /// all; one of another user can only gain them, by executing a file with capabilities or the setuid bit.
    pub capabilities: Vec<u8>,
    /// Whether the process may not gain privileges by executing a program (PR_SET_NO_NEW_PRIVS).
    pub no_new_privileges: bool,
    /// The resource limits: number of the resource (getrlimit(2)), soft limit, hard limit; `u64::MAX` for no limit.
    pub limits: Vec<(u8, u64, u64)>,
    /// The process's `oom_score_adj`, -1000 to 1000; 0 leaves the default. When memory runs out, the kernel prefers to
    /// kill processes with a greater one.
    pub oom_score: i16,
    /// Whether the process has all capabilities and no seccomp filter (`--privileged`); `capabilities` is then ignored.
    pub privileged: bool,
    /// Whether the process has no seccomp filter (`--security-opt seccomp=unconfined`); `privileged` implies it.
    pub unfiltered: bool,
}

/// The size of a terminal in characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TerminalSize {
    /// The number of lines.
    pub rows: u16,
    /// The number of columns.
    pub columns: u16,
}

/// An output stream of a process in the container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Output {
    /// Standard output; all output of a process with a terminal.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A phase of a container's start in the guest, in the order in which the phases end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Phase {
    /// Init runs as the guest's first process.
    Init,
    /// Kernel modules are loaded and devices found.
    Devices,
    /// The container's root file system is mounted.
    Mounted,
    /// The agent may write files of the root file system, such as /etc/hosts. It has run since [`Phase::Init`].
    Agent,
    /// The agent has configured the network for the first time.
    Network,
    /// The container's own process runs.
    Process,
}

/// The kind of reason why a process can't be started. It determines Docker's exit code: 127 for `NotFound`, 126 for
/// `NotExecutable`, 125 for all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fault {
    /// The program does not exist.
    NotFound,
    /// The program exists but can't be executed.
    NotExecutable,
    /// The user or the group does not exist.
    User,
    /// The root file system can't be mounted.
    RootFileSystem,
    /// The agent had not configured the network by [`Start::network_deadline_ms`].
    Network,
    /// Any other reason.
    Other,
}

/// How a process in the container ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// The exit code; 128 + n if signal n killed the process.
    pub code: u8,
    /// Whether memory ran out, so that the kernel killed a process of the container; always false for an exec.
    pub out_of_memory: bool,
}

/// A process of the container, with what ps(1) shows of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// The PID in the container's namespace.
    pub pid: u32,
    /// The parent's PID in the container's namespace; 0 if the parent is outside of it.
    pub parent: u32,
    /// The effective user ID.
    pub uid: u32,
    /// The processor time used in user and kernel mode, in milliseconds.
    pub cpu_ms: u64,
    /// The time of the process's start, in milliseconds since the guest booted.
    pub started_ms: u64,
    /// The program with its arguments, separated by spaces, cut to 160 characters; its name in brackets if it has none.
    pub command_line: String,
    /// The process's state as ps(1) prints it in column STAT, such as `Ss`.
    pub state: String,
    /// The memory in KiB: virtual size, resident size.
    pub memory_kib: [u64; 2],
}

/// The resources that the container uses (`docker stats`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// The processor time used since the container's start, in nanoseconds: total, in user mode, in kernel mode.
    pub cpu_ns: [u64; 3],
    /// The used memory in bytes: the total with file caches, and the part of it that is inactive file cache.
    pub memory: [u64; 2],
    /// The most memory that the container can use, in bytes: its limit, or all memory of the VM.
    pub memory_limit: u64,
    /// The number of the container's processes and threads.
    pub tasks: u32,
    /// The bytes that the container has read from disks since its start, and the bytes written.
    pub disk: [u64; 2],
    /// The number of the VM's processors that are online.
    pub cpus: u16,
    /// The traffic of each network interface of the VM except loopback.
    pub interfaces: Vec<InterfaceUsage>,
}

/// The traffic counters of a network interface of the VM, as /proc/net/dev has them.
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
