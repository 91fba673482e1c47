//! Looks up the object of a reference, and the holder of an endpoint.
//!
//! A text is looked up as full ID, then as full name, then as unique prefix of an ID.

use crate::{
    ContainerName, ContainerRef, EndpointId, Id, NetworkRef, Reference, Refusal,
    id::prefix_range,
    state::{ContainerState, LedgerState, NetworkState},
};
use std::collections::BTreeMap;

enum Miss {
    None,
    Several,
}

/// Returns the network of a reference.
///
/// # Errors
/// Returns [`Refusal`] if no network, or more than one, has that name or ID.
pub(crate) fn network<'a>(
    state: &'a LedgerState,
    network: &NetworkRef,
) -> Result<&'a NetworkState, Refusal> {
    let by_name = |text: &str| state.network_names.get(&text.parse().ok()?).copied();
    find(&state.networks, network, by_name).map_err(|miss| match miss {
        Miss::None => Refusal::NetworkNotFound(network.to_string()),
        Miss::Several => Refusal::NetworkAmbiguous(network.to_string()),
    })
}

/// Returns the container of a reference.
///
/// # Errors
/// Returns [`Refusal`] if no container, or more than one, has that name or ID.
pub(crate) fn container<'a>(
    state: &'a LedgerState,
    container: &ContainerRef,
) -> Result<&'a ContainerState, Refusal> {
    let by_name = |text: &str| state.container_names.get(&text.parse().ok()?).copied();
    find(&state.containers, container, by_name).map_err(|miss| match miss {
        Miss::None => Refusal::ContainerNotFound(container.to_string()),
        Miss::Several => Refusal::ContainerAmbiguous(container.to_string()),
    })
}

/// Returns the name of the container that has the endpoint.
pub(crate) fn holder(state: &LedgerState, endpoint: EndpointId) -> Option<ContainerName> {
    let endpoint = state.endpoints.get(&endpoint)?;
    let container = state.containers.get(&endpoint.container)?;
    Some(container.row.name.clone())
}

fn find<'a, I: Id, B>(
    state: &'a BTreeMap<I, B>,
    reference: &Reference<I>,
    by_name: impl Fn(&str) -> Option<I>,
) -> Result<&'a B, Miss> {
    let text = match reference {
        Reference::Id(id) => return state.get(id).ok_or(Miss::None),
        Reference::Text(text) => text,
    };
    let prefix = prefix_range(text);
    let whole = prefix.filter(|_| text.len() == 64);
    let named = whole
        .and_then(|(id, _)| state.get(&I::from_bytes(id)))
        .or_else(|| state.get(&by_name(text)?));
    if let Some(entry) = named {
        return Ok(entry);
    }
    let (low, high) = prefix.ok_or(Miss::None)?;
    let mut matches = state.range(I::from_bytes(low)..=I::from_bytes(high));
    match (matches.next(), matches.next()) {
        (Some((_, entry)), None) => Ok(entry),
        (None, _) => Err(Miss::None),
        (Some(_), Some(_)) => Err(Miss::Several),
    }
}
