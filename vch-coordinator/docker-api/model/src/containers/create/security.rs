//! Privileges: capabilities, security options, devices, and masked kernel files.

use crate::{
    DockerError,
    containers::{body::HostConfig, create::refused::refuse, written::DeviceMapping},
};
use vch_runtime::{
    capability_number,
    workload::{Device, Workload},
};

/// The rights that Docker's CLI writes for a `--device` without rights.
const ALL_ACCESS: &str = "rwm";
/// Devices that every VM has, or whose kernel module loads when the device is opened.
const DEVICES: [&str; 13] = [
    "/dev/fuse",
    "/dev/kmsg",
    "/dev/loop-control",
    "/dev/mapper/control",
    "/dev/net/tun",
    "/dev/null",
    "/dev/ppp",
    "/dev/random",
    "/dev/tty",
    "/dev/urandom",
    "/dev/vhost-net",
    "/dev/zero",
    "/dev/full",
];

/// Sets the workload's privileges.
///
/// # Errors
/// Returns dockerd's error, or 501 with the option that a VM does not support.
pub fn fill(workload: &mut Workload, host: &HostConfig) -> Result<(), DockerError> {
    workload.capabilities = [
        capabilities("CapAdd", &host.cap_add)?,
        capabilities("CapDrop", &host.cap_drop)?,
    ];
    workload.privileged = host.privileged;
    for option in &host.security_opt {
        one(workload, option)?;
    }
    if !host.privileged {
        workload.masked_paths = paths("MaskedPaths", host.masked_paths.as_ref())?;
        workload.read_only_paths = paths("ReadonlyPaths", host.readonly_paths.as_ref())?;
    }
    let devices = host.devices.iter().map(device);
    workload.devices = devices.collect::<Result<_, _>>()?;
    if let Some(rule) = host.device_cgroup_rules.first() {
        return Err(device_rule(rule));
    }
    if let Some(first) = host.device_requests.first() {
        let remedy = "each container is a VM, which has none of the VCH's devices: leave it out";
        return Err(refuse(
            "HostConfig.DeviceRequests",
            first.to_string(),
            remedy,
        ));
    }
    Ok(())
}

/// Returns the capabilities by their full names, as they are shown again.
///
/// # Errors
/// Returns 400 if a name is unknown.
fn capabilities(field: &str, names: &[String]) -> Result<Vec<String>, DockerError> {
    let whole = |name: &String| {
        let upper = name.to_ascii_uppercase();
        let whole = match upper.as_str() {
            "ALL" => return Ok(upper),
            long if long.starts_with("CAP_") => upper,
            short => format!("CAP_{short}"),
        };
        match capability_number(&whole) {
            Some(_) => Ok(whole),
            None => Err(DockerError::invalid(format!(
                "invalid {field}: unknown capability: \"{whole}\""
            ))),
        }
    };
    names.iter().map(whole).collect()
}

fn one(workload: &mut Workload, option: &str) -> Result<(), DockerError> {
    let wrong = |which: u8| {
        let shown: String = option.chars().take(200).collect();
        DockerError::invalid(format!("invalid --security-opt {which}: {shown:?}"))
    };
    match option {
        "no-new-privileges" => {
            workload.no_new_privileges = true;
            return Ok(());
        }
        // These options are about SELinux, which VMs do not have.
        "disable" => return Ok(()),
        "writable-cgroups" => return Err(writable_cgroups(option)),
        _ => {}
    }
    let pair = option.split_once('=').or_else(|| option.split_once(':'));
    let (name, value) = pair.ok_or_else(|| wrong(1))?;
    match (name, value) {
        ("no-new-privileges", value) => {
            workload.no_new_privileges = truth(value).ok_or_else(|| wrong(2))?;
            Ok(())
        }
        ("writable-cgroups", value) => match truth(value).ok_or_else(|| wrong(2))? {
            true => Err(writable_cgroups(option)),
            false => Ok(()),
        },
        ("seccomp", "unconfined") => {
            workload.unfiltered = true;
            Ok(())
        }
        ("seccomp", "builtin") | ("apparmor", "unconfined") | ("label", "disable") => Ok(()),
        ("seccomp", _) => {
            let remedy = "a profile of one's own is not read: leave it out for Docker's default one, or use seccomp=unconfined";
            Err(refuse("HostConfig.SecurityOpt", option, remedy))
        }
        ("apparmor" | "label", _) => {
            let remedy = "a VM's kernel has neither AppArmor nor SELinux: leave it out";
            Err(refuse("HostConfig.SecurityOpt", option, remedy))
        }
        _ => Err(wrong(2)),
    }
}

fn writable_cgroups(option: &str) -> DockerError {
    let remedy = "the cgroups of a container are writable with --privileged alone: use that";
    refuse("HostConfig.SecurityOpt", option, remedy)
}

/// Parses a truth value as Go's strconv.ParseBool does; `None` if it is not valid.
fn truth(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

fn paths(field: &str, paths: Option<&Vec<String>>) -> Result<Option<Vec<String>>, DockerError> {
    let relative = |path: &&String| !path.starts_with('/');
    match paths.into_iter().flatten().find(relative) {
        Some(path) => {
            let shown: String = path.chars().take(200).collect();
            Err(DockerError::invalid(format!(
                "HostConfig.{field} cannot have '{shown}': give absolute paths"
            )))
        }
        None => Ok(paths.cloned()),
    }
}

fn device(device: &DeviceMapping) -> Result<Device, DockerError> {
    let source = device.path_on_host.as_str();
    if !DEVICES.contains(&source) {
        let shown: String = source.chars().take(200).collect();
        let all = DEVICES.join(", ");
        return Err(DockerError::invalid(format!(
            "HostConfig.Devices cannot have {shown:?}: each container is a VM, which has none of the VCH's devices, but its own: {all}"
        )));
    }
    let path = match device.path_in_container.as_str() {
        "" => source,
        path if path.starts_with('/') => path,
        path => {
            let shown: String = path.chars().take(200).collect();
            return Err(DockerError::invalid(format!(
                "HostConfig.Devices.PathInContainer cannot be {shown:?}: give an absolute path"
            )));
        }
    };
    let access = match device.cgroup_permissions.as_str() {
        "" => ALL_ACCESS,
        access if access.chars().all(|letter| ALL_ACCESS.contains(letter)) => access,
        access => {
            let shown: String = access.chars().take(20).collect();
            return Err(DockerError::invalid(format!(
                "HostConfig.Devices.CgroupPermissions cannot be {shown:?}: use some of r, w and m"
            )));
        }
    };
    Ok(Device {
        source: source.to_owned(),
        path: path.to_owned(),
        access: access.to_owned(),
    })
}

/// Returns the refusal of a rule of `--device-cgroup-rule` (such as `c 1:3 rwm`, with `a` for all
/// kinds and `*` for all numbers): 400 if the rule is not valid, and otherwise 501.
fn device_rule(rule: &str) -> DockerError {
    let number = |text: &str| text == "*" || text.parse::<u32>().is_ok();
    let words: Vec<&str> = rule.split(' ').collect();
    let well = match words.as_slice() {
        [kind, numbers, access] => {
            matches!(*kind, "a" | "b" | "c")
                && numbers
                    .split_once(':')
                    .is_some_and(|(major, minor)| number(major) && number(minor))
                && (1..=3).contains(&access.len())
                && access.chars().all(|letter| ALL_ACCESS.contains(letter))
        }
        _ => false,
    };
    if well {
        let remedy = "name the device itself (`--device`), or use --privileged";
        return refuse("HostConfig.DeviceCgroupRules", rule, remedy);
    }
    let shown: String = rule.chars().take(100).collect();
    DockerError::invalid(format!("invalid device cgroup rule format: '{shown}'"))
}
