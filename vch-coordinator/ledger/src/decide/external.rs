//! Makes the external networks agree with the configuration.

use super::{
    Decision, DecisionContext, Draft, addresses, at_most,
    container_draft::{ContainerDraft, Ports},
    host_port,
    network_rows::{forget_addresses, fresh_id, holders},
};
use crate::{
    AddressCursor, Answer, BridgeOptions, ContainerId, Endpoint, Environment, ExternalAddressing,
    ExternalNetwork, ExternalRefusal, MAX_AUXILIARY, MAX_SUBNETS, Network, NetworkId, NetworkKind,
    NetworkName, PortRefusal, Refusal, RestingAddress, Row, Settings, Subnet,
    ipam::{SubnetState, number},
    lookup,
    settings::unusable,
    state::NetworkState,
};
use ipnet::IpNet;
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

/// How many of a list an error names.
const SHOWN: usize = 5;

/// The external networks that a decision adds, changes and removes.
#[derive(Default)]
pub(super) struct Drawn {
    pub(super) added: Vec<NetworkId>,
    pub(super) changed: Vec<NetworkId>,
    pub(super) removed: Vec<NetworkId>,
}

/// Makes the external networks those of the configuration.
///
/// # Errors
/// Returns [`Refusal`] if a network conflicts with others, or still has containers that the change
/// would cut off.
pub(super) fn configure(
    context: DecisionContext<'_>,
    wanted: &[ExternalNetwork],
    environment: &mut Environment<'_>,
) -> Result<Decision, Refusal> {
    let mut draft = Draft::default();
    let Drawn {
        added,
        changed,
        removed,
    } = draw(context, wanted, environment, &mut draft)?;
    Ok(draft.answered(Answer::Configured {
        added,
        changed,
        removed,
    }))
}

/// Adds the changes that make the external networks those of `wanted` to `draft`.
///
/// # Errors
/// Returns [`Refusal`] if a network conflicts with others, or still has containers that the change
/// would cut off.
pub(super) fn draw(
    context: DecisionContext<'_>,
    wanted: &[ExternalNetwork],
    environment: &mut Environment<'_>,
    draft: &mut Draft,
) -> Result<Drawn, Refusal> {
    let settings = Settings {
        externals: wanted.to_vec(),
        ..context.settings.clone()
    };
    let context = DecisionContext {
        settings: &settings,
        ..context
    };
    check_all(context, wanted)?;
    let mut drawn = Drawn::default();
    for gone in gone(context, wanted) {
        if !gone.endpoints.is_empty() {
            return Err(ExternalRefusal::InUse {
                network: gone.row.name.clone(),
                endpoints: holders(context.state, &gone.endpoints),
            }
            .into());
        }
        forget_addresses(gone, draft);
        draft.remove(Row::Network(gone.row.clone()));
        drawn.removed.push(gone.row.id);
    }
    let mut changed = BTreeMap::new();
    for request in wanted {
        match existing(context, &request.name)? {
            None => {
                let row = row(
                    request,
                    fresh_id(context.state, environment),
                    environment.now_ms,
                );
                drawn.added.push(row.id);
                draft.add(Row::Network(row));
            }
            Some(entry) => {
                let row = row(request, entry.row.id, entry.row.created_ms);
                if row != entry.row {
                    check_orphans(context, entry, &row)?;
                    changed.insert(row.id, row);
                }
            }
        }
    }
    drawn.changed.extend(changed.keys());
    change(context, &changed, environment, draft)?;
    Ok(drawn)
}

fn row(request: &ExternalNetwork, id: NetworkId, created_ms: u64) -> Network {
    Network {
        id,
        name: request.name.clone(),
        kind: NetworkKind::External(request.external.clone()),
        predefined: true,
        subnets: request.subnets.clone(),
        mtu: None,
        dns_ttl: None,
        internal: false,
        labels: BTreeMap::new(),
        bridge: BridgeOptions::default(),
        configuration: None,
        document: Arc::default(),
        created_ms,
    }
}

/// Returns the external networks that the configuration no longer has.
fn gone<'a>(context: DecisionContext<'a>, wanted: &[ExternalNetwork]) -> Vec<&'a NetworkState> {
    let networks = context.state.networks.values();
    let externals = networks.filter(|entry| entry.row.external().is_some());
    externals
        .filter(|entry| !wanted.iter().any(|request| request.name == entry.row.name))
        .collect()
}

/// Returns the external network of a name.
fn existing<'a>(
    context: DecisionContext<'a>,
    name: &NetworkName,
) -> Result<Option<&'a NetworkState>, Refusal> {
    let id = context.state.network_names.get(name);
    match id.and_then(|id| context.state.networks.get(id)) {
        Some(entry) if entry.row.external().is_none() => Err(Refusal::NetworkExists(name.clone())),
        found => Ok(found),
    }
}

fn check_all(context: DecisionContext<'_>, wanted: &[ExternalNetwork]) -> Result<(), Refusal> {
    let own = [
        &context.settings.none,
        &context.settings.default_bridge.name,
    ];
    let mut names = BTreeSet::new();
    for request in wanted {
        if own.contains(&&request.name) {
            return Err(Refusal::PredefinedName(request.name.clone()));
        }
        if !names.insert(&request.name) {
            return Err(Refusal::NetworkExists(request.name.clone()));
        }
        existing(context, &request.name)?;
        check_request(request)?;
    }
    if !wanted.is_empty() && !wanted.iter().any(|request| request.external.published) {
        let names: Vec<&str> = wanted.iter().map(|request| request.name.as_str()).collect();
        return Err(ExternalRefusal::NoDefault(names.join(", ")).into());
    }
    let new = names
        .iter()
        .filter(|name| !context.state.network_names.contains_key(**name));
    let count = context.state.networks.len() + new.count();
    at_most("networks", count, context.settings.limits.networks)?;
    check_overlaps(context, wanted)?;
    check_ports(context)
}

fn check_request(request: &ExternalNetwork) -> Result<(), Refusal> {
    let network = || request.name.clone();
    at_most("subnets", request.subnets.len(), MAX_SUBNETS)?;
    at_most("dns", request.external.dns.len(), crate::MAX_DNS_SERVERS)?;
    if request.subnets.is_empty() && request.external.addressing == ExternalAddressing::Static {
        return Err(ExternalRefusal::NoSubnet(network()).into());
    }
    for subnet in &request.subnets {
        let net = subnet.net;
        at_most("auxiliary", subnet.auxiliary.len(), MAX_AUXILIARY)?;
        let reason = if net.trunc() != net {
            Some(format!("it should be {}", net.trunc()))
        } else {
            unusable(&net).map(ToOwned::to_owned)
        };
        if let Some(reason) = reason {
            let network = network();
            return Err(ExternalRefusal::Subnet {
                network,
                net,
                reason,
            }
            .into());
        }
        if let Some((field, address)) = misplaced(subnet) {
            return Err(ExternalRefusal::Address {
                network: network(),
                field,
                address,
                net,
            }
            .into());
        }
    }
    Ok(())
}

/// Returns an address of a subnet that lies where it can't, with the name of its setting.
fn misplaced(subnet: &Subnet) -> Option<(String, IpAddr)> {
    let single = [("gateway", subnet.gateway), ("address", subnet.vch)];
    let single = single
        .into_iter()
        .filter_map(|(field, address)| Some((field.to_owned(), address?)));
    let auxiliary = subnet.auxiliary.iter();
    let auxiliary = auxiliary.map(|(name, address)| (format!("auxiliary {name}"), *address));
    let ranges = subnet.ranges.iter();
    let ends = ranges.flat_map(|range| [range.first(), range.last()]);
    let outside = ends
        .filter(|end| !subnet.net.contains(end))
        .map(|end| ("range".to_owned(), end));
    let mut hosts = single.chain(auxiliary);
    let wrong = hosts.find(|(_, address)| !is_host(subnet, *address));
    wrong.or_else(|| outside.into_iter().next())
}

fn is_host(subnet: &Subnet, address: IpAddr) -> bool {
    let (first, last) = subnet.hosts();
    subnet.net.contains(&address) && (first..=last).contains(&number(address))
}

/// Refuses a subnet that meets another network's, but for those that go.
fn check_overlaps(context: DecisionContext<'_>, wanted: &[ExternalNetwork]) -> Result<(), Refusal> {
    let gone: Vec<NetworkId> = gone(context, wanted)
        .iter()
        .map(|entry| entry.row.id)
        .collect();
    let mut before: Vec<(IpNet, &NetworkName)> = Vec::new();
    for request in wanted {
        let own = context.state.network_names.get(&request.name);
        for Subnet { net, .. } in &request.subnets {
            let net = *net;
            let meets = |other: &IpNet| other.contains(&net) || net.contains(other);
            let mut met = context
                .state
                .space
                .overlaps(&net)
                .filter(|(_, id)| Some(id) != own && !gone.contains(id))
                .filter_map(|(other, id)| {
                    Some((other, &context.state.networks.get(&id)?.row.name))
                });
            let met = met.next();
            let met = met.or_else(|| before.iter().copied().find(|(other, _)| meets(other)));
            if let Some((other, network)) = met {
                return Err(Refusal::SubnetOverlap {
                    net,
                    other,
                    network: network.clone(),
                });
            }
            before.push((net, &request.name));
        }
    }
    Ok(())
}

/// Refuses what would let two published ports meet that do not meet now.
fn check_ports(context: DecisionContext<'_>) -> Result<(), Refusal> {
    for there in context.state.bindings.values() {
        let Some(everywhere) = there.get(&None) else {
            continue;
        };
        let mut others = there.iter().filter(|(address, _)| address.is_some());
        let met = others.find(|(address, _)| host_port::meet(context.settings, None, **address));
        if let Some((_, met)) = met
            && let Some(holder) = context.state.containers.get(&met.container)
        {
            return Err(PortRefusal::Taken {
                host: everywhere.host,
                taken: met.host,
                holder: holder.row.name.clone(),
            }
            .into());
        }
    }
    Ok(())
}

/// Refuses a change that leaves an endpoint without its address.
fn check_orphans(
    context: DecisionContext<'_>,
    entry: &NetworkState,
    row: &Network,
) -> Result<(), Refusal> {
    let lost = |address: IpAddr| {
        let subnet = row.subnet_of(address);
        !subnet.is_some_and(|subnet| {
            is_host(subnet, address) && addresses::kept_as(subnet, address).is_none()
        })
    };
    let endpoints = entry.endpoints.iter();
    let endpoints = endpoints.filter_map(|id| context.state.endpoints.get(id));
    let orphans = endpoints.filter_map(|endpoint| {
        let mut own = endpoint.addresses.iter().map(IpNet::addr);
        let address = own.find(|address| lost(*address))?;
        let holder = lookup::holder(context.state, endpoint.id)?;
        Some(format!("{holder} ({address})"))
    });
    let orphans: Vec<String> = orphans.collect();
    if orphans.is_empty() {
        return Ok(());
    }
    let mut endpoints = orphans[..orphans.len().min(SHOWN)].join(", ");
    if let Some(more) = orphans.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        endpoints.push_str(&format!(" and {more} more"));
    }
    Err(ExternalRefusal::Orphans {
        network: row.name.clone(),
        endpoints,
    }
    .into())
}

/// Adds what follows from changed networks: their allocators, and their containers' rows.
fn change(
    context: DecisionContext<'_>,
    changed: &BTreeMap<NetworkId, Network>,
    environment: &mut Environment<'_>,
    draft: &mut Draft,
) -> Result<(), Refusal> {
    let mut touched: BTreeSet<ContainerId> = BTreeSet::new();
    for (id, row) in changed {
        let Some(entry) = context.state.networks.get(id) else {
            continue;
        };
        draft.replace(Row::Network(entry.row.clone()), Row::Network(row.clone()));
        forget_outside(context, entry, row, draft);
        let endpoints = entry.endpoints.iter();
        let endpoints = endpoints.filter_map(|id| context.state.endpoints.get(id));
        touched.extend(endpoints.map(|endpoint| endpoint.container));
    }
    for entry in touched
        .iter()
        .filter_map(|id| context.state.containers.get(id))
    {
        let mut container_draft = ContainerDraft::of(context, entry);
        for endpoint in &mut container_draft.endpoints {
            if let Some(row) = changed.get(&endpoint.network.id) {
                endpoint.network = row;
                lengthen(&mut endpoint.row, row);
            }
        }
        container_draft.settle(Ports::Keep, environment, draft)?;
    }
    Ok(())
}

/// Sets the prefix lengths of an endpoint's addresses to their subnets'.
fn lengthen(endpoint: &mut Endpoint, network: &Network) {
    for own in &mut endpoint.addresses {
        let subnet = network.subnet_of(own.addr());
        let net = subnet.and_then(|subnet| IpNet::new(own.addr(), subnet.net.prefix_len()).ok());
        *own = net.unwrap_or(*own);
    }
}

/// Takes away what an allocator's rows say of addresses that are no longer its own.
fn forget_outside(
    context: DecisionContext<'_>,
    entry: &NetworkState,
    row: &Network,
    draft: &mut Draft,
) {
    let grants = &context.settings.grants;
    let fresh: Vec<SubnetState> = row
        .subnets
        .iter()
        .map(|subnet| SubnetState::new(subnet, grants))
        .collect();
    let covers = |subnet: &SubnetState, address: IpAddr| subnet.net().contains(&address);
    for old in &entry.subnets {
        for (address, since) in old.all_resting() {
            let mut now = fresh.iter().filter(|subnet| covers(subnet, address));
            if !now.any(|subnet| subnet.is_automatic(address)) {
                draft.remove(Row::RestingAddress(RestingAddress {
                    network: row.id,
                    address,
                    since,
                }));
            }
        }
        if let Some(next) = old.cursor() {
            let begin = old.net().network();
            let mut now = fresh
                .iter()
                .filter(|subnet| subnet.net().network() == begin);
            if !now.any(|subnet| covers(subnet, next)) {
                draft.remove(Row::AddressCursor(AddressCursor {
                    network: row.id,
                    subnet: begin,
                    next,
                }));
            }
        }
    }
}
