//! Chooses the addresses of endpoints, and keeps released ones from being reused at once.

use super::{DecisionContext, Draft, subnets::family};
use crate::{
    AddressCursor, Endpoint, Network, Refusal, RestingAddress, Row, Subnet,
    ipam::{Choice, SubnetState, number},
    lookup,
    state::NetworkState,
};
use ipnet::IpNet;
use std::net::IpAddr;

/// Chooses one address for each family that the network has: the requested ones, and automatic ones for the rest;
/// IPv4 comes first.
///
/// # Errors
/// Returns a refusal if a requested address is not in the network's subnets, reserved or in use, or if no address is
/// left.
pub(super) fn choose(
    context: DecisionContext<'_>,
    network: &NetworkState,
    wanted: &[IpAddr],
    draft: &mut Draft,
) -> Result<Vec<IpNet>, Refusal> {
    check_wanted(network, wanted)?;
    let mut addresses = Vec::new();
    for v4 in [true, false] {
        if !network.row.subnets.iter().any(|s| s.is_v4() == v4) {
            continue;
        }
        let (address, subnet) = match wanted.iter().find(|address| address.is_ipv4() == v4) {
            Some(address) => (*address, requested(context, network, *address)?),
            None => automatic(network, v4, draft)?,
        };
        rouse(&network.row, subnet, address, draft);
        let prefix = subnet.net().prefix_len();
        addresses.extend(IpNet::new(address, prefix));
    }
    Ok(addresses)
}

fn check_wanted(network: &NetworkState, wanted: &[IpAddr]) -> Result<(), Refusal> {
    let Some(first) = wanted.first() else {
        return Ok(());
    };
    if network.row.predefined && network.row.is_bridge() {
        return Err(Refusal::AddressOnDefaultBridge(*first));
    }
    for (index, one) in wanted.iter().enumerate() {
        // At the third at the latest there is a pair of one family.
        let mut others = wanted[..index].iter();
        if let Some(other) = others.find(|other| other.is_ipv4() == one.is_ipv4()) {
            return Err(Refusal::AddressTwice(*other, *one));
        }
    }
    Ok(())
}

/// Returns the subnet of an address that was requested, if the endpoint can have the address.
fn requested<'a>(
    context: DecisionContext<'_>,
    network: &'a NetworkState,
    address: IpAddr,
) -> Result<&'a SubnetState, Refusal> {
    let name = || network.row.name.clone();
    let found = network
        .row
        .subnet_of(address)
        .zip(network.subnet_of(address));
    let Some((row, subnet)) = found else {
        let subnets = network.row.subnets.iter().map(|s| s.net.to_string());
        return Err(Refusal::AddressOutside {
            address,
            network: name(),
            subnets: subnets.collect::<Vec<_>>().join(", "),
        });
    };
    let (first, last) = row.hosts();
    if !(first..=last).contains(&number(address)) {
        let net = row.net;
        return Err(Refusal::NotAHost { address, net });
    }
    if let Some(by) = kept_as(row, address) {
        return Err(Refusal::AddressReserved {
            address,
            by,
            network: name(),
        });
    }
    let endpoint = subnet.holder(address);
    if let Some(holder) = endpoint.and_then(|id| lookup::holder(context.state, id)) {
        return Err(Refusal::AddressInUse { address, holder });
    }
    let granted = context.settings.grants.of(row);
    if !granted.iter().any(|range| range.contains(address)) {
        return Err(Refusal::AddressNotGranted {
            address,
            network: name(),
        });
    }
    Ok(subnet)
}

pub(super) fn kept_as(subnet: &Subnet, address: IpAddr) -> Option<String> {
    if subnet.gateway == Some(address) {
        return Some("the gateway".to_owned());
    }
    if subnet.vch == Some(address) {
        return Some("the VCH".to_owned());
    }
    let mut auxiliary = subnet.auxiliary.iter();
    let (name, _) = auxiliary.find(|(_, kept)| **kept == address)?;
    Some(format!("auxiliary address {name}"))
}

/// Returns the next address of the first subnet of a family that has one.
fn automatic<'a>(
    network: &'a NetworkState,
    v4: bool,
    draft: &mut Draft,
) -> Result<(IpAddr, &'a SubnetState), Refusal> {
    let mut subnets = network
        .subnets
        .iter()
        .filter(|subnet| subnet.net().addr().is_ipv4() == v4);
    let found = subnets.find_map(|subnet| Some((subnet.choose()?, subnet)));
    let Some((Choice { address, cursor }, subnet)) = found else {
        return Err(Refusal::AddressesExhausted {
            family: family(v4),
            network: network.row.name.clone(),
        });
    };
    if let Some(next) = cursor {
        move_cursor(&network.row, subnet, next, draft);
    }
    Ok((address, subnet))
}

fn move_cursor(network: &Network, subnet: &SubnetState, next: IpAddr, draft: &mut Draft) {
    let row = |next| {
        Row::AddressCursor(AddressCursor {
            network: network.id,
            subnet: subnet.net().network(),
            next,
        })
    };
    match subnet.cursor() {
        Some(before) => draft.replace(row(before), row(next)),
        None => draft.add(row(next)),
    }
}

/// Ends the resting of an address that is given out.
fn rouse(network: &Network, subnet: &SubnetState, address: IpAddr, draft: &mut Draft) {
    if let Some(since) = subnet.rests_since(address) {
        draft.remove(Row::RestingAddress(RestingAddress {
            network: network.id,
            address,
            since,
        }));
    }
}

/// Releases an endpoint's addresses, and marks them as resting. If more than
/// [`Limits::resting`](crate::Limits) rest, the one that has rested longest stops resting: it lies
/// behind the cursor.
pub(super) fn release(
    context: DecisionContext<'_>,
    network: &NetworkState,
    endpoint: &Endpoint,
    draft: &mut Draft,
) {
    let id = network.row.id;
    for address in endpoint.addresses.iter().map(IpNet::addr) {
        let subnet = network.subnet_of(address);
        let Some(subnet) = subnet.filter(|subnet| subnet.is_automatic(address)) else {
            // Handed out only to who asks for it: there is nothing to wait for.
            continue;
        };
        draft.add(Row::RestingAddress(RestingAddress {
            network: id,
            address,
            since: context.revision,
        }));
        if subnet.resting() >= context.settings.limits.resting
            && let Some((oldest, since)) = subnet.oldest_resting()
        {
            draft.remove(Row::RestingAddress(RestingAddress {
                network: id,
                address: oldest,
                since,
            }));
        }
    }
}
