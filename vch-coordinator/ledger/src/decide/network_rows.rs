//! What decisions about any kind of network have in common.

use super::{Draft, random};
use crate::{
    AddressCursor, EndpointId, Environment, Id, NetworkId, RestingAddress, Row,
    state::{LedgerState, NetworkState},
};

/// Returns an identity that no network has.
pub(super) fn fresh_id(state: &LedgerState, environment: &mut Environment<'_>) -> NetworkId {
    loop {
        let id = NetworkId::from_bytes(random(environment));
        if !state.networks.contains_key(&id) {
            return id;
        }
    }
}

/// Deletes the rows of a network's address allocators; their number is bounded by the limit on
/// resting addresses.
pub(super) fn forget_addresses(entry: &NetworkState, draft: &mut Draft) {
    let network = entry.row.id;
    for subnet in &entry.subnets {
        for (address, since) in subnet.all_resting() {
            draft.remove(Row::RestingAddress(RestingAddress {
                network,
                address,
                since,
            }));
        }
        if let Some(next) = subnet.cursor() {
            draft.remove(Row::AddressCursor(AddressCursor {
                network,
                subnet: subnet.net().network(),
                next,
            }));
        }
    }
}

/// Returns the names of the first few containers on a network, for an error.
pub(super) fn holders<'a>(
    state: &LedgerState,
    endpoints: impl IntoIterator<Item = &'a EndpointId>,
) -> String {
    const SHOWN: usize = 5;
    let endpoints: Vec<&EndpointId> = endpoints.into_iter().collect();
    let names = endpoints.iter().take(SHOWN).filter_map(|id| {
        let endpoint = state.endpoints.get(id)?;
        let container = state.containers.get(&endpoint.container)?;
        Some(container.row.name.to_string())
    });
    let mut text = names.collect::<Vec<_>>().join(", ");
    if let Some(more) = endpoints.len().checked_sub(SHOWN).filter(|n| *n > 0) {
        text.push_str(&format!(" and {more} more"));
    }
    text
}
