//! The options of a bridge network.

use crate::limits::MAX_ENDPOINTS;
use protocol::spec::{InterfaceName, NameError};
use serde::{Deserialize, Serialize};
use std::{
    fmt,
    net::{IpAddr, Ipv4Addr},
    str::FromStr,
};

/// The options of a bridge network, as Docker has them. By default the containers of the network reach one
/// another and the outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BridgeOptions {
    /// Whether containers of the network reach one another by their own addresses. If false, they do so by published
    /// ports only.
    pub icc: bool,
    /// Whether packets that leave the network get an address of the VCH as source address.
    pub masquerade: bool,
    /// The address of the VCH at which a port is published if its request has no address. `None` or 0.0.0.0 for the
    /// VCH's default; see [`HostPort::address`](crate::HostPort::address).
    pub host_binding: Option<Ipv4Addr>,
    /// The beginning of the interface names in the containers' VMs; a number follows it. `None` for `eth`.
    pub interface_prefix: Option<InterfacePrefix>,
}

impl Default for BridgeOptions {
    fn default() -> Self {
        Self {
            icc: true,
            masquerade: true,
            host_binding: None,
            interface_prefix: None,
        }
    }
}

impl BridgeOptions {
    /// Returns the address of the VCH at which a port is published if its request has no address; `None` for the VCH's
    /// default.
    pub fn published_at(&self) -> Option<IpAddr> {
        let address = self.host_binding?;
        (!address.is_unspecified()).then_some(address.into())
    }
}

/// The beginning of interface names in containers' VMs, as `eth` in `eth0`. A number from 0 to 31 follows it, and the
/// whole must be a valid interface name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct InterfacePrefix(String);

impl InterfacePrefix {
    /// Returns the prefix as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for InterfacePrefix {
    type Err = NameError;

    /// Parses a prefix.
    ///
    /// # Errors
    /// Returns [`NameError`] if the prefix with the greatest number behind it is not a valid interface name.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let _: InterfaceName = format!("{text}{}", MAX_ENDPOINTS - 1).parse()?;
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for InterfacePrefix {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<InterfacePrefix> for String {
    fn from(prefix: InterfacePrefix) -> Self {
        prefix.0
    }
}

impl fmt::Display for InterfacePrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests;
