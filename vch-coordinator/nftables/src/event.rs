//! Being told that a ruleset changed.

use std::collections::VecDeque;
use std::fmt;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use nix::errno::Errno;

use crate::abi::{message, nfnetlink};
use crate::decode;
use crate::object::Table;
use crate::socket::{Channel, SocketError, failed};
use crate::wire::{DecodeError, Received, messages};

/// Room for events that nobody has read yet: about 20,000 of them.
const BACKLOG: usize = 16 * 1024 * 1024;

/// A socket that hears of every change of nf_tables in its network namespace.
///
/// It never blocks: wait until its descriptor ([`AsFd`]) is readable, then call
/// [`Subscription::next_event`] until it has no more.
pub struct Subscription {
    channel: Channel,
    ready: VecDeque<NftEvent>,
}

/// What was heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NftEvent {
    /// Something in a table changed, or the table itself.
    Change(Change),
    /// Events were lost: read the ruleset back.
    Overrun,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What changed.
    pub object: Object,
    /// Whether it is gone; else it is new or changed.
    pub deleted: bool,
    /// The table that it is, or is in.
    pub table: Table,
    /// The port of the socket that asked for it: [`crate::Connection::port`] tells own changes
    /// from others'.
    pub port: u32,
}

/// Kind of thing that changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Object {
    /// The table itself.
    Table,
    /// A chain.
    Chain,
    /// A rule.
    Rule,
    /// A set or map.
    Set,
    /// An element.
    Element,
}

/// An event could not be had.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    /// The socket failed.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The event can't be read.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

impl Subscription {
    /// Hears of all changes from now on in the calling thread's network namespace.
    ///
    /// # Errors
    /// The socket can't be made or may not listen.
    pub fn open() -> Result<Self, SocketError> {
        let channel = Channel::open()?;
        channel.reserve_receive(BACKLOG)?;
        channel
            .socket()
            .add_membership(nfnetlink::GROUP_NFTABLES)
            .map_err(failed("join the group of nf_tables"))?;
        Ok(Self {
            channel,
            ready: VecDeque::new(),
        })
    }

    /// The next event; `None` if there is none now.
    ///
    /// # Errors
    /// [`EventError`]; the subscription goes on.
    pub fn next_event(&mut self) -> Result<Option<NftEvent>, EventError> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(Some(event));
            }
            let datagram = match self.channel.receive_now() {
                Ok(Some(datagram)) => datagram,
                Ok(None) => return Ok(None),
                Err(error) if error.source.raw_os_error() == Some(Errno::ENOBUFS as i32) => {
                    return Ok(Some(NftEvent::Overrun));
                }
                Err(error) => return Err(error.into()),
            };
            for message in messages(datagram) {
                self.ready.extend(change(message?)?.map(NftEvent::Change));
            }
        }
    }
}

impl AsFd for Subscription {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.channel.as_fd()
    }
}

impl AsRawFd for Subscription {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subscription({} ready)", self.ready.len())
    }
}

/// `None` for what this crate does not speak of, and for the mark at a transaction's end.
fn change(received: Received<'_>) -> Result<Option<Change>, DecodeError> {
    let (object, deleted) = match received.nf_tables() {
        Some(message::NEW_TABLE) => (Object::Table, false),
        Some(message::DELETE_TABLE) => (Object::Table, true),
        Some(message::NEW_CHAIN) => (Object::Chain, false),
        Some(message::DELETE_CHAIN) => (Object::Chain, true),
        Some(message::NEW_RULE) => (Object::Rule, false),
        Some(message::DELETE_RULE) => (Object::Rule, true),
        Some(message::NEW_SET) => (Object::Set, false),
        Some(message::DELETE_SET) => (Object::Set, true),
        Some(message::NEW_ELEMENT) => (Object::Element, false),
        Some(message::DELETE_ELEMENT) => (Object::Element, true),
        _ => return Ok(None),
    };
    let table = decode::owner(received)?;
    Ok(table.map(|table| Change {
        object,
        deleted,
        table,
        port: received.port,
    }))
}
