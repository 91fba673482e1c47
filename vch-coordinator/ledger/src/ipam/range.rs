//! Ranges of addresses, and addresses as numbers.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A range of IP addresses of one family; it contains both of its ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AddressRange {
    first: IpAddr,
    last: IpAddr,
}

impl From<IpNet> for AddressRange {
    fn from(net: IpNet) -> Self {
        Self {
            first: net.network(),
            last: net.broadcast(),
        }
    }
}

impl fmt::Display for AddressRange {
    /// Writes the range as a subnet (`10.0.0.0/24`) if a subnet has exactly these addresses, else as both ends
    /// (`10.0.0.4-10.0.0.9`).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.net() {
            Some(net) => write!(f, "{net}"),
            None => write!(f, "{}-{}", self.first, self.last),
        }
    }
}

impl AddressRange {
    /// Makes a range from its first and last address. Returns `None` if they are of different families, or if `last` is
    /// lower than `first`.
    pub fn new(first: IpAddr, last: IpAddr) -> Option<Self> {
        let ordered = first.is_ipv4() == last.is_ipv4() && first <= last;
        ordered.then_some(Self { first, last })
    }

    /// Returns the subnet that has exactly these addresses; `None` if no subnet has.
    pub fn net(&self) -> Option<IpNet> {
        let width = if self.first.is_ipv4() { 32 } else { 128 };
        let (first, last) = self.bounds();
        // As many trailing zeros as the range has bits.
        let host_bits = 128 - (last - first).leading_zeros();
        let prefix = u8::try_from(width - host_bits).ok()?;
        let net = IpNet::new(self.first, prefix).ok()?;
        (net.network() == self.first && net.broadcast() == self.last).then_some(net)
    }

    /// Returns the lowest address.
    pub fn first(&self) -> IpAddr {
        self.first
    }

    /// Returns the highest address.
    pub fn last(&self) -> IpAddr {
        self.last
    }

    /// Returns whether the address is in the range.
    pub fn contains(&self, address: IpAddr) -> bool {
        let same_family = address.is_ipv4() == self.first.is_ipv4();
        same_family && (self.first..=self.last).contains(&address)
    }

    /// Returns both ends as numbers.
    pub(crate) fn bounds(&self) -> (u128, u128) {
        (number(self.first), number(self.last))
    }
}

/// Returns an address as a number within its family.
pub(crate) fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(u32::from(v4)),
        IpAddr::V6(v6) => u128::from(v6),
    }
}

/// Returns the address of a number within a family.
pub(crate) fn address(number: u128, v4: bool) -> IpAddr {
    if v4 {
        // Numbers of IPv4 addresses fit by construction.
        Ipv4Addr::from(u32::try_from(number).unwrap_or(u32::MAX)).into()
    } else {
        Ipv6Addr::from(number).into()
    }
}
