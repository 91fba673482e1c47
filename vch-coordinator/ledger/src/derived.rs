//! Addresses that are hashed from the VCH's random ID, so that those of two VCHs on one segment
//! hardly ever collide.

use crate::{EndpointId, Id, VchId};
use ipnet::{IpNet, Ipv6Net};
use protocol::spec::MacAddress;
use siphasher::sip::SipHasher24;
use std::{hash::Hasher, net::Ipv6Addr};

/// Returns 40 bits that depend on all of the input and are the same in every release.
fn forty_bits(vch: VchId, purpose: u8, input: &[u8]) -> [u8; 5] {
    let mut hasher = SipHasher24::new_with_key(&vch.0);
    hasher.write(&[purpose]);
    hasher.write(input);
    let [a, b, c, d, e, ..] = hasher.finish().to_be_bytes();
    [a, b, c, d, e]
}

/// Returns an endpoint's MAC address: 02 (locally administered, unicast) and 40 hashed bits. The caller raises
/// `attempt` while the address is taken.
pub(crate) fn mac(vch: VchId, endpoint: EndpointId, attempt: u32) -> Option<MacAddress> {
    let mut input = [0; 36];
    input[..32].copy_from_slice(endpoint.bytes());
    input[32..].copy_from_slice(&attempt.to_be_bytes());
    let [a, b, c, d, e] = forty_bits(vch, b'm', &input);
    MacAddress::try_from([0x02, a, b, c, d, e]).ok()
}

/// Returns the VCH's unique local IPv6 prefix (RFC 4193): fd and 40 hashed bits.
pub(crate) fn ula_prefix(vch: VchId) -> IpNet {
    let [a, b, c, d, e] = forty_bits(vch, b'u', &[]);
    let mut octets = [0; 16];
    octets[..6].copy_from_slice(&[0xfd, a, b, c, d, e]);
    let address = Ipv6Addr::from(octets);
    IpNet::V6(Ipv6Net::new_assert(address, 48))
}
