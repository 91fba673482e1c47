//! Ports of the VCH at which a container's port can be published, whatever container it is.

use crate::{
    ContainerName, HostPort, PortNumber, PortRefusal, Settings, lookup, state::LedgerState,
};
use std::net::IpAddr;

/// Refuses an address at which no port can be published.
pub(super) fn check_address(
    state: &LedgerState,
    settings: &Settings,
    number: PortNumber,
    address: IpAddr,
) -> Result<(), PortRefusal> {
    let special = match address {
        _ if address.is_unspecified() => None,
        IpAddr::V6(v6) if v6.is_loopback() => Some(
            "the kernel translates nothing to or from IPv6's loopback address: publish at 127.0.0.1",
        ),
        _ if address.is_multicast() => Some("it is a multicast address"),
        IpAddr::V4(v4) if v4.is_broadcast() => Some("it is the broadcast address"),
        IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() => {
            Some("it is an IPv4-mapped address: write the IPv4 address")
        }
        IpAddr::V6(v6) if v6.is_unicast_link_local() => {
            Some("it is a link-local address, which means something on one link alone")
        }
        _ => None,
    };
    let reason = match special {
        Some(reason) => reason.to_owned(),
        None => match (settings.private.get(&address), endpoint_at(state, address)) {
            (Some(network), _) => {
                format!("it is the VCH's on {network}, where no port is published")
            }
            (None, Some(holder)) => format!("it is container {holder}'s own"),
            (None, None) => return Ok(()),
        },
    };
    Err(PortRefusal::Address {
        number,
        address,
        reason,
    })
}

fn endpoint_at(state: &LedgerState, address: IpAddr) -> Option<ContainerName> {
    let (_, network) = state.space.overlap(&address.into())?;
    let subnet = state.networks.get(&network)?.subnet_of(address)?;
    lookup::holder(state, subnet.holder(address)?)
}

/// Refuses a port that belongs to a service of the VCH.
pub(super) fn check_reserved(settings: &Settings, host: &HostPort) -> Result<(), PortRefusal> {
    match settings.reserved.get(&host.number()) {
        None => Ok(()),
        Some(holder) => Err(PortRefusal::Reserved {
            host: *host,
            holder: holder.clone(),
        }),
    }
}

/// Returns whether two uses of one port conflict, one at each address.
pub(super) fn meet(settings: &Settings, one: Option<IpAddr>, other: Option<IpAddr>) -> bool {
    match (one, other) {
        (None, None) => true,
        (None, Some(address)) | (Some(address), None) => {
            address.is_unspecified() || settings.publishes_at(address)
        }
        (Some(one), Some(other)) => {
            let any = one.is_unspecified() || other.is_unspecified();
            one == other || (any && one.is_ipv4() == other.is_ipv4())
        }
    }
}
