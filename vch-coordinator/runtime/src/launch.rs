//! Derives a VM's [`Launch`], the description that its shim process gets, from a container's
//! snapshot. Apart from one check whether the modules disk exists, this module does no I/O.

use super::{
    ContainerSnapshot, Vms, capability,
    cgroups::Bounds,
    uids,
    workload::{Resources, Workload},
};
use protocol::process::{
    COVERED, CgroupLimits, CpuMax, Device, Process, READ_ONLY, Start, TerminalSize, Tmpfs,
    cpu_weight,
};
use std::path::{Path, PathBuf};
use thiserror::Error;
use vch_ledger::{Attachment, Endpoint, EndpointId, desired::port_name};
use vch_qemu::{Accelerator, PROGRAM};
use vch_shim::{Launch, Nic};

/// Docker's default `PATH`, for a container whose image has none.
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Memory for the guest's kernel, init and agent, beside what the container asks for.
const OWN_MEMORY_MIB: u64 = 96;
const LEAST_MEMORY_MIB: u64 = 128;
const MOST_MEMORY_MIB: u64 = 1 << 20;
/// The default rows and columns of a terminal.
const CONSOLE: [u16; 2] = [24, 80];
/// The maximum number of processors of a VM.
const MOST_CPUS: u16 = 64;
const DEFAULT_SHM: u64 = 64 << 20;
const DEFAULT_LOG_BYTES: u64 = 32 << 20;
const DEFAULT_LOG_FILES: u32 = 2;
/// The period of processor time that Docker uses for `--cpus`, in microseconds.
const CPU_PERIOD_US: u64 = 100_000;
/// How many billionths of a processor correspond to one microsecond of quota in each such period.
const NANO_CPUS_PER_QUOTA_US: u64 = 1_000_000_000 / CPU_PERIOD_US;

/// The paths of the files and sockets of one container's VM.
pub struct LaunchPaths<'a> {
    /// The directory of the container's persistent files.
    pub dir: &'a Path,
    /// The directory of the container's sockets.
    pub sockets: &'a Path,
    /// The squashfs file with the root file system of the container's image.
    pub image_disk: PathBuf,
    /// The ext4 file with what the container writes.
    pub writable_disk: PathBuf,
}

/// The reason for which a VM cannot be started as a container's workload describes it: a value that is not known.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LaunchError {
    /// The workload names this capability, which is not one of capabilities(7).
    #[error("invalid capability: {0:?}: see capabilities(7)")]
    Capability(String),
    /// The workload names this resource limit (`--ulimit`), which is not one of setrlimit(2).
    #[error("invalid ulimit type: {0}")]
    Limit(String),
}

/// Returns the description with which a shim process starts a container's VM and the process in it.
///
/// # Errors
/// - [`LaunchError::Capability`] if the workload names an unknown capability.
/// - [`LaunchError::Limit`] if the workload names an unknown resource limit.
pub fn launch(
    snapshot: &ContainerSnapshot,
    vms: &Vms,
    paths: LaunchPaths<'_>,
) -> Result<Launch, LaunchError> {
    let workload = &*snapshot.workload;
    let mut endpoints: Vec<&Endpoint> = snapshot
        .endpoints
        .iter()
        .map(|(_, endpoint)| endpoint)
        .filter(|endpoint| endpoint.attachment == Attachment::Tap)
        .collect();
    endpoints.sort_by(|one, other| one.interface.cmp(&other.interface));
    Ok(Launch {
        container: snapshot.container.id.to_string(),
        dir: paths.dir.to_owned(),
        sockets: paths.sockets.to_owned(),
        program: PROGRAM.into(),
        kernel: vms.kernel.clone(),
        initramfs: vms.initramfs.clone(),
        modules_disk: modules_disk(&vms.initramfs),
        kvm: vms.accelerator == Accelerator::Kvm,
        memory_mib: memory_mib(workload, vms),
        cpus: cpus(workload, vms),
        image_disk: paths.image_disk,
        writable_disk: paths.writable_disk,
        template: None,
        nics: endpoints.into_iter().map(nic).collect(),
        uid: uids::of(snapshot.container.id),
        cgroup: None,
        start: start(snapshot, vms)?,
        log_bytes: log_option(workload, "max-size", bytes).unwrap_or(DEFAULT_LOG_BYTES),
        log_files: log_option(workload, "max-file", |text| text.parse().ok())
            .unwrap_or(DEFAULT_LOG_FILES),
        boot_deadline_ms: u64::try_from(vms.boot_deadline.as_millis()).unwrap_or(u64::MAX),
    })
}

/// Returns the modules disk that `image build` writes beside the initramfs; `None` if the guest
/// image was built another way and has none.
fn modules_disk(initramfs: &Path) -> Option<PathBuf> {
    let beside = initramfs.with_file_name(vch_qemu::MODULE_DISK);
    beside.is_file().then_some(beside)
}

/// Returns the VM's NIC for an endpoint (a container's connection to a network), as shims describe
/// NICs.
pub fn nic(endpoint: &Endpoint) -> Nic {
    Nic {
        id: nic_id(endpoint.id),
        mac: endpoint.mac.octets(),
        tap: port_name(endpoint.id).to_string(),
    }
}

/// Returns the ID of the VM's NIC for an endpoint, by which the shim and QEMU name the NIC. It
/// begins with a letter, as QEMU requires.
pub fn nic_id(endpoint: EndpointId) -> String {
    format!("n{}", endpoint.short())
}

/// Returns the size of a container's VM, from which the limits of its cgroup on the host follow.
pub fn bounds(snapshot: &ContainerSnapshot, vms: &Vms) -> Bounds {
    let workload = &*snapshot.workload;
    Bounds {
        memory_mib: memory_mib(workload, vms),
        emulated: vms.accelerator == Accelerator::Tcg,
        cpus: cpus(workload, vms),
        cpu_max: cgroup_limits(&workload.resources).cpu_max,
    }
}

fn memory_mib(workload: &Workload, vms: &Vms) -> u32 {
    let wanted = match u64::try_from(workload.resources.memory) {
        Ok(bytes @ 1..) => bytes.div_ceil(1 << 20) + OWN_MEMORY_MIB,
        _ => vms.memory_mib.into(),
    };
    let wanted = wanted.clamp(LEAST_MEMORY_MIB, MOST_MEMORY_MIB);
    u32::try_from(wanted).unwrap_or(u32::MAX)
}

/// Returns the VM's number of processors: enough for the container's quota and for every processor
/// that its cpuset names.
fn cpus(workload: &Workload, vms: &Vms) -> u16 {
    let resources = &workload.resources;
    let wanted = match u64::try_from(resources.processors_nano()) {
        Ok(nano @ 1..) => u16::try_from(nano.div_ceil(1_000_000_000)).unwrap_or(MOST_CPUS),
        _ => vms.cpus,
    };
    let named = resources.cpuset_cpus.split([',', '-']);
    let highest = named.filter_map(|number| number.parse::<u16>().ok()).max();
    let named = highest.map_or(0, |highest| highest.saturating_add(1));
    wanted.max(named).min(MOST_CPUS)
}

fn start(snapshot: &ContainerSnapshot, vms: &Vms) -> Result<Start, LaunchError> {
    let workload = &*snapshot.workload;
    let tmpfs = workload.tmpfs.iter();
    let sysctls = workload.sysctls.iter();
    let shm = workload
        .shm_bytes
        .and_then(|bytes| u64::try_from(bytes).ok());
    let network_ms = vms.network_deadline.as_millis();
    let devices = workload.devices.iter().map(|device| Device {
        source: device.source.clone(),
        path: device.path.clone(),
        access: device.access.clone(),
    });
    Ok(Start {
        image_disk: "image".to_owned(),
        writable_disk: "upper".to_owned(),
        read_only: workload.read_only,
        shm_bytes: shm.unwrap_or(DEFAULT_SHM),
        tmpfs: tmpfs
            .map(|(path, options)| Tmpfs {
                path: path.clone(),
                options: options.clone(),
            })
            .collect(),
        sysctls: sysctls
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
        reaper: workload.reaper,
        network_deadline_ms: u32::try_from(network_ms).unwrap_or(u32::MAX),
        process: process(snapshot)?,
        privileged: workload.privileged,
        domain: workload.domain.clone(),
        cgroup: cgroup_limits(&workload.resources),
        devices: devices.collect(),
        masked_paths: covered(workload.masked_paths.as_deref(), COVERED),
        read_only_paths: covered(workload.read_only_paths.as_deref(), READ_ONLY),
        volumes: workload.volumes.clone(),
    })
}

/// Returns the paths that the user gave, or Docker's default.
fn covered(written: Option<&[String]>, default: &[&str]) -> Vec<String> {
    match written {
        Some(written) => written.to_vec(),
        None => default.iter().map(|&path| path.to_owned()).collect(),
    }
}

/// Returns the container's main process as the guest's init gets it: arguments, environment, user,
/// capabilities and limits. An exec or a health check begins with the same values.
///
/// # Errors
/// - [`LaunchError::Capability`] if the workload names an unknown capability.
/// - [`LaunchError::Limit`] if the workload names an unknown resource limit.
pub fn process(snapshot: &ContainerSnapshot) -> Result<Process, LaunchError> {
    let workload = &*snapshot.workload;
    let [add, drop] = &workload.capabilities;
    let capabilities = capability::of(add, drop).map_err(LaunchError::Capability)?;
    let limits = workload.limits.iter().map(|(name, soft, hard)| {
        let number = limit(name).ok_or_else(|| LaunchError::Limit(name.clone()))?;
        // As in Docker, -1 means no limit.
        let value = |limit: i64| u64::try_from(limit).unwrap_or(u64::MAX);
        Ok::<_, LaunchError>((number, value(*soft), value(*hard)))
    });
    Ok(Process {
        args: [&workload.entrypoint[..], &workload.command].concat(),
        environment: environment(snapshot),
        dir: workload.dir.clone(),
        user: workload.user.clone(),
        groups: workload.groups.clone(),
        terminal: workload.terminal.then(|| {
            let [rows, columns] = workload.console_size.unwrap_or(CONSOLE);
            TerminalSize { rows, columns }
        }),
        input: workload.input,
        capabilities,
        no_new_privileges: workload.no_new_privileges,
        limits: limits.collect::<Result<_, _>>()?,
        oom_score: workload.oom_score,
        privileged: workload.privileged,
        unfiltered: workload.unfiltered,
    })
}

/// Converts a container's limits to the values of its cgroup inside its VM. The guest's init sets them at the
/// container's start, and at `docker update` ([`vch_shim::Client::update`]). A limit that is not set becomes `None`.
pub fn cgroup_limits(resources: &Resources) -> CgroupLimits {
    let positive = |number: i64| u64::try_from(number).ok().filter(|number| *number > 0);
    let quota = positive(resources.cpu_quota).zip(positive(resources.period_us()));
    let quota = quota.map(|(quota_us, period_us)| CpuMax {
        quota_us,
        period_us,
    });
    let whole = positive(resources.nano_cpus).map(|nano| CpuMax {
        quota_us: nano.div_ceil(NANO_CPUS_PER_QUOTA_US),
        period_us: CPU_PERIOD_US,
    });
    CgroupLimits {
        memory: positive(resources.memory),
        memory_low: positive(resources.memory_reservation),
        tasks: positive(resources.tasks),
        cpu_weight: positive(resources.cpu_shares).and_then(cpu_weight),
        cpu_max: whole.or(quota),
        cpus: resources.cpuset_cpus.clone(),
        memory_nodes: resources.cpuset_mems.clone(),
    }
}

/// Returns the environment of the container's process, as `NAME=value`: Docker's own variables
/// (`PATH`, `HOSTNAME`, `TERM`), the variables of its links (`--link`), and the container's own
/// variables, which replace earlier ones of the same name.
pub fn environment(snapshot: &ContainerSnapshot) -> Vec<String> {
    let mut all = vec![
        PATH.to_owned(),
        format!("HOSTNAME={}", snapshot.container.hostname),
    ];
    if snapshot.workload.terminal {
        all.push("TERM=xterm".to_owned());
    }
    all.extend(snapshot.link_variables());
    for variable in &snapshot.workload.environment {
        set(&mut all, variable);
    }
    all
}

/// Sets or removes a variable in the environment `all`, a list of `NAME=value`. A `variable` of the form `NAME=value`
/// replaces the variable of that name in its position, or is appended; `NAME` alone removes the variable.
pub fn set(all: &mut Vec<String>, variable: &str) {
    let (name, given) = match variable.split_once('=') {
        Some((name, _)) => (name, true),
        None => (variable, false),
    };
    let own = |one: &String| one.split_once('=').is_some_and(|(key, _)| key == name);
    match all.iter_mut().find(|one| own(one)) {
        Some(old) if given => variable.clone_into(old),
        Some(_) => all.retain(|one| !own(one)),
        None if given => all.push(variable.to_owned()),
        None => {}
    }
}

/// Returns the number of a resource limit (asm-generic/resource.h), such as 7 for `nofile`. The
/// names are those of Docker's `--ulimit`; returns `None` if the name is unknown.
pub fn limit(name: &str) -> Option<u8> {
    Some(match name {
        "cpu" => 0,
        "fsize" => 1,
        "data" => 2,
        "stack" => 3,
        "core" => 4,
        "rss" => 5,
        "nproc" => 6,
        "nofile" => 7,
        "memlock" => 8,
        "as" => 9,
        "locks" => 10,
        "sigpending" => 11,
        "msgqueue" => 12,
        "nice" => 13,
        "rtprio" => 14,
        "rttime" => 15,
        _ => return None,
    })
}

fn log_option<T>(
    workload: &Workload,
    name: &str,
    read: impl FnOnce(&str) -> Option<T>,
) -> Option<T> {
    read(workload.log.get(name)?)
}

/// Parses a size as Docker's clients write it (`10m`, `512kb`, `1GiB`, or plain bytes), and returns
/// it in bytes. All units are powers of 1,024. Returns `None` if the text is not valid or the size
/// exceeds 64 bits.
pub fn bytes(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = text[digits.len()..].trim_start().to_ascii_lowercase();
    let factor = match unit.as_str() {
        "" | "b" => 1,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        "t" | "tb" | "tib" => 1 << 40,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
pub(super) mod tests;
