//! Reads reverse names (`in-addr.arpa`, RFC 1035, 3.5; `ip6.arpa`, RFC 3596, 2.5) as prefixes.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::name::labels;

/// The meaning of a name under a reverse tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reverse {
    /// The longest prefix that the name's right end spells.
    pub prefix: IpNet,
    /// Whether the whole name is that prefix, with no further labels in front.
    pub exact: bool,
}

/// Parses a lower-cased name in wire format; `None` if it lies in no reverse tree.
pub(crate) fn parse(wire: &[u8]) -> Option<Reverse> {
    let labels: Vec<&[u8]> = labels(wire).collect();
    match labels.as_slice() {
        [front @ .., b"in-addr", b"arpa"] => Some(v4(front)),
        [front @ .., b"ip6", b"arpa"] => Some(v6(front)),
        _ => None,
    }
}

fn v4(front: &[&[u8]]) -> Reverse {
    let mut octets = [0; 4];
    let mut known = 0_u8;
    for (label, octet) in front.iter().rev().zip(octets.iter_mut()) {
        let Some(value) = decimal(label) else { break };
        *octet = value;
        known += 1;
    }
    Reverse {
        prefix: Ipv4Net::new_assert(Ipv4Addr::from(octets), known * 8).into(),
        exact: usize::from(known) == front.len(),
    }
}

fn v6(front: &[&[u8]]) -> Reverse {
    let mut bits = 0_u128;
    let mut known = 0_u8;
    for label in front.iter().rev().take(32) {
        let Some(value) = nibble(label) else { break };
        bits |= u128::from(value) << (124 - 4 * u32::from(known));
        known += 1;
    }
    Reverse {
        prefix: Ipv6Net::new_assert(Ipv6Addr::from(bits), known * 4).into(),
        exact: usize::from(known) == front.len(),
    }
}

fn decimal(label: &[u8]) -> Option<u8> {
    let text = std::str::from_utf8(label).ok()?;
    let value: u8 = text.parse().ok()?;
    // One spelling for each octet: neither "007" nor "+7".
    (value.to_string() == text).then_some(value)
}

fn nibble(label: &[u8]) -> Option<u8> {
    match label {
        [digit @ b'0'..=b'9'] => Some(digit - b'0'),
        [digit @ b'a'..=b'f'] => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
