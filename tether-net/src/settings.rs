//! Writes the kernel settings of the network that the container asks for.
//!
//! They are no steps of a plan: the agent knows nothing of them but their paths and values. Each time
//! that the network is as its spec says, what differs is written; a setting of a link that is not there
//! yet is written when it is.

#[cfg(test)]
mod tests;

use crate::apply::failure;
use crate::observe::Sysfs;
use protocol::message::Failure;
use protocol::spec::{Extension, NetSpec};
use std::{fs, io};

/// Writes the settings of a spec that differ from the kernel's. Returns the failures.
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
