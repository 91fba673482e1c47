//! The kernel's events of changes of the ruleset.

use std::collections::VecDeque;
use std::fmt;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use nix::errno::Errno;

use crate::abi::{message, nfnetlink};
use crate::decode;
use crate::object::Table;
use crate::socket::{Channel, SocketError, failed};
use crate::wire::{DecodeError, Received, messages};

/// The size in bytes of the socket's buffer for events that are not read yet: about 20,000 events.
const BACKLOG: usize = 16 * 1024 * 1024;

/// A socket that receives an event for every change of nf_tables in its network namespace.
///
/// It never blocks: wait until its descriptor ([`AsFd`]) is readable, then call
/// [`Subscription::next_event`] until it has no more.
pub struct Subscription {
    channel: Channel,
    ready: VecDeque<NftEvent>,
}

/// An event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NftEvent {
    /// An object in a table changed, or the table itself.
    Change(Change),
    /// Events were lost: the ruleset has to be read back.
    Overrun,
}

/// One change of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The kind of the object.
    pub object: Object,
    /// Whether the object was deleted; otherwise it is new or changed.
    pub deleted: bool,
    /// The table that the object is, or is in.
    pub table: Table,
    /// The netlink port ID of the socket that requested the change: comparing it with
    /// [`crate::Connection::port`] tells a program's own changes from others'.
    pub port: u32,
}

/// The kind of a changed object.
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

/// Why an event can't be received.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    /// The socket failed.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The event can't be decoded.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

impl Subscription {
    /// Subscribes to all changes from now on in the calling thread's network namespace.
    ///
    /// # Errors
    /// Returns [`SocketError`] if the kernel refuses the socket or the subscription.
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

    /// Returns the next event; `None` if no event has arrived. Does not wait.
    ///
    /// # Errors
    /// Returns [`EventError::Socket`] if the socket fails, [`EventError::Decode`] if an event can't
    /// be decoded; the subscription goes on.
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

/// Decodes a change; `None` for an object that this crate does not know, and for the message at a
/// transaction's end.
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
