//! Derives the delta of a transaction.

use super::{
    BindingChange, Delta, EndpointChange, PrivateName, desired_endpoint, linked, segment_of,
};
use crate::{ContainerId, Endpoint, EndpointId, Ledger, Network, NetworkId, Row, Transaction};
use std::collections::{BTreeMap, BTreeSet};

/// Returns the changes that a transaction makes to the desired state. `ledger` must be the ledger after this
/// transaction, and before the next one.
pub fn follow(ledger: &Ledger, transaction: &Transaction) -> Delta {
    let mut delta = Delta::default();
    for change in &transaction.changes {
        match (&change.before, &change.after) {
            (_, Some(Row::Network(network))) => delta.network(ledger, network.id, Some(network)),
            (Some(Row::Network(network)), None) => delta.network(ledger, network.id, None),
            (_, Some(Row::Container(container))) => {
                delta.container(ledger, container.id, Some(container));
            }
            (Some(Row::Container(container)), None) => delta.container(ledger, container.id, None),
            (Some(Row::PortBinding(binding)), _) | (None, Some(Row::PortBinding(binding))) => {
                let known = |row: &Option<Row>| match row {
                    Some(Row::PortBinding(binding)) => Some(binding.clone()),
                    _ => None,
                };
                let (before, after) = (known(&change.before), known(&change.after));
                delta
                    .bindings
                    .insert(binding.host, BindingChange { before, after });
            }
            _ => {}
        }
    }
    let past = Past::of(ledger, transaction);
    for (id, (before, after)) in past.endpoints() {
        let before =
            before.and_then(|row| desired_endpoint(ledger, past.network(row.network)?, row));
        let after = after.and_then(|row| {
            let network = ledger.network_by_id(row.network)?;
            desired_endpoint(ledger, network, row)
        });
        delta.endpoints.insert(id, EndpointChange { before, after });
    }
    delta.links = past.links();
    delta
}

/// A transaction's rows as they were before it.
struct Past<'a> {
    ledger: &'a Ledger,
    networks: BTreeMap<NetworkId, &'a Network>,
    /// The endpoints whose row changed, before and after.
    changed: BTreeMap<EndpointId, (Option<&'a Endpoint>, Option<&'a Endpoint>)>,
    /// The same, by container and network.
    by_network: BTreeMap<(ContainerId, NetworkId), Option<&'a Endpoint>>,
}

impl<'a> Past<'a> {
    fn of(ledger: &'a Ledger, transaction: &'a Transaction) -> Self {
        let mut past = Self {
            ledger,
            networks: BTreeMap::new(),
            changed: BTreeMap::new(),
            by_network: BTreeMap::new(),
        };
        for change in &transaction.changes {
            if let Some(Row::Network(row)) = &change.before {
                past.networks.insert(row.id, row);
            }
            let known = |row: &'a Option<Row>| match row {
                Some(Row::Endpoint(endpoint)) => Some(endpoint),
                _ => None,
            };
            let (before, after) = (known(&change.before), known(&change.after));
            if let Some(row) = after.or(before) {
                past.changed.insert(row.id, (before, after));
                past.by_network.insert((row.container, row.network), before);
            }
        }
        past
    }

    /// Returns a network. A network outlives its endpoints: it is removed without any left, in a
    /// later transaction.
    fn network(&self, id: NetworkId) -> Option<&'a Network> {
        let before = self.networks.get(&id).copied();
        before.or_else(|| self.ledger.network_by_id(id))
    }

    /// Returns a container's endpoint on a network as it was.
    fn endpoint(&self, container: ContainerId, network: NetworkId) -> Option<&'a Endpoint> {
        match self.by_network.get(&(container, network)) {
            Some(before) => *before,
            None => self.ledger.endpoint_of(container, network),
        }
    }

    /// Endpoints whose row changed, or what their network is carried by.
    fn endpoints(&self) -> BTreeMap<EndpointId, (Option<&'a Endpoint>, Option<&'a Endpoint>)> {
        let mut all = self.changed.clone();
        for (id, before) in &self.networks {
            let Some(after) = self.ledger.network_by_id(*id) else {
                continue;
            };
            if segment_of(self.ledger, before) != segment_of(self.ledger, after) {
                for endpoint in self.ledger.endpoints_on(*id) {
                    let same = (Some(endpoint), Some(endpoint));
                    all.entry(endpoint.id).or_insert(same);
                }
            }
        }
        all
    }

    /// Returns the private names that are answered from now on or no longer: those of endpoints whose links or rows
    /// changed, and of endpoints that have links to them.
    fn links(&self) -> BTreeMap<PrivateName, bool> {
        let (mut before, mut after) = (BTreeSet::new(), BTreeSet::new());
        for (old, new) in self.changed.values() {
            for asker in old.iter() {
                for link in &asker.links {
                    let meant = self.endpoint(link.container, asker.network);
                    before.extend(linked(asker.container, link, meant));
                }
            }
            for asker in new.iter() {
                for link in &asker.links {
                    let meant = self.ledger.endpoint_of(link.container, asker.network);
                    after.extend(linked(asker.container, link, meant));
                }
            }
            let Some(meant) = new.or(*old) else {
                continue;
            };
            for (asker, link) in self.ledger.links_to(meant.container, meant.network) {
                before.extend(linked(asker.container, link, *old));
                after.extend(linked(asker.container, link, *new));
            }
        }
        let gone = before.difference(&after).map(|name| (name.clone(), false));
        let come = after.difference(&before).map(|name| (name.clone(), true));
        gone.chain(come).collect()
    }
}
