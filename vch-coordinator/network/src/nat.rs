//! Makes nftables agree with the ledger: published ports, isolation of networks, anti-spoofing, and the firewall levels
//! of external networks.
//!
//! ```text
//!   Nat ── Changes ──► actor (a thread of its own):
//!            NatState ──► Difference ──► Batch ──► kernel: tables `inet vch` and `bridge vch`
//!             what is       elements       one        ▲
//!             to be                     transaction   │ observe: the whole, at the start and after
//!                                                   Ruleset  a failure or another program's change
//! ```
//!
//! The rules of both tables are constant. What they apply to is in sets, with one element for each object. Only lists
//! of clients of published ports (`clients`), and the flows that a container on an external network began
//! (`remembered`), have chains of their own.
//!
//! Invariants: the cost of a change is proportional to the objects that change. Only `actor`, `watch`, `flows` and
//! `bridged` touch the kernel. The flows of a removed port are cut only after its rule is gone.

mod actor;
mod bridged;
mod clients;
mod flows;
mod remembered;
mod rules;
mod ruleset;
mod sets;
mod state;
mod things;
mod watch;

pub use things::NatEnvironment;
pub use watch::Watch;

use crate::ActorThread;
use actor::{NftActor, NftCommand};
use state::Changes;
use std::io;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};
use vch_ledger::desired::Delta;
use vch_nftables::{
    CommitError, EventError, NameError, ReadError, SocketError, Subscription, Table,
};

/// Requests that wait: one is asked for at a time.
const QUEUE: usize = 4;

/// Why the nftables tables do not agree with the ledger.
#[derive(Debug, Error)]
pub enum NatError {
    /// The kernel did not open a netlink socket, or the socket for events about changes of nftables failed.
    #[error("no nftables socket: is the module nf_tables there?")]
    Socket(#[from] SocketError),
    /// The kernel refused a batch of changes; none of them was made.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The tables, or the connection tracker's entries, can't be read from the kernel.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A name of this program or of the ledger is not valid in nftables.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A sysctl of br_netfilter (the module that passes bridged frames to IP's rules) can't be read or written.
    #[error("`{path}` can't be set to 0")]
    Bridged {
        /// The path of the sysctl's file.
        path: &'static str,
        /// The system's error.
        source: io::Error,
    },
    /// The kernel's events about changes of nftables can't be received.
    #[error("changes of nftables can't be waited for")]
    Watch(#[source] io::Error),
    /// One of the kernel's events about changes of nftables can't be decoded.
    #[error(transparent)]
    Event(#[from] EventError),
    /// The thread that owns the nftables tables can't be started.
    #[error("no thread for nftables")]
    Thread(#[source] io::Error),
    /// The thread that owns the nftables tables has ended.
    #[error("the thread that owns the tables of nftables has ended")]
    Stopped,
}

/// A handle to the nftables tables of this VCH. It sends requests to the thread that owns them.
pub struct Nat {
    commands: mpsc::Sender<NftCommand>,
    /// The subscription to the kernel's events, until the first call of [`Nat::watch`] takes it.
    subscription: Option<Subscription>,
    /// The port by which the kernel names the owner's own changes.
    port: u32,
    tables: Vec<Table>,
    /// The token by which a test makes [`Watch::changed`] fail, as if events could not be received: the test cancels
    /// it.
    #[cfg(any(test, feature = "test-util"))]
    pub events_fault: tokio_util::sync::CancellationToken,
}

impl Nat {
    /// Opens netlink sockets in the network namespace of the calling thread, and starts the thread that owns the VCH's
    /// nftables tables. No table is changed before the first [`Nat::follow`] or [`Nat::reconcile`].
    ///
    /// # Errors
    /// Returns [`NatError::Socket`] if the kernel refuses a socket, and [`NatError::Thread`] if the thread can't be
    /// started.
    pub fn spawn(environment: NatEnvironment) -> Result<(Self, ActorThread), NatError> {
        // First, so that nothing is missed between the changes and the listening.
        let subscription = Subscription::open()?;
        Self::spawn_actor(NftActor::open(environment)?, subscription)
    }

    fn spawn_actor(
        actor: NftActor,
        subscription: Subscription,
    ) -> Result<(Self, ActorThread), NatError> {
        let (commands, requests) = mpsc::channel(QUEUE);
        let nat = Self {
            commands,
            subscription: Some(subscription),
            port: actor.port(),
            tables: actor.tables(),
            #[cfg(any(test, feature = "test-util"))]
            events_fault: Default::default(),
        };
        let thread = ActorThread::spawn("nftables", move || actor.run(requests));
        Ok((nat, thread.map_err(NatError::Thread)?))
    }

    /// Returns a watch of changes that other programs make to the VCH's tables. The watch of the first call reports
    /// changes since [`Nat::spawn`], one of a later call those since that call.
    ///
    /// # Errors
    /// Returns [`NatError::Socket`] if the socket for a later call can't be opened, and [`NatError::Watch`] if the
    /// asynchronous runtime refuses it.
    pub fn watch(&mut self) -> Result<Watch, NatError> {
        let subscription = match self.subscription.take() {
            Some(subscription) => subscription,
            None => Subscription::open()?,
        };
        Watch::new(
            subscription,
            self.port,
            self.tables.clone(),
            self.commands.clone(),
            #[cfg(any(test, feature = "test-util"))]
            self.events_fault.clone(),
        )
    }

    /// Changes the nftables sets for the endpoints, networks and published ports that the delta (the changes that one
    /// transaction makes) adds, changes or removes, as one transaction of nftables. Ends the tracked connections of
    /// ports that are no longer published so. If an earlier call has failed, compares and repairs the whole tables
    /// instead.
    ///
    /// # Errors
    /// Returns [`NatError::Commit`] or [`NatError::Read`] if the kernel refuses, [`NatError::Name`] if a name of the
    /// ledger is not valid in nftables, and [`NatError::Stopped`] if the tables' thread has ended.
    pub async fn follow(&self, delta: &Delta) -> Result<(), NatError> {
        let changes = Changes::from(delta);
        self.ask(|answer| NftCommand::Follow(changes, answer)).await
    }

    /// Makes the nftables tables agree with `whole`, the desired state of the whole ledger ([`Delta::whole`]). Makes a
    /// table anew if it is missing or another program changed its rules. Switches br_netfilter off in the VCH's network
    /// namespace, so that bridged frames pass no rule of IP. Ends the tracked connections that were led to a container of a
    /// bridge network by a port that is not published; all others go on.
    ///
    /// # Errors
    /// Returns the errors of [`Nat::follow`], and [`NatError::Bridged`] if br_netfilter can't be switched off.
    pub async fn reconcile(&self, whole: &Delta) -> Result<(), NatError> {
        let whole = Changes::from(whole);
        self.ask(|answer| NftCommand::Reconcile(whole, answer))
            .await
    }

    /// Makes the thread that owns the nftables tables panic, for tests. The future resolves when the thread has ended.
    #[cfg(any(test, feature = "test-util"))]
    pub fn panic(&self) -> impl Future<Output = ()> + Send + use<> {
        let commands = self.commands.clone();
        async move {
            // It has ended already then.
            let _ = commands.send(NftCommand::Panic).await;
        }
    }

    async fn ask(
        &self,
        command: impl FnOnce(actor::NftAnswer) -> NftCommand,
    ) -> Result<(), NatError> {
        let (answer, answered) = oneshot::channel();
        let sent = self.commands.send(command(answer)).await;
        sent.map_err(|_| NatError::Stopped)?;
        answered.await.map_err(|_| NatError::Stopped)?
    }
}

#[cfg(test)]
mod tests;
