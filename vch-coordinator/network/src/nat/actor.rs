//! The one owner of the VCH's tables: takes requests one after the other, on a thread of its own, since the kernel
//! works off a request within the call that hands it over.

use super::{
    NatError, bridged,
    flows::{self, Move},
    ruleset::Ruleset,
    state::{Changes, NatState},
    things::NatEnvironment,
};
use tokio::sync::{mpsc, oneshot};
use vch_nftables::{Connection, Conntrack, Table};

/// The sender of a request's answer.
pub type NftAnswer = oneshot::Sender<Result<(), NatError>>;

/// A request to the thread that owns the tables.
pub enum NftCommand {
    /// Applies these changes.
    Follow(Changes, NftAnswer),
    /// Makes these things be so, and nothing else.
    Reconcile(Changes, NftAnswer),
    /// Panics, for tests.
    #[cfg(any(test, feature = "test-util"))]
    Panic,
}

/// The owner of the tables: its netlink sockets, the rules, and the content that the sets are to
/// have.
pub struct NftActor {
    connection: Connection,
    tracker: Conntrack,
    ruleset: Ruleset,
    state: NatState,
    /// The kernel may differ from the state: a change failed.
    unsure: bool,
}

impl NftActor {
    /// Connects to the network namespace of the calling thread; changes nothing yet.
    ///
    /// # Errors
    /// Returns [`NatError`] if a netlink socket can't be opened.
    pub fn open(environment: NatEnvironment) -> Result<Self, NatError> {
        Self::over(Connection::open()?, environment)
    }

    /// Makes an actor on a netlink connection that is open already.
    ///
    /// # Errors
    /// Returns [`NatError`] if the socket of the connection tracker can't be opened.
    pub fn over(connection: Connection, environment: NatEnvironment) -> Result<Self, NatError> {
        Ok(Self {
            connection,
            tracker: Conntrack::open()?,
            ruleset: Ruleset::new()?,
            state: NatState::new(environment),
            unsure: true,
        })
    }

    /// Returns the netlink port ID by which the kernel marks the actor's own changes in its events.
    pub fn port(&self) -> u32 {
        self.connection.port()
    }

    /// Returns the VCH's tables.
    pub fn tables(&self) -> Vec<Table> {
        self.ruleset.tables()
    }

    /// Serves requests until every sender is dropped. A request is carried out even if its caller has gone away.
    pub fn run(mut self, mut commands: mpsc::Receiver<NftCommand>) {
        while let Some(command) = commands.blocking_recv() {
            match command {
                NftCommand::Follow(changes, answer) => {
                    let _ = answer.send(self.follow(changes));
                }
                NftCommand::Reconcile(whole, answer) => {
                    let _ = answer.send(self.reconcile(whole));
                }
                #[cfg(any(test, feature = "test-util"))]
                NftCommand::Panic => panic!("a defect"),
            }
        }
    }

    /// Adds and removes the set elements of what the changes add, change or remove.
    ///
    /// # Errors
    /// Returns [`NatError::Commit`] if the kernel refuses the batch, [`NatError::Read`] if it refuses to
    /// list or delete flows, [`NatError::Name`] for a name that is not valid in nftables.
    pub fn follow(&mut self, changes: Changes) -> Result<(), NatError> {
        let moves = self.moves(&changes);
        let difference = self.state.change(changes)?;
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

    /// Makes rules and sets as they must be, where they differ; reads the kernel's first.
    ///
    /// # Errors
    /// Returns the errors of [`NftActor::follow`], and [`NatError::Bridged`] if br_netfilter can't be
    /// switched off.
    pub fn reconcile(&mut self, whole: Changes) -> Result<(), NatError> {
        bridged::keep_off_ip()?;
        let mut state = NatState::new(self.state.environment().clone());
        state.change(whole)?;
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

    /// Returns the bindings that change, before and after.
    fn moves(&self, changes: &Changes) -> Vec<Move> {
        let moves = changes.bindings.iter().map(|(host, after)| Move {
            before: self.state.binding(host).cloned(),
            after: after.clone(),
        });
        moves.collect()
    }
}
