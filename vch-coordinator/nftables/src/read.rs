//! Reads the kernel's ruleset, as far as it is needed to compare it with the desired one.

use std::collections::BTreeSet;
use std::fmt;

use nix::errno::Errno;

use crate::abi::{element, message, netlink};
use crate::connection::{Connection, message_of};
use crate::decode::{self, Elements, Found, FoundRule};
use crate::name::Name;
use crate::object::{Chain, Table};
use crate::set::{Element, Set};
use crate::socket::SocketError;
use crate::wire::{DecodeError, Header, Received, Writer, messages};

/// The reason why the ruleset or the connection tracker can't be read, or a flow can't be deleted.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The kernel refused the request, with `ENOENT` if the table, chain or set does not exist.
    #[error("the kernel refused to {what}: {}", message_of(*errno, None))]
    Refused {
        /// The request, such as "list rules of inet vch" or "delete a flow".
        what: String,
        /// The kernel's error code.
        errno: Errno,
    },
    /// The ruleset changed during each of 10 attempts to read it.
    #[error("{what} changed each time it was read: try again later")]
    Unsteady {
        /// The object that was to be read, such as "rules of inet vch".
        what: String,
    },
    /// The socket failed.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The kernel's answer can't be decoded. For example, another program has added elements of a
    /// kind that this crate does not know.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

impl ReadError {
    /// Returns whether the error means that the table, chain, set or flow does not exist (`ENOENT`); `false` for all
    /// other errors.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(
            self,
            Self::Refused {
                errno: Errno::ENOENT,
                ..
            }
        )
    }
}

/// How often a dump that a change overtook is begun anew.
const TRIES: usize = 10;

impl Connection {
    /// Returns all tables of the families that this crate knows, including those of other programs.
    /// A table that is switched off (`flags dormant`) is left out, since no packet passes its
    /// rules.
    ///
    /// # Errors
    /// Returns [`ReadError::Refused`] if the kernel refuses, [`ReadError::Unsteady`] if the ruleset
    /// changes during every attempt, [`ReadError::Socket`] or [`ReadError::Decode`] if the answer
    /// can't be received or decoded.
    pub fn tables(&mut self) -> Result<BTreeSet<Table>, ReadError> {
        let question = Question {
            kind: message::GET_TABLE,
            what: "tables",
            table: None,
            set: None,
        };
        self.dump(&question, BTreeSet::new, |found, one| {
            if !decode::is_dormant(one)? {
                found.extend(decode::table(one)?);
            }
            Ok(())
        })
    }

    /// Returns the table's chains; an empty list if the table does not exist.
    ///
    /// # Errors
    /// Returns the same errors as [`Connection::tables`].
    pub fn chains(&mut self, table: &Table) -> Result<Vec<Found<Chain>>, ReadError> {
        let decode = |one: Received<'_>| decode::chain(one).map(Some);
        self.list(table, message::GET_CHAIN, "chains", decode)
    }

    /// Returns the table's sets and maps, without their elements; an empty list if the table does
    /// not exist.
    ///
    /// # Errors
    /// Returns the same errors as [`Connection::tables`].
    pub fn sets(&mut self, table: &Table) -> Result<Vec<Found<Set>>, ReadError> {
        self.list(table, message::GET_SET, "sets", decode::set)
    }

    /// Returns the table's rules, chain by chain, in the order in which packets pass them; an empty
    /// list if the table does not exist.
    ///
    /// # Errors
    /// Returns the same errors as [`Connection::tables`].
    pub fn rules(&mut self, table: &Table) -> Result<Vec<FoundRule>, ReadError> {
        let decode = |one: Received<'_>| decode::rule(one).map(Some);
        self.list(table, message::GET_RULE, "rules", decode)
    }

    /// Returns the elements of a set or map of the table. `set` tells how to decode them.
    ///
    /// # Errors
    /// Returns the same errors as [`Connection::tables`]. If the table or set does not exist,
    /// [`ReadError::is_missing`] is true.
    pub fn elements(&mut self, table: &Table, set: &Set) -> Result<BTreeSet<Element>, ReadError> {
        let question = Question {
            kind: message::GET_ELEMENT,
            what: "elements",
            table: Some(table),
            set: Some(&set.name),
        };
        let start = || Elements::new(set);
        let elements = self.dump(&question, start, |elements, one| elements.take(one))?;
        Ok(elements.finish()?)
    }

    /// Kernels differ in what they filter by: what belongs to other tables is left out here.
    fn list<T>(
        &mut self,
        table: &Table,
        kind: u8,
        what: &'static str,
        decode: impl Fn(Received<'_>) -> Result<Option<T>, DecodeError>,
    ) -> Result<Vec<T>, ReadError> {
        let question = Question {
            kind,
            what,
            table: Some(table),
            set: None,
        };
        let listed = self.dump(&question, Vec::new, |found, one| {
            if decode::owner(one)?.as_ref() == Some(table) {
                found.extend(decode(one)?);
            }
            Ok(())
        });
        match listed {
            Err(error) if error.is_missing() => Ok(Vec::new()),
            other => other,
        }
    }

    fn dump<T>(
        &mut self,
        question: &Question<'_>,
        start: impl Fn() -> T,
        mut take: impl FnMut(&mut T, Received<'_>) -> Result<(), DecodeError>,
    ) -> Result<T, ReadError> {
        let what = || question.to_string();
        for _ in 0..TRIES {
            let sequence = self.sequence;
            self.sequence = sequence.wrapping_add(1);
            self.channel.send(question.encode(sequence).bytes())?;
            let mut found = start();
            match self.collect(sequence, question.kind, |one| take(&mut found, one))? {
                Dump::Complete => return Ok(found),
                Dump::Overtaken | Dump::Refused(Errno::EINTR) => {}
                Dump::Refused(errno) => {
                    let what = format!("list {}", what());
                    return Err(ReadError::Refused { what, errno });
                }
            }
        }
        Err(ReadError::Unsteady { what: what() })
    }

    /// Reads a dump to its end, even past a message that can't be read.
    fn collect(
        &mut self,
        sequence: u32,
        kind: u8,
        mut take: impl FnMut(Received<'_>) -> Result<(), DecodeError>,
    ) -> Result<Dump, ReadError> {
        let mut overtaken = false;
        let mut problem = None;
        loop {
            for one in messages(self.channel.receive()?) {
                let one = one?;
                if one.sequence != sequence {
                    continue;
                }
                overtaken |= one.flags & netlink::F_DUMP_INTERRUPTED != 0;
                if matches!(one.kind, netlink::ERROR | netlink::DONE) {
                    return match (one.refusal()?, problem) {
                        (Some(refusal), _) => Ok(Dump::Refused(refusal.errno)),
                        (None, _) if overtaken => Ok(Dump::Overtaken),
                        (None, Some(problem)) => Err(ReadError::Decode(problem)),
                        (None, None) => Ok(Dump::Complete),
                    };
                }
                // What GET asks for comes under the number of NEW, the one before it.
                let expected = one.nf_tables() == Some(kind.wrapping_sub(1));
                if expected && problem.is_none() {
                    problem = take(one).err();
                }
            }
        }
    }
}

enum Dump {
    Complete,
    /// The ruleset changed while it was read (`NLM_F_DUMP_INTR`).
    Overtaken,
    Refused(Errno),
}

/// A request to read, with the words for it in errors.
struct Question<'a> {
    kind: u8,
    what: &'static str,
    table: Option<&'a Table>,
    set: Option<&'a Name>,
}

impl Question<'_> {
    fn encode(&self, sequence: u32) -> Writer {
        let family = self.table.map_or(0, |table| table.family.number());
        let header = Header::nf_tables(self.kind, netlink::F_DUMP, sequence, family);
        let mut writer = Writer::default();
        writer.message(header, |w| {
            // Chains, sets, rules and elements have the table's name under the same number.
            if let Some(table) = self.table {
                w.text(element::TABLE, table.name.as_str());
            }
            if let Some(set) = self.set {
                w.text(element::SET, set.as_str());
            }
        });
        writer
    }
}

impl fmt::Display for Question<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what)?;
        if let Some(table) = self.table {
            write!(f, " of {table}")?;
        }
        match self.set {
            Some(set) => write!(f, " {set}"),
            None => Ok(()),
        }
    }
}
