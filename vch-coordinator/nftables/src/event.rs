//! Receives the kernel's notifications about changes of the ruleset.

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

/// A netlink socket on which the kernel reports every change of nf_tables in its network namespace,
/// whatever program makes it.
///
/// It never blocks: wait until its descriptor ([`AsFd`]) is readable, then call
/// [`Subscription::next_event`] until that returns `None`.
pub struct Subscription {
    channel: Channel,
    ready: VecDeque<NftEvent>,
}

/// A notification that a [`Subscription`] received: a change, or the loss of some changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NftEvent {
    /// A table or an object in it was created, changed or deleted.
    Change(Change),
    /// The kernel dropped notifications, since they were not received in time: the ruleset must be
    /// read again.
    Overrun,
}

/// One change of a table, or of an object in a table: which table, which kind of object, and which socket requested it.
/// The object itself is not named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The kind of the changed object.
    pub object: Object,
    /// Whether the object was deleted; `false` if it was created or changed.
    pub deleted: bool,
    /// The table that was changed, or that contains the changed object.
    pub table: Table,
    /// The netlink port ID of the socket that requested the change. It equals [`crate::Connection::port`] of the
    /// connection that made the change, so a program recognises its own changes by it.
    pub port: u32,
}

/// The kind of an object of nf_tables that has changed.
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
    /// An element of a set or map.
    Element,
}

/// The reason why [`Subscription::next_event`] failed.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    /// The netlink socket failed.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The kernel's notification can't be decoded.
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

    /// Returns the next notification, or `None` if none has arrived. Does not wait.
    ///
    /// # Errors
    /// Returns [`EventError::Socket`] if the socket fails, [`EventError::Decode`] if a notification can't be decoded.
    /// The other notifications of the same datagram may be lost then; the next call goes on with the next datagram.
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
