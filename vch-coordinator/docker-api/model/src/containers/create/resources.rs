//! Memory, processors and other limits of a container, checked in dockerd's order and with
//! dockerd's messages.

use crate::{
    DockerError, Version,
    containers::{body::HostConfig, create::refused::refuse},
    gates,
};
use std::{num::NonZero, ops::RangeInclusive, thread};
use vch_runtime::workload::Resources;

/// dockerd's minimum of a container's memory.
const LEAST_MEMORY: i64 = 6 << 20;
/// One processor.
const NANO: i64 = 1_000_000_000;
/// The kernel's limits of a period (`sched-bwc`), in microseconds.
const PERIODS_US: RangeInclusive<i64> = 1_000..=1_000_000;
/// The kernel's smallest quota, in microseconds.
const LEAST_QUOTA_US: i64 = 1_000;
/// Docker's limits of a block I/O weight.
const WEIGHTS: RangeInclusive<i64> = 10..=1_000;
/// The number of a VM's memory nodes.
const MEMORY_NODES: usize = 1;

/// The limits of a container as the runtime takes them, and warnings about settings that are ignored.
pub type Checked = (Resources, Vec<String>);

/// Checks the limits of memory, processors and tasks in a `HostConfig`, and returns them with warnings about limits
/// that are ignored. `update` is true for an existing container (`docker update`): its request may name swap without
/// memory, and the caller puts the container's values in place of limits that are 0 or empty.
///
/// # Errors
/// Returns 400 with dockerd's message if a limit is not valid, and 501 with the field if a VM does not support it.
pub fn read(host: &HostConfig, version: Version, update: bool) -> Result<Checked, DockerError> {
    let mut warnings = Vec::new();
    real_time(host)?;
    memory(host, update)?;
    discarded(host, version, &mut warnings);
    processors(host)?;
    sets(host)?;
    blocks(host)?;
    let resources = Resources {
        memory: host.memory,
        memory_swap: match host.memory_swap {
            // Docker's default: as much swap as memory.
            0 => host.memory.saturating_mul(2),
            swap => swap,
        },
        memory_reservation: host.memory_reservation,
        nano_cpus: host.nano_cpus,
        cpu_shares: host.cpu_shares,
        cpu_period: host.cpu_period,
        cpu_quota: host.cpu_quota,
        cpuset_cpus: host.cpuset_cpus.clone(),
        cpuset_mems: host.cpuset_mems.clone(),
        tasks: host.pids_limit.unwrap_or(0).max(0),
    };
    Ok((resources, warnings))
}

fn invalid<T>(message: impl Into<String>) -> Result<T, DockerError> {
    Err(DockerError::invalid(message))
}

fn real_time(host: &HostConfig) -> Result<(), DockerError> {
    if host.io_maximum_bandwidth != 0 {
        return invalid(
            "invalid option: QoS maximum bandwidth configuration is not supported on linux",
        );
    }
    if host.io_maximum_iops != 0 {
        return invalid("invalid option: QoS maximum IOPs configuration is not supported on linux");
    }
    for (field, value) in [
        ("CpuRealtimePeriod", host.cpu_realtime_period),
        ("CpuRealtimeRuntime", host.cpu_realtime_runtime),
    ] {
        if value != 0 {
            return invalid(format!(
                "kernel does not support CPU real-time scheduler: leave HostConfig.{field} out"
            ));
        }
    }
    if host.cpu_shares < 0 {
        let shares = host.cpu_shares;
        return invalid(format!(
            "invalid CPU shares ({shares}): value must be a positive integer"
        ));
    }
    Ok(())
}

fn memory(host: &HostConfig, update: bool) -> Result<(), DockerError> {
    let (memory, swap) = (host.memory, host.memory_swap);
    if memory != 0 && memory < LEAST_MEMORY {
        return invalid("Minimum memory limit allowed is 6MB");
    }
    if memory > 0 && swap > 0 && swap < memory {
        return invalid("Minimum memoryswap limit should be larger than memory limit, see usage");
    }
    if memory == 0 && swap > 0 && !update {
        return invalid(
            "You should always set the Memory limit when using Memoryswap limit, see usage",
        );
    }
    for (field, value, least) in [
        ("MemorySwap", swap, -1),
        ("MemoryReservation", host.memory_reservation, 0),
    ] {
        if value < least {
            return invalid(format!(
                "HostConfig.{field} cannot be {value}: give a number of bytes"
            ));
        }
    }
    let reservation = host.memory_reservation;
    if reservation > 0 && reservation < LEAST_MEMORY {
        return invalid("Minimum memory reservation allowed is 6MB");
    }
    if memory > 0 && reservation > memory {
        return invalid(
            "Minimum memory limit can not be less than memory reservation limit, see usage",
        );
    }
    Ok(())
}

/// Adds dockerd's warnings about fields that dockerd ignores on a kernel with cgroup v2, as a VM's.
fn discarded(host: &HostConfig, version: Version, warnings: &mut Vec<String>) {
    // Clients send -1 for no limit.
    if host.memory_swappiness.is_some_and(|value| value != -1) {
        warnings.push("Your kernel does not support memory swappiness capabilities or the cgroup is not mounted. Memory swappiness discarded.".to_owned());
    }
    if host.kernel_memory > 0 && gates::KERNEL_MEMORY.is_open(version) {
        warnings.push("Your kernel does not support kernel memory limit capabilities or the cgroup is not mounted. Limitation discarded.".to_owned());
    }
    if host.oom_kill_disable == Some(true) {
        warnings.push(
            "Your kernel does not support OomKillDisable. OomKillDisable discarded.".to_owned(),
        );
    }
    if host.cpu_percent > 0 {
        warnings.push("linux does not support CPU percent. Percent discarded.".to_owned());
    }
}

/// Returns the number of the VCH's processors.
fn there() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

fn processors(host: &HostConfig) -> Result<(), DockerError> {
    if host.nano_cpus > 0 && host.cpu_period > 0 {
        return invalid("Conflicting options: Nano CPUs and CPU Period cannot both be set");
    }
    if host.nano_cpus > 0 && host.cpu_quota > 0 {
        return invalid("Conflicting options: Nano CPUs and CPU Quota cannot both be set");
    }
    let most = there();
    let most_nano = i64::try_from(most).unwrap_or(i64::MAX).saturating_mul(NANO);
    if host.nano_cpus < 0 || host.nano_cpus > most_nano {
        return invalid(format!(
            "range of CPUs is from 0.01 to {most}.00, as there are only {most} CPUs available"
        ));
    }
    if host.cpu_period != 0 && !PERIODS_US.contains(&host.cpu_period) {
        return invalid(
            "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)",
        );
    }
    if (1..LEAST_QUOTA_US).contains(&host.cpu_quota) {
        return invalid("CPU cfs quota can not be less than 1ms (i.e. 1000)");
    }
    Ok(())
}

fn sets(host: &HostConfig) -> Result<(), DockerError> {
    for (text, there, kind, what) in [
        (&host.cpuset_cpus, there(), "cpuset cpus", "CPUs"),
        (
            &host.cpuset_mems,
            MEMORY_NODES,
            "cpuset mems",
            "memory nodes",
        ),
    ] {
        let shown: String = text.chars().take(100).collect();
        let Some(highest) = highest(text) else {
            return invalid(format!(
                "Invalid value {shown} for {kind}: invalid format: {shown}"
            ));
        };
        if highest.is_some_and(|highest| highest >= there) {
            let available = match there {
                1 => "0".to_owned(),
                several => format!("0-{}", several - 1),
            };
            return invalid(format!(
                "Requested {what} are not available - requested {shown}, available: {available}"
            ));
        }
    }
    Ok(())
}

/// Returns the highest number in a list such as `0-2,4`; the inner `None` for an empty list, the
/// outer one if the text is not such a list.
fn highest(text: &str) -> Option<Option<usize>> {
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<usize>().ok().filter(|_| digits)
    };
    let mut highest = None;
    for part in text.split(',').filter(|_| !text.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (number(first)?, number(last)?);
        if first > last {
            return None;
        }
        highest = highest.max(Some(last));
    }
    Some(highest)
}

fn blocks(host: &HostConfig) -> Result<(), DockerError> {
    let weight = host.blkio_weight;
    if weight != 0 && !WEIGHTS.contains(&weight) {
        return invalid("Range of blkio weight is from 10 to 1000");
    }
    let remedy = "a VM's disk is its own: no other container shares it: leave it out";
    if weight != 0 {
        return Err(refuse("HostConfig.BlkioWeight", weight, remedy));
    }
    for (field, list) in [
        ("BlkioWeightDevice", &host.blkio_weight_device),
        ("BlkioDeviceReadBps", &host.blkio_device_read_bps),
        ("BlkioDeviceWriteBps", &host.blkio_device_write_bps),
        ("BlkioDeviceReadIOps", &host.blkio_device_read_iops),
        ("BlkioDeviceWriteIOps", &host.blkio_device_write_iops),
    ] {
        if let Some(first) = list.first() {
            let field = format!("HostConfig.{field}");
            return Err(refuse(&field, first.to_string(), remedy));
        }
    }
    Ok(())
}
