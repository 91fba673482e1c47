//! nftables follows the ledger: published ports, isolation, anti-spoofing, levels of external
//! networks.
//!
//! ```text
//!   Delta ──► NatState ──► Difference ──► Batch ──► kernel: tables `inet vch` and `bridge vch`
//!             what is       elements       one        ▲
//!             to be                     transaction   │ observe: the whole, at the start and after
//!                                                   Ruleset  a failure or another program's change
//! ```
//!
//! The rules of both tables never change; what they are about stands in sets, an element a thing. Chains of their own
//! have a list of clients of published ports (`clients`), and what a container on an external network began
//! (`remembered`). Invariants: a change costs in proportion to the things that it names; only this module, `watch`, `flows` and
//! `bridged` touch the kernel; what a container was published by is cut only behind its rule.

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

use flows::Move;
use ruleset::Ruleset;
use state::{Changes, NatState};
use std::io;
pub use things::NatEnvironment;
use thiserror::Error;
use vch_ledger::desired::Delta;
use vch_nftables::{
    CommitError, Connection, Conntrack, EventError, NameError, ReadError, SocketError, Subscription,
};
pub use watch::Watch;

/// Why nftables does not follow the ledger.
#[derive(Debug, Error)]
pub enum NatError {
    /// No socket.
    #[error("no nftables socket: is the module nf_tables there?")]
    Socket(#[from] SocketError),
    /// The kernel refused a change.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The kernel's rules can't be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A constant of ours, or a name of the ledger's, is no name there.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A switch of br_netfilter.
    #[error("`{path}` can't be set to 0")]
    Bridged {
        /// Its file.
        path: &'static str,
        /// The system's reason.
        source: io::Error,
    },
    /// Others' changes can't be heard.
    #[error("changes of nftables can't be waited for")]
    Watch(#[source] io::Error),
    /// What was heard can't be read.
    #[error(transparent)]
    Event(#[from] EventError),
}

/// The rules of this VCH, and what their sets are to hold.
pub struct Nat {
    connection: Connection,
    tracker: Conntrack,
    /// Until somebody watches it.
    subscription: Option<Subscription>,
    ruleset: Ruleset,
    state: NatState,
    /// The kernel may differ from the state: a change failed.
    unsure: bool,
    /// Cancelled by a test: others' changes can't be heard any more.
    #[cfg(any(test, feature = "test-util"))]
    pub events_fault: tokio_util::sync::CancellationToken,
}

impl Nat {
    /// Connects to the network namespace of the calling thread; nothing is changed yet.
    pub fn open(environment: NatEnvironment) -> Result<Self, NatError> {
        Ok(Self {
            subscription: Some(Subscription::open()?),
            connection: Connection::open()?,
            tracker: Conntrack::open()?,
            ruleset: Ruleset::new()?,
            state: NatState::new(environment),
            unsure: true,
            #[cfg(any(test, feature = "test-util"))]
            events_fault: Default::default(),
        })
    }

    /// Hears when somebody else changes our tables, from [`Nat::open`] on. Only the first caller
    /// hears what came before the call.
    pub fn watch(&mut self) -> Result<Watch, NatError> {
        let subscription = match self.subscription.take() {
            Some(subscription) => subscription,
            None => Subscription::open()?,
        };
        Watch::new(
            subscription,
            self.connection.port(),
            self.ruleset.tables(),
            #[cfg(any(test, feature = "test-util"))]
            self.events_fault.clone(),
        )
    }

    /// Adds and removes the elements of what came, changed or went.
    pub fn follow(&mut self, delta: &Delta) -> Result<(), NatError> {
        let moves = self.moves(delta);
        let difference = self.state.change(changes(delta))?;
        if self.unsure {
            return self.settle();
        }
        let batch = self.ruleset.change(&difference)?;
        self.unsure = true;
        self.connection.commit(&batch)?;
        let cut = flows::cut(&mut self.tracker, &self.state, &moves)?;
        self.unsure = false;
        if cut > 0 {
            tracing::debug!(cut, "flows of ports that are published otherwise now");
        }
        Ok(())
    }

    /// Makes the rules as they must be where they are missing or others changed them, and the sets
    /// as the whole ledger says. Established flows that a binding explains go on: they are the connection
    /// tracker's.
    pub fn reconcile(&mut self, whole: &Delta) -> Result<(), NatError> {
        bridged::keep_off_ip()?;
        let mut state = NatState::new(self.state.environment().clone());
        state.change(changes(whole))?;
        self.state = state;
        self.settle()
    }

    fn settle(&mut self) -> Result<(), NatError> {
        self.unsure = true;
        let whole = self.state.whole()?;
        let batch = self.ruleset.settle(&mut self.connection, &whole)?;
        self.connection.commit(&batch)?;
        let cut = flows::sweep(&mut self.tracker, &self.state)?;
        self.unsure = false;
        if cut > 0 {
            tracing::info!(cut, "flows that no published port explains");
        }
        Ok(())
    }

    /// The bindings of a delta, as the state has them and as they are to be.
    fn moves(&self, delta: &Delta) -> Vec<Move> {
        let moves = delta.bindings.iter().map(|(host, change)| Move {
            before: self.state.binding(host).cloned(),
            after: change.after.clone(),
        });
        moves.collect()
    }
}

fn changes(delta: &Delta) -> Changes {
    let ports = delta.endpoints.iter();
    let bindings = delta.bindings.iter();
    Changes {
        networks: delta.networks.clone(),
        ports: ports
            .map(|(id, change)| (*id, change.after.as_ref().map(Into::into)))
            .collect(),
        bindings: bindings
            .map(|(host, change)| (*host, change.after.clone()))
            .collect(),
    }
}

#[cfg(test)]
mod tests;
