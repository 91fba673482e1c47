//! The content that the nftables tables must have, by the network, port or published port that needs it. Computes the
//! difference that a change makes.

use super::things::{FilteredPort, Held, NatEnvironment, of_binding, of_network, of_port};
use std::collections::{BTreeMap, BTreeSet};
use vch_ledger::desired::{Delta, NetworkBacking};
use vch_ledger::{EndpointId, HostPort, Id as _, NetworkId, PortBinding};
use vch_nftables::NameError;

/// The networks, container ports and published ports that have elements in the nftables sets. Elements that several of
/// them need are counted, so that they are removed with the last one. The cost of a change is proportional to the
/// number of objects that change.
#[derive(Debug)]
pub struct NatState {
    environment: NatEnvironment,
    networks: BTreeMap<NetworkId, NetworkBacking>,
    numbers: Numbers,
    ports: BTreeMap<EndpointId, FilteredPort>,
    bindings: BTreeMap<HostPort, PortBinding>,
    /// How many things hold what several may hold.
    shares: BTreeMap<Held, usize>,
}

/// A change of networks, container ports and published ports. `None` in place of an object means that it is removed.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// The networks that change, by ID.
    pub networks: BTreeMap<NetworkId, Option<NetworkBacking>>,
    /// The containers' ports (links on bridges) that change, by the ID of the endpoint.
    pub ports: BTreeMap<EndpointId, Option<FilteredPort>>,
    /// The published ports that change, by port of the VCH.
    pub bindings: BTreeMap<HostPort, Option<PortBinding>>,
}

impl From<&Delta> for Changes {
    fn from(delta: &Delta) -> Self {
        let ports = delta.endpoints.iter();
        let bindings = delta.bindings.iter();
        Self {
            networks: delta.networks.clone(),
            ports: ports
                .map(|(id, change)| (*id, change.after.as_ref().map(Into::into)))
                .collect(),
            bindings: bindings
                .map(|(host, change)| (*host, change.after.clone()))
                .collect(),
        }
    }
}

/// The elements, chains and sets that a change removes from the nftables tables and adds to them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// The content that is removed: no network, port or published port needs it any more.
    pub gone: BTreeSet<Held>,
    /// The content that is added: a network, port or published port needs it now.
    pub new: BTreeSet<Held>,
}

impl NatState {
    /// Makes a state without networks and ports. It holds only what the configuration needs.
    pub fn new(environment: NatEnvironment) -> Self {
        Self {
            environment,
            networks: BTreeMap::new(),
            numbers: Numbers::default(),
            ports: BTreeMap::new(),
            bindings: BTreeMap::new(),
            shares: BTreeMap::new(),
        }
    }

    /// Returns the part of the configuration that the nftables rules depend on.
    pub fn environment(&self) -> &NatEnvironment {
        &self.environment
    }

    /// Returns all networks.
    pub fn networks(&self) -> impl Iterator<Item = &NetworkBacking> {
        self.networks.values()
    }

    /// Returns the published port at a port of the VCH; `None` if nothing is published there.
    pub fn binding(&self, host: &HostPort) -> Option<&PortBinding> {
        self.bindings.get(host)
    }

    /// Returns all elements, chains and sets that the nftables tables must hold.
    ///
    /// # Errors
    /// Returns [`NameError`] if a name of the ledger is not a valid nftables name.
    pub fn whole(&self) -> Result<BTreeSet<Held>, NameError> {
        let mut whole: BTreeSet<Held> = self.environment.held()?.into_iter().collect();
        for network in self.networks.values() {
            whole.extend(of_network(network)?);
        }
        for port in self.ports.values() {
            whole.extend(self.port(port)?);
        }
        for binding in self.bindings.values() {
            whole.extend(of_binding(binding)?);
        }
        Ok(whole)
    }

    fn port(&self, port: &FilteredPort) -> Result<Vec<Held>, NameError> {
        let number = self.numbers.get(port.network).unwrap_or_default();
        let network = self.networks.get(&port.network);
        of_port(port, number, network)
    }

    /// Applies a change to the state. Returns what must be removed from the nftables tables and added to them.
    ///
    /// # Errors
    /// Returns [`NameError`] if a name of the ledger is not a valid nftables name.
    pub fn change(&mut self, changes: Changes) -> Result<Difference, NameError> {
        let mut tally = Tally::default();
        // A port's elements say which network it is on: networks come before their ports and go
        // behind them.
        let (mut come, mut go) = (Vec::new(), Vec::new());
        for (id, network) in changes.networks {
            match network {
                Some(network) => come.push((id, network)),
                None => go.push(id),
            }
        }
        for (id, network) in come {
            self.numbers.give(id);
            tally.add(of_network(&network)?, 1);
            if let Some(before) = self.networks.insert(id, network) {
                tally.add(of_network(&before)?, -1);
            }
        }
        for (id, port) in changes.ports {
            if let Some(before) = self.ports.remove(&id) {
                tally.add(self.port(&before)?, -1);
            }
            if let Some(port) = port {
                self.numbers.give(port.network);
                tally.add(self.port(&port)?, 1);
                self.ports.insert(id, port);
            }
        }
        for (host, binding) in changes.bindings {
            if let Some(before) = self.bindings.remove(&host) {
                tally.add(of_binding(&before)?, -1);
            }
            if let Some(binding) = binding {
                tally.add(of_binding(&binding)?, 1);
                self.bindings.insert(host, binding);
            }
        }
        for id in go {
            if let Some(before) = self.networks.remove(&id) {
                tally.add(of_network(&before)?, -1);
            }
            self.numbers.take(id);
        }
        Ok(self.settle(tally))
    }

    fn settle(&mut self, tally: Tally) -> Difference {
        let mut difference = Difference::default();
        for (held, change) in tally.0 {
            if !held.may_be_shared() {
                match change {
                    0 => {}
                    1.. => _ = difference.new.insert(held),
                    _ => _ = difference.gone.insert(held),
                }
                continue;
            }
            let before = self.shares.get(&held).copied().unwrap_or(0);
            let after = before.saturating_add_signed(change);
            match (before, after) {
                (0, 0) => {}
                (0, _) => _ = difference.new.insert(held.clone()),
                (_, 0) => _ = difference.gone.insert(held.clone()),
                _ => {}
            }
            if after == 0 {
                self.shares.remove(&held);
            } else {
                self.shares.insert(held, after);
            }
        }
        difference
    }
}

/// How many more things need something.
#[derive(Default)]
struct Tally(BTreeMap<Held, isize>);

impl Tally {
    fn add(&mut self, held: Vec<Held>, count: isize) {
        for one in held {
            *self.0.entry(one).or_default() += count;
        }
    }
}

/// A number for each network, for the frames on a bridge that several share. It follows from the
/// network's ID, so that it is the same after a restart.
#[derive(Debug, Default)]
struct Numbers {
    by_network: BTreeMap<NetworkId, u32>,
    by_number: BTreeMap<u32, NetworkId>,
}

impl Numbers {
    fn get(&self, network: NetworkId) -> Option<u32> {
        self.by_network.get(&network).copied()
    }

    fn give(&mut self, network: NetworkId) {
        if self.by_network.contains_key(&network) {
            return;
        }
        let [a, b, c, d, ..] = network.bytes();
        let mut number = u32::from_be_bytes([*a, *b, *c, *d]);
        // No mark is zero: that is a frame without one.
        while number == 0 || self.by_number.contains_key(&number) {
            number = number.wrapping_add(1);
        }
        self.by_network.insert(network, number);
        self.by_number.insert(number, network);
    }

    fn take(&mut self, network: NetworkId) {
        if let Some(number) = self.by_network.remove(&network) {
            self.by_number.remove(&number);
        }
    }
}

#[cfg(test)]
mod tests;
