//! A container's rows while a decision changes them, and what is in force of the container then: its names, its open
//! and published ports, the generation of its spec.
//!
//! All of this follows from the rows in the same way, whatever command changed them.

use super::{DecisionContext, Draft, addresses, port, renumber};
use crate::{
    Container, Endpoint, EndpointId, Environment, Network, PortBinding, Refusal, Row, pointer_name,
    published_names,
    spec::{self, EndpointRef},
    state::ContainerState,
};

/// How a decision treats a container's published ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ports {
    /// All must be in force: the command is refused if one can't be.
    Require,
    /// Ports that can be published are in force: a command that takes something away is never
    /// refused for a port.
    Allow,
    /// They stay as they are.
    Keep,
}

/// A container's rows while a decision changes them.
pub(super) struct ContainerDraft<'a> {
    pub(super) context: DecisionContext<'a>,
    pub(super) entry: &'a ContainerState,
    pub(super) container: Container,
    pub(super) endpoints: Vec<EndpointDraft<'a>>,
}

/// An endpoint's row while a decision changes it, with its network.
#[derive(Clone)]
pub(super) struct EndpointDraft<'a> {
    pub(super) row: Endpoint,
    pub(super) network: &'a Network,
}

impl<'a> ContainerDraft<'a> {
    /// Returns the draft of a container without changes.
    pub(super) fn of(context: DecisionContext<'a>, entry: &'a ContainerState) -> Self {
        let endpoints = spec::endpoints(context.state, entry);
        Self {
            context,
            entry,
            container: entry.row.clone(),
            endpoints: endpoints
                .into_iter()
                .map(|endpoint| EndpointDraft {
                    row: endpoint.row.clone(),
                    network: endpoint.network,
                })
                .collect(),
        }
    }

    /// Returns the networks that the container is on.
    pub(super) fn networks(&self) -> Vec<&'a Network> {
        self.endpoints
            .iter()
            .map(|endpoint| endpoint.network)
            .collect()
    }

    /// Returns the container's endpoints with their networks.
    pub(super) fn view(&self) -> Vec<EndpointRef<'_>> {
        let endpoints = self.endpoints.iter();
        endpoints
            .map(|endpoint| EndpointRef {
                row: &endpoint.row,
                network: endpoint.network,
            })
            .collect()
    }

    /// Adds every change that follows from the draft to `draft`; returns the container's row and
    /// its published ports after them.
    ///
    /// # Errors
    /// Returns a refusal if no spec can be made of the rows, or if `ports` requires a port that
    /// can't be published.
    pub(super) fn settle(
        mut self,
        ports: Ports,
        environment: &mut Environment<'_>,
        draft: &mut Draft,
    ) -> Result<(Container, Vec<PortBinding>), Refusal> {
        for endpoint in &mut self.endpoints {
            answer(&self.container, endpoint);
        }
        let (state, entry) = (self.context.state, self.entry);
        let bindings = match ports {
            Ports::Require | Ports::Allow => {
                let targets = port::targets(&self.view());
                let all = ports == Ports::Require;
                port::in_force(
                    self.context,
                    &mut self.container,
                    &targets,
                    all,
                    environment,
                )?
            }
            Ports::Keep => {
                let kept = entry.bindings.iter();
                kept.filter_map(|host| state.binding(host).cloned())
                    .collect()
            }
        };
        let before = spec::endpoints(state, entry);
        let mut container = self.container.clone();
        renumber(
            self.context.settings,
            (&entry.row, &before),
            &mut container,
            &self.view(),
        )?;
        self.draft_endpoints(&before, draft);
        self.draft_bindings(&bindings, draft);
        draft.replace(
            Row::Container(entry.row.clone()),
            Row::Container(container.clone()),
        );
        Ok((container, bindings))
    }

    fn draft_endpoints(&self, before: &[EndpointRef<'_>], draft: &mut Draft) {
        let stays = |id: EndpointId| self.endpoints.iter().any(|endpoint| endpoint.row.id == id);
        for endpoint in before.iter().filter(|endpoint| !stays(endpoint.row.id)) {
            draft.remove(Row::Endpoint(endpoint.row.clone()));
            if let Some(network) = self.context.state.networks.get(&endpoint.network.id) {
                addresses::release(self.context, network, endpoint.row, draft);
            }
        }
        for endpoint in &self.endpoints {
            let row = Row::Endpoint(endpoint.row.clone());
            match self.context.state.endpoints.get(&endpoint.row.id) {
                Some(old) => draft.replace(Row::Endpoint(old.clone()), row),
                None => draft.add(row),
            }
        }
    }

    fn draft_bindings(&self, bindings: &[PortBinding], draft: &mut Draft) {
        let state = self.context.state;
        for old in self
            .entry
            .bindings
            .iter()
            .filter_map(|host| state.binding(host))
        {
            // Sorted by their hosts.
            let found = bindings.binary_search_by_key(&old.host, |binding| binding.host);
            if found.is_err() {
                draft.remove(Row::PortBinding(old.clone()));
            }
        }
        for new in bindings {
            match state.binding(&new.host) {
                Some(old) => {
                    let (old, new) = (old.clone(), new.clone());
                    draft.replace(Row::PortBinding(old), Row::PortBinding(new));
                }
                None => draft.add(Row::PortBinding(new.clone())),
            }
        }
    }
}

/// Sets the names and the open ports of an endpoint that are in force.
fn answer(container: &Container, endpoint: &mut EndpointDraft<'_>) {
    let EndpointDraft {
        row: endpoint,
        network,
    } = endpoint;
    let well = !(endpoint.only_healthy && container.unhealthy);
    endpoint.names = if container.runs() && well {
        published_names(container, &network.name, &endpoint.aliases)
    } else {
        Vec::new()
    };
    endpoint.pointer = pointer_name(container.id, &container.name, &network.name);
    endpoint.opened = if container.runs() && network.external().is_some() {
        port::opened(container)
    } else {
        Vec::new()
    };
}
