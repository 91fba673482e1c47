//! The ledger: decides commands against its state.

use crate::{
    Answer, Change, Command, Container, ContainerId, ContainerRef, DocumentKind, Endpoint,
    EndpointId, HostPort, Link, LoadError, MAX_TOGETHER, Network, NetworkId, NetworkRef,
    PortBinding, Refusal, Revision, Row, RowKey, Settings, Transaction,
    decide::{self, Decision, DecisionContext},
    load, lookup, spec,
    state::LedgerState,
};
use ipnet::IpNet;
use protocol::spec::{MacAddress, NetSpec};
use std::sync::Arc;
use std::{collections::BTreeMap, net::IpAddr};

/// What a decision needs from outside the state.
pub struct Environment<'a> {
    /// Fills a slice with random bytes, of the quality of getrandom(2).
    pub random: &'a mut dyn FnMut(&mut [u8]),
    /// The time, milliseconds since 1970.
    pub now_ms: u64,
    /// The destination of a route of the VCH, of any table, that overlaps a subnet: neither a
    /// default route nor one that the coordinator made.
    pub host_overlap: &'a dyn Fn(&IpNet) -> Option<IpNet>,
    /// Who on the VCH listens at a port of it, in words.
    pub listener: &'a dyn Fn(&HostPort) -> Option<String>,
}

/// Owner of what the VCH has decided: networks, containers, endpoints, addresses and names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ledger {
    settings: Settings,
    state: LedgerState,
    revision: Revision,
}

impl Ledger {
    /// A ledger without any row; [`bootstrap`](Self::bootstrap) makes the predefined networks.
    pub fn new(settings: Settings) -> Self {
        Self {
            state: LedgerState::new(&settings),
            settings,
            revision: Revision(0),
        }
    }

    /// A ledger of rows that were stored, in any order; `revision` is that of the last transaction.
    ///
    /// # Errors
    /// Rows that contradict one another: the store is damaged, or was written by another program.
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

    /// Every row, in the order of their keys: what [`load`](Self::load) makes the same ledger of.
    pub fn rows(&self) -> Vec<Row> {
        load::rows(&self.state)
    }

    /// Makes those of the predefined networks that do not exist, and the external ones what the
    /// settings have; `None` when all is so.
    ///
    /// # Errors
    /// The default bridge's subnet is not possible, or no pool has one; or the external networks
    /// can't be so, as by [`Command::Configure`].
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

    /// Decides a command and applies it to the state.
    ///
    /// # Errors
    /// The command is refused; nothing has changed then.
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

    /// Each command finds the state as those before it leave them; where one is refused, everything
    /// is as it was.
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

/// Questions.
impl Ledger {
    /// What the ledger was told about its VCH.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The last transaction's number.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// The network that a caller names.
    ///
    /// # Errors
    /// None, or several by an id's prefix.
    pub fn network(&self, network: &NetworkRef) -> Result<&Network, Refusal> {
        lookup::network(&self.state, network).map(|entry| &entry.row)
    }

    /// The network of this identity.
    pub fn network_by_id(&self, id: NetworkId) -> Option<&Network> {
        self.state.networks.get(&id).map(|entry| &entry.row)
    }

    /// All networks, by id.
    pub fn networks(&self) -> impl ExactSizeIterator<Item = &Network> {
        self.state.networks.values().map(|entry| &entry.row)
    }

    /// The container that a caller names.
    ///
    /// # Errors
    /// None, or several by an id's prefix.
    pub fn container(&self, container: &ContainerRef) -> Result<&Container, Refusal> {
        lookup::container(&self.state, container).map(|entry| &entry.row)
    }

    /// The container of this identity.
    pub fn container_by_id(&self, id: ContainerId) -> Option<&Container> {
        self.state.containers.get(&id).map(|entry| &entry.row)
    }

    /// All containers, by id.
    pub fn containers(&self) -> impl ExactSizeIterator<Item = &Container> {
        self.state.containers.values().map(|entry| &entry.row)
    }

    /// The endpoint of this identity.
    pub fn endpoint(&self, id: EndpointId) -> Option<&Endpoint> {
        self.state.endpoints.get(&id)
    }

    /// All endpoints, by id.
    pub fn endpoints(&self) -> impl ExactSizeIterator<Item = &Endpoint> {
        self.state.endpoints.values()
    }

    /// A container's endpoints, by network id.
    pub fn endpoints_of(&self, container: ContainerId) -> impl Iterator<Item = &Endpoint> {
        let entry = self.state.containers.get(&container);
        let ids = entry.into_iter().flat_map(|entry| entry.endpoints.values());
        ids.filter_map(|id| self.state.endpoints.get(id))
    }

    /// A network's endpoints, by id.
    pub fn endpoints_on(&self, network: NetworkId) -> impl Iterator<Item = &Endpoint> {
        let entry = self.state.networks.get(&network);
        let ids = entry.into_iter().flat_map(|entry| &entry.endpoints);
        ids.filter_map(|id| self.state.endpoints.get(id))
    }

    /// Returns a container's endpoint on a network.
    pub fn endpoint_of(&self, container: ContainerId, network: NetworkId) -> Option<&Endpoint> {
        let entry = self.state.containers.get(&container)?;
        self.state.endpoints.get(entry.endpoints.get(&network)?)
    }

    /// A document that is kept with a container.
    pub fn document(&self, container: ContainerId, kind: DocumentKind) -> Option<Arc<str>> {
        let entry = self.state.containers.get(&container)?;
        Some(Arc::clone(&entry.documents.get(&kind)?.text))
    }

    /// All published ports that are in force, by the VCH's port.
    pub fn bindings(&self) -> impl Iterator<Item = &PortBinding> {
        self.state.bindings.values().flat_map(BTreeMap::values)
    }

    /// A container's published ports that are in force.
    pub fn bindings_of(&self, container: ContainerId) -> impl Iterator<Item = &PortBinding> {
        let entry = self.state.containers.get(&container);
        let hosts = entry.into_iter().flat_map(|entry| &entry.bindings);
        hosts.filter_map(|host| self.state.binding(host))
    }

    /// Who has a name of its own for a container on a network: its endpoints there, each with the
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

    /// The network whose subnet covers an address.
    pub fn network_at(&self, address: IpAddr) -> Option<&Network> {
        let (_, id) = self.state.space.overlap(&IpNet::from(address))?;
        self.network_by_id(id)
    }

    /// Whose address it is.
    pub fn endpoint_at(&self, address: IpAddr) -> Option<&Endpoint> {
        let (_, id) = self.state.space.overlap(&IpNet::from(address))?;
        let subnet = self.state.networks.get(&id)?.subnet_of(address)?;
        self.state.endpoints.get(&subnet.holder(address)?)
    }

    /// Whose MAC address it is.
    pub fn endpoint_with(&self, mac: MacAddress) -> Option<&Endpoint> {
        self.state.endpoints.get(self.state.macs.get(&mac)?)
    }

    /// The network that a container's VM must have now; `None` before its first start.
    pub fn spec(&self, container: ContainerId) -> Option<NetSpec> {
        let entry = self.state.containers.get(&container)?;
        let endpoints = spec::endpoints(&self.state, entry);
        // Every transaction checks that the spec which it makes is possible.
        spec::derive(&entry.row, &endpoints, &self.settings, entry.row.spec_id()?).ok()
    }
}

/// One change for each row, from what it was before the first to what it is after the last; without
/// those that come to nothing.
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
