//! Chooses the subnets of a new network.

use super::{DecisionContext, at_most, bounded_map};
use crate::{
    AddressRange, CreateNetwork, Environment, MAX_AUXILIARY, MAX_SUBNETS, Refusal, Subnet,
    SubnetRequest,
    ipam::{address, number},
    settings::unusable,
};
use ipnet::IpNet;
use std::{collections::BTreeMap, net::IpAddr};

/// Returns the requested subnets, and an automatic one for each requested family that lacks one.
///
/// # Errors
/// Returns [`Refusal`] if a subnet is not valid or overlaps another one, or no pool has a free
/// subnet.
pub(super) fn choose(
    context: DecisionContext<'_>,
    params: &CreateNetwork,
    environment: &Environment<'_>,
) -> Result<Vec<Subnet>, Refusal> {
    at_most("subnets", params.subnets.len(), MAX_SUBNETS)?;
    let mut subnets: Vec<Subnet> = Vec::new();
    for request in &params.subnets {
        check_net(context, &request.net, &subnets, environment)?;
        subnets.push(checked(request)?);
    }
    for (v4, wanted) in [(true, params.ipv4), (false, params.ipv6)] {
        if wanted && !subnets.iter().any(|subnet| subnet.is_v4() == v4) {
            let taken: Vec<IpNet> = subnets.iter().map(|subnet| subnet.net).collect();
            let chosen = context
                .state
                .space
                .choose(v4, &taken, environment.host_overlap);
            let family = family(v4);
            let net = chosen.ok_or(Refusal::PoolsExhausted { family })?;
            subnets.push(checked(&SubnetRequest::from(net))?);
        }
    }
    if subnets.is_empty() {
        return Err(Refusal::NoSubnet(params.name.clone()));
    }
    Ok(subnets)
}

/// Returns the subnets of a network of kind configuration, each checked by itself only: overlaps are checked when a
/// network is made of it.
///
/// # Errors
/// Returns [`Refusal`] if a subnet is not valid.
pub(super) fn checked_alone(requests: &[SubnetRequest]) -> Result<Vec<Subnet>, Refusal> {
    at_most("subnets", requests.len(), MAX_SUBNETS)?;
    let mut subnets: Vec<Subnet> = Vec::new();
    for request in requests {
        check_shape(&request.net, &subnets)?;
        subnets.push(checked(request)?);
    }
    Ok(subnets)
}

pub(super) fn family(v4: bool) -> &'static str {
    if v4 { "IPv4" } else { "IPv6" }
}

fn check_net(
    context: DecisionContext<'_>,
    net: &IpNet,
    others: &[Subnet],
    environment: &Environment<'_>,
) -> Result<(), Refusal> {
    check_shape(net, others)?;
    let net = *net;
    if let Some((other, network)) = context.state.space.overlap(&net)
        && let Some(entry) = context.state.networks.get(&network)
    {
        let network = entry.row.name.clone();
        return Err(Refusal::SubnetOverlap {
            net,
            other,
            network,
        });
    }
    match (environment.host_overlap)(&net) {
        Some(route) => Err(Refusal::RouteOverlap { net, route }),
        None => Ok(()),
    }
}

/// Checks that a subnet is possible beside its network's others.
fn check_shape(net: &IpNet, others: &[Subnet]) -> Result<(), Refusal> {
    let net = *net;
    if net.trunc() != net {
        return Err(Refusal::SubnetHostBits(net));
    }
    if let Some(reason) = unusable(&net) {
        return Err(Refusal::SubnetUnusable { net, reason });
    }
    let mut twice = others.iter().map(|other| other.net);
    if let Some(other) = twice.find(|other| other.contains(&net) || net.contains(other)) {
        return Err(Refusal::SubnetTwice { net, other });
    }
    Ok(())
}

/// Returns the row of a requested subnet, after checking that its range, gateway and auxiliary
/// addresses lie in it.
fn checked(request: &SubnetRequest) -> Result<Subnet, Refusal> {
    let net = request.net;
    bounded_map("auxiliary", &request.auxiliary, MAX_AUXILIARY, |_| "")?;
    if let Some(range) = request.range {
        check_range(range, net)?;
    }
    for (name, address) in &request.auxiliary {
        if !net.contains(address) {
            return Err(Refusal::AuxiliaryOutside {
                name: name.clone(),
                address: *address,
                net,
            });
        }
    }
    let kept: BTreeMap<IpAddr, &String> = request.auxiliary.iter().map(|(k, v)| (*v, k)).collect();
    let mut subnet = Subnet {
        net,
        gateway: request.gateway,
        vch: request.gateway,
        ranges: request.range.map(AddressRange::from).into_iter().collect(),
        auxiliary: request.auxiliary.clone(),
    };
    let (first, last) = subnet.hosts();
    match request.gateway {
        Some(gateway) if !net.contains(&gateway) => {
            return Err(Refusal::GatewayOutside { gateway, net });
        }
        Some(gateway) if !(first..=last).contains(&number(gateway)) => {
            let address = gateway;
            return Err(Refusal::NotAHost { address, net });
        }
        Some(_) => {}
        None => {
            let hosts = (first..=last).map(|host| address(host, subnet.is_v4()));
            let mut free = hosts.filter(|host| !kept.contains_key(host));
            let gateway = free.next().ok_or(Refusal::SubnetUnusable {
                net,
                reason: "its auxiliary addresses leave no gateway",
            })?;
            (subnet.gateway, subnet.vch) = (Some(gateway), Some(gateway));
        }
    }
    let twice = kept.len() < subnet.auxiliary.len()
        || request
            .gateway
            .is_some_and(|gateway| kept.contains_key(&gateway));
    match request.auxiliary.values().find(|a| repeated(a, &subnet)) {
        Some(address) if twice => Err(Refusal::ReservedTwice {
            address: *address,
            net,
        }),
        _ => Ok(subnet),
    }
}

fn repeated(address: &IpAddr, subnet: &Subnet) -> bool {
    let same = subnet.auxiliary.values().filter(|other| *other == address);
    subnet.gateway == Some(*address) || same.count() > 1
}

fn check_range(range: IpNet, net: IpNet) -> Result<(), Refusal> {
    if range.trunc() != range {
        return Err(Refusal::RangeHostBits(range));
    }
    if range.addr().is_ipv4() != net.addr().is_ipv4() {
        return Err(Refusal::RangeOutside { range, net });
    }
    if range.prefix_len() < net.prefix_len() {
        return Err(Refusal::RangeTooBig { range, net });
    }
    if !net.contains(&range) {
        return Err(Refusal::RangeOutside { range, net });
    }
    Ok(())
}
