//! Makes the state from stored rows, and the rows from the state.

use crate::{
    AddressCursor, ContainerId, Endpoint, EndpointId, Network, NetworkId, PortBinding,
    RestingAddress, Revision, Row, RowKey, Settings,
    settings::unusable,
    state::{ChannelKey, LedgerState},
};
use ipnet::IpNet;
use std::{collections::BTreeMap, net::IpAddr};
use thiserror::Error;

/// The error of stored rows that contradict one another: the store is damaged, or was written by another program.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("stored row {key:?} is not possible: {reason}: restore the store from a copy")]
pub struct LoadError {
    /// The key of the row that is not possible.
    pub key: RowKey,
    /// The contradiction between the row and other rows or the settings.
    pub reason: Contradiction,
}

/// The contradiction between a stored row and other rows or the settings.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Contradiction {
    /// Two rows have the same key.
    #[error("it is stored twice")]
    Twice,
    /// Another row of the same kind (network or container) has the same name.
    #[error("another one has its name")]
    Name,
    /// A network's subnet can't have hosts or has host bits, or one of its reserved addresses and ranges lies outside
    /// of it.
    #[error("subnet {0} or what is kept back of it is not possible")]
    Subnet(IpNet),
    /// A subnet (first field) of the row, which is a network, overlaps a subnet of the network with the ID in the
    /// second field; that may be the row itself.
    #[error("its subnet {0} overlaps that of network {1}")]
    Overlap(IpNet, NetworkId),
    /// The row is a container, and another container, with this ID, has the same channel to its agent.
    #[error("container {0} has its channel")]
    Channel(ContainerId),
    /// The row refers to a network that does not exist.
    #[error("network {0} is not there")]
    NoNetwork(NetworkId),
    /// The row refers to a container that does not exist.
    #[error("container {0} is not there")]
    NoContainer(ContainerId),
    /// The row refers to an endpoint that does not exist, or that belongs to another container.
    #[error("endpoint {0} is not there, or another container's")]
    NoEndpoint(EndpointId),
    /// The row is an endpoint, and its container has this other endpoint on the same network.
    #[error("endpoint {0} is the container's place on that network")]
    EndpointOfNetwork(EndpointId),
    /// The row is an endpoint, and another endpoint, with this ID, has the same MAC address.
    #[error("endpoint {0} has its MAC address")]
    Mac(EndpointId),
    /// The row has an address that its network could not have given out, or that is not its endpoint's.
    #[error("address {0} can't be handed out on its network")]
    Address(IpAddr),
    /// The row's address is in use by an endpoint already. Or the row is a released address, and the same transaction
    /// released another address of the subnet.
    #[error("address {0} is taken or rests")]
    Taken(IpAddr),
    /// The row refers to a transaction that is newer than the last stored one.
    #[error("it is of a transaction behind the last stored one")]
    Revision,
}

/// Makes the state of rows in any order.
///
/// # Errors
/// Returns [`LoadError`] for the first row that contradicts another row or the settings.
pub(crate) fn state(
    settings: &Settings,
    rows: impl IntoIterator<Item = Row>,
    last: Revision,
) -> Result<LedgerState, LoadError> {
    let mut rows: Vec<Row> = rows.into_iter().collect();
    // What a row refers to comes first: networks and containers, endpoints, then the rest.
    rows.sort_by_key(Row::key);
    let mut state = LedgerState::new(settings);
    let mut previous = None;
    for row in rows {
        let key = row.key();
        let checked = if previous == Some(key) {
            Err(Contradiction::Twice)
        } else {
            check(&state, &row, last)
        };
        checked.map_err(|reason| LoadError { key, reason })?;
        state.put(row, settings);
        previous = Some(key);
    }
    Ok(state)
}

/// Returns every row, in the order of their keys.
pub(crate) fn rows(state: &LedgerState) -> Vec<Row> {
    let networks = state.networks.values().map(|b| Row::Network(b.row.clone()));
    let containers = state.containers.values();
    let containers = containers.map(|b| Row::Container(b.row.clone()));
    let endpoints = state.endpoints.values().cloned().map(Row::Endpoint);
    let mut rows: Vec<Row> = networks.chain(containers).chain(endpoints).collect();
    for entry in state.networks.values() {
        let network = entry.row.id;
        for subnet in &entry.subnets {
            rows.extend(subnet.all_resting().map(|(address, since)| {
                Row::RestingAddress(RestingAddress {
                    network,
                    address,
                    since,
                })
            }));
            rows.extend(subnet.cursor().map(|next| {
                Row::AddressCursor(AddressCursor {
                    network,
                    subnet: subnet.net().network(),
                    next,
                })
            }));
        }
    }
    let bindings = state.bindings.values().flat_map(BTreeMap::values);
    rows.extend(bindings.cloned().map(Row::PortBinding));
    let documents = state.containers.values().flat_map(|b| b.documents.values());
    rows.extend(documents.cloned().map(Row::Document));
    rows.sort_by_key(Row::key);
    rows
}

fn check(state: &LedgerState, row: &Row, last: Revision) -> Result<(), Contradiction> {
    match row {
        Row::Network(row) => check_network(state, row),
        Row::Container(row) => {
            if state.container_names.contains_key(&row.name) {
                return Err(Contradiction::Name);
            }
            let key = ChannelKey::of(&row.channel);
            match key.and_then(|key| state.channels.get(&key)) {
                Some(other) => Err(Contradiction::Channel(*other)),
                None => Ok(()),
            }
        }
        Row::Endpoint(row) => check_endpoint(state, row),
        Row::RestingAddress(row) => {
            if row.since > last {
                return Err(Contradiction::Revision);
            }
            check_resting(state, row)
        }
        Row::AddressCursor(row) => check_cursor(state, row),
        Row::PortBinding(row) => check_binding(state, row),
        Row::Document(row) if state.containers.contains_key(&row.container) => Ok(()),
        Row::Document(row) => Err(Contradiction::NoContainer(row.container)),
    }
}

fn check_network(state: &LedgerState, row: &Network) -> Result<(), Contradiction> {
    if state.network_names.contains_key(&row.name) {
        return Err(Contradiction::Name);
    }
    for (index, subnet) in row.subnets.iter().enumerate() {
        let net = subnet.net;
        let inside = subnet.kept().all(|address| net.contains(&address));
        let mut ranges = subnet.ranges.iter();
        let range_inside =
            ranges.all(|range| net.contains(&range.first()) && net.contains(&range.last()));
        if net.trunc() != net || unusable(&net).is_some() || !inside || !range_inside {
            return Err(Contradiction::Subnet(net));
        }
        let own = row.subnets[..index].iter();
        let mut own = own.filter(|other| other.net.contains(&net) || net.contains(&other.net));
        if own.next().is_some() {
            return Err(Contradiction::Overlap(net, row.id));
        }
        if let Some((_, other)) = state.space.overlap(&net)
            && !row.is_configuration()
        {
            return Err(Contradiction::Overlap(net, other));
        }
    }
    Ok(())
}

fn check_endpoint(state: &LedgerState, row: &Endpoint) -> Result<(), Contradiction> {
    let network = state.networks.get(&row.network);
    let network = network.ok_or(Contradiction::NoNetwork(row.network))?;
    let container = state.containers.get(&row.container);
    let container = container.ok_or(Contradiction::NoContainer(row.container))?;
    if let Some(other) = container.endpoints.get(&row.network) {
        return Err(Contradiction::EndpointOfNetwork(*other));
    }
    if let Some(other) = state.macs.get(&row.mac) {
        return Err(Contradiction::Mac(*other));
    }
    let mut links = row.links.iter();
    if let Some(link) = links.find(|link| !state.containers.contains_key(&link.container)) {
        return Err(Contradiction::NoContainer(link.container));
    }
    for net in &row.addresses {
        let address = net.addr();
        let subnet = network.subnet_of(address);
        let subnet = subnet.filter(|s| s.net().prefix_len() == net.prefix_len());
        let kept = network.row.subnet_of(address);
        let kept = kept.is_none_or(|s| s.gateway == Some(address) || s.vch == Some(address));
        let subnet = subnet.filter(|_| !kept);
        let subnet = subnet.ok_or(Contradiction::Address(address))?;
        if subnet.holder(address).is_some() {
            return Err(Contradiction::Taken(address));
        }
    }
    Ok(())
}

fn check_binding(state: &LedgerState, row: &PortBinding) -> Result<(), Contradiction> {
    let endpoint = state.endpoints.get(&row.endpoint);
    let own = endpoint.filter(|endpoint| endpoint.container == row.container);
    let Some(endpoint) = own else {
        return Err(Contradiction::NoEndpoint(row.endpoint));
    };
    let mut targets = row.target.iter();
    match targets.find(|target| !endpoint.addresses.iter().any(|net| net.addr() == **target)) {
        Some(target) => Err(Contradiction::Address(*target)),
        None => Ok(()),
    }
}

fn check_resting(state: &LedgerState, row: &RestingAddress) -> Result<(), Contradiction> {
    let network = state.networks.get(&row.network);
    let network = network.ok_or(Contradiction::NoNetwork(row.network))?;
    let subnet = network.subnet_of(row.address);
    let subnet = subnet.filter(|subnet| subnet.is_automatic(row.address));
    let subnet = subnet.ok_or(Contradiction::Address(row.address))?;
    if subnet.holder(row.address).is_some() || subnet.began_to_rest(row.since) {
        return Err(Contradiction::Taken(row.address));
    }
    Ok(())
}

fn check_cursor(state: &LedgerState, row: &AddressCursor) -> Result<(), Contradiction> {
    let network = state.networks.get(&row.network);
    let network = network.ok_or(Contradiction::NoNetwork(row.network))?;
    let subnet = network.subnet_of(row.subnet);
    let subnet = subnet.filter(|subnet| subnet.net().network() == row.subnet);
    let subnet = subnet.filter(|subnet| subnet.net().contains(&row.next));
    subnet.ok_or(Contradiction::Address(row.next)).map(|_| ())
}
