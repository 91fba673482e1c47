//! The network configuration that one container's VM must have.
//!
//! A [`NetSpec`] is the complete desired state, never a list of commands: the agent compares it
//! with the state of the guest's kernel and applies the difference. A [`SpecId`] identifies it.

mod address;
mod extension;
mod interface;
mod name;
mod resolver;

pub use address::{MacAddress, MacAddressError, PciPath, PciPathError};
pub use extension::Extension;
pub use interface::{
    Addressing, FirewallLevel, Interface, InterfaceError, InterfaceParts, MAX_ADDRESSES,
    MAX_ROUTES, Mtu, MtuError, NicMatch, Route,
};
pub use name::{DomainName, Hostname, InterfaceName, NameError};
pub use resolver::{HostEntry, Resolver, ResolverError};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::fmt;
use thiserror::Error;

/// The most network interfaces in one [`NetSpec`].
pub const MAX_INTERFACES: usize = 64;
/// The most entries for /etc/hosts ([`NetSpecParts::hosts`]) in one [`NetSpec`].
pub const MAX_HOSTS: usize = 256;
/// The most bytes of the encoded [`Extension`] in one [`NetSpec`].
pub const MAX_EXTENSION: usize = 4096;
/// The most bytes of a whole encoded [`NetSpec`], so that it fits into one frame.
pub const MAX_SPEC_BYTES: usize = 60 * 1024;

/// The random identity of one run of a container, which the coordinator draws anew at each start of the container's VM.
/// Its text form is 32 hexadecimal digits.
///
/// A VM that is cloned or restored from a snapshot has the memory of an earlier run. The different incarnation shows
/// that the state in that memory is not the state of this run.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Incarnation(pub [u8; 16]);

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The number of a container's [`NetSpec`]. Each change of the container's network makes a new spec
/// with a greater number; the number is never reset, not even when the container starts anew.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Generation(pub u64);

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The identity of a [`NetSpec`]: the run of the container that it is for, and the number of the
/// spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SpecId {
    /// The identity of the run of the container that the spec is for.
    pub incarnation: Incarnation,
    /// The number of the spec; within one incarnation, the greatest is the newest.
    pub generation: Generation,
}

impl fmt::Display for SpecId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.incarnation, self.generation)
    }
}

/// The fields of a [`NetSpec`], not yet checked against each other. `NetSpec::try_from` checks
/// them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetSpecParts {
    /// The spec's identity.
    pub id: SpecId,
    /// The VM's host name, for `/etc/hostname` and the kernel; `None` leaves the present one.
    pub hostname: Option<Hostname>,
    /// The network interfaces. The coordinator orders them by name, shorter names first, so `eth2` is before `eth10`.
    /// At most [`MAX_INTERFACES`].
    pub interfaces: Vec<Interface>,
    /// The configuration for `/etc/resolv.conf`; `None` leaves the file as it is.
    pub resolver: Option<Resolver>,
    /// The entries of `/etc/hosts` in addition to localhost: those of `--add-host`, and the container's host name at
    /// each of its addresses. Other containers are not listed, not even those of `--link`; their names are resolved by
    /// DNS. At most [`MAX_HOSTS`].
    pub hosts: Vec<HostEntry>,
    /// The encoded [`Extension`]: fields that were added since version 1 of the protocol, which
    /// older agents ignore. At most [`MAX_EXTENSION`] bytes.
    pub extension: Vec<u8>,
}

/// The network configuration that one VM must have: interfaces, host name, /etc/hosts, /etc/resolv.conf. Every value of
/// this type has been checked, since it is made of [`NetSpecParts`] by `NetSpec::try_from`.
///
/// No two interfaces have the same MAC address, name, NIC or IP address. All lists are within their limits, and the
/// encoded spec has at most [`MAX_SPEC_BYTES`] bytes, so that it fits into one frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "NetSpecParts", into = "NetSpecParts")]
pub struct NetSpec(NetSpecParts);

impl NetSpec {
    /// Returns the identity of the spec: incarnation and generation.
    pub fn id(&self) -> SpecId {
        self.0.id
    }

    /// Returns the fields of the spec.
    pub fn parts(&self) -> &NetSpecParts {
        &self.0
    }
}

impl From<NetSpec> for NetSpecParts {
    fn from(spec: NetSpec) -> Self {
        spec.0
    }
}

impl TryFrom<NetSpecParts> for NetSpec {
    type Error = SpecError;

    fn try_from(parts: NetSpecParts) -> Result<Self, SpecError> {
        bounded("interfaces", parts.interfaces.len(), MAX_INTERFACES)?;
        bounded("hosts", parts.hosts.len(), MAX_HOSTS)?;
        bounded("extension", parts.extension.len(), MAX_EXTENSION)?;
        for (index, one) in parts.interfaces.iter().enumerate() {
            for other in &parts.interfaces[..index] {
                if one.mac == other.mac {
                    return Err(SpecError::DuplicateMac(one.mac));
                }
                if one.name == other.name {
                    return Err(SpecError::DuplicateName(one.name.clone()));
                }
                if one.nic == other.nic {
                    return Err(SpecError::DuplicateMatch(one.nic.clone()));
                }
                let taken = |a: &&IpNet| other.addresses().iter().any(|b| b.addr() == a.addr());
                if let Some(address) = one.addresses().iter().find(taken) {
                    return Err(SpecError::DuplicateAddress(address.addr()));
                }
            }
        }
        // The size can be had of whatever has a size; what has none is as good as too large.
        let bytes = postcard::experimental::serialized_size(&parts).unwrap_or(usize::MAX);
        if bytes > MAX_SPEC_BYTES {
            return Err(SpecError::TooLarge { bytes });
        }
        Ok(Self(parts))
    }
}

fn bounded(field: &'static str, count: usize, limit: usize) -> Result<(), SpecError> {
    if count > limit {
        return Err(SpecError::TooMany {
            field,
            count,
            limit,
        });
    }
    Ok(())
}

/// The reason why [`NetSpecParts`] are not a valid [`NetSpec`].
#[derive(Debug, Error, PartialEq, Eq)]
pub enum SpecError {
    /// A list has more entries than the protocol allows.
    #[error("spec field `{field}` has {count} entries: at most {limit} are possible")]
    TooMany {
        /// The name of the list.
        field: &'static str,
        /// The number of its entries.
        count: usize,
        /// The greatest number allowed.
        limit: usize,
    },
    /// The encoded spec has more than [`MAX_SPEC_BYTES`] bytes, although no single list is too
    /// long.
    #[error(
        "the spec takes {bytes} bytes: at most {MAX_SPEC_BYTES} are possible, so give it fewer routes or addresses"
    )]
    TooLarge {
        /// The encoded spec's size in bytes.
        bytes: usize,
    },
    /// Two interfaces have this MAC address.
    #[error("two interfaces have MAC address {0}: give each its own")]
    DuplicateMac(MacAddress),
    /// Two interfaces have this name.
    #[error("two interfaces are named {0}: give each its own name")]
    DuplicateName(InterfaceName),
    /// Two interfaces are for the same NIC: both find it by this property.
    #[error("two interfaces match {0}: one NIC carries one interface")]
    DuplicateMatch(NicMatch),
    /// Two interfaces have this IP address.
    #[error("two interfaces have address {0}: an address belongs to one interface")]
    DuplicateAddress(std::net::IpAddr),
}

#[cfg(test)]
mod tests;
