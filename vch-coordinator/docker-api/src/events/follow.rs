//! Converts the changes of the ledger and the events of the runtime to Docker's events.

use super::{DockerEvent, EventKind, Events, container::event_of};
use docker_model::networks::response::driver;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use tokio::sync::broadcast::{Receiver, error::RecvError};
use vch_ledger::{
    Change, ContainerId, EndpointId, Ledger, Network, NetworkId, Revision, Row, RowKey,
};
use vch_runtime::{Runtime, event::ContainerEvent};
use vch_store::{Changes, ChangesError, LedgerHandle, Logged, WriterError};

/// Turns the changes of the ledger and the events of the runtime into Docker's events, until the ledger's writer
/// ends.
pub async fn follow(events: Events, ledger_handle: LedgerHandle, runtime: Runtime) {
    let listened = runtime.events().listen();
    let containers = of_containers(&events, listened);
    let networks = of_networks(&events, &ledger_handle);
    tokio::select! {
        () = containers => {}
        ended = networks => {
            if let Err(error) = ended {
                tracing::debug!(%error, "events of networks ended");
            }
        }
    }
}

async fn of_containers(events: &Events, mut listened: Receiver<Arc<ContainerEvent>>) {
    loop {
        match listened.recv().await {
            Ok(event) => events.tell(event_of(&event)),
            Err(RecvError::Lagged(missed)) => {
                tracing::warn!(missed, "events of containers lost");
            }
            Err(RecvError::Closed) => return,
        }
    }
}

async fn of_networks(events: &Events, ledger_handle: &LedgerHandle) -> Result<(), ChangesError> {
    let (mut seen, mut changes) = begin(ledger_handle).await?;
    loop {
        match changes.next().await {
            Ok(logged) => seen.tell(&logged, events),
            // Continues with the transactions in the store.
            Err(ChangesError::Lagged { .. }) => {}
            Err(ChangesError::Compacted { .. }) => {
                tracing::warn!("events of networks lost: too many at once");
                (seen, changes) = begin(ledger_handle).await?;
            }
            Err(error) => return Err(error),
        }
    }
}

async fn begin(ledger_handle: &LedgerHandle) -> Result<(Seen, Changes), ChangesError> {
    let (revision, seen) = look(ledger_handle).await?;
    Ok((seen, ledger_handle.changes_since(revision).await?))
}

async fn look(ledger_handle: &LedgerHandle) -> Result<(Revision, Seen), WriterError> {
    let whole = ledger_handle.read(|ledger| (ledger.revision(), Seen::of(ledger)));
    whole.await
}

/// The data of the ledger that events need, as of the last transaction that was handled.
#[derive(Debug, Default)]
pub(super) struct Seen {
    networks: BTreeMap<NetworkId, Attributes>,
    containers: BTreeMap<ContainerId, Known>,
}

#[derive(Debug, Default)]
struct Known {
    runs: bool,
    endpoints: BTreeMap<EndpointId, NetworkId>,
}

type Attributes = BTreeMap<String, String>;
type InForce = BTreeMap<EndpointId, (ContainerId, NetworkId)>;

impl Seen {
    pub(super) fn of(ledger: &Ledger) -> Self {
        let networks = ledger.networks();
        let containers = ledger.containers().map(|container| {
            let endpoints = ledger.endpoints_of(container.id);
            let known = Known {
                runs: container.runs(),
                endpoints: endpoints
                    .map(|endpoint| (endpoint.id, endpoint.network))
                    .collect(),
            };
            (container.id, known)
        });
        Self {
            networks: networks.map(|one| (one.id, attributes(one))).collect(),
            containers: containers.collect(),
        }
    }

    /// Sends the events of a transaction. Networks come first and are removed last, and an endpoint
    /// counts only while its container runs, as in dockerd.
    pub(super) fn tell(&mut self, logged: &Logged, events: &Events) {
        let at = Duration::from_millis(logged.at_ms);
        let tell = |action: &str, id: NetworkId, attributes: Attributes| {
            events.tell(DockerEvent {
                kind: EventKind::Network,
                action: action.to_owned(),
                id: id.to_string(),
                attributes,
                at,
            });
        };
        for change in &logged.changes {
            if let Some(Row::Network(network)) = &change.after {
                let known = self.networks.insert(network.id, attributes(network));
                if known.is_none() {
                    tell("create", network.id, attributes(network));
                }
            }
        }
        let concerned = concerned(&logged.changes);
        let before = self.in_force(&concerned);
        logged.changes.iter().for_each(|change| self.apply(change));
        let after = self.in_force(&concerned);
        let gone = before.iter().filter(|(id, _)| !after.contains_key(id));
        let gone = gone.map(|(_, endpoint)| ("disconnect", endpoint));
        let new = after.iter().filter(|(id, _)| !before.contains_key(id));
        let new = new.map(|(_, endpoint)| ("connect", endpoint));
        for (action, (container, network)) in gone.chain(new) {
            let mut attributes = self.networks.get(network).cloned().unwrap_or_default();
            attributes.insert("container".to_owned(), container.to_string());
            tell(action, *network, attributes);
        }
        for change in &logged.changes {
            if let (RowKey::Network(network), None) = (change.key, &change.after) {
                let attributes = self.networks.remove(&network).unwrap_or_default();
                tell("destroy", network, attributes);
            }
        }
    }

    /// Returns the endpoints of those of these containers that run.
    fn in_force(&self, containers: &BTreeSet<ContainerId>) -> InForce {
        let known = containers.iter();
        let known = known.filter_map(|id| Some((*id, self.containers.get(id)?)));
        let running = known.filter(|(_, known)| known.runs);
        let endpoints = running.flat_map(|(container, known)| {
            let endpoints = known.endpoints.iter();
            endpoints.map(move |(endpoint, network)| (*endpoint, (container, *network)))
        });
        endpoints.collect()
    }

    fn apply(&mut self, change: &Change) {
        match (change.key, &change.before, &change.after) {
            (RowKey::Container(id), _, None) => {
                self.containers.remove(&id);
            }
            (RowKey::Container(id), _, Some(Row::Container(container))) => {
                self.containers.entry(id).or_default().runs = container.runs();
            }
            (RowKey::Endpoint(id), _, Some(Row::Endpoint(endpoint))) => {
                let known = self.containers.entry(endpoint.container).or_default();
                known.endpoints.insert(id, endpoint.network);
            }
            (RowKey::Endpoint(id), Some(Row::Endpoint(endpoint)), None) => {
                if let Some(known) = self.containers.get_mut(&endpoint.container) {
                    known.endpoints.remove(&id);
                }
            }
            _ => {}
        }
    }
}

/// Returns the containers whose endpoints a transaction may have changed.
fn concerned(changes: &[Change]) -> BTreeSet<ContainerId> {
    let mut concerned = BTreeSet::new();
    for change in changes {
        let rows = [&change.before, &change.after];
        concerned.extend(rows.into_iter().flatten().filter_map(|row| match row {
            Row::Container(container) => Some(container.id),
            Row::Endpoint(endpoint) => Some(endpoint.container),
            _ => None,
        }));
    }
    concerned
}

fn attributes(network: &Network) -> Attributes {
    BTreeMap::from([
        ("name".to_owned(), network.name.to_string()),
        ("type".to_owned(), driver(network).to_owned()),
    ])
}
