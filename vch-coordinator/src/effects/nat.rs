//! nftables follows the ledger: one set element a network.
//!
//! The rules never change; which networks they are about stands in two sets of bridge names.

mod ruleset;

use super::work::{Work, bridge_name};
use ruleset::{Networks, Ruleset};
use std::collections::BTreeMap;
use thiserror::Error;
use vch_ledger::NetworkId;
use vch_nftables::{CommitError, Connection, NameError, ReadError, SocketError};

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
    /// A constant of ours is no name.
    #[error(transparent)]
    Name(#[from] NameError),
}

/// The rules of this VCH, and what their sets hold.
pub struct Nat {
    connection: Connection,
    ruleset: Ruleset,
    networks: Networks,
}

impl Nat {
    /// Connects to the network namespace of the calling thread; nothing is changed yet.
    pub fn open() -> Result<Self, NatError> {
        Ok(Self {
            connection: Connection::open()?,
            ruleset: Ruleset::new()?,
            networks: BTreeMap::new(),
        })
    }

    /// Adds and removes the elements of networks that came, changed or went.
    pub fn follow(&mut self, work: &Work) -> Result<(), NatError> {
        let mut wanted = self.networks.clone();
        place(&mut wanted, work);
        self.change(wanted)
    }

    /// Makes the rules as they must be where they are missing or others changed them, and the sets
    /// as the whole ledger says. Flows that are established go on: they are the connection
    /// tracker's.
    pub fn reconcile(&mut self, whole: &Work) -> Result<(), NatError> {
        let mut wanted = Networks::new();
        place(&mut wanted, whole);
        match self.ruleset.observe(&mut self.connection)? {
            Some(found) => {
                self.networks = found;
                self.change(wanted)
            }
            None => {
                tracing::info!("nftables rules are missing or changed: made anew");
                self.connection.commit(&self.ruleset.whole(&wanted)?)?;
                self.networks = wanted;
                Ok(())
            }
        }
    }

    fn change(&mut self, wanted: Networks) -> Result<(), NatError> {
        let batch = self.ruleset.change(&self.networks, &wanted)?;
        if !batch.is_empty() {
            self.connection.commit(&batch)?;
        }
        self.networks = wanted;
        Ok(())
    }
}

fn place(networks: &mut Networks, work: &Work) {
    for (id, segment) in &work.networks {
        let bridge: (NetworkId, _) = (*id, bridge_name(*id));
        match segment {
            Some(segment) => networks.insert(bridge.1, segment.internal),
            None => networks.remove(&bridge.1),
        };
    }
}
