//! Creates and removes networks.

use super::{
    Decision, DecisionContext, Draft, at_most, bounded_texts, external,
    network_rows::{forget_addresses, fresh_id, holders},
    short_enough, subnets,
};
use crate::{
    Answer, BridgeOptions, Configuration, CreateNetwork, DnsTtl, EndpointId, Environment,
    MAX_NETWORK_DOCUMENT, Network, NetworkId, NetworkKind, NetworkRef, Refusal, Row, SegmentKind,
    Settings, Subnet, SubnetRequest, lookup,
    state::{LedgerState, NetworkState},
};
use ipnet::IpNet;
use protocol::spec::Generation;
use std::{collections::BTreeMap, sync::Arc};

/// Creates a bridge network.
///
/// # Errors
/// Returns [`Refusal`] if the name is taken, a limit is reached, or a subnet or an option is not
/// possible.
pub(super) fn create(
    context: DecisionContext<'_>,
    request: CreateNetwork,
    environment: &mut Environment<'_>,
) -> Result<Decision, Refusal> {
    let Settings {
        default_bridge,
        none,
        externals,
        limits,
        ..
    } = context.settings;
    let external = externals
        .iter()
        .any(|external| external.name == request.name);
    if request.name == default_bridge.name || request.name == *none || external {
        return Err(Refusal::PredefinedName(request.name));
    }
    if context.state.network_names.contains_key(&request.name) {
        return Err(Refusal::NetworkExists(request.name));
    }
    at_most(
        "networks",
        context.state.networks.len() + 1,
        limits.networks,
    )?;
    let network = match request.configuration.clone() {
        Configuration::Own => bridge(context, request, false, environment)?,
        Configuration::ForOthers => configuration(context, request, environment)?,
        Configuration::Of(other) => {
            let (request, configuration) = configured(context, request, &other)?;
            Network {
                configuration: Some(configuration),
                ..bridge(context, request, false, environment)?
            }
        }
    };
    let answer = Answer::NetworkCreated {
        network: network.id,
        subnets: network.subnets.clone(),
    };
    let mut draft = Draft::default();
    draft.add(Row::Network(network));
    Ok(draft.answered(answer))
}

/// Creates the predefined networks that do not exist, and makes the external networks those of the
/// settings.
///
/// # Errors
/// Returns [`Refusal`] if a network conflicts with another one, or no pool has a free subnet.
pub(crate) fn bootstrap(
    context: DecisionContext<'_>,
    environment: &mut Environment<'_>,
) -> Result<Decision, Refusal> {
    let Settings {
        default_bridge,
        none,
        externals,
        ..
    } = context.settings;
    let mut draft = Draft::default();
    let mut made = external::draw(context, externals, environment, &mut draft)?.added;
    if !context.state.network_names.contains_key(none) {
        let network = Network {
            id: fresh_id(context.state, environment),
            name: none.clone(),
            kind: NetworkKind::None,
            predefined: true,
            subnets: Vec::new(),
            mtu: None,
            dns_ttl: None,
            internal: false,
            labels: BTreeMap::new(),
            bridge: BridgeOptions::default(),
            configuration: None,
            document: Arc::default(),
            created_ms: environment.now_ms,
        };
        made.push(network.id);
        draft.add(Row::Network(network));
    }
    if !context
        .state
        .network_names
        .contains_key(&default_bridge.name)
    {
        let mut request = CreateNetwork::named(default_bridge.name.clone());
        request.subnets = default_bridge
            .net
            .map(SubnetRequest::from)
            .into_iter()
            .collect();
        // The external networks are not in the state before this is decided.
        let outside = externals.iter().flat_map(|external| &external.subnets);
        let outside: Vec<IpNet> = outside.map(|subnet| subnet.net).collect();
        let routes = environment.host_overlap;
        let overlap = |net: &IpNet| {
            let mut met = outside.iter();
            let met = met.find(|other| other.contains(net) || net.contains(*other));
            met.copied().or_else(|| routes(net))
        };
        let mut environment = Environment {
            random: &mut *environment.random,
            now_ms: environment.now_ms,
            host_overlap: &overlap,
            listener: environment.listener,
        };
        let network = bridge(context, request, true, &mut environment)?;
        made.push(network.id);
        draft.add(Row::Network(network));
    }
    Ok(draft.answered(Answer::Bootstrapped { networks: made }))
}

fn bridge(
    context: DecisionContext<'_>,
    request: CreateNetwork,
    predefined: bool,
    environment: &mut Environment<'_>,
) -> Result<Network, Refusal> {
    check_texts(&request)?;
    let subnets = subnets::choose(context, &request, environment)?;
    let kind = NetworkKind::Bridge(segment(context, &request));
    Ok(Network {
        predefined,
        ..made(context, request, kind, subnets, environment)
    })
}

/// Creates a network of kind configuration. Its subnets are checked, but only the networks made of
/// it occupy them.
fn configuration(
    context: DecisionContext<'_>,
    request: CreateNetwork,
    environment: &mut Environment<'_>,
) -> Result<Network, Refusal> {
    check_texts(&request)?;
    let subnets = subnets::checked_alone(&request.subnets)?;
    let kind = NetworkKind::Configuration(segment(context, &request));
    Ok(made(context, request, kind, subnets, environment))
}

/// Returns the request with the settings of a configuration in place of its own, and that
/// configuration's ID.
fn configured(
    context: DecisionContext<'_>,
    request: CreateNetwork,
    other: &NetworkRef,
) -> Result<(CreateNetwork, NetworkId), Refusal> {
    let found = lookup::network(context.state, other)
        .ok()
        .map(|entry| &entry.row);
    let Some((row, NetworkKind::Configuration(segment))) = found.map(|row| (row, &row.kind)) else {
        return Err(Refusal::NoConfiguration(other.to_string()));
    };
    let request = CreateNetwork {
        subnets: row.subnets.iter().map(SubnetRequest::from).collect(),
        ipv6: row.subnets.iter().any(|subnet| !subnet.is_v4()),
        labels: row.labels.clone(),
        bridge: row.bridge.clone(),
        document: row.document.clone(),
        mtu: row.mtu,
        dns_ttl: row.dns_ttl,
        segment: Some(*segment),
        ..request
    };
    Ok((request, row.id))
}

fn check_texts(request: &CreateNetwork) -> Result<(), Refusal> {
    bounded_texts("labels", &request.labels)?;
    short_enough("document", &request.document, MAX_NETWORK_DOCUMENT)
}

fn segment(context: DecisionContext<'_>, request: &CreateNetwork) -> SegmentKind {
    request.segment.unwrap_or(context.settings.default_segment)
}

fn made(
    context: DecisionContext<'_>,
    request: CreateNetwork,
    kind: NetworkKind,
    subnets: Vec<Subnet>,
    environment: &mut Environment<'_>,
) -> Network {
    Network {
        id: fresh_id(context.state, environment),
        name: request.name,
        kind,
        predefined: false,
        subnets,
        mtu: request.mtu,
        dns_ttl: request.dns_ttl,
        internal: request.internal,
        labels: request.labels,
        bridge: request.bridge,
        configuration: None,
        document: request.document,
        created_ms: environment.now_ms,
    }
}

/// Sets how long resolvers may cache answers about a network's names.
///
/// # Errors
/// Returns [`Refusal`] if no network has that name or ID, or it is not a bridge network.
pub(super) fn set_dns_ttl(
    context: DecisionContext<'_>,
    network: &NetworkRef,
    ttl: Option<DnsTtl>,
) -> Result<Decision, Refusal> {
    let row = &lookup::network(context.state, network)?.row;
    if !row.is_bridge() && !row.is_configuration() {
        return Err(Refusal::NoDnsTtl(row.name.clone()));
    }
    let after = Network {
        dns_ttl: ttl,
        ..row.clone()
    };
    let answer = Answer::DnsTtlSet { network: row.id };
    let mut draft = Draft::default();
    draft.replace(Row::Network(row.clone()), Row::Network(after));
    Ok(draft.answered(answer))
}

/// Removes a network that no running container is on.
///
/// # Errors
/// Returns [`Refusal`] if no network has that name or ID, or it is predefined or in use.
pub(super) fn remove(
    context: DecisionContext<'_>,
    network: &NetworkRef,
) -> Result<Decision, Refusal> {
    let entry = lookup::network(context.state, network)?;
    if entry.row.predefined {
        return Err(Refusal::PredefinedNetwork(entry.row.name.clone()));
    }
    let active = active(context.state, entry);
    if !active.is_empty() {
        return Err(Refusal::NetworkInUse {
            network: entry.row.name.clone(),
            endpoints: holders(context.state, &active),
        });
    }
    if entry.row.is_configuration() {
        let mut others = context.state.networks.values();
        if others.any(|other| other.row.configuration == Some(entry.row.id)) {
            return Err(Refusal::ConfigurationInUse(entry.row.name.clone()));
        }
    }
    let mut draft = Draft::default();
    end_endpoints(context.state, entry, &mut draft);
    forget_addresses(entry, &mut draft);
    draft.remove(Row::Network(entry.row.clone()));
    Ok(draft.answered(Answer::NetworkRemoved {
        network: entry.row.id,
    }))
}

/// Returns the endpoints of running containers on a network.
fn active(state: &LedgerState, entry: &NetworkState) -> Vec<EndpointId> {
    let runs = |id: &&EndpointId| {
        let endpoint = state.endpoints.get(id);
        let container = endpoint.and_then(|endpoint| state.containers.get(&endpoint.container));
        container.is_some_and(|container| container.row.runs())
    };
    entry.endpoints.iter().filter(runs).copied().collect()
}

/// Removes the endpoints of stopped containers with their network. The containers' requests stay:
/// each misses the network, and says so when it is started.
fn end_endpoints(state: &LedgerState, entry: &NetworkState, draft: &mut Draft) {
    let endpoints = entry.endpoints.iter();
    for endpoint in endpoints.filter_map(|id| state.endpoints.get(id)) {
        draft.remove(Row::Endpoint(endpoint.clone()));
        if let Some(container) = state.containers.get(&endpoint.container) {
            let before = container.row.clone();
            let mut after = before.clone();
            after.generation = Generation(before.generation.0 + 1);
            after.missing.insert(entry.row.name.clone(), entry.row.id);
            draft.replace(Row::Container(before), Row::Container(after));
        }
    }
}
