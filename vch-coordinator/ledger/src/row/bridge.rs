//! What a bridge network's options say: those of Docker's own bridge driver that are of weight here.
//!
//! They stay texts in the row, as they were given; one that says nothing readable says nothing.

use super::Network;
use std::net::{IpAddr, Ipv4Addr};

/// Whether containers of the network reach one another.
pub const ICC: &str = "com.docker.network.bridge.enable_icc";
/// Whether what leaves the network bears an address of the VCH.
pub const MASQUERADE: &str = "com.docker.network.bridge.enable_ip_masquerade";
/// At which address of the VCH ports are published that name none.
pub const HOST_BINDING: &str = "com.docker.network.bridge.host_binding_ipv4";
/// What its containers' interfaces are called, with a number behind it.
pub const INTERFACE_PREFIX: &str = "com.docker.network.container_iface_prefix";

impl Network {
    /// What its containers' interfaces are called, with a number behind it.
    pub fn interface_prefix(&self) -> &str {
        let given = self.options.get(INTERFACE_PREFIX).map(String::as_str);
        given.filter(|prefix| !prefix.is_empty()).unwrap_or("eth")
    }

    /// Whether its containers reach one another by their own addresses.
    pub fn inter_container(&self) -> bool {
        self.says(ICC).unwrap_or(true)
    }

    /// Whether what leaves it bears an address of the VCH.
    pub fn masquerades(&self) -> bool {
        self.says(MASQUERADE).unwrap_or(true)
    }

    /// At which address of the VCH its containers' ports are published that name none; `None` for
    /// the VCH's own default.
    pub fn host_binding(&self) -> Option<IpAddr> {
        let address: Ipv4Addr = self.options.get(HOST_BINDING)?.parse().ok()?;
        (!address.is_unspecified()).then_some(address.into())
    }

    fn says(&self, key: &str) -> Option<bool> {
        go_bool(self.options.get(key)?)
    }
}

/// A truth value as Go's `strconv.ParseBool` reads it, and so Docker.
pub fn go_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}
