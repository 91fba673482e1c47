//! Connects containers to networks and disconnects them.

use super::{
    Decision, DecisionContext, Draft, addresses, at_most, bounded_map,
    container_draft::{ContainerDraft, EndpointDraft, Ports},
    port, random,
};
use crate::{
    Answer, AwaitedLink, Connect, ContainerRef, Endpoint, EndpointId, Environment,
    ExternalAddressing, ExternalRefusal, Id, Link, MAX_ALIASES, MAX_ENDPOINTS, MAX_LINKS,
    MAX_SYSCTLS, NetworkId, NetworkKind, NetworkName, NetworkRef, Rate, Reference, Refusal, Row,
    derived, lookup, pointer_name,
    state::{ContainerState, LedgerState, NetworkState},
};
use protocol::spec::{Hostname, InterfaceName, MacAddress, NicMatch};
use std::collections::BTreeSet;

/// Connects a container to a network.
///
/// # Errors
/// Returns [`Refusal`] if the container or the network does not exist, or the endpoint is not
/// possible.
pub(super) fn connect(
    context: DecisionContext<'_>,
    request: Connect,
    environment: &mut Environment<'_>,
) -> Result<Decision, Refusal> {
    let container = lookup::container(context.state, &request.container)?;
    let network = lookup::network(context.state, &request.network)?;
    check_connect(container, network, &request)?;
    let mut draft = Draft::default();
    let addresses = addresses::choose(context, network, &request.addresses, &mut draft)?;
    let id = fresh_id(context.state, environment);
    let mac = choose_mac(context, id, request.mac)?;
    let awaits = network.row.name != context.settings.default_bridge.name;
    let (links, awaited_links) = links(context.state, &request.links, awaits)?;
    let nic = request.nic.unwrap_or(NicMatch::Mac(mac));
    check_nic(context.state, container, &nic)?;
    let endpoint = Endpoint {
        id,
        container: container.row.id,
        network: network.row.id,
        addresses,
        mac,
        names: Vec::new(),
        pointer: pointer_name(container.row.id, &container.row.name, &network.row.name),
        aliases: request.aliases,
        interface: match request.interface {
            Some(name) => check_interface(context.state, container, name)?,
            None => free_interface(context.state, container, network.row.interface_prefix())?,
        },
        sysctls: request.sysctls,
        nic,
        attachment: request.attachment,
        gateway_priority: request.gateway_priority,
        links,
        only_healthy: request.only_healthy,
        opened: Vec::new(),
        awaited_links,
        rate: request.rate,
    };
    let mut container_draft = ContainerDraft::of(context, container);
    container_draft.container.missing.remove(&network.row.name);
    container_draft.endpoints.push(EndpointDraft {
        row: endpoint.clone(),
        network: &network.row,
    });
    port::check_external(
        &container_draft.container,
        &container_draft.container.ports,
        &container_draft.networks(),
    )?;
    let (row, _) = container_draft.settle(Ports::Require, environment, &mut draft)?;
    Ok(draft.answered(Answer::Connected {
        endpoint: id,
        container: row.id,
        network: network.row.id,
        addresses: endpoint.addresses,
        mac,
        interface: endpoint.interface,
        generation: row.generation,
    }))
}

/// Disconnects a container from a network.
///
/// # Errors
/// Returns [`Refusal`] if the container or the network does not exist, or the container is not
/// connected to it.
pub(super) fn disconnect(
    context: DecisionContext<'_>,
    container: &ContainerRef,
    network: &NetworkRef,
    environment: &mut Environment<'_>,
) -> Result<Decision, Refusal> {
    let found = find_endpoint(context.state, container, network);
    let (container, network, endpoint) = match found {
        Ok(found) => found,
        Err(refusal) => return forget(context, container, network, refusal),
    };
    let mut container_draft = ContainerDraft::of(context, container);
    container_draft
        .endpoints
        .retain(|kept| kept.row.id != endpoint.id);
    let mut draft = Draft::default();
    let (row, _) = container_draft.settle(Ports::Allow, environment, &mut draft)?;
    Ok(draft.answered(Answer::Disconnected {
        endpoint: endpoint.id,
        container: row.id,
        network: network.row.id,
        generation: row.generation,
    }))
}

/// Takes a network away that was removed while the container was stopped; refuses with `refusal`
/// where it misses no network of that name.
fn forget(
    context: DecisionContext<'_>,
    container: &ContainerRef,
    network: &NetworkRef,
    refusal: Refusal,
) -> Result<Decision, Refusal> {
    let entry = lookup::container(context.state, container)?;
    let text = network.to_string();
    let named = |(name, id): &(&NetworkName, &NetworkId)| {
        let same = context.state.network_names.get(*name);
        let meant = same.is_some_and(|same| same.to_string() == text);
        name.as_str() == text || id.to_string() == text || meant
    };
    let missing = entry.row.missing.iter().find(named);
    let Some((name, id)) = missing.map(|(name, id)| (name.clone(), *id)) else {
        return Err(refusal);
    };
    let mut row = entry.row.clone();
    row.missing.remove(&name);
    let mut draft = Draft::default();
    draft.replace(Row::Container(entry.row.clone()), Row::Container(row));
    Ok(draft.answered(Answer::Forgotten {
        container: entry.row.id,
        network: id,
    }))
}

/// Replaces a container's aliases on a network.
///
/// # Errors
/// Returns [`Refusal`] if the container or the network does not exist, the container is not
/// connected to it, or an alias is not possible.
pub(super) fn set_aliases(
    context: DecisionContext<'_>,
    (container, network): (&ContainerRef, &NetworkRef),
    aliases: Vec<Hostname>,
    environment: &mut Environment<'_>,
) -> Result<Decision, Refusal> {
    let (container, network, endpoint) = find_endpoint(context.state, container, network)?;
    at_most("aliases", aliases.len(), MAX_ALIASES)?;
    let mut container_draft = ContainerDraft::of(context, container);
    let mut endpoints = container_draft.endpoints.iter_mut();
    if let Some(changed) = endpoints.find(|other| other.row.id == endpoint.id) {
        changed.row.aliases = aliases;
    }
    let mut draft = Draft::default();
    let (row, _) = container_draft.settle(Ports::Keep, environment, &mut draft)?;
    Ok(draft.answered(Answer::AliasesSet {
        container: row.id,
        network: network.row.id,
    }))
}

/// Limits a container's endpoint. Its spec stays as it is: the guest has no part in it.
pub(super) fn set_rate(
    context: DecisionContext<'_>,
    (container, network): (&ContainerRef, &NetworkRef),
    rate: Option<Rate>,
) -> Result<Decision, Refusal> {
    let (container, network, endpoint) = find_endpoint(context.state, container, network)?;
    let limited = Endpoint {
        rate,
        ..endpoint.clone()
    };
    let mut draft = Draft::default();
    draft.replace(Row::Endpoint(endpoint.clone()), Row::Endpoint(limited));
    Ok(draft.answered(Answer::RateSet {
        container: container.row.id,
        network: network.row.id,
        before: endpoint.rate,
    }))
}

/// Returns the endpoint of a container on a network, both as a caller names them.
fn find_endpoint<'a>(
    state: &'a LedgerState,
    container: &ContainerRef,
    network: &NetworkRef,
) -> Result<(&'a ContainerState, &'a NetworkState, &'a Endpoint), Refusal> {
    let container = lookup::container(state, container)?;
    let network = lookup::network(state, network)?;
    let endpoint = container.endpoints.get(&network.row.id);
    let endpoint = endpoint.and_then(|id| state.endpoints.get(id));
    let endpoint = endpoint.ok_or_else(|| Refusal::NotConnected {
        container: container.row.name.clone(),
        network: network.row.name.clone(),
    })?;
    Ok((container, network, endpoint))
}

/// Links as the row has them, in lower case, none twice: to containers that are there, and, where they are awaited,
/// to names of containers that are not.
fn links(
    state: &LedgerState,
    wanted: &[(ContainerRef, Hostname)],
    awaits: bool,
) -> Result<(Vec<Link>, Vec<AwaitedLink>), Refusal> {
    at_most("links", wanted.len(), MAX_LINKS)?;
    let (mut links, mut awaited) = (BTreeSet::new(), BTreeSet::new());
    for (container, alias) in wanted {
        let lower = alias.as_str().to_ascii_lowercase();
        // A host name in lower case is one, too.
        let alias = Hostname::try_from(lower).unwrap_or_else(|_| alias.clone());
        match (lookup::container(state, container), container) {
            (Ok(found), _) => {
                let container = found.row.id;
                links.insert(Link { container, alias });
            }
            (Err(refusal @ Refusal::ContainerNotFound(_)), Reference::Text(name)) if awaits => {
                let container = name.parse().map_err(|_| refusal)?;
                awaited.insert(AwaitedLink { container, alias });
            }
            (Err(refusal), _) => return Err(refusal),
        }
    }
    Ok((links.into_iter().collect(), awaited.into_iter().collect()))
}

fn check_connect(
    container: &ContainerState,
    network: &NetworkState,
    request: &Connect,
) -> Result<(), Refusal> {
    if network.row.kind == NetworkKind::None {
        return Err(Refusal::NoEndpointsOnNone(network.row.name.clone()));
    }
    if network.row.is_configuration() {
        return Err(Refusal::ConnectToConfiguration(network.row.name.clone()));
    }
    if let Some(external) = network.row.external()
        && external.addressing == ExternalAddressing::Dhcp
    {
        return Err(ExternalRefusal::Dhcp {
            network: network.row.name.clone(),
            interface: external.interface.clone(),
        }
        .into());
    }
    if container.endpoints.contains_key(&network.row.id) {
        return Err(Refusal::AlreadyConnected {
            container: container.row.name.clone(),
            network: network.row.name.clone(),
        });
    }
    at_most("endpoints", container.endpoints.len() + 1, MAX_ENDPOINTS)?;
    bounded_map("sysctls", &request.sysctls, MAX_SYSCTLS, String::as_str)?;
    at_most("aliases", request.aliases.len(), MAX_ALIASES)
}

/// Returns the name if none of the container's endpoints has it as interface name.
fn check_interface(
    state: &LedgerState,
    container: &ContainerState,
    name: InterfaceName,
) -> Result<InterfaceName, Refusal> {
    let mut endpoints = container.endpoints.values();
    let taken = endpoints.any(|id| {
        let endpoint = state.endpoints.get(id);
        endpoint.is_some_and(|endpoint| endpoint.interface == name)
    });
    if taken || name.as_str() == "lo" {
        return Err(Refusal::InterfaceTaken {
            interface: name,
            container: container.row.name.clone(),
        });
    }
    Ok(name)
}

fn fresh_id(state: &LedgerState, environment: &mut Environment<'_>) -> EndpointId {
    loop {
        let id = EndpointId::from_bytes(random(environment));
        if !state.endpoints.contains_key(&id) {
            return id;
        }
    }
}

fn choose_mac(
    context: DecisionContext<'_>,
    endpoint: EndpointId,
    wanted: Option<MacAddress>,
) -> Result<MacAddress, Refusal> {
    let taken = &context.state.macs;
    let Some(mac) = wanted else {
        let hashed =
            (0..).filter_map(|attempt| derived::mac(context.settings.vch, endpoint, attempt));
        let mut free = hashed.filter(|mac| !taken.contains_key(mac));
        #[expect(
            clippy::expect_used,
            reason = "2^40 addresses are more than endpoints can be"
        )]
        return Ok(free.next().expect("a free MAC address"));
    };
    match taken
        .get(&mac)
        .and_then(|other| lookup::holder(context.state, *other))
    {
        None => Ok(mac),
        Some(holder) => Err(Refusal::MacTaken { mac, holder }),
    }
}

fn check_nic(
    state: &LedgerState,
    container: &ContainerState,
    nic: &NicMatch,
) -> Result<(), Refusal> {
    let others = container.endpoints.values();
    let mut others = others.filter_map(|id| state.endpoints.get(id));
    if others.any(|other| other.nic == *nic) {
        return Err(Refusal::NicTaken {
            nic: nic.clone(),
            container: container.row.name.clone(),
        });
    }
    Ok(())
}

/// Returns the lowest of eth0, eth1, … that none of the container's endpoints has.
fn free_interface(
    state: &LedgerState,
    container: &ContainerState,
    prefix: &str,
) -> Result<InterfaceName, Refusal> {
    let used: Vec<&InterfaceName> = container
        .endpoints
        .values()
        .filter_map(|id| state.endpoints.get(id))
        .map(|endpoint| &endpoint.interface)
        .collect();
    let names = (0..=used.len()).filter_map(|n| format!("{prefix}{n}").parse().ok());
    let mut free = names.filter(|name| !used.contains(&name));
    free.next().ok_or(Refusal::TooMany {
        field: "endpoints",
        count: used.len() + 1,
        limit: MAX_ENDPOINTS,
    })
}
