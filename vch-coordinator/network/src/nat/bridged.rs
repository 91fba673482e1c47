//! Switches br_netfilter off, so that frames that stay on a bridge do not pass the nftables rules of IP.
//!
//! With br_netfilter on, they do. A packet that a published port leads back onto its own bridge is then forwarded as a
//! frame instead of being routed. It never comes out of the port by which it came in, so a container could not use its
//! own published port; and on a shared bridge it meets the rule that keeps networks apart. What a bridge forwards is
//! filtered by the table `bridge vch` alone.

use super::NatError;
use std::{fs, io, path::Path};

/// The switches of br_netfilter, of the network namespace of the thread that looks
/// (Documentation/networking/ip-sysctl.rst, /proc/sys/net/bridge/*).
const SWITCHES: [&str; 2] = [
    "/proc/sys/net/bridge/bridge-nf-call-iptables",
    "/proc/sys/net/bridge/bridge-nf-call-ip6tables",
];

/// Switches the hooks of br_netfilter off if they are on. Does nothing if that kernel module is not loaded.
///
/// # Errors
/// Returns [`NatError::Bridged`] with the sysctl that can't be read or written.
pub fn keep_off_ip() -> Result<(), NatError> {
    for path in SWITCHES {
        match switch_off(Path::new(path)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(NatError::Bridged { path, source }),
            Ok(false) => {}
            Ok(true) => tracing::info!(path, "frames on bridges no longer pass IP's rules"),
        }
    }
    Ok(())
}

fn switch_off(path: &Path) -> io::Result<bool> {
    let on = fs::read_to_string(path)?.trim() != "0";
    if on {
        fs::write(path, "0")?;
    }
    Ok(on)
}
