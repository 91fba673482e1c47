//! Adds, starts, stops, renames and removes containers.

use super::{
    Decision, DecisionContext, Draft, addresses, at_most, bounded_map,
    container_draft::{ContainerDraft, Ports},
    possible, publish, random, short_enough,
};
use crate::{
    AddContainer, Answer, Channel, Container, ContainerId, ContainerName, ContainerRef, Dns,
    Environment, Id, MAX_DNS_SERVERS, MAX_EXTRA_HOSTS, MAX_SYSCTLS, MAX_UTS_NAME, NetworkId,
    Refusal, Row, lookup,
    published::short_hostname,
    spec,
    state::{ChannelKey, LedgerState},
};
use protocol::spec::{Generation, Incarnation};
use std::{collections::BTreeMap, net::IpAddr};

/// Adds a container.
///
/// # Errors
/// Returns [`Refusal`] if the name or the channel is taken, a limit is reached, or a field is not
/// possible.
pub(super) fn add(
    context: DecisionContext<'_>,
    request: AddContainer,
    environment: &mut Environment<'_>,
) -> Result<Decision, Refusal> {
    let limit = context.settings.limits.containers;
    at_most("containers", context.state.containers.len() + 1, limit)?;
    at_most("extra hosts", request.extra_hosts.len(), MAX_EXTRA_HOSTS)?;
    if let Some(hostname) = &request.hostname {
        short_enough("hostname", hostname.as_str(), MAX_UTS_NAME)?;
    }
    if let Some(domain) = &request.domain {
        short_enough("domainname", domain.as_str(), MAX_UTS_NAME)?;
    }
    bounded_map("sysctls", &request.sysctls, MAX_SYSCTLS, String::as_str)?;
    check_name(context.state, &request.name)?;
    check_channel(context.state, &request.channel)?;
    let id = fresh_id(context.state, environment);
    let container = Container {
        id,
        hostname: request.hostname.unwrap_or_else(|| short_hostname(id)),
        domain: request.domain,
        sysctls: request.sysctls,
        missing: BTreeMap::new(),
        name: request.name,
        channel: request.channel,
        dns: Dns {
            servers: asked(&request.dns.servers),
            ..request.dns
        },
        extra_hosts: request.extra_hosts,
        ports: publish::checked(context, request.ports)?,
        publish_all: request.publish_all,
        chosen: BTreeMap::new(),
        unhealthy: false,
        incarnation: None,
        generation: Generation(0),
        created_ms: environment.now_ms,
    };
    // Refused now, and not when the first endpoint makes a resolver of it.
    spec::resolver_of(&container, Vec::new(), context.settings).map_err(|reason| {
        Refusal::Resolver {
            container: container.name.clone(),
            reason: reason.to_string(),
        }
    })?;
    possible(context.settings, &container, &[])?;
    let mut draft = Draft::default();
    link(context.state, &container, &mut draft);
    draft.add(Row::Container(container));
    Ok(draft.answered(Answer::ContainerAdded { container: id }))
}

/// Returns the servers that will be asked: the first ones of those given, without duplicates.
fn asked(given: &[IpAddr]) -> Vec<IpAddr> {
    let mut servers = Vec::new();
    for server in given {
        if servers.len() < MAX_DNS_SERVERS && !servers.contains(server) {
            servers.push(*server);
        }
    }
    servers
}

/// Removes a container.
///
/// # Errors
/// Returns [`Refusal`] if no container has that name or ID, or it is connected to networks and
/// `force` is false.
pub(super) fn remove(
    context: DecisionContext<'_>,
    container: &ContainerRef,
    force: bool,
) -> Result<Decision, Refusal> {
    let entry = lookup::container(context.state, container)?;
    if !force && !entry.endpoints.is_empty() {
        let networks = entry.endpoints.keys();
        let names = networks.filter_map(|id| context.state.networks.get(id));
        let names: Vec<&str> = names.map(|network| network.row.name.as_str()).collect();
        return Err(Refusal::ContainerConnected {
            container: entry.row.name.clone(),
            networks: names.join(", "),
        });
    }
    let mut draft = Draft::default();
    let bindings = entry.bindings.iter();
    for binding in bindings.filter_map(|host| context.state.binding(host)) {
        draft.remove(Row::PortBinding(binding.clone()));
    }
    for (network, id) in &entry.endpoints {
        let endpoint = context.state.endpoints.get(id);
        let network = context.state.networks.get(network);
        if let Some((endpoint, network)) = endpoint.zip(network) {
            draft.remove(Row::Endpoint(endpoint.clone()));
            addresses::release(context, network, endpoint, &mut draft);
        }
    }
    unlink(context, &entry.row, &mut draft);
    for document in entry.documents.values() {
        draft.remove(Row::Document(document.clone()));
    }
    draft.remove(Row::Container(entry.row.clone()));
    Ok(draft.answered(Answer::ContainerRemoved {
        container: entry.row.id,
        endpoints: entry.endpoints.values().copied().collect(),
    }))
}

/// Gives other containers the names that they await for one of this name.
fn link(state: &LedgerState, new: &Container, draft: &mut Draft) {
    let askers = state.awaited.get(&new.name).into_iter().flatten();
    for asker in askers.filter_map(|id| state.endpoints.get(id)) {
        if asker.container != new.id {
            let mut row = asker.clone();
            row.link(new.id, &new.name);
            draft.replace(Row::Endpoint(asker.clone()), Row::Endpoint(row));
        }
    }
}

/// Takes away the names that other containers have for one that goes; on all networks but the default bridge they
/// await another one of its name.
fn unlink(context: DecisionContext<'_>, gone: &Container, draft: &mut Draft) {
    let (state, id) = (context.state, gone.id);
    let all = (id, NetworkId::from_bytes([0; 32]))..=(id, NetworkId::from_bytes([0xff; 32]));
    let default = state
        .network_names
        .get(&context.settings.default_bridge.name);
    for ((_, network), askers) in state.linked.range(all) {
        let awaits = default != Some(network);
        for asker in askers.iter().filter_map(|id| state.endpoints.get(id)) {
            if asker.container != id {
                let mut row = asker.clone();
                row.unlink(id, &gone.name, awaits);
                draft.replace(Row::Endpoint(asker.clone()), Row::Endpoint(row));
            }
        }
    }
}

/// Gives a container a new incarnation, and assumes that it is healthy.
///
/// # Errors
/// Returns [`Refusal`] if no container has that name or ID, or its names or ports can't be put in
/// force.
pub(super) fn start(
    context: DecisionContext<'_>,
    container: &ContainerRef,
    environment: &mut Environment<'_>,
) -> Result<Decision, Refusal> {
    let entry = lookup::container(context.state, container)?;
    if let Some((network, id)) = entry.row.missing.iter().next() {
        return Err(Refusal::NetworkMissing {
            container: entry.row.name.clone(),
            network: network.clone(),
            id: *id,
        });
    }
    let incarnation = Incarnation(random(environment));
    let mut container_draft = ContainerDraft::of(context, entry);
    container_draft.container.incarnation = Some(incarnation);
    container_draft.container.generation = Generation(entry.row.generation.0 + 1);
    container_draft.container.unhealthy = false;
    let mut draft = Draft::default();
    let (row, _) = container_draft.settle(Ports::Require, environment, &mut draft)?;
    Ok(draft.answered(Answer::Started {
        container: row.id,
        incarnation,
        generation: row.generation,
    }))
}

/// Ends a container's incarnation; changes nothing if it does not run.
///
/// # Errors
/// Returns [`Refusal`] if no container has that name or ID.
pub(super) fn stop(
    context: DecisionContext<'_>,
    container: &ContainerRef,
    environment: &mut Environment<'_>,
) -> Result<Decision, Refusal> {
    let entry = lookup::container(context.state, container)?;
    let mut container_draft = ContainerDraft::of(context, entry);
    container_draft.container.incarnation = None;
    let mut draft = Draft::default();
    let (row, _) = container_draft.settle(Ports::Allow, environment, &mut draft)?;
    Ok(draft.answered(Answer::Stopped { container: row.id }))
}

/// Renames a container, and changes the names of its endpoints that follow from it.
///
/// # Errors
/// Returns [`Refusal`] if no container has that name or ID, or the new name is taken.
pub(super) fn rename(
    context: DecisionContext<'_>,
    container: &ContainerRef,
    name: ContainerName,
    environment: &mut Environment<'_>,
) -> Result<Decision, Refusal> {
    let entry = lookup::container(context.state, container)?;
    check_name(context.state, &name)?;
    let mut container_draft = ContainerDraft::of(context, entry);
    for endpoint in &mut container_draft.endpoints {
        endpoint.row.link(entry.row.id, &name);
    }
    container_draft.container.name = name;
    let mut draft = Draft::default();
    let (row, _) = container_draft.settle(Ports::Keep, environment, &mut draft)?;
    link(context.state, &row, &mut draft);
    Ok(draft.answered(Answer::Renamed { container: row.id }))
}

/// Notes the result of a container's health check.
///
/// # Errors
/// Returns [`Refusal`] if no container has that name or ID.
pub(super) fn set_health(
    context: DecisionContext<'_>,
    container: &ContainerRef,
    unhealthy: bool,
    environment: &mut Environment<'_>,
) -> Result<Decision, Refusal> {
    let entry = lookup::container(context.state, container)?;
    let mut container_draft = ContainerDraft::of(context, entry);
    container_draft.container.unhealthy = unhealthy;
    let mut draft = Draft::default();
    let (row, _) = container_draft.settle(Ports::Keep, environment, &mut draft)?;
    Ok(draft.answered(Answer::HealthSet { container: row.id }))
}

fn check_name(state: &LedgerState, name: &ContainerName) -> Result<(), Refusal> {
    match state.container_names.get(name) {
        None => Ok(()),
        Some(holder) => Err(Refusal::ContainerNameTaken {
            name: name.clone(),
            holder: holder.to_string(),
        }),
    }
}

fn check_channel(state: &LedgerState, channel: &Channel) -> Result<(), Refusal> {
    if let Channel::Vsock { cid } = channel
        && (*cid < 3 || *cid == u32::MAX)
    {
        return Err(Refusal::ReservedCid(*cid));
    }
    let holder = ChannelKey::of(channel).and_then(|key| state.channels.get(&key));
    match holder.and_then(|holder| state.containers.get(holder)) {
        None => Ok(()),
        Some(holder) => Err(Refusal::ChannelTaken {
            channel: channel.to_string(),
            holder: holder.row.name.clone(),
        }),
    }
}

fn fresh_id(state: &LedgerState, environment: &mut Environment<'_>) -> ContainerId {
    loop {
        let id = ContainerId::from_bytes(random(environment));
        if !state.containers.contains_key(&id) {
            return id;
        }
    }
}
