//! Mounts: in-memory file systems, volumes in the image's directories, and the kinds that a VCH
//! does not support.

use crate::{
    DockerError, Version,
    containers::{
        body::{Body, HostConfig, Mount, TmpfsOptions},
        create::{Image, refused::refuse},
    },
    gates,
    volumes::{check_bind, check_from},
};
use vch_runtime::{size_bytes, workload::Workload};

const VOLUMES: &str = "volumes are not there yet: copy what the container needs into its image, or use a tmpfs (`--tmpfs`)";
/// The smallest disk: ext4 with its journal needs some space.
const LEAST_DISK: u64 = 16 << 20;
/// The largest disk: the maximum size of a sparse file on the VCH's disk.
const MOST_DISK: u64 = 16 << 40;

/// Sets the workload's mounts, and adds warnings about them to `warnings`.
///
/// # Errors
/// Returns dockerd's error, or 501 with the field of a volume.
pub fn fill(
    workload: &mut Workload,
    body: &Body,
    image: &Image,
    version: Version,
    warnings: &mut Vec<String>,
) -> Result<(), DockerError> {
    let host = &body.host_config;
    refuse_volumes(host)?;
    workload.tmpfs.clone_from(&host.tmpfs);
    for written in &host.mounts {
        let mount: Mount = serde_json::from_value(written.clone()).map_err(|error| {
            DockerError::invalid(format!("invalid JSON: HostConfig.Mounts: {error}"))
        })?;
        check_mount(&mount, version)?;
        let options = tmpfs_options(&mount)?;
        workload.tmpfs.insert(mount.target, options);
    }
    for path in host.tmpfs.keys() {
        destination(path).map_err(DockerError::invalid)?;
    }
    workload.volumes = dirs(body, image)?;
    let tmpfs = &workload.tmpfs;
    workload.volumes.retain(|dir| !tmpfs.contains_key(dir));
    if !workload.volumes.is_empty() {
        let dirs = workload.volumes.join(", ");
        warnings.push(format!(
            "Volumes are not there yet: {dirs} is part of the container's own file system, and removed with it."
        ));
    }
    workload.disk_bytes = disk(host)?;
    Ok(())
}

fn refuse_volumes(host: &HostConfig) -> Result<(), DockerError> {
    for bind in &host.binds {
        check_bind(bind, destination)?;
    }
    for from in &host.volumes_from {
        check_from(from)?;
    }
    for (field, list) in [("Binds", &host.binds), ("VolumesFrom", &host.volumes_from)] {
        if !list.is_empty() {
            return Err(refuse(&format!("HostConfig.{field}"), list, VOLUMES));
        }
    }
    match host.volume_driver.as_str() {
        // This is Docker's default driver.
        "" | "local" => Ok(()),
        driver => Err(refuse("HostConfig.VolumeDriver", driver, VOLUMES)),
    }
}

/// Returns the directories that the image and the user declare as volumes.
///
/// # Errors
/// Returns 400 if a path is not valid.
fn dirs(body: &Body, image: &Image) -> Result<Vec<String>, DockerError> {
    let mut all: Vec<String> = Vec::new();
    for path in image.volumes.iter().chain(body.volumes.keys()) {
        if path.contains(':') {
            return Err(DockerError::invalid(format!(
                "cannot bind mount volume: {path} volume paths must be absolute."
            )));
        }
        destination(path).map_err(|reason| {
            DockerError::invalid(format!("invalid volume specification: '{path}': {reason}"))
        })?;
        all.push(clean(path));
    }
    all.sort();
    all.dedup();
    Ok(all)
}

/// Cleans an absolute path as Go's path.Clean does.
pub fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// Checks that a path can be a mount point.
///
/// # Errors
/// Returns the reason as text.
fn destination(path: &str) -> Result<(), String> {
    let shown: String = path.chars().take(200).collect();
    if !path.starts_with('/') {
        return Err(format!(
            "invalid mount path: '{shown}' mount path must be absolute"
        ));
    }
    if clean(path) == "/" {
        return Err("invalid specification: destination can't be '/'".to_owned());
    }
    Ok(())
}

fn check_mount(mount: &Mount, version: Version) -> Result<(), DockerError> {
    let kind: String = mount.r#type.chars().take(40).collect();
    let tmpfs = kind == "tmpfs";
    if gates::MOUNT_TYPE_CHECKED.is_open(version) {
        for (field, given, of) in [
            ("VolumeOptions", mount.volume_options.is_some(), "volume"),
            ("BindOptions", mount.bind_options.is_some(), "bind"),
            (
                "TmpfsOptions",
                mount.tmpfs_options != TmpfsOptions::default(),
                "tmpfs",
            ),
        ] {
            if given && kind != of {
                return Err(DockerError::invalid(format!(
                    "{field} must not be specified on mount type \"{kind}\""
                )));
            }
        }
    }
    let wrong = |reason: String| {
        DockerError::invalid(format!(
            "invalid mount config for type \"{kind}\": {reason}"
        ))
    };
    if mount.target.is_empty() {
        return Err(wrong("field Target must not be empty".to_owned()));
    }
    destination(&mount.target).map_err(wrong)?;
    if kind == "bind" {
        if mount.source.is_empty() {
            return Err(wrong("field Source must not be empty".to_owned()));
        }
        if !mount.source.starts_with('/') {
            let shown: String = mount.source.chars().take(200).collect();
            return Err(wrong(format!(
                "invalid mount path: '{shown}' mount path must be absolute"
            )));
        }
    }
    if matches!(&*kind, "bind" | "volume" | "image" | "npipe" | "cluster") {
        let shown = format!("{kind} at {}", mount.target);
        return Err(refuse("HostConfig.Mounts", shown, VOLUMES));
    }
    if !tmpfs {
        return Err(wrong("mount type unknown".to_owned()));
    }
    for (field, given) in [
        ("BindOptions", mount.bind_options.is_some()),
        ("VolumeOptions", mount.volume_options.is_some()),
        ("ImageOptions", mount.image_options.is_some()),
        ("Source", !mount.source.is_empty()),
    ] {
        if given {
            return Err(wrong(format!("field {field} must not be specified")));
        }
    }
    Ok(())
}

fn tmpfs_options(mount: &Mount) -> Result<String, DockerError> {
    let given = &mount.tmpfs_options;
    let mut options = Vec::new();
    if mount.read_only {
        options.push("ro".to_owned());
    }
    if given.mode > 0 {
        options.push(format!("mode={:o}", given.mode));
    }
    if given.size_bytes < 0 {
        let bytes = given.size_bytes;
        return Err(DockerError::invalid(format!(
            "HostConfig.Mounts.TmpfsOptions.SizeBytes cannot be {bytes}: give a number of bytes"
        )));
    }
    if given.size_bytes > 0 {
        options.push(format!("size={}", given.size_bytes));
    }
    for option in &given.options {
        options.push(match option.as_slice() {
            [name] if matches!(&**name, "exec" | "noexec") => name.clone(),
            [name, value] if matches!(&**name, "uid" | "gid") && value.parse::<u32>().is_ok() => {
                format!("{name}={value}")
            }
            other => {
                let shown: String = other.join("=").chars().take(100).collect();
                return Err(DockerError::invalid(format!(
                    "invalid mount config for type \"tmpfs\": invalid option: {shown:?}: use exec, noexec, uid or gid"
                )));
            }
        });
    }
    Ok(options.join(","))
}

/// Returns the disk size of `--storage-opt size=10G` in bytes; `None` if it is not set.
///
/// # Errors
/// Returns 400 if an option is unknown or the size is not possible.
fn disk(host: &HostConfig) -> Result<Option<u64>, DockerError> {
    if let Some(key) = host.storage_opt.keys().find(|key| *key != "size") {
        let shown: String = key.chars().take(100).collect();
        return Err(DockerError::invalid(format!(
            "HostConfig.StorageOpt: unknown option {shown}: use size"
        )));
    }
    let Some(text) = host.storage_opt.get("size") else {
        return Ok(None);
    };
    match size_bytes(text) {
        Some(bytes @ LEAST_DISK..=MOST_DISK) => Ok(Some(bytes)),
        _ => {
            let shown: String = text.chars().take(100).collect();
            Err(DockerError::invalid(format!(
                "HostConfig.StorageOpt: size cannot be {shown:?}: give 16M to 16T"
            )))
        }
    }
}
