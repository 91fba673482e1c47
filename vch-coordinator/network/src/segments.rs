//! Segments: the L2 that carries the bridge networks.
//!
//! A segment is a Linux bridge with the gateway's addresses; what is on it hangs on its ports: a
//! tap for a VM, a pair of virtual links for what lives in a network namespace.
//!
//! ```text
//!   Segments ── commands ──► actor ── observe ──► plan ── steps ──► apply ──► kernel
//!   LinkWatch       ◄── names ─────┤                                               │
//!   HostRoutes  ◄── routes ────┴───────────── events ◄─────────────────────────┘
//! ```
//!
//! The actor has a thread of its own, since the kernel works off a request within the call that
//! hands it over, and makes its changes one after the other anyway (RTNL). Invariants: only
//! `kernel`, `apply`, `tap`, `sysctl` and `events` touch the kernel; a link without our
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

/// The capacity of the actor's queue, in requests; further callers wait for room.
const QUEUE: usize = 64;

/// A handle to the links of one VCH: sends requests to the thread that owns them. Clones share that
/// thread. Every request fails with [`SegmentError::Stopped`] once the thread has ended.
#[derive(Clone, Debug)]
pub struct Segments {
    commands: mpsc::Sender<Command>,
    routes: HostRoutes,
    disturbed: watch::Receiver<BTreeSet<InterfaceName>>,
}

/// The outcome of a [`Segments::reconcile`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reconciled {
    /// The number of changes that were made.
    pub steps: usize,
    /// The links that were made.
    pub created: BTreeSet<InterfaceName>,
    /// The errors of links that could not be made or removed, by the link's name.
    pub failed: BTreeMap<InterfaceName, SegmentError>,
    /// The errors that concern no single link: forwarding, the removal of many links at once.
    pub general: Vec<SegmentError>,
}

impl Segments {
    /// Starts the thread that owns the links of this VCH in the caller's network namespace, and
    /// reads the host's routes. No link is changed yet.
    ///
    /// # Errors
    /// Returns [`SegmentError::Kernel`] if the kernel refuses a netlink socket or a thread.
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

    /// Makes a bridge, or changes an existing one to match, and switches forwarding on for its
    /// addresses' families. Returns the number of changes; 0 if the bridge was right already.
    ///
    /// # Errors
    /// Returns [`SegmentError::NameTaken`] if a foreign link has the name, and
    /// [`SegmentError::Kernel`] if the kernel refuses; a bridge that could not be set up is removed
    /// again.
    pub async fn ensure_bridge(&self, bridge: &Bridge) -> Result<usize, SegmentError> {
        let bridge = bridge.clone();
        self.ask(|answer| Command::EnsureBridge(bridge, answer))
            .await
    }

    /// Adds addresses to a bridge of the VCH beside those that it has; makes the bridge if it does
    /// not exist. The cost does not depend on how many it has. Returns the number of changes.
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

    /// Removes addresses from a bridge of the VCH; removes the bridge if it has no address left. Returns the number
    /// of changes.
    ///
    /// # Errors
    /// Returns [`SegmentError::Kernel`] if the kernel refuses.
    pub async fn remove_addresses(
        &self,
        bridge: &InterfaceName,
        addresses: &[IpNet],
    ) -> Result<usize, SegmentError> {
        let (bridge, addresses) = (bridge.clone(), addresses.to_vec());
        self.ask(|answer| Command::RemoveAddresses(bridge, addresses, answer))
            .await
    }

    /// Removes a bridge of the VCH; its ports stay, attached to nothing. Returns whether the bridge existed.
    /// Concurrent removals are made together.
    ///
    /// # Errors
    /// Returns [`SegmentError::Kernel`] if the kernel refuses.
    pub async fn remove_bridge(&self, name: &InterfaceName) -> Result<bool, SegmentError> {
        let name = name.clone();
        self.ask(|answer| Command::Remove(name, answer)).await
    }

    /// Makes a port, or changes an existing one to match. Returns the number of changes; 0 if the
    /// port was right already.
    ///
    /// # Errors
    /// A port that could not be set up is removed again. Returns
    /// - [`SegmentError::NoBridge`], [`SegmentError::BridgeTaken`] or [`SegmentError::NotABridge`]
    ///   if its bridge is missing or unusable,
    /// - [`SegmentError::BridgeFull`] if the bridge has no room,
    /// - [`SegmentError::NameTaken`] or [`SegmentError::PeerTaken`] if a foreign link has a name that it needs,
    /// - [`SegmentError::NoNamespace`] if its namespace can't be entered,
    /// - [`SegmentError::Kernel`] if the kernel refuses.
    pub async fn ensure_port(&self, port: &Port) -> Result<usize, SegmentError> {
        let port = port.clone();
        self.ask(|answer| Command::EnsurePort(port, answer)).await
    }

    /// Removes a port of the VCH, and of a veth pair also the other end. Returns whether the port
    /// existed. Concurrent removals are made together.
    ///
    /// # Errors
    /// Returns [`SegmentError::Kernel`] if the kernel refuses.
    pub async fn remove_port(&self, name: &InterfaceName) -> Result<bool, SegmentError> {
        let name = name.clone();
        self.ask(|answer| Command::Remove(name, answer)).await
    }

    /// Makes all bridges and ports as given here, and removes all other links with the VCH's mark.
    /// Links that are right already are not touched. A link that fails does not keep others from
    /// being made: its error is in the result.
    ///
    /// # Errors
    /// Returns [`SegmentError::Kernel`] if the kernel's state can't be read; nothing was changed
    /// then.
    pub async fn reconcile(&self, desired: &Desired) -> Result<Reconciled, SegmentError> {
        let desired = desired.clone();
        self.ask(|answer| Command::Reconcile(desired, answer)).await
    }

    /// Returns a watch of links that another program changed after the VCH had made them.
    pub fn watch(&self) -> LinkWatch {
        LinkWatch(self.disturbed.clone())
    }

    /// Returns the host's own routes; the value stays current.
    pub fn host_routes(&self) -> HostRoutes {
        self.routes.clone()
    }

    /// Makes the links' thread panic, for tests.
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

/// The bridges and ports that differ from what was asked for, because another program changed them.
#[derive(Clone, Debug)]
pub struct LinkWatch(watch::Receiver<BTreeSet<InterfaceName>>);

impl LinkWatch {
    /// Waits until another program has changed a link, and returns all links that differ from what
    /// was asked for. The VCH's own changes are not reported. Cancel-safe.
    ///
    /// # Errors
    /// Returns [`SegmentError::Stopped`] if the links' thread has ended.
    pub async fn changed(&mut self) -> Result<BTreeSet<InterfaceName>, SegmentError> {
        let changed = self.0.changed().await;
        changed.map_err(|_| SegmentError::Stopped)?;
        Ok(self.0.borrow_and_update().clone())
    }

    /// Returns the links that differed when the kernel was read last.
    pub fn now(&self) -> BTreeSet<InterfaceName> {
        self.0.borrow().clone()
    }
}

#[cfg(test)]
mod tests;
