//! The owner of the VCH's nftables tables: carries out one request after the other. It has a thread of its own, since
//! the kernel carries out a change within the system call, which blocks meanwhile.

use super::{
    NatError, bridged,
    flows::{self, Move},
    ruleset::Ruleset,
    state::{Changes, NatState},
    things::NatEnvironment,
};
use tokio::sync::{mpsc, oneshot};
use vch_nftables::{Connection, Conntrack, Table};

/// The sender by which the thread that owns the nftables tables answers a request.
pub type NftAnswer = oneshot::Sender<Result<(), NatError>>;

/// A request to the thread that owns the VCH's nftables tables.
pub enum NftCommand {
    /// Applies the changes of one transaction.
    Follow(Changes, NftAnswer),
    /// Makes the nftables tables hold exactly this content, which is that of the whole ledger.
    Reconcile(Changes, NftAnswer),
    /// Makes the thread that owns the tables panic, for tests.
    #[cfg(any(test, feature = "test-util"))]
    Panic,
}

/// The owner of the nftables tables: its netlink sockets, the constant rules, and the content that the sets must have.
pub struct NftActor {
    connection: Connection,
    tracker: Conntrack,
    ruleset: Ruleset,
    state: NatState,
    /// The kernel may differ from the state: a change failed.
    unsure: bool,
}

impl NftActor {
    /// Opens the netlink sockets in the network namespace of the calling thread. Changes no table.
    ///
    /// # Errors
    /// Returns [`NatError`] if a netlink socket can't be opened.
    pub fn open(environment: NatEnvironment) -> Result<Self, NatError> {
        Self::over(Connection::open()?, environment)
    }

    /// Makes the owner of the nftables tables with a netlink connection that is open already.
    ///
    /// # Errors
    /// Returns [`NatError`] if the socket to the connection tracker can't be opened.
    pub fn over(connection: Connection, environment: NatEnvironment) -> Result<Self, NatError> {
        Ok(Self {
            connection,
            tracker: Conntrack::open()?,
            ruleset: Ruleset::new()?,
            state: NatState::new(environment),
            unsure: true,
        })
    }

    /// Returns the netlink port ID of the actor's socket. The kernel's events name it for the actor's own changes.
    pub fn port(&self) -> u32 {
        self.connection.port()
    }

    /// Returns the families and names of the VCH's tables.
    pub fn tables(&self) -> Vec<Table> {
        self.ruleset.tables()
    }

    /// Carries out requests until every sender is dropped. A request is carried out even if its caller has stopped
    /// waiting.
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

    /// Carries out the changes of one transaction: adds and removes elements of nftables sets. If an earlier call
    /// failed, compares and repairs the whole tables instead.
    ///
    /// # Errors
    /// Returns [`NatError::Commit`] if the kernel refuses the batch, [`NatError::Read`] if it refuses to list or delete
    /// flows, and [`NatError::Name`] if a name is not valid in nftables.
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

    /// Reads the nftables tables from the kernel, and changes what differs from `whole`, the content for the whole
    /// ledger.
    ///
    /// # Errors
    /// Returns the errors of [`NftActor::follow`], and [`NatError::Bridged`] if br_netfilter can't be switched off.
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
