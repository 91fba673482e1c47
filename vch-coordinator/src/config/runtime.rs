//! The table `[runtime]`: which program runs the containers' VMs, and the VMs' settings.

use super::{ConfigError, absolute, error::Source, fields};
use std::{path::PathBuf, thread, time::Duration};
use toml::Spanned;
use vch_ledger::SocketPath;
use vch_qemu::Accelerator;
use vch_runtime::Vms;

/// The default number of processors, or fewer if the host has fewer. With two, a guest configures
/// its network in parallel with its other work.
const DEFAULT_CPUS: usize = 2;
const DEFAULT_MEMORY_MIB: u64 = 256;
const DEFAULT_DISK_MIB: u64 = 10 * 1024;
/// Default deadlines in seconds: from QEMU's start until the guest answers, and from then until its
/// network is configured. With emulation, a VM may need a minute when other VMs compete for the
/// processors.
const DEFAULT_SECONDS_OF_TCG: (u64, u64) = (120, 60);
const DEFAULT_SECONDS_OF_KVM: (u64, u64) = (30, 15);
const NEEDED: &str =
    "`kind = \"qemu\"` starts VMs with it: write the path of a file that `make image` made";

/// The program that runs the containers' VMs, from the table `[runtime]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Runtime {
    /// A program other than the coordinator runs the VMs (`kind = "external"`).
    External {
        /// The path of the Unix socket by which the coordinator asks that program to change NICs of running VMs; `None`
        /// if it does not ask.
        hook: Option<SocketPath>,
    },
    /// The coordinator runs the VMs itself by QEMU (`kind = "qemu"`), with these settings.
    Qemu(Vms),
}

impl Runtime {
    /// Returns the settings of the VMs that the coordinator runs; `None` if another program runs the VMs.
    pub fn vms(&self) -> Option<&Vms> {
        match self {
            Self::Qemu(vms) => Some(vms),
            Self::External { .. } => None,
        }
    }

    /// Returns whether NICs of running VMs can be changed: by the coordinator itself, or by the external program over
    /// the configured hook. If false, a network that is connected to a running container gets no NIC from the
    /// coordinator.
    pub fn plugs(&self) -> bool {
        !matches!(self, Self::External { hook: None })
    }
}

/// Checks the table `[runtime]`.
///
/// # Errors
/// Returns [`ConfigError`] if a field is missing, not valid, or not for this kind of runtime.
pub(super) fn runtime(
    source: &Source<'_>,
    table: fields::RuntimeTable,
) -> Result<Runtime, ConfigError> {
    match table.kind {
        fields::RuntimeKind::External => external(source, table),
        fields::RuntimeKind::Qemu => Ok(Runtime::Qemu(vms(source, table)?)),
    }
}

fn external(source: &Source<'_>, table: fields::RuntimeTable) -> Result<Runtime, ConfigError> {
    let only_here = [
        ("runtime.kernel", table.kernel),
        ("runtime.initramfs", table.initramfs),
        ("runtime.shim", table.shim),
    ];
    for (field, value) in only_here {
        if let Some(value) = value {
            let shown = value.get_ref().display().to_string();
            let remedy = "it is for VMs that the VCH starts itself: write `kind = \"qemu\"` too";
            return Err(source.field(value.span(), field, shown, remedy));
        }
    }
    let hook = table
        .hook
        .map(|path| source.parsed("runtime.hook", &path, None));
    Ok(Runtime::External {
        hook: hook.transpose()?,
    })
}

fn vms(source: &Source<'_>, table: fields::RuntimeTable) -> Result<Vms, ConfigError> {
    if let Some(hook) = table.hook {
        let remedy = "it is for VMs that another program starts: write `kind = \"external\"`";
        let shown = hook.get_ref().clone();
        return Err(source.field(hook.span(), "runtime.hook", shown, remedy));
    }
    let needed = |field, path: Option<Spanned<PathBuf>>| match path {
        Some(path) => absolute(source, field, Some(path), ""),
        None => Err(source.missing(field, NEEDED)),
    };
    let kernel = needed("runtime.kernel", table.kernel)?;
    let initramfs = needed("runtime.initramfs", table.initramfs)?;
    let shim = match table.shim {
        Some(path) => Some(absolute(source, "runtime.shim", Some(path), "")?),
        None => None,
    };
    let memory = table.memory_mib;
    let memory = source.number(
        "runtime.memory_mib",
        memory,
        DEFAULT_MEMORY_MIB,
        128..=1 << 20,
    )?;
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let default = processors.min(DEFAULT_CPUS) as u64;
    let cpus = source.number("runtime.cpus", table.cpus, default, 1..=64)?;
    let disk = source.number(
        "runtime.disk_mib",
        table.disk_mib,
        DEFAULT_DISK_MIB,
        64..=16 << 20,
    )?;
    let seconds = |field, value, default| {
        let seconds = source.number(field, value, default, 1..=600)?;
        Ok(Duration::from_secs(seconds))
    };
    let (boot_seconds, network_seconds) = match table.accelerator {
        fields::Accelerator::Tcg => DEFAULT_SECONDS_OF_TCG,
        fields::Accelerator::Kvm => DEFAULT_SECONDS_OF_KVM,
    };
    Ok(Vms {
        kernel,
        initramfs,
        shim,
        clones: match (table.boot, table.accelerator) {
            (Some(boot), _) => matches!(boot, fields::Boot::Clone),
            // Saving and restoring VMs is supported only with emulation so far.
            (None, accelerator) => matches!(accelerator, fields::Accelerator::Tcg),
        },
        accelerator: match table.accelerator {
            fields::Accelerator::Tcg => Accelerator::Tcg,
            fields::Accelerator::Kvm => Accelerator::Kvm,
        },
        // Each number is within the range that was just checked.
        memory_mib: u32::try_from(memory).unwrap_or(u32::MAX),
        cpus: u16::try_from(cpus).unwrap_or(1),
        disk_bytes: disk << 20,
        insecure_registries: table.insecure_registries,
        boot_deadline: seconds("runtime.boot_seconds", table.boot_seconds, boot_seconds)?,
        network_deadline: seconds(
            "runtime.network_seconds",
            table.network_seconds,
            network_seconds,
        )?,
    })
}
