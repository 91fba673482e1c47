//! Segments: the Linux bridges (layer 2) that carry the networks, and the links on them.
//!
//! A segment is a Linux bridge that has the gateways' addresses. Its ports lead to the containers: a tap for a VM, or a
//! veth pair for a network namespace. The traffic of a port can be limited.
//!
//! ```text
//!   Segments ── commands ──► actor ── observe ──► plan ── steps ──► apply ──► kernel
//!   LinkWatch       ◄── names ─────┤                                               │
//!   HostRoutes  ◄── routes ────┴───────────── events ◄─────────────────────────┘
//! ```
//!
//! The actor has a thread of its own, since the kernel carries out a change within the system call, which blocks
//! meanwhile; and it makes changes of links one after the other anyway (RTNL).
//!
//! Invariants: only `kernel`, `apply`, `rate`, `tap`, `sysctl` and `events` touch the kernel. A link without our
//! [`Owner`]'s mark is never changed or removed. [`Segments::ensure_bridge`], [`Segments::ensure_port`] and the
//! removals read only the links that they name, so that their cost does not grow with the number of others.

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

/// The capacity of the actor's queue, in requests; further callers wait for room.
const QUEUE: usize = 64;

/// A handle to the links (bridges, taps, veth pairs) of one VCH. It sends requests to the thread that owns them; clones
/// share that thread. Every request fails with [`SegmentError::Stopped`] once the thread has ended.
#[derive(Clone, Debug)]
pub struct Segments {
    commands: mpsc::Sender<Command>,
    routes: HostRoutes,
    disturbed: watch::Receiver<BTreeSet<InterfaceName>>,
}

/// The result of [`Segments::reconcile`], which makes all links agree with the desired ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reconciled {
    /// The number of changes that were made in the kernel.
    pub steps: usize,
    /// The names of the links that were created.
    pub created: BTreeSet<InterfaceName>,
    /// The errors of the links that could not be made or removed, by the link's name.
    pub failed: BTreeMap<InterfaceName, SegmentError>,
    /// The errors that concern no single link: IP forwarding, or the removal of many links at once.
    pub general: Vec<SegmentError>,
}

impl Segments {
    /// Starts the thread that owns the links of this VCH, in the network namespace of the calling thread, and reads the
    /// host's routes. No link is changed yet.
    ///
    /// # Errors
    /// Returns [`SegmentError::Kernel`] if the kernel refuses a netlink socket, or the thread can't be started.
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

    /// Creates a bridge, or changes an existing one of the VCH to match, and enables IP forwarding for the families of
    /// its addresses. Returns the number of changes in the kernel; 0 if nothing had to change.
    ///
    /// # Errors
    /// Returns [`SegmentError::NameTaken`] if a link that the VCH did not make has the name, and
    /// [`SegmentError::Kernel`] if the kernel refuses. A new bridge that could not be set up is removed again.
    pub async fn ensure_bridge(&self, bridge: &Bridge) -> Result<usize, SegmentError> {
        let bridge = bridge.clone();
        self.ask(|answer| Command::EnsureBridge(bridge, answer))
            .await
    }

    /// Adds addresses to a bridge of the VCH, and keeps those that it has. Creates the bridge if it does not exist. The
    /// cost does not depend on the number of addresses that the bridge has. Returns the number of changes in the
    /// kernel.
    ///
    /// # Errors
    /// Returns [`SegmentError::NameTaken`] if a link that the VCH did not make has the name, and
    /// [`SegmentError::Kernel`] if the kernel refuses. A new bridge that could not be set up is removed again.
    pub async fn add_addresses(
        &self,
        bridge: &InterfaceName,
        addresses: &[IpNet],
    ) -> Result<usize, SegmentError> {
        let (bridge, addresses) = (bridge.clone(), addresses.to_vec());
        self.ask(|answer| Command::AddAddresses(bridge, addresses, answer))
            .await
    }

    /// Removes addresses from a bridge of the VCH, and the bridge itself with the last address that was requested for
    /// it. Returns the number of changes in the kernel; 0 if the bridge does not exist.
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

    /// Removes a bridge of the VCH. The links on it stay, without a bridge. Returns whether the bridge existed; a link
    /// of this name that the VCH did not make is left alone, and counts as missing. Removals that wait at the same time
    /// are carried out by the kernel together.
    ///
    /// # Errors
    /// Returns [`SegmentError::Kernel`] if the kernel refuses.
    pub async fn remove_bridge(&self, name: &InterfaceName) -> Result<bool, SegmentError> {
        let name = name.clone();
        self.ask(|answer| Command::Remove(name, answer)).await
    }

    /// Creates a port (a link on a bridge), or changes an existing one of the VCH to match. Returns the number of
    /// changes in the kernel; 0 if nothing had to change.
    ///
    /// # Errors
    /// A new port that could not be set up is removed again. Returns
    /// - [`SegmentError::NoBridge`], [`SegmentError::BridgeTaken`] or [`SegmentError::NotABridge`] if the port's bridge
    ///   does not exist or can't be used,
    /// - [`SegmentError::BridgeFull`] if the bridge has no room for another port,
    /// - [`SegmentError::NameTaken`] or [`SegmentError::PeerTaken`] if another link has a name that the port needs,
    /// - [`SegmentError::NoNamespace`] if the port's network namespace can't be entered,
    /// - [`SegmentError::NoLimits`] if the kernel lacks a module that limits traffic,
    /// - [`SegmentError::Kernel`] if the kernel refuses for another reason.
    pub async fn ensure_port(&self, port: &Port) -> Result<usize, SegmentError> {
        let port = port.clone();
        self.ask(|answer| Command::EnsurePort(port, answer)).await
    }

    /// Removes a port (a link on a bridge) of the VCH; of a veth pair, both ends. Returns whether the port existed; a
    /// link of this name that the VCH did not make is left alone, and counts as missing. Removals that wait at the same
    /// time are carried out by the kernel together.
    ///
    /// # Errors
    /// Returns [`SegmentError::Kernel`] if the kernel refuses.
    pub async fn remove_port(&self, name: &InterfaceName) -> Result<bool, SegmentError> {
        let name = name.clone();
        self.ask(|answer| Command::Remove(name, answer)).await
    }

    /// Makes all bridges and ports of `desired`, and removes all other links that bear the VCH's mark. Links that are
    /// right already are not touched. If a link fails, the others are still made; the result has the error.
    ///
    /// # Errors
    /// Returns [`SegmentError::Kernel`] if the kernel's state can't be read. Nothing was changed then.
    pub async fn reconcile(&self, desired: &Desired) -> Result<Reconciled, SegmentError> {
        let desired = desired.clone();
        self.ask(|answer| Command::Reconcile(desired, answer)).await
    }

    /// Returns a watch that reports the bridges and ports of the VCH that another program has changed or removed.
    pub fn watch(&self) -> LinkWatch {
        LinkWatch(self.disturbed.clone())
    }

    /// Returns the destinations of the host's routes that do not lead through the VCH's own bridges. The returned value
    /// changes as the kernel's routes do.
    pub fn host_routes(&self) -> HostRoutes {
        self.routes.clone()
    }

    /// Makes the thread that owns the links panic, for tests.
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

/// A watch of the bridges and ports that differ from what was requested, because another program changed them.
#[derive(Clone, Debug)]
pub struct LinkWatch(watch::Receiver<BTreeSet<InterfaceName>>);

impl LinkWatch {
    /// Waits until another program has changed or removed a link of the VCH. Returns the names of all bridges and ports
    /// that differ from what was requested. The VCH's own changes are not reported, nor is a link that is right again.
    /// Cancel-safe.
    ///
    /// # Errors
    /// Returns [`SegmentError::Stopped`] if the links' thread has ended.
    pub async fn changed(&mut self) -> Result<BTreeSet<InterfaceName>, SegmentError> {
        let changed = self.0.changed().await;
        changed.map_err(|_| SegmentError::Stopped)?;
        Ok(self.0.borrow_and_update().clone())
    }

    /// Returns the names of the links that differed from what was requested when they were last read from the kernel.
    pub fn now(&self) -> BTreeSet<InterfaceName> {
        self.0.borrow().clone()
    }
}

#[cfg(test)]
mod tests;
