//! What of a container's wishes a VCH does not carry out: each is refused by its field and value.

use super::super::super::DockerError;
use super::super::body::{Body, HostConfig};

const VOLUMES: &str = "volumes are not there yet: copy what the container needs into its image, or use a tmpfs (`--tmpfs`)";
const VM: &str = "each container is a VM with a kernel of its own";

/// Refuses a wish by its field.
pub fn refuse(field: &str, value: impl std::fmt::Debug, remedy: &str) -> DockerError {
    let value: String = format!("{value:?}").chars().take(300).collect();
    DockerError::unsupported(&format!("{field} {value}"), remedy)
}

/// Passes what a VCH can do.
///
/// # Errors
/// The first field that it can't carry out.
pub fn check(body: &Body) -> Result<(), DockerError> {
    let host = &body.host_config;
    modes(host)?;
    volumes(body)?;
    devices(host)?;
    resources(host)?;
    security(host)
}

fn modes(host: &HostConfig) -> Result<(), DockerError> {
    if host.network_mode == "host" {
        let remedy = "each container is a VM, and the VCH's own network is no container's: use a network of driver bridge and publish ports (`-p`), or connect it to an external network (`docker network ls`)";
        return Err(refuse("HostConfig.NetworkMode", "host", remedy));
    }
    if host.network_mode.starts_with("container:") {
        let remedy = "each container is a VM with interfaces of its own: put both on one network and use their names";
        return Err(refuse("HostConfig.NetworkMode", &host.network_mode, remedy));
    }
    let own = [
        ("PidMode", &host.pid_mode, &[""][..]),
        ("IpcMode", &host.ipc_mode, &["", "private", "shareable"]),
        ("UTSMode", &host.uts_mode, &[""]),
        ("UsernsMode", &host.userns_mode, &[""]),
        ("CgroupnsMode", &host.cgroupns_mode, &["", "private"]),
        ("Cgroup", &host.cgroup, &[""]),
        ("CgroupParent", &host.cgroup_parent, &[""]),
        ("Isolation", &host.isolation, &["", "default"]),
        ("Runtime", &host.runtime, &[""]),
    ];
    for (field, value, possible) in own {
        if !possible.contains(&value.as_str()) {
            let remedy = format!("{VM}, whose namespaces are shared with nobody: leave it out");
            return Err(refuse(&format!("HostConfig.{field}"), value, &remedy));
        }
    }
    Ok(())
}

fn volumes(body: &Body) -> Result<(), DockerError> {
    let host = &body.host_config;
    if !host.binds.is_empty() {
        return Err(refuse("HostConfig.Binds", &host.binds, VOLUMES));
    }
    if !host.volumes_from.is_empty() {
        return Err(refuse(
            "HostConfig.VolumesFrom",
            &host.volumes_from,
            VOLUMES,
        ));
    }
    if !body.volumes.is_empty() {
        let paths: Vec<&String> = body.volumes.keys().collect();
        return Err(refuse("Volumes", paths, VOLUMES));
    }
    if !host.volume_driver.is_empty() {
        return Err(refuse(
            "HostConfig.VolumeDriver",
            &host.volume_driver,
            VOLUMES,
        ));
    }
    match host.mounts.iter().find(|mount| mount.r#type != "tmpfs") {
        Some(mount) => {
            let shown = format!("{} at {}", mount.r#type, mount.target);
            Err(refuse("HostConfig.Mounts", shown, VOLUMES))
        }
        None => Ok(()),
    }
}

fn devices(host: &HostConfig) -> Result<(), DockerError> {
    let remedy = format!("{VM}, which has none of the VCH's devices: leave it out");
    let lists = [
        ("Devices", &host.devices),
        ("DeviceRequests", &host.device_requests),
        ("BlkioWeightDevice", &host.blkio_weight_device),
        ("BlkioDeviceReadBps", &host.blkio_device_read_bps),
        ("BlkioDeviceWriteBps", &host.blkio_device_write_bps),
        ("BlkioDeviceReadIOps", &host.blkio_device_read_iops),
        ("BlkioDeviceWriteIOps", &host.blkio_device_write_iops),
    ];
    for (field, list) in lists {
        if let Some(first) = list.first() {
            let field = format!("HostConfig.{field}");
            return Err(refuse(&field, first.to_string(), &remedy));
        }
    }
    if !host.device_cgroup_rules.is_empty() {
        let field = "HostConfig.DeviceCgroupRules";
        return Err(refuse(field, &host.device_cgroup_rules, &remedy));
    }
    Ok(())
}

/// Passes the resources that a VM can have.
///
/// # Errors
/// The first field that it can't carry out.
pub fn resources(host: &HostConfig) -> Result<(), DockerError> {
    let remedy = "a VM has memory (`-m`) and processors (`--cpus`) of its own: use those";
    let numbers = [
        ("CpuShares", host.cpu_shares),
        ("BlkioWeight", host.blkio_weight),
        ("CpuRealtimePeriod", host.cpu_realtime_period),
        ("CpuRealtimeRuntime", host.cpu_realtime_runtime),
        ("KernelMemory", host.kernel_memory),
        ("KernelMemoryTCP", host.kernel_memory_tcp),
        ("MemoryReservation", host.memory_reservation),
    ];
    for (field, value) in numbers {
        if value != 0 {
            return Err(refuse(&format!("HostConfig.{field}"), value, remedy));
        }
    }
    for (field, value) in [
        ("CpusetCpus", &host.cpuset_cpus),
        ("CpusetMems", &host.cpuset_mems),
    ] {
        if !value.is_empty() {
            return Err(refuse(&format!("HostConfig.{field}"), value, remedy));
        }
    }
    if let Some(value @ 0..) = host.memory_swappiness {
        return Err(refuse("HostConfig.MemorySwappiness", value, remedy));
    }
    if host.oom_kill_disable {
        return Err(refuse("HostConfig.OomKillDisable", true, remedy));
    }
    if host.pids_limit > 0 {
        let remedy = "set a ulimit in its place (`--ulimit nproc=N`)";
        return Err(refuse("HostConfig.PidsLimit", host.pids_limit, remedy));
    }
    if !host.storage_opt.is_empty() {
        let remedy = "what a container may write is set for all by `runtime.disk_mib` of vch.toml";
        return Err(refuse("HostConfig.StorageOpt", &host.storage_opt, remedy));
    }
    Ok(())
}

fn security(host: &HostConfig) -> Result<(), DockerError> {
    if host.privileged {
        let remedy = format!("{VM}: give it the capabilities that it needs (`--cap-add`)");
        return Err(refuse("HostConfig.Privileged", true, &remedy));
    }
    for option in &host.security_opt {
        let known = matches!(
            option.as_str(),
            "no-new-privileges"
                | "no-new-privileges:true"
                | "no-new-privileges=true"
                | "no-new-privileges:false"
                | "no-new-privileges=false"
        );
        if !known {
            let remedy = "of the security options only no-new-privileges is there";
            return Err(refuse("HostConfig.SecurityOpt", option, remedy));
        }
    }
    for (field, list) in [
        ("MaskedPaths", &host.masked_paths),
        ("ReadonlyPaths", &host.readonly_paths),
    ] {
        if let Some(list) = list {
            let remedy = "leave it out";
            return Err(refuse(&format!("HostConfig.{field}"), list, remedy));
        }
    }
    if !host.annotations.is_empty() {
        let remedy = "use labels (`--label`)";
        return Err(refuse("HostConfig.Annotations", &host.annotations, remedy));
    }
    log(host)
}

fn log(host: &HostConfig) -> Result<(), DockerError> {
    let log = &host.log_config;
    if !matches!(log.r#type.as_str(), "" | "json-file" | "local") {
        let remedy = "what a container writes is kept on the VCH: use json-file";
        return Err(refuse("HostConfig.LogConfig.Type", &log.r#type, remedy));
    }
    let unknown = |key: &&String| !matches!(key.as_str(), "max-size" | "max-file");
    match log.config.keys().find(unknown) {
        Some(key) => Err(DockerError::invalid(format!(
            "unknown log opt '{key}' for json-file log driver: use max-size and max-file"
        ))),
        None => Ok(()),
    }
}
