//! The resource usage of a container, as `GET /containers/{id}/stats` (`docker stats`) shows it.

use crate::{
    containers::status,
    json::{Empty, Ordered},
    time,
};
use protocol::process::{InterfaceUsage, Usage};
use serde::Serialize;
use std::time::Duration;
use vch_runtime::ContainerSnapshot;

/// The resource usage of a container at one moment, as its VM reported it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// When the VM reported the usage, as the time since 1970; `None` if the container does not run, its VM does not
    /// answer, or no sample was taken.
    pub at: Option<Duration>,
    /// The usage; all zero if [`Sample::at`] is `None`.
    pub usage: Usage,
}

/// The resource usage of a container between two samples. If the container does not run, most fields are empty or
/// 0.
#[derive(Clone, Debug, Serialize)]
pub struct Stats {
    /// When the newer sample was taken, in RFC 3339; [`NEVER`](crate::containers::status::NEVER) if the container
    /// does not run.
    pub read: String,
    /// When the older sample was taken, in RFC 3339; [`NEVER`](crate::containers::status::NEVER) without one.
    pub preread: String,
    /// The number of processors on Windows. Always 0.
    pub num_procs: u32,
    /// The storage usage on Windows. Always empty.
    pub storage_stats: Empty,
    /// The number of processes and threads.
    pub pids_stats: PidsStats,
    /// The bytes read from and written to disks.
    pub blkio_stats: BlkioStats,
    /// The processor time at the newer sample.
    pub cpu_stats: CpuStats,
    /// The processor time at the older sample. The client shows the difference.
    pub precpu_stats: CpuStats,
    /// The memory in use at the newer sample.
    pub memory_stats: MemoryStats,
    /// The container's name behind a slash.
    pub name: String,
    /// The container's ID: 64 hexadecimal digits.
    pub id: String,
    /// The traffic by interface, such as `eth0`, without the loopback interface.
    #[serde(skip_serializing_if = "Ordered::is_empty")]
    pub networks: Ordered<NetworkStats>,
}

/// The number of processes of a container.
#[derive(Clone, Debug, Default, Serialize)]
pub struct PidsStats {
    /// The number of processes and threads; `None` (the key is left out) if the container does not run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current: Option<u32>,
}

/// The memory of a container, in bytes. All fields are `None` (the keys are left out) if the container does not
/// run.
#[derive(Clone, Debug, Default, Serialize)]
pub struct MemoryStats {
    /// The memory in use, in bytes, including the file cache; `None` if the container does not run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<u64>,
    /// The part of the memory that is inactive file cache; `None` if the container does not run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stats: Option<CacheStats>,
    /// The memory in bytes that the container may use: its limit, or else all memory of its VM. `None` if it does
    /// not run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
}

/// The inactive file cache of a container, in bytes: pages of files that were not used lately. The docker CLI subtracts
/// it from the memory in use, since the kernel can reclaim it. All fields have the same value, for clients that read
/// different ones.
#[derive(Clone, Debug, Serialize)]
pub struct CacheStats {
    /// The bytes of inactive file cache, under the name that older clients read.
    pub cache: u64,
    /// The bytes of inactive file cache, under the name that clients read with cgroup v2.
    pub inactive_file: u64,
    /// The bytes of inactive file cache, under the name that clients read with cgroup v1.
    pub total_inactive_file: u64,
}

/// The processor time of a container at one sample.
#[derive(Clone, Debug, Serialize)]
pub struct CpuStats {
    /// The processor time that the container used since its start.
    pub cpu_usage: CpuUsage,
    /// How often the container had to wait for its quota. Always 0.
    pub throttling_data: ThrottlingData,
    /// The time in nanoseconds since the container's start, multiplied by the number of its VM's processors: what
    /// the container could have used. `None` (the key is left out) if the container does not run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system_cpu_usage: Option<u64>,
    /// The number of the VM's processors; `None` (the key is left out) if the container does not run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub online_cpus: Option<u16>,
}

/// The processor time that a container used since its start, in nanoseconds.
#[derive(Clone, Debug, Serialize)]
pub struct CpuUsage {
    /// The processor time in user space and in the kernel together, in nanoseconds.
    pub total_usage: u64,
    /// The part of the processor time that was spent in the kernel, in nanoseconds.
    pub usage_in_kernelmode: u64,
    /// The part of the processor time that was spent in user space, in nanoseconds.
    pub usage_in_usermode: u64,
}

/// How often a container had to wait for its quota of processor time. A VCH does not count it: all fields are 0.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ThrottlingData {
    /// The number of periods. Always 0.
    pub periods: u64,
    /// The number of periods in which the quota was used up. Always 0.
    pub throttled_periods: u64,
    /// The nanoseconds of waiting. Always 0.
    pub throttled_time: u64,
}

/// The disk usage of a container. A VCH counts only bytes: all other lists are `None`, shown as null.
#[derive(Clone, Debug, Default, Serialize)]
pub struct BlkioStats {
    /// The bytes read and the bytes written, each as an entry; empty if the container does not run.
    pub io_service_bytes_recursive: Vec<BlkioEntry>,
    /// The number of operations. Always `None`.
    pub io_serviced_recursive: Option<Empty>,
    /// The number of waiting operations. Always `None`.
    pub io_queue_recursive: Option<Empty>,
    /// The time that operations took. Always `None`.
    pub io_service_time_recursive: Option<Empty>,
    /// The time that operations waited. Always `None`.
    pub io_wait_time_recursive: Option<Empty>,
    /// The number of merged operations. Always `None`.
    pub io_merged_recursive: Option<Empty>,
    /// The time that disks were busy. Always `None`.
    pub io_time_recursive: Option<Empty>,
    /// The number of sectors. Always `None`.
    pub sectors_recursive: Option<Empty>,
}

/// The number of bytes that a container read from its disks, or wrote to them.
#[derive(Clone, Debug, Serialize)]
pub struct BlkioEntry {
    /// The major number of the device. Always 254; the bytes of all disks are summed up.
    pub major: u32,
    /// The minor number of the device. Always 0.
    pub minor: u32,
    /// `Read` or `Write`.
    pub op: &'static str,
    /// The number of bytes since the container's start.
    pub value: u64,
}

/// The traffic of an interface of a container since the container's start.
#[derive(Clone, Debug, Serialize)]
pub struct NetworkStats {
    /// The bytes that the interface received since the container's start.
    pub rx_bytes: u64,
    /// The packets that the interface received since the container's start.
    pub rx_packets: u64,
    /// The packets received with errors since the container's start.
    pub rx_errors: u64,
    /// The received packets that the VM's kernel dropped since the container's start.
    pub rx_dropped: u64,
    /// The bytes that the interface sent since the container's start.
    pub tx_bytes: u64,
    /// The packets that the interface sent since the container's start.
    pub tx_packets: u64,
    /// The packets that could not be sent since the container's start.
    pub tx_errors: u64,
    /// The packets that the VM's kernel dropped instead of sending them since the container's start.
    pub tx_dropped: u64,
}

impl Stats {
    /// Returns the statistics of a container from two samples: `before` is the older one, `now` the newer one.
    pub fn of(snapshot: &ContainerSnapshot, before: &Sample, now: &Sample) -> Self {
        let read = |sample: &Sample| match sample.at {
            Some(at) => time::rfc3339(at),
            None => status::NEVER.to_owned(),
        };
        let known = now.at.map(|_| &now.usage);
        let interfaces = known.into_iter().flat_map(|usage| &usage.interfaces);
        let networks = interfaces
            .filter(|interface| interface.name != "lo")
            .map(|interface| (interface.name.clone(), NetworkStats::of(interface)));
        Self {
            read: read(now),
            preread: read(before),
            num_procs: 0,
            storage_stats: Empty {},
            pids_stats: PidsStats {
                current: known.map(|usage| usage.tasks),
            },
            blkio_stats: BlkioStats::of(known),
            cpu_stats: CpuStats::of(snapshot, now),
            precpu_stats: CpuStats::of(snapshot, before),
            memory_stats: known.map(MemoryStats::of).unwrap_or_default(),
            name: format!("/{}", snapshot.container.name),
            id: snapshot.container.id.to_string(),
            networks: networks.collect(),
        }
    }
}

impl MemoryStats {
    fn of(usage: &Usage) -> Self {
        let [used, cache] = usage.memory;
        Self {
            usage: Some(used),
            stats: Some(CacheStats {
                cache,
                inactive_file: cache,
                total_inactive_file: cache,
            }),
            limit: Some(usage.memory_limit),
        }
    }
}

impl NetworkStats {
    fn of(interface: &InterfaceUsage) -> Self {
        let [rx_bytes, rx_packets, rx_errors, rx_dropped] = interface.received;
        let [tx_bytes, tx_packets, tx_errors, tx_dropped] = interface.sent;
        Self {
            rx_bytes,
            rx_packets,
            rx_errors,
            rx_dropped,
            tx_bytes,
            tx_packets,
            tx_errors,
            tx_dropped,
        }
    }
}

impl CpuStats {
    fn of(snapshot: &ContainerSnapshot, sample: &Sample) -> Self {
        let [all, user, system] = sample.usage.cpu_ns;
        let passed = sample.at.map(|at| {
            // The CLI divides by the difference between two samples: the processor time of all of
            // the VM's processors.
            let started = Duration::from_millis(snapshot.run_state.started_ms);
            let since = at.saturating_sub(started).as_nanos();
            let all = since.saturating_mul(sample.usage.cpus.into());
            u64::try_from(all).unwrap_or(u64::MAX)
        });
        Self {
            cpu_usage: CpuUsage {
                total_usage: all,
                usage_in_kernelmode: system,
                usage_in_usermode: user,
            },
            throttling_data: ThrottlingData::default(),
            system_cpu_usage: passed,
            online_cpus: sample.at.map(|_| sample.usage.cpus),
        }
    }
}

impl BlkioStats {
    fn of(usage: Option<&Usage>) -> Self {
        let entries = usage.map(|usage| {
            let [read, written] = usage.disk;
            [("Read", read), ("Write", written)].map(|(op, value)| BlkioEntry {
                major: 254,
                minor: 0,
                op,
                value,
            })
        });
        Self {
            io_service_bytes_recursive: entries.into_iter().flatten().collect(),
            ..Self::default()
        }
    }
}
