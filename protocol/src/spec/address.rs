//! MAC addresses, and positions of NICs on the PCI bus.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use thiserror::Error;

/// A unicast Ethernet (MAC) address. It is never zero and never a group address, so that an
/// interface can have it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "[u8; 6]", into = "[u8; 6]")]
pub struct MacAddress([u8; 6]);

impl MacAddress {
    /// Returns the address's six bytes in network order.
    pub fn octets(self) -> [u8; 6] {
        self.0
    }
}

impl TryFrom<[u8; 6]> for MacAddress {
    type Error = MacAddressError;

    fn try_from(octets: [u8; 6]) -> Result<Self, MacAddressError> {
        // IEEE 802: the lowest bit of the first octet marks a group address.
        if octets[0] & 1 == 1 || octets == [0; 6] {
            return Err(MacAddressError::NotUnicast(render(octets)));
        }
        Ok(Self(octets))
    }
}

impl From<MacAddress> for [u8; 6] {
    fn from(mac: MacAddress) -> Self {
        mac.0
    }
}

impl FromStr for MacAddress {
    type Err = MacAddressError;

    fn from_str(text: &str) -> Result<Self, MacAddressError> {
        let malformed = || MacAddressError::Malformed(text.chars().take(64).collect());
        let mut octets = [0; 6];
        let mut parts = text.split([':', '-']);
        for octet in &mut octets {
            let part = parts.next().ok_or_else(malformed)?;
            if part.len() != 2 || !part.bytes().all(|b| b.is_ascii_hexdigit()) {
                return Err(malformed());
            }
            *octet = u8::from_str_radix(part, 16).map_err(|_| malformed())?;
        }
        if parts.next().is_some() {
            return Err(malformed());
        }
        Self::try_from(octets)
    }
}

fn render(octets: [u8; 6]) -> String {
    let [a, b, c, d, e, f] = octets;
    format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
}

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&render(self.0))
    }
}

impl fmt::Debug for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The reason why a value is not a valid [`MacAddress`].
#[derive(Debug, Error, PartialEq, Eq)]
pub enum MacAddressError {
    /// This text (its first 64 characters) is not six pairs of hexadecimal digits, separated by `:` or `-`.
    #[error(
        "MAC address `{0}` is malformed: write six pairs of hexadecimal digits, as in 02:42:ac:12:00:02"
    )]
    Malformed(String),
    /// This address is a group address, or zero.
    #[error(
        "MAC address {0} is not unicast: an interface needs an even first octet and not all zeros"
    )]
    NotUnicast(String),
}

/// The position of a NIC on the PCI bus as the guest sees it. Its text form is `device.function` in
/// hexadecimal from the root bus down, joined by `/`: `03.0` on the root bus, `02.0/00.0` behind a
/// root port.
///
/// It has no bus numbers, since these depend on the order in which the guest finds its bridges.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Vec<(u8, u8)>", into = "Vec<(u8, u8)>")]
pub struct PciPath(Vec<(u8, u8)>);

impl PciPath {
    /// The greatest number of steps in a path: the bridges above the device, and the device itself.
    pub const MAX_DEPTH: usize = 8;

    /// Returns the steps from the root bus to the NIC, as pairs of device (0 to 31) and function (0 to 7); one step for
    /// a NIC on the root bus. The last step is the NIC itself.
    pub fn steps(&self) -> &[(u8, u8)] {
        &self.0
    }
}

impl TryFrom<Vec<(u8, u8)>> for PciPath {
    type Error = PciPathError;

    fn try_from(steps: Vec<(u8, u8)>) -> Result<Self, PciPathError> {
        let in_range = |&(device, function): &(u8, u8)| device < 32 && function < 8;
        if steps.is_empty() || steps.len() > Self::MAX_DEPTH || !steps.iter().all(in_range) {
            return Err(PciPathError(format!("{steps:02x?}")));
        }
        Ok(Self(steps))
    }
}

impl From<PciPath> for Vec<(u8, u8)> {
    fn from(path: PciPath) -> Self {
        path.0
    }
}

impl FromStr for PciPath {
    type Err = PciPathError;

    fn from_str(text: &str) -> Result<Self, PciPathError> {
        let malformed = || PciPathError(text.chars().take(64).collect());
        let step = |part: &str| {
            let (device, function) = part.split_once('.')?;
            Some((hexadecimal(device)?, hexadecimal(function)?))
        };
        let steps: Option<Vec<_>> = text
            .split('/')
            .take(Self::MAX_DEPTH + 1)
            .map(step)
            .collect();
        Self::try_from(steps.ok_or_else(malformed)?).map_err(|_| malformed())
    }
}

/// Parses one or two hexadecimal digits: `from_str_radix` by itself would also take a sign and any
/// number of zeros.
fn hexadecimal(digits: &str) -> Option<u8> {
    let possible = digits.len() <= 2 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    u8::from_str_radix(digits, 16).ok().filter(|_| possible)
}

impl fmt::Display for PciPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (device, function)) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "/" };
            write!(f, "{separator}{device:02x}.{function:x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for PciPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The error for a text or list of steps that is not a valid [`PciPath`].
#[derive(Debug, Error, PartialEq, Eq)]
#[error(
    "PCI path `{0}` is malformed: write device.function in hexadecimal from the root bus down, as in 03.0 or 02.0/00.0"
)]
pub struct PciPathError(String);
