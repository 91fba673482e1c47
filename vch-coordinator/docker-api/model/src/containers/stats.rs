//! The resource usage of a container, as `GET /containers/{id}/stats` shows it.

#![expect(
    missing_docs,
    reason = "fields of the Docker Engine API under its own names, which its reference explains"
)]

use crate::{
    containers::status,
    json::{Empty, Ordered},
    time,
};
use protocol::process::{InterfaceUsage, Usage};
use serde::Serialize;
use std::time::Duration;
use vch_runtime::ContainerSnapshot;

/// The resource usage at a time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// The time since 1970; `None` if the container does not run.
    pub at: Option<Duration>,
    /// The usage.
    pub usage: Usage,
}

/// The statistics of a container; mostly empty if it does not run.
#[derive(Clone, Debug, Serialize)]
pub struct Stats {
    pub read: String,
    pub preread: String,
    pub num_procs: u32,
    pub storage_stats: Empty,
    pub pids_stats: PidsStats,
    pub blkio_stats: BlkioStats,
    pub cpu_stats: CpuStats,
    pub precpu_stats: CpuStats,
    pub memory_stats: MemoryStats,
    pub name: String,
    pub id: String,
    #[serde(skip_serializing_if = "Ordered::is_empty")]
    pub networks: Ordered<NetworkStats>,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct PidsStats {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current: Option<u32>,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct MemoryStats {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stats: Option<CacheStats>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
}

/// The memory of the page cache, which the CLI subtracts since it can be reclaimed.
#[derive(Clone, Debug, Serialize)]
pub struct CacheStats {
    pub cache: u64,
    pub inactive_file: u64,
    pub total_inactive_file: u64,
}

#[derive(Clone, Debug, Serialize)]
pub struct CpuStats {
    pub cpu_usage: CpuUsage,
    pub throttling_data: ThrottlingData,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system_cpu_usage: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub online_cpus: Option<u16>,
}

#[derive(Clone, Debug, Serialize)]
pub struct CpuUsage {
    pub total_usage: u64,
    pub usage_in_kernelmode: u64,
    pub usage_in_usermode: u64,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct ThrottlingData {
    pub periods: u64,
    pub throttled_periods: u64,
    pub throttled_time: u64,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct BlkioStats {
    pub io_service_bytes_recursive: Vec<BlkioEntry>,
    pub io_serviced_recursive: Option<Empty>,
    pub io_queue_recursive: Option<Empty>,
    pub io_service_time_recursive: Option<Empty>,
    pub io_wait_time_recursive: Option<Empty>,
    pub io_merged_recursive: Option<Empty>,
    pub io_time_recursive: Option<Empty>,
    pub sectors_recursive: Option<Empty>,
}

/// The number of bytes read from or written to a device.
#[derive(Clone, Debug, Serialize)]
pub struct BlkioEntry {
    pub major: u32,
    pub minor: u32,
    pub op: &'static str,
    pub value: u64,
}

#[derive(Clone, Debug, Serialize)]
pub struct NetworkStats {
    pub rx_bytes: u64,
    pub rx_packets: u64,
    pub rx_errors: u64,
    pub rx_dropped: u64,
    pub tx_bytes: u64,
    pub tx_packets: u64,
    pub tx_errors: u64,
    pub tx_dropped: u64,
}

impl Stats {
    /// Returns the statistics from two samples, of which `before` is the older one.
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
