//! The ledger: decides commands against its state.

use crate::{
    Answer, Change, Command, Container, ContainerId, ContainerRef, DocumentKind, Endpoint,
    EndpointId, Link, LoadError, MAX_TOGETHER, Network, NetworkId, NetworkRef, PortBinding,
    Refusal, Revision, Row, RowKey, Settings, Transaction,
    decide::{self, Decision, DecisionContext},
    environment::Environment,
    load, lookup, spec,
    state::LedgerState,
};
use ipnet::IpNet;
use protocol::spec::{MacAddress, NetSpec};
use std::sync::Arc;
use std::{collections::BTreeMap, net::IpAddr};

/// The owner of everything that the VCH has decided: networks, containers, endpoints, addresses, names and published
/// ports. It decides [`Command`]s, in memory and without I/O; the package `vch-store` writes its transactions to disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ledger {
    settings: Settings,
    state: LedgerState,
    revision: Revision,
}

impl Ledger {
    /// Makes an empty ledger. [`bootstrap`](Self::bootstrap) then creates the predefined networks.
    pub fn new(settings: Settings) -> Self {
        Self {
            state: LedgerState::new(&settings),
            settings,
            revision: Revision(0),
        }
    }

    /// Makes a ledger from the rows (objects) that the store has, in any order. `revision` is the number of the last
    /// stored transaction.
    ///
    /// # Errors
    /// Returns [`LoadError`] for a row that contradicts another row or the settings: the store is damaged, or was
    /// written by another program.
    pub fn load(
        settings: Settings,
        rows: impl IntoIterator<Item = Row>,
        revision: Revision,
    ) -> Result<Self, LoadError> {
        let state = load::state(&settings, rows, revision)?;
        Ok(Self {
            settings,
            state,
            revision,
        })
    }

    /// Returns every row (object) of the ledger, ordered by key. [`load`](Self::load) makes an equal ledger from them.
    pub fn rows(&self) -> Vec<Row> {
        load::rows(&self.state)
    }

    /// Creates the predefined networks `none` and `bridge` if they do not exist, and makes the external networks those
    /// of the settings. Called at each start, after [`new`](Self::new) or [`load`](Self::load). Returns the transaction
    /// to be stored; `None` if nothing has to change.
    ///
    /// # Errors
    /// Returns the [`Refusal`] of the first network that is not possible: the default bridge's subnet is not valid or
    /// overlaps another, no pool has a free subnet, or an external network is refused as by [`Command::Configure`].
    pub fn bootstrap(
        &mut self,
        environment: &mut Environment<'_>,
    ) -> Result<Option<Transaction>, Refusal> {
        let decision = decide::bootstrap(self.context(), environment)?;
        for change in &decision.changes {
            self.apply(change.key, change.after.as_ref());
        }
        Ok((!decision.changes.is_empty()).then(|| self.number(decision)))
    }

    /// Decides a command, and changes the ledger's state accordingly. The caller has to store the returned transaction.
    ///
    /// # Errors
    /// Returns the reason for which the command is not carried out, as a [`Refusal`] with code and remedy. The state is
    /// not changed then.
    pub fn decide(
        &mut self,
        command: Command,
        environment: &mut Environment<'_>,
    ) -> Result<Transaction, Refusal> {
        let decision = match command {
            Command::Batch(commands) => self.batch(commands, environment)?,
            command => self.one(command, environment)?,
        };
        Ok(self.number(decision))
    }

    /// Decides a command and applies it, as a part of the transaction that is being decided.
    fn one(
        &mut self,
        command: Command,
        environment: &mut Environment<'_>,
    ) -> Result<Decision, Refusal> {
        let configured = match &command {
            Command::Configure(externals) => Some(externals.clone()),
            _ => None,
        };
        let decision = decide::decide(self.context(), command, environment)?;
        if let Some(externals) = configured {
            self.settings.externals = externals;
        }
        for change in &decision.changes {
            self.apply(change.key, change.after.as_ref());
        }
        Ok(decision)
    }

    /// Decides commands one after the other, each against the state that those before it leave; if
    /// one is refused, the state is restored.
    fn batch(
        &mut self,
        commands: Vec<Command>,
        environment: &mut Environment<'_>,
    ) -> Result<Decision, Refusal> {
        let count = commands.len();
        if count > MAX_TOGETHER {
            return Err(Refusal::TooMany {
                field: "commands",
                count,
                limit: MAX_TOGETHER,
            });
        }
        // What rests on a network is not in its row: subnets that were others for a moment would have forgotten it.
        let alone = |command: &Command| matches!(command, Command::Configure(_));
        if commands.iter().any(alone) {
            return Err(Refusal::Nested);
        }
        let mut changes: Vec<Change> = Vec::new();
        let mut answers = Vec::new();
        for command in commands {
            match self.one(command, environment) {
                Ok(decision) => {
                    changes.extend(decision.changes);
                    answers.push(decision.answer);
                }
                Err(refusal) => {
                    for change in changes.iter().rev() {
                        self.apply(change.key, change.before.as_ref());
                    }
                    return Err(refusal);
                }
            }
        }
        Ok(Decision {
            changes: merged(changes),
            answer: Answer::Batch(answers),
        })
    }

    fn context(&self) -> DecisionContext<'_> {
        DecisionContext {
            state: &self.state,
            settings: &self.settings,
            revision: self.next_revision(),
        }
    }

    fn next_revision(&self) -> Revision {
        Revision(self.revision.0 + 1)
    }

    fn apply(&mut self, key: RowKey, row: Option<&Row>) {
        match row {
            Some(row) => self.state.put(row.clone(), &self.settings),
            None => self.state.erase(key),
        }
    }

    fn number(&mut self, decision: Decision) -> Transaction {
        self.revision = self.next_revision();
        Transaction {
            revision: self.revision,
            changes: decision.changes,
            answer: decision.answer,
        }
    }
}

/// The queries: they read the state and change nothing.
impl Ledger {
    /// Returns the settings, which were made from the VCH's configuration.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Returns the number of the last transaction; 0 before the first.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// Returns the network that a caller names by ID, name, or the beginning of an ID.
    ///
    /// # Errors
    /// Returns [`Refusal::NetworkNotFound`] if no network matches, [`Refusal::NetworkAmbiguous`] if several IDs begin
    /// with the text.
    pub fn network(&self, network: &NetworkRef) -> Result<&Network, Refusal> {
        lookup::network(&self.state, network).map(|entry| &entry.row)
    }

    /// Returns the network with this ID; `None` if it does not exist.
    pub fn network_by_id(&self, id: NetworkId) -> Option<&Network> {
        self.state.networks.get(&id).map(|entry| &entry.row)
    }

    /// Returns all networks, ordered by ID.
    pub fn networks(&self) -> impl ExactSizeIterator<Item = &Network> {
        self.state.networks.values().map(|entry| &entry.row)
    }

    /// Returns the container that a caller names by ID, name, or the beginning of an ID.
    ///
    /// # Errors
    /// Returns [`Refusal::ContainerNotFound`] if no container matches, [`Refusal::ContainerAmbiguous`] if several IDs
    /// begin with the text.
    pub fn container(&self, container: &ContainerRef) -> Result<&Container, Refusal> {
        lookup::container(&self.state, container).map(|entry| &entry.row)
    }

    /// Returns the container with this ID; `None` if it does not exist.
    pub fn container_by_id(&self, id: ContainerId) -> Option<&Container> {
        self.state.containers.get(&id).map(|entry| &entry.row)
    }

    /// Returns all containers, running and stopped, ordered by ID.
    pub fn containers(&self) -> impl ExactSizeIterator<Item = &Container> {
        self.state.containers.values().map(|entry| &entry.row)
    }

    /// Returns the endpoint (connection of a container to a network) with this ID; `None` if it does not exist.
    pub fn endpoint(&self, id: EndpointId) -> Option<&Endpoint> {
        self.state.endpoints.get(&id)
    }

    /// Returns the endpoints of all containers, ordered by ID.
    pub fn endpoints(&self) -> impl ExactSizeIterator<Item = &Endpoint> {
        self.state.endpoints.values()
    }

    /// Returns a container's endpoints, ordered by network ID. Empty if the container does not exist.
    pub fn endpoints_of(&self, container: ContainerId) -> impl Iterator<Item = &Endpoint> {
        let entry = self.state.containers.get(&container);
        let ids = entry.into_iter().flat_map(|entry| entry.endpoints.values());
        ids.filter_map(|id| self.state.endpoints.get(id))
    }

    /// Returns the endpoints of all containers on a network, ordered by ID. Empty if the network does not exist.
    pub fn endpoints_on(&self, network: NetworkId) -> impl Iterator<Item = &Endpoint> {
        let entry = self.state.networks.get(&network);
        let ids = entry.into_iter().flat_map(|entry| &entry.endpoints);
        ids.filter_map(|id| self.state.endpoints.get(id))
    }

    /// Returns a container's endpoint on a network; `None` if the container is not connected to it.
    pub fn endpoint_of(&self, container: ContainerId, network: NetworkId) -> Option<&Endpoint> {
        let entry = self.state.containers.get(&container)?;
        self.state.endpoints.get(entry.endpoints.get(&network)?)
    }

    /// Returns the text of a container's document (a text that the ledger does not read) of this kind; `None` if the
    /// container has none.
    pub fn document(&self, container: ContainerId, kind: DocumentKind) -> Option<Arc<str>> {
        let entry = self.state.containers.get(&container)?;
        Some(Arc::clone(&entry.documents.get(&kind)?.text))
    }

    /// Returns all bindings (ports of the VCH that lead to a running container), ordered by protocol, then by port.
    pub fn bindings(&self) -> impl Iterator<Item = &PortBinding> {
        self.state.bindings.values().flat_map(BTreeMap::values)
    }

    /// Returns the bindings (ports of the VCH that lead to the container) of a container. Empty while it is stopped.
    pub fn bindings_of(&self, container: ContainerId) -> impl Iterator<Item = &PortBinding> {
        let entry = self.state.containers.get(&container);
        let hosts = entry.into_iter().flat_map(|entry| &entry.bindings);
        hosts.filter_map(|host| self.state.binding(host))
    }

    /// Returns the endpoints on a network that have a private name (Docker's link) for a container, each with that
    /// link.
    pub fn links_to(
        &self,
        container: ContainerId,
        network: NetworkId,
    ) -> impl Iterator<Item = (&Endpoint, &Link)> {
        let linked = self.state.linked.get(&(container, network));
        let askers = linked.into_iter().flatten();
        let askers = askers.filter_map(|id| self.state.endpoints.get(id));
        askers.flat_map(move |asker| {
            let links = asker.links.iter();
            let meant = links.filter(move |link| link.container == container);
            meant.map(move |link| (asker, link))
        })
    }

    /// Returns the network with a subnet that contains the address; `None` if no subnet does. Subnets of networks of
    /// kind configuration (Docker's `--config-only`) do not count.
    pub fn network_at(&self, address: IpAddr) -> Option<&Network> {
        let (_, id) = self.state.space.overlap(&IpNet::from(address))?;
        self.network_by_id(id)
    }

    /// Returns the endpoint that has the IP address; `None` if no endpoint has it.
    pub fn endpoint_at(&self, address: IpAddr) -> Option<&Endpoint> {
        let (_, id) = self.state.space.overlap(&IpNet::from(address))?;
        let subnet = self.state.networks.get(&id)?.subnet_of(address)?;
        self.state.endpoints.get(&subnet.holder(address)?)
    }

    /// Returns the endpoint that has the MAC address; `None` if no endpoint has it.
    pub fn endpoint_with(&self, mac: MacAddress) -> Option<&Endpoint> {
        self.state.endpoints.get(self.state.macs.get(&mac)?)
    }

    /// Returns the network specification that the agent must carry out in a container's VM; `None` while the container
    /// is stopped.
    pub fn spec(&self, container: ContainerId) -> Option<NetSpec> {
        let entry = self.state.containers.get(&container)?;
        let endpoints = spec::endpoints(&self.state, entry);
        // Every transaction checks that the spec which it makes is possible.
        spec::derive(&entry.row, &endpoints, &self.settings, entry.row.spec_id()?).ok()
    }
}

/// Returns one change for each row, from its state before the first change to that after the last,
/// without those that change nothing.
fn merged(changes: Vec<Change>) -> Vec<Change> {
    let mut positions: BTreeMap<RowKey, usize> = BTreeMap::new();
    let mut merged: Vec<Change> = Vec::new();
    for change in changes {
        match positions.get(&change.key) {
            Some(position) => merged[*position].after = change.after,
            None => {
                positions.insert(change.key, merged.len());
                merged.push(change);
            }
        }
    }
    merged.retain(|change| change.before != change.after);
    merged
}

#[cfg(test)]
pub(crate) mod tests;
