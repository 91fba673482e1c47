//! The whole network that one container VM must have.
//!
//! A [`NetSpec`] is desired state, never a list of commands: the agent compares it with what its
//! kernel has and performs the difference. It is identified by a [`SpecId`].

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

/// The most interfaces in one spec.
pub const MAX_INTERFACES: usize = 64;
/// The most extra host entries in one spec.
pub const MAX_HOSTS: usize = 256;
/// The most bytes in a spec's extension field.
pub const MAX_EXTENSION: usize = 4096;
/// The most bytes of a whole spec, so that one frame carries it.
pub const MAX_SPEC_BYTES: usize = 60 * 1024;

/// The identity of one run of a container VM: random, new for each start or restore of the VM.
///
/// A clone or a snapshot that is resumed with another VM's memory has another incarnation, so that
/// its state is never taken for what it should be.
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

/// The number of a spec of one container; a greater one is newer. Never reset, not even by a new
/// incarnation.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Generation(pub u64);

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The identity of a spec: the incarnation, and the generation within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SpecId {
    /// The incarnation of the VM for which the spec was made.
    pub incarnation: Incarnation,
    /// The generation of the spec.
    pub generation: Generation,
}

impl fmt::Display for SpecId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.incarnation, self.generation)
    }
}

/// The parts of a [`NetSpec`], before they are checked against one another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetSpecParts {
    /// The spec's identity.
    pub id: SpecId,
    /// The VM's host name; `None` leaves it unchanged.
    pub hostname: Option<Hostname>,
    /// The interfaces, in the order in which the container was connected to their networks.
    pub interfaces: Vec<Interface>,
    /// The content of `/etc/resolv.conf`; `None` leaves the file unchanged.
    pub resolver: Option<Resolver>,
    /// The lines of `/etc/hosts` beside localhost: own names, extra hosts and links, never other
    /// containers of a network.
    pub hosts: Vec<HostEntry>,
    /// The fields that were added since version 1, see [`Extension`]; opaque to an older agent. At
    /// most [`MAX_EXTENSION`] bytes.
    pub extension: Vec<u8>,
}

/// The whole network that one VM must have; a value of this type always fulfils its invariants.
///
/// No two interfaces share a MAC address, a name or a match; no two interfaces have the same
/// address; lengths are bounded; it fits one frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "NetSpecParts", into = "NetSpecParts")]
pub struct NetSpec(NetSpecParts);

impl NetSpec {
    /// Returns the spec's identity.
    pub fn id(&self) -> SpecId {
        self.0.id
    }

    /// Returns the checked parts.
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

/// The reason for which parts do not make a spec.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum SpecError {
    /// A list is longer than the protocol allows.
    #[error("spec field `{field}` has {count} entries: at most {limit} are possible")]
    TooMany {
        /// The list.
        field: &'static str,
        /// The list's length.
        count: usize,
        /// The greatest length allowed.
        limit: usize,
    },
    /// The whole spec is larger than a frame carries, though no single list is too long.
    #[error(
        "the spec takes {bytes} bytes: at most {MAX_SPEC_BYTES} are possible, so give it fewer routes or addresses"
    )]
    TooLarge {
        /// The spec's size in bytes.
        bytes: usize,
    },
    /// Two interfaces have this MAC address.
    #[error("two interfaces have MAC address {0}: give each its own")]
    DuplicateMac(MacAddress),
    /// Two interfaces have this name.
    #[error("two interfaces are named {0}: give each its own name")]
    DuplicateName(InterfaceName),
    /// Two interfaces match this NIC.
    #[error("two interfaces match {0}: one NIC carries one interface")]
    DuplicateMatch(NicMatch),
    /// Two interfaces have this address.
    #[error("two interfaces have address {0}: an address belongs to one interface")]
    DuplicateAddress(std::net::IpAddr),
}

#[cfg(test)]
mod tests;
