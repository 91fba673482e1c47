//! Writes the kernel settings of the network (sysctls) that the container asks for.
//!
//! They are not steps of a plan, since the agent knows only their paths and values. Each time the network agrees with
//! its spec, the settings that differ are written. A setting of a link that does not exist yet is written when the link
//! exists.

#[cfg(test)]
mod tests;

use crate::apply::failure;
use crate::observe::Sysfs;
use protocol::message::Failure;
use protocol::spec::{Extension, NetSpec};
use std::{fs, io};

/// Writes the kernel settings that a [`NetSpec`] has ([`Extension::sysctls`]) and that differ from the present ones,
/// below the `/proc/sys` of `sysfs`. Returns a failure for each that the kernel refused, or whose path is not in
/// `/proc/sys/net`. A setting whose file does not exist is skipped: its link may appear later.
pub fn apply(sysfs: &Sysfs, spec: &NetSpec) -> Vec<Failure> {
    let asked = Extension::read(&spec.parts().extension).sysctls;
    let set = |(path, value): (String, String)| {
        let refused = |errno| failure(format!("set {path} to {value}"), errno);
        let Some(file) = sysfs.network_sysctl(&path) else {
            return Some(refused(nix::errno::Errno::EINVAL as i32));
        };
        match fs::read_to_string(&file) {
            // The kernel writes several values with tabs between them.
            Ok(present) if present.split_whitespace().eq(value.split_whitespace()) => return None,
            // Its link is awaited.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            _ => {}
        }
        let error = fs::write(&file, &value).err()?;
        Some(refused(error.raw_os_error().unwrap_or(0)))
    };
    asked.into_iter().filter_map(set).collect()
}
