//! Decisions: a command against the state becomes changes and an answer, or a refusal.
//!
//! Nothing here writes to the state, so a refusal can't leave anything behind.

mod addresses;
mod container;
mod container_draft;
mod document;
mod endpoint;
mod external;
mod host_port;
mod network;
mod network_rows;
mod port;
mod publish;
mod subnets;

use crate::{
    Answer, Change, Command, Container, Environment, Refusal, Revision, Row, Settings,
    spec::{self, EndpointRef},
    state::LedgerState,
};
use protocol::spec::{Generation, Incarnation, NetSpec, SpecId};
use std::collections::BTreeMap;

/// The state and settings that a command is decided against.
#[derive(Clone, Copy)]
pub(crate) struct DecisionContext<'a> {
    pub(crate) state: &'a LedgerState,
    pub(crate) settings: &'a Settings,
    /// The number of the transaction that is being decided.
    pub(crate) revision: Revision,
}

/// The outcome of a decision: changes of rows, and the answer.
pub(crate) struct Decision {
    pub(crate) changes: Vec<Change>,
    pub(crate) answer: Answer,
}

/// Decides a command.
///
/// # Errors
/// Returns the [`Refusal`] of the command; no state was changed.
pub(crate) fn decide(
    context: DecisionContext<'_>,
    command: Command,
    environment: &mut Environment<'_>,
) -> Result<Decision, Refusal> {
    match command {
        Command::CreateNetwork(request) => network::create(context, request, environment),
        Command::RemoveNetwork(network) => network::remove(context, &network),
        Command::AddContainer(request) => container::add(context, request, environment),
        Command::RemoveContainer { container, force } => {
            container::remove(context, &container, force)
        }
        Command::Connect(request) => endpoint::connect(context, request, environment),
        Command::Disconnect { container, network } => {
            endpoint::disconnect(context, &container, &network, environment)
        }
        Command::StartContainer(container) => container::start(context, &container, environment),
        Command::StopContainer(container) => container::stop(context, &container, environment),
        Command::RenameContainer { container, name } => {
            container::rename(context, &container, name, environment)
        }
        Command::SetHealth {
            container,
            unhealthy,
        } => container::set_health(context, &container, unhealthy, environment),
        Command::SetDnsTtl { network, ttl } => network::set_dns_ttl(context, &network, ttl),
        Command::SetAliases {
            container,
            network,
            aliases,
        } => endpoint::set_aliases(context, (&container, &network), aliases, environment),
        Command::SetRate {
            container,
            network,
            rate,
        } => endpoint::set_rate(context, (&container, &network), rate),
        Command::PublishPorts { container, ports } => {
            publish::publish(context, &container, ports, environment)
        }
        Command::UnpublishPorts { container, ports } => {
            publish::unpublish(context, &container, &ports, environment)
        }
        Command::Configure(externals) => external::configure(context, &externals, environment),
        Command::Document {
            container,
            kind,
            text,
        } => document::keep(context, &container, kind, text),
        // The ledger takes them one by one.
        Command::Batch(_) => Err(Refusal::Nested),
    }
}

pub(crate) use network::bootstrap;

/// Changes in the making.
#[derive(Default)]
struct Draft {
    changes: Vec<Change>,
}

impl Draft {
    fn add(&mut self, row: Row) {
        self.changes.push(Change {
            key: row.key(),
            before: None,
            after: Some(row),
        });
    }

    fn replace(&mut self, before: Row, after: Row) {
        if before != after {
            self.changes.push(Change {
                key: after.key(),
                before: Some(before),
                after: Some(after),
            });
        }
    }

    fn remove(&mut self, row: Row) {
        self.changes.push(Change {
            key: row.key(),
            before: Some(row),
            after: None,
        });
    }

    fn answered(self, answer: Answer) -> Decision {
        Decision {
            changes: self.changes,
            answer,
        }
    }
}

/// Gives a container the next generation if its spec is not what it was, and makes sure that it has
/// one at all.
fn renumber(
    settings: &Settings,
    (before, endpoints_before): (&Container, &[EndpointRef<'_>]),
    after: &mut Container,
    endpoints_after: &[EndpointRef<'_>],
) -> Result<(), Refusal> {
    let derived = possible(settings, after, endpoints_after)?;
    let same =
        spec::derive(before, endpoints_before, settings, NO_SPEC).is_ok_and(|old| old == derived);
    if !same {
        after.generation = Generation(before.generation.0 + 1);
    }
    Ok(())
}

/// Any spec's identity, to compare what is behind it.
const NO_SPEC: SpecId = SpecId {
    incarnation: Incarnation([0; 16]),
    generation: Generation(0),
};

/// Returns the spec of a container with these endpoints, or the refusal if none is possible, before
/// it is promised to a caller.
fn possible(
    settings: &Settings,
    container: &Container,
    endpoints: &[EndpointRef<'_>],
) -> Result<NetSpec, Refusal> {
    let derived = spec::derive(container, endpoints, settings, NO_SPEC);
    derived.map_err(|reason| Refusal::SpecImpossible {
        container: container.name.clone(),
        reason: reason.to_string(),
    })
}

fn random<const N: usize>(environment: &mut Environment<'_>) -> [u8; N] {
    let mut bytes = [0; N];
    (environment.random)(&mut bytes);
    bytes
}

fn at_most(field: &'static str, count: usize, limit: usize) -> Result<(), Refusal> {
    if count > limit {
        return Err(Refusal::TooMany {
            field,
            count,
            limit,
        });
    }
    Ok(())
}

fn short_enough(field: &'static str, text: &str, limit: usize) -> Result<(), Refusal> {
    if text.len() > limit {
        return Err(Refusal::TooLong {
            field,
            start: text.chars().take(32).collect(),
            length: text.len(),
            limit,
        });
    }
    Ok(())
}

/// Checks the number and the lengths of a network's labels or options: at most [`MAX_LABELS`](crate::MAX_LABELS)
/// entries, keys of at most [`MAX_LABEL_KEY`](crate::MAX_LABEL_KEY) and values of at most
/// [`MAX_LABEL_VALUE`](crate::MAX_LABEL_VALUE) bytes. `field` is the name that an error gives for them.
///
/// # Errors
/// Returns [`Refusal::TooMany`] if there are too many entries, [`Refusal::TooLong`] if a key or a value is too long.
pub fn bounded_texts(field: &'static str, texts: &BTreeMap<String, String>) -> Result<(), Refusal> {
    bounded_map(field, texts, crate::MAX_LABELS, String::as_str)
}

/// Checks the number and lengths of labels, options or auxiliary addresses.
fn bounded_map<V>(
    field: &'static str,
    map: &BTreeMap<String, V>,
    most: usize,
    value: impl Fn(&V) -> &str,
) -> Result<(), Refusal> {
    at_most(field, map.len(), most)?;
    map.iter().try_for_each(|(key, of)| {
        short_enough(field, key, crate::MAX_LABEL_KEY)?;
        short_enough(field, value(of), crate::MAX_LABEL_VALUE)
    })
}
