//! nftables follows the ledger: one set element a network.
//!
//! The rules never change; which networks they are about stands in sets of bridge names.

mod ruleset;

use super::work::{Work, bridge_name};
use protocol::spec::InterfaceName;
use ruleset::{Change, Networks, Ruleset, changes};
use std::collections::BTreeMap;
use thiserror::Error;
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
        let changes: Vec<_> = wanted(work)
            .map(|(bridge, after)| Change {
                before: self.networks.get(&bridge).copied(),
                bridge,
                after,
            })
            .collect();
        self.change(&changes)
    }

    /// Makes the rules as they must be where they are missing or others changed them, and the sets
    /// as the whole ledger says. Flows that are established go on: they are the connection
    /// tracker's.
    pub fn reconcile(&mut self, whole: &Work) -> Result<(), NatError> {
        let wanted: Networks = wanted(whole)
            .filter_map(|(bridge, internal)| Some((bridge, internal?)))
            .collect();
        match self.ruleset.observe(&mut self.connection)? {
            Some(found) => {
                self.networks = found;
                let changes = changes(&self.networks, &wanted);
                self.change(&changes)
            }
            None => {
                tracing::info!("nftables rules are missing or changed: made anew");
                self.connection.commit(&self.ruleset.whole(&wanted)?)?;
                self.networks = wanted;
                Ok(())
            }
        }
    }

    fn change(&mut self, changes: &[Change]) -> Result<(), NatError> {
        let batch = self.ruleset.change(changes)?;
        if !batch.is_empty() {
            self.connection.commit(&batch)?;
        }
        for change in changes {
            match change.after {
                Some(internal) => self.networks.insert(change.bridge.clone(), internal),
                None => self.networks.remove(&change.bridge),
            };
        }
        Ok(())
    }
}

fn wanted(work: &Work) -> impl Iterator<Item = (InterfaceName, Option<bool>)> {
    work.networks.iter().map(|(id, carried)| {
        let internal = carried.as_ref().map(|carried| carried.internal);
        (bridge_name(*id), internal)
    })
}

#[cfg(test)]
mod tests;
