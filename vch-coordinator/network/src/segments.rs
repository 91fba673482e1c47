//! Segments: the L2 that carries the bridge networks.
//!
//! A segment is a Linux bridge with the gateway's addresses; what is on it hangs on its ports: a
//! tap for a VM, a pair of virtual links for what lives in a network namespace. How much passes a port can be limited.
//!
//! ```text
//!   Segments ── commands ──► actor ── observe ──► plan ── steps ──► apply ──► kernel
//!   LinkWatch       ◄── names ─────┤                                               │
//!   HostRoutes  ◄── routes ────┴───────────── events ◄─────────────────────────┘
//! ```
//!
//! The actor has a thread of its own, since the kernel works off a request within the call that
//! hands it over, and makes its changes one after the other anyway (RTNL). Invariants: only
//! `kernel`, `apply`, `rate`, `tap`, `sysctl` and `events` touch the kernel; a link without our
//! [`Owner`]'s mark is never changed or removed; [`Segments::ensure_bridge`],
//! [`Segments::ensure_port`] and the removals read only the links that they name, so that their
//! cost does not grow with the number of others.

mod actor;
mod apply;
mod desired;
mod error;
mod events;
mod kernel;
mod observed;
mod plan;
mod rate;
mod routes;
mod step;
mod sysctl;
pub(crate) mod tap;

pub use desired::{Bridge, Desired, Owner, Port, PortKind};
pub use error::SegmentError;
pub use plan::Holder;
pub use routes::HostRoutes;

use crate::ActorThread;
use actor::{Actor, Answer, Command};
use ipnet::IpNet;
use kernel::{errno_of, refused};
use protocol::spec::InterfaceName;
use std::collections::{BTreeMap, BTreeSet};
use tokio::{
    runtime,
    sync::{mpsc, oneshot, watch},
};

/// Requests that wait; whoever comes after them waits for room, as it would for its answer.
const QUEUE: usize = 64;

/// Makes and removes the segments of one VCH. Clones share one owner.
#[derive(Clone, Debug)]
pub struct Segments {
    commands: mpsc::Sender<Command>,
    routes: HostRoutes,
    disturbed: watch::Receiver<BTreeSet<InterfaceName>>,
}

/// What a [`Segments::reconcile`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reconciled {
    /// The number of changes that were made.
    pub steps: usize,
    /// The links that were made.
    pub created: BTreeSet<InterfaceName>,
    /// What could not be made or removed, by its link's name.
    pub failed: BTreeMap<InterfaceName, SegmentError>,
    /// What failed that concerns no single link: forwarding, the removal of many at once.
    pub general: Vec<SegmentError>,
}

impl Segments {
    /// Starts the thread that owns the links of this VCH in the caller's network namespace, and
    /// reads the host's routes. Nothing is changed until it is asked for.
    ///
    /// # Errors
    /// If the kernel refuses a netlink socket or a thread.
    pub async fn spawn(owner: Owner) -> Result<(Self, ActorThread), SegmentError> {
        let (commands, requests) = mpsc::channel(QUEUE);
        let (disturb, disturbed) = watch::channel(BTreeSet::new());
        let (started, start) = oneshot::channel();
        let routes = HostRoutes::default();
        let actor_routes = routes.clone();
        let runtime = runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .map_err(|error| refused("start", "the segments' runtime", errno_of(&error)))?;
        let work = move || {
            runtime.block_on(async {
                match Actor::start(owner, actor_routes, disturb).await {
                    Ok(actor) => {
                        let _ = started.send(Ok(()));
                        actor.run(requests).await;
                    }
                    Err(error) => {
                        let _ = started.send(Err(error));
                    }
                }
            });
        };
        let thread = ActorThread::spawn("segments", work)
            .map_err(|error| refused("start", "the segments' thread", errno_of(&error)))?;
        start.await.map_err(|_| SegmentError::Stopped)??;
        let segments = Self {
            commands,
            routes,
            disturbed,
        };
        Ok((segments, thread))
    }

    /// Makes a bridge, or makes the one that is there as it is given here, and switches forwarding
    /// on for its families. Answers with the number of changes; 0: it was right already.
    ///
    /// # Errors
    /// If a foreign link holds the name, or the kernel refuses; a bridge that could not be set up
    /// is removed again.
    pub async fn ensure_bridge(&self, bridge: &Bridge) -> Result<usize, SegmentError> {
        let bridge = bridge.clone();
        self.ask(|answer| Command::EnsureBridge(bridge, answer))
            .await
    }

    /// Gives a bridge of ours these addresses beside those that it has, and makes it if it is not
    /// there. Costs the same however many it has. Answers with the number of changes.
    ///
    /// # Errors
    /// As [`Segments::ensure_bridge`].
    pub async fn add_addresses(
        &self,
        bridge: &InterfaceName,
        addresses: &[IpNet],
    ) -> Result<usize, SegmentError> {
        let (bridge, addresses) = (bridge.clone(), addresses.to_vec());
        self.ask(|answer| Command::AddAddresses(bridge, addresses, answer))
            .await
    }

    /// Takes these addresses from a bridge of ours; one that is left without any is removed. Answers
    /// with the number of changes.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub async fn remove_addresses(
        &self,
        bridge: &InterfaceName,
        addresses: &[IpNet],
    ) -> Result<usize, SegmentError> {
        let (bridge, addresses) = (bridge.clone(), addresses.to_vec());
        self.ask(|answer| Command::RemoveAddresses(bridge, addresses, answer))
            .await
    }

    /// Removes a bridge of ours; its ports stay, attached to nothing. Answers whether there was one.
    /// Removals asked for at the same time are made together.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub async fn remove_bridge(&self, name: &InterfaceName) -> Result<bool, SegmentError> {
        let name = name.clone();
        self.ask(|answer| Command::Remove(name, answer)).await
    }

    /// Makes a port, or makes the one that is there as it is given here. Answers with the number
    /// of changes; 0: it was right already.
    ///
    /// # Errors
    /// If its bridge is missing or full, a foreign link holds a name that it needs, its namespace
    /// can't be entered, or the kernel refuses; a port that could not be set up is removed again.
    pub async fn ensure_port(&self, port: &Port) -> Result<usize, SegmentError> {
        let port = port.clone();
        self.ask(|answer| Command::EnsurePort(port, answer)).await
    }

    /// Removes a port of ours, and with a pair its other end. Answers whether there was one.
    /// Removals asked for at the same time are made together.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub async fn remove_port(&self, name: &InterfaceName) -> Result<bool, SegmentError> {
        let name = name.clone();
        self.ask(|answer| Command::Remove(name, answer)).await
    }

    /// Makes all as it is given here, and removes what else bears our mark. What is right already
    /// is not touched. One object's failure keeps no other from being made.
    ///
    /// # Errors
    /// If the kernel's state can't be read; then nothing was changed.
    pub async fn reconcile(&self, desired: &Desired) -> Result<Reconciled, SegmentError> {
        let desired = desired.clone();
        self.ask(|answer| Command::Reconcile(desired, answer)).await
    }

    /// Tells when somebody else changes what was asked for here.
    pub fn watch(&self) -> LinkWatch {
        LinkWatch(self.disturbed.clone())
    }

    /// The host's own routes, always current.
    pub fn host_routes(&self) -> HostRoutes {
        self.routes.clone()
    }

    /// Lets the owner end as by a defect.
    #[cfg(any(test, feature = "test-util"))]
    pub async fn panic(&self) {
        // It has ended already then.
        let _ = self.commands.send(Command::Panic).await;
    }

    async fn ask<T>(&self, command: impl FnOnce(Answer<T>) -> Command) -> Result<T, SegmentError> {
        let (answer, answered) = oneshot::channel();
        let sent = self.commands.send(command(answer)).await;
        sent.map_err(|_| SegmentError::Stopped)?;
        answered.await.map_err(|_| SegmentError::Stopped)?
    }
}

/// Which bridges and ports are not as they were asked for, because somebody else changed them.
#[derive(Clone, Debug)]
pub struct LinkWatch(watch::Receiver<BTreeSet<InterfaceName>>);

impl LinkWatch {
    /// Waits until something is found changed, and answers with all that is not as it was asked
    /// for. Our own changes are not reported. Cancel-safe.
    ///
    /// # Errors
    /// [`SegmentError::Stopped`] when the owner has ended.
    pub async fn changed(&mut self) -> Result<BTreeSet<InterfaceName>, SegmentError> {
        let changed = self.0.changed().await;
        changed.map_err(|_| SegmentError::Stopped)?;
        Ok(self.0.borrow_and_update().clone())
    }

    /// What was not as asked for when it was looked at last.
    pub fn now(&self) -> BTreeSet<InterfaceName> {
        self.0.borrow().clone()
    }
}

#[cfg(test)]
mod tests;
