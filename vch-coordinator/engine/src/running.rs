//! Changes the NICs of running VMs, by the [`Nics`](vch_network::Nics) implementation of what runs the VMs.
//!
//! A change takes as long as that implementation takes. Changes therefore run concurrently with everything else; only
//! those of one container are made one after the other, in the order of the ledger's transactions. A tap is kept until
//! its NIC is unplugged. A change that was refused or not answered is retried.

use crate::error::{DataplaneError, Later};
use futures_util::{
    FutureExt,
    future::{BoxFuture, join_all},
};
use parking_lot::{Mutex, MutexGuard};
use protocol::spec::InterfaceName;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use tokio::sync::oneshot;
use vch_ledger::{
    ContainerId,
    desired::{Delta, DesiredEndpoint, Nic},
};
use vch_log::error_chain;
use vch_network::{
    NicError, Nics,
    segments::{Port, Segments},
};

/// The changes of running VMs' NICs that are in progress, or failed and are retried.
pub struct Running {
    executor: Executor,
    /// The end of each container's last change, for which the container's next change waits.
    last: BTreeMap<ContainerId, oneshot::Receiver<()>>,
}

/// Makes changes, one call of [`Nics`](vch_network::Nics) after the other.
#[derive(Clone)]
struct Executor {
    nics: Arc<dyn Nics>,
    segments: Segments,
    pending: Arc<Mutex<Pending>>,
}

/// The changes that are not made yet, by tap.
#[derive(Default)]
struct Pending {
    /// The taps whose NIC is to be unplugged; the tap is removed then.
    leaving: BTreeMap<InterfaceName, (Port, Nic)>,
    /// The taps that were made anew under a running VM's NIC, which is to be reattached.
    stale: BTreeMap<InterfaceName, Nic>,
    /// The error of the last try, as a message.
    failed: BTreeMap<InterfaceName, String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Change {
    Plug(Nic),
    Unplug(InterfaceName),
    Reattach(InterfaceName),
}

impl Running {
    /// Makes a [`Running`] without changes. `nics` changes the NICs; `segments` removes the tap of an unplugged NIC.
    pub fn new(nics: Arc<dyn Nics>, segments: Segments) -> Self {
        Self {
            executor: Executor {
                nics,
                segments,
                pending: Arc::default(),
            },
            last: BTreeMap::new(),
        }
    }

    /// Returns a future that makes one transaction's changes of running VMs' NICs; `None` if it has none. `port`
    /// returns the port (link on a bridge) of an endpoint that is removed.
    pub fn follow(
        &mut self,
        delta: &Delta,
        port: impl Fn(&DesiredEndpoint) -> Port,
    ) -> Option<Later> {
        let mut changes: BTreeMap<ContainerId, Vec<Change>> = BTreeMap::new();
        for change in delta.endpoints.values() {
            let (endpoint, comes) = match (&change.before, &change.after) {
                (None, Some(endpoint)) => (endpoint, true),
                (Some(endpoint), None) => (endpoint, false),
                _ => continue,
            };
            let Some(nic) = &endpoint.nic else {
                continue;
            };
            let of = changes.entry(nic.container_id).or_default();
            if comes {
                of.push(Change::Plug(nic.clone()));
            } else {
                let leaving = (port(endpoint), nic.clone());
                self.executor
                    .pending()
                    .leaving
                    .insert(endpoint.port.clone(), leaving);
                of.push(Change::Unplug(endpoint.port.clone()));
            }
        }
        for (id, container) in &delta.containers {
            if container.is_none() {
                self.last.remove(id);
            }
        }
        self.in_order(changes)
    }

    /// Returns a future that retries the changes that failed; `None` if none failed.
    pub fn again(&mut self) -> Option<Later> {
        let mut changes: BTreeMap<ContainerId, Vec<Change>> = BTreeMap::new();
        {
            let pending = self.executor.pending();
            for (tap, (_, nic)) in &pending.leaving {
                let of = changes.entry(nic.container_id).or_default();
                of.push(Change::Unplug(tap.clone()));
            }
            for (tap, nic) in &pending.stale {
                let of = changes.entry(nic.container_id).or_default();
                of.push(Change::Reattach(tap.clone()));
            }
        }
        self.in_order(changes)
    }

    /// Returns the ports (taps on bridges) that must be kept although their endpoints are removed: a running VM still
    /// has a NIC on them.
    pub fn leaving(&self) -> Vec<Port> {
        let pending = self.executor.pending();
        pending
            .leaving
            .values()
            .map(|(port, _)| port.clone())
            .collect()
    }

    /// Returns a message for each change that failed and will be retried.
    pub fn failed(&self) -> Vec<String> {
        self.executor.pending().failed.values().cloned().collect()
    }

    /// Notes which of the links that were `created` are taps of running VMs, whose NICs must be reattached. `whole` is
    /// the desired state of the whole ledger.
    pub fn note_stale(&self, whole: &Delta, created: &BTreeSet<InterfaceName>) {
        let endpoints = whole
            .endpoints
            .values()
            .filter_map(|change| change.after.as_ref());
        let nics: BTreeMap<&InterfaceName, &Nic> = endpoints
            .filter_map(|endpoint| Some((&endpoint.port, endpoint.nic.as_ref()?)))
            .collect();
        let mut pending = self.executor.pending();
        let stale = created
            .iter()
            .filter_map(|tap| Some((tap.clone(), (*nics.get(tap)?).clone())));
        pending.stale.extend(stale);
        // An endpoint that is removed meanwhile needs no reattaching.
        let Pending {
            stale,
            leaving,
            failed,
        } = &mut *pending;
        stale.retain(|tap, _| nics.contains_key(tap));
        failed.retain(|tap, _| stale.contains_key(tap) || leaving.contains_key(tap));
    }

    fn in_order(&mut self, changes: BTreeMap<ContainerId, Vec<Change>>) -> Option<Later> {
        let groups: Vec<BoxFuture<'static, Result<(), DataplaneError>>> = changes
            .into_iter()
            .map(|(container, changes)| {
                let (end, ended) = oneshot::channel();
                let before = self.last.insert(container, ended);
                let executor = self.executor.clone();
                async move {
                    if let Some(before) = before {
                        // Its sender goes with it, however it ends.
                        let _ = before.await;
                    }
                    let mut done = Ok(());
                    for change in changes {
                        done = done.and(executor.carry_out(&change).await);
                    }
                    drop(end);
                    done
                }
                .boxed()
            })
            .collect();
        (!groups.is_empty()).then(|| {
            let all = async { join_all(groups).await.into_iter().collect() };
            all.boxed()
        })
    }
}

impl Executor {
    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock()
    }

    async fn carry_out(&self, change: &Change) -> Result<(), DataplaneError> {
        match change {
            Change::Plug(nic) => Ok(self.nics.plug(nic).await?),
            Change::Unplug(tap) => {
                let leaving = self.pending().leaving.get(tap).cloned();
                // Done already, by an earlier try.
                let Some((port, nic)) = leaving else {
                    return Ok(());
                };
                self.note(tap, self.nics.unplug(&nic).await)?;
                self.segments.remove_port(&port.name).await?;
                self.pending().leaving.remove(tap);
                Ok(())
            }
            Change::Reattach(tap) => {
                let stale = self.pending().stale.get(tap).cloned();
                let Some(nic) = stale else {
                    return Ok(());
                };
                self.note(tap, self.nics.reattach(&nic).await)?;
                self.pending().stale.remove(tap);
                tracing::info!(%tap, "a running VM's NIC was mended");
                Ok(())
            }
        }
    }

    fn note(&self, tap: &InterfaceName, done: Result<(), NicError>) -> Result<(), NicError> {
        let mut pending = self.pending();
        match &done {
            Ok(()) => pending.failed.remove(tap),
            Err(error) => pending
                .failed
                .insert(tap.clone(), format!("runtime: {}", error_chain(error))),
        };
        done
    }
}

#[cfg(test)]
mod tests;
