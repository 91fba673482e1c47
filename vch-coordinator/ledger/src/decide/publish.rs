//! Exposes and publishes ports of containers.

use super::{
    Decision, DecisionContext, Draft, at_most,
    container_draft::{ContainerDraft, Ports},
    host_port, port,
};
use crate::{
    Answer, Container, ContainerPort, ContainerRef, Environment, HostPort, MAX_CLIENTS, MAX_PORTS,
    PortNumber, PortRefusal, Refusal, Settings, lookup,
};
use std::{collections::BTreeMap, net::IpAddr};

/// Adds exposed or published ports to a container.
///
/// # Errors
/// Returns [`Refusal`] if no container has that name or ID, or a port can't be published.
pub(super) fn publish(
    context: DecisionContext<'_>,
    container: &ContainerRef,
    ports: Vec<ContainerPort>,
    environment: &mut Environment<'_>,
) -> Result<Decision, Refusal> {
    let entry = lookup::container(context.state, container)?;
    let mut container_draft = ContainerDraft::of(context, entry);
    let had = std::mem::take(&mut container_draft.container.ports);
    container_draft.container.ports = checked(context, had.iter().cloned().chain(ports))?;
    let now = container_draft.container.ports.iter();
    let added: Vec<ContainerPort> = now.filter(|port| !had.contains(port)).cloned().collect();
    port::check_external(
        &container_draft.container,
        &added,
        &container_draft.networks(),
    )?;
    port::check_family(&container_draft.container, &container_draft.view(), &added)?;
    let mut draft = Draft::default();
    let (row, bindings) = container_draft.settle(Ports::Require, environment, &mut draft)?;
    let fresh = |host: &HostPort| context.state.binding(host).is_none();
    Ok(draft.answered(Answer::PortsPublished {
        container: row.id,
        ports: added,
        bindings: bindings
            .into_iter()
            .filter(|one| fresh(&one.host))
            .collect(),
    }))
}

/// Removes exposed and published ports from a container.
///
/// # Errors
/// Returns [`Refusal`] if no container has that name or ID, or the container does not have a port.
pub(super) fn unpublish(
    context: DecisionContext<'_>,
    container: &ContainerRef,
    ports: &[ContainerPort],
    environment: &mut Environment<'_>,
) -> Result<Decision, Refusal> {
    let entry = lookup::container(context.state, container)?;
    let mut container_draft = ContainerDraft::of(context, entry);
    for gone in ports {
        let row = &mut container_draft.container;
        let found = row.ports.iter().position(|port| means(row, gone, port));
        let Some(found) = found else {
            return Err(PortRefusal::NotPublished {
                request: gone.to_string(),
                container: row.name.clone(),
            }
            .into());
        };
        row.ports.remove(found);
    }
    port::forget_chosen(&mut container_draft.container);
    let mut draft = Draft::default();
    let (row, _) = container_draft.settle(Ports::Allow, environment, &mut draft)?;
    Ok(draft.answered(Answer::PortsUnpublished { container: row.id }))
}

/// Returns whether a caller's request means this request of a container: by the address and port at
/// which it is published, or by the port that the VCH chose.
fn means(container: &Container, words: &ContainerPort, port: &ContainerPort) -> bool {
    if words.number != port.number {
        return false;
    }
    match (&words.publish, &port.publish) {
        (None, None) => true,
        (Some(words), Some(publish)) => {
            let key = (port.number, publish.address);
            let chosen = container.chosen.get(&key).copied();
            let same = words.port == publish.port
                || (publish.port.is_none() && words.port.is_some() && words.port == chosen);
            words.address == publish.address && words.through == publish.through && same
        }
        _ => false,
    }
}

/// Returns a container's ports as its row has them: each valid, no duplicates, in ascending order.
///
/// # Errors
/// Returns a refusal for a port that is not valid or can't be published.
pub(super) fn checked(
    context: DecisionContext<'_>,
    ports: impl IntoIterator<Item = ContainerPort>,
) -> Result<Vec<ContainerPort>, Refusal> {
    let mut ports: Vec<ContainerPort> = ports.into_iter().collect();
    for port in &mut ports {
        check(context, port)?;
        if let Some(publish) = &mut port.publish {
            publish.clients.sort_unstable();
            publish.clients.dedup();
        }
    }
    ports.sort_unstable();
    ports.dedup();
    at_most("ports", ports.len(), MAX_PORTS)?;
    check_apart(context.settings, &ports)?;
    Ok(ports)
}

fn check(context: DecisionContext<'_>, port: &ContainerPort) -> Result<(), Refusal> {
    let number = port.number;
    if number.port == 0 {
        return Err(PortRefusal::Zero(number).into());
    }
    let Some(publish) = &port.publish else {
        return Ok(());
    };
    at_most("clients", publish.clients.len(), MAX_CLIENTS)?;
    if let Some(address) = publish.address {
        host_port::check_address(context.state, context.settings, number, address)?;
    }
    for net in &publish.clients {
        if net.trunc() != *net {
            return Err(PortRefusal::ClientHostBits { number, net: *net }.into());
        }
        let other = |address: &IpAddr| address.is_ipv4() != net.addr().is_ipv4();
        if let Some(address) = publish.address.filter(other) {
            let net = *net;
            return Err(PortRefusal::ClientFamily {
                number,
                net,
                address,
            }
            .into());
        }
    }
    let Some(host) = publish.port else {
        return Ok(());
    };
    if let Some(last) = publish.through
        && last <= host
    {
        let first = host;
        return Err(PortRefusal::Range {
            number,
            first,
            last,
        }
        .into());
    }
    let protocol = number.protocol;
    if host == 0 {
        let port = host;
        return Err(PortRefusal::Zero(PortNumber { protocol, port }).into());
    }
    let host = HostPort {
        protocol,
        address: publish.address,
        port: host,
    };
    // Of a range another one is taken.
    if publish.through.is_some() {
        return Ok(());
    }
    Ok(host_port::check_reserved(context.settings, &host)?)
}

/// Refuses two requests for what can't be had twice.
fn check_apart(settings: &Settings, ports: &[ContainerPort]) -> Result<(), PortRefusal> {
    let mut named: BTreeMap<PortNumber, Vec<(Option<IpAddr>, PortNumber)>> = BTreeMap::new();
    let mut unnamed: BTreeMap<(PortNumber, Option<IpAddr>), PortNumber> = BTreeMap::new();
    for port in ports {
        let Some(publish) = &port.publish else {
            continue;
        };
        let (number, address) = (port.number, publish.address);
        let other = match publish.port {
            // Each takes what the others leave.
            Some(_) if publish.through.is_some() => None,
            Some(host) => {
                let protocol = number.protocol;
                let there = named.entry(PortNumber {
                    protocol,
                    port: host,
                });
                let there = there.or_default();
                let mut others = there.iter();
                let other = others.find(|(other, _)| host_port::meet(settings, address, *other));
                let other = other.map(|(_, other)| *other);
                there.push((address, number));
                other
            }
            None => unnamed.insert((number, address), number),
        };
        if let Some(other) = other {
            let request = port.to_string();
            return Err(PortRefusal::Twice { request, other });
        }
    }
    Ok(())
}
