//! Kernel settings (sysctls) that netlink can't change. The only module that writes below `/proc/sys`.
//!
//! `/proc/sys/net` shows the network namespace of the thread that reads it.

use super::{
    observed::Forwarding,
    step::{Family, Ipv6Setting},
};
use protocol::spec::InterfaceName;
use std::{fs, io, path::PathBuf};

/// A file below `/proc/sys`, and the value to write to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sysctl {
    /// The path of the file.
    pub path: PathBuf,
    /// The value to write.
    pub value: &'static str,
}

impl Sysctl {
    /// Returns the setting that enables IP forwarding for one family.
    pub fn forward(family: Family) -> Self {
        let path = match family {
            Family::V4 => "/proc/sys/net/ipv4/ip_forward",
            Family::V6 => "/proc/sys/net/ipv6/conf/all/forwarding",
        };
        Self {
            path: path.into(),
            value: "1",
        }
    }

    /// Returns the setting that lets packets with loopback addresses come in by a link (`route_localnet`).
    pub fn route_localnet(link: &InterfaceName) -> Self {
        let path = ["/proc/sys/net/ipv4/conf", link.as_str(), "route_localnet"];
        Self {
            path: path.iter().collect(),
            value: "1",
        }
    }

    /// Returns the file and the value of an IPv6 setting of a link.
    pub fn ipv6(link: &InterfaceName, setting: Ipv6Setting) -> Self {
        let key = match setting {
            Ipv6Setting::Enable => "disable_ipv6",
            Ipv6Setting::NoDad => "accept_dad",
            Ipv6Setting::NoRouterAdvertisements => "accept_ra",
            Ipv6Setting::NoAutoconf => "autoconf",
        };
        let path = ["/proc/sys/net/ipv6/conf", link.as_str(), key];
        Self {
            path: path.iter().collect(),
            value: "0",
        }
    }

    /// Writes the value.
    ///
    /// # Errors
    /// Returns the error of writing the file; `NotFound` if the link has no IPv6 or does not exist.
    pub fn write(&self) -> io::Result<()> {
        fs::write(&self.path, self.value)
    }

    /// Returns whether the file has the value already.
    ///
    /// # Errors
    /// Returns the error of reading the file.
    fn is_set(&self) -> io::Result<bool> {
        Ok(fs::read_to_string(&self.path)?.trim() == self.value)
    }
}

/// Reads whether IP packets are forwarded. A file that can't be read counts as off; the later attempt to write it gives
/// the error.
pub fn forwarding() -> Forwarding {
    let v6 = match Sysctl::forward(Family::V6).is_set() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        on => Some(on.unwrap_or(false)),
    };
    Forwarding {
        v4: Sysctl::forward(Family::V4).is_set().unwrap_or(false),
        v6,
    }
}
