//! nftables follows the ledger: published ports, isolation, anti-spoofing, levels of external
//! networks.
//!
//! ```text
//!   Nat ── Changes ──► actor (a thread of its own):
//!            NatState ──► Difference ──► Batch ──► kernel: tables `inet vch` and `bridge vch`
//!             what is       elements       one        ▲
//!             to be                     transaction   │ observe: the whole, at the start and after
//!                                                   Ruleset  a failure or another program's change
//! ```
//!
//! The rules of both tables never change; what they are about stands in sets, an element a thing. Chains of their own
//! have a list of clients of published ports (`clients`), and what a container on an external network began
//! (`remembered`). Invariants: a change costs in proportion to the things that it names; only `actor`, `watch`, `flows` and
//! `bridged` touch the kernel; what a container was published by is cut only behind its rule.

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

/// Why the nftables tables do not follow the ledger.
#[derive(Debug, Error)]
pub enum NatError {
    /// The kernel gives no netlink socket.
    #[error("no nftables socket: is the module nf_tables there?")]
    Socket(#[from] SocketError),
    /// The kernel refused a batch.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The kernel's rules can't be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A constant of this program or a name of the ledger is not a valid nftables name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A sysctl of br_netfilter can't be read or written.
    #[error("`{path}` can't be set to 0")]
    Bridged {
        /// The sysctl's file.
        path: &'static str,
        /// The system's error.
        source: io::Error,
    },
    /// The kernel's events of changes can't be received.
    #[error("changes of nftables can't be waited for")]
    Watch(#[source] io::Error),
    /// An event of a change can't be decoded.
    #[error(transparent)]
    Event(#[from] EventError),
    /// The tables' thread can't be started.
    #[error("no thread for nftables")]
    Thread(#[source] io::Error),
    /// The tables' thread has ended.
    #[error("the thread that owns the tables of nftables has ended")]
    Stopped,
}

/// A handle to the nftables tables of this VCH: sends requests to the thread that owns them.
pub struct Nat {
    commands: mpsc::Sender<NftCommand>,
    /// The subscription to the kernel's events, until the first call of [`Nat::watch`] takes it.
    subscription: Option<Subscription>,
    /// The port by which the kernel names the owner's own changes.
    port: u32,
    tables: Vec<Table>,
    /// Cancelled by a test, to make [`Watch::changed`] fail as if events could not be received.
    #[cfg(any(test, feature = "test-util"))]
    pub events_fault: tokio_util::sync::CancellationToken,
}

impl Nat {
    /// Opens netlink sockets in the network namespace of the calling thread, and starts the thread that owns the
    /// tables there; no table is changed yet.
    ///
    /// # Errors
    /// Returns [`NatError::Socket`] or [`NatError::Thread`] if the kernel refuses a socket or a thread.
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

    /// Returns a watch of changes that other programs make to the VCH's tables. The first caller's
    /// watch begins at [`Nat::spawn`], a later one's at the call.
    ///
    /// # Errors
    /// Returns [`NatError::Socket`] if a later caller's socket can't be made.
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

    /// Adds and removes the set elements of the endpoints, networks and bindings that the delta
    /// adds, changes or removes.
    ///
    /// # Errors
    /// Returns [`NatError::Commit`] or [`NatError::Read`] if the kernel refuses, [`NatError::Name`] if
    /// a name of the ledger is not a valid nftables name, and [`NatError::Stopped`] if the tables'
    /// thread has ended.
    pub async fn follow(&self, delta: &Delta) -> Result<(), NatError> {
        let changes = Changes::from(delta);
        self.ask(|answer| NftCommand::Follow(changes, answer)).await
    }

    /// Makes the tables' rules anew if they are missing or another program changed them, and the sets as the whole
    /// ledger says. Ends connections that no binding explains; the others go on, since the kernel's connection
    /// tracker holds them.
    ///
    /// # Errors
    /// Returns the errors of [`Nat::follow`], and [`NatError::Bridged`] if br_netfilter can't be
    /// switched off.
    pub async fn reconcile(&self, whole: &Delta) -> Result<(), NatError> {
        let whole = Changes::from(whole);
        self.ask(|answer| NftCommand::Reconcile(whole, answer))
            .await
    }

    /// Makes the tables' thread panic, for tests; the future resolves once it has.
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
