//! Receives the kernel's events about changes that other programs make to the VCH's tables.

use super::{NatError, actor::NftCommand};
#[cfg(any(test, feature = "test-util"))]
use std::io;
use tokio::{io::unix::AsyncFd, sync::mpsc};
use vch_nftables::{EventError, Family, NftEvent, SocketError, Subscription, Table};

/// A receiver of the kernel's events about changes that other programs make to the VCH's nftables tables.
/// [`Nat::watch`](super::Nat::watch) makes it.
pub struct Watch {
    subscription: AsyncFd<Subscription>,
    heard: Heard,
    /// Closed when the owner of the tables has ended.
    owner: mpsc::Sender<NftCommand>,
    /// Cancelled by a test: events can't be had any more.
    #[cfg(any(test, feature = "test-util"))]
    fault: tokio_util::sync::CancellationToken,
}

/// The part of the events that is about the VCH's tables.
struct Heard {
    /// The port of our own changes.
    own: u32,
    /// Our tables.
    tables: Vec<Table>,
    /// Events that could not be read.
    unreadable: u64,
}

impl Heard {
    /// Returns the next event. An event that can't be decoded is skipped and counted: its content is lost, as in an
    /// overrun, but later events are received.
    fn take(
        &mut self,
        next: Result<Option<NftEvent>, EventError>,
    ) -> Result<Option<NftEvent>, SocketError> {
        match next {
            Ok(event) => Ok(event),
            Err(EventError::Socket(error)) => Err(error),
            Err(EventError::Decode(error)) => {
                self.unreadable += 1;
                // The first, and then ever fewer: a kernel may send many of them.
                if self.unreadable.is_power_of_two() {
                    let unreadable = self.unreadable;
                    tracing::warn!(%error, unreadable, "an event of nftables can't be read");
                }
                Ok(Some(NftEvent::Overrun))
            }
        }
    }

    /// Returns the families of the VCH's tables that the event says another program changed.
    fn tables_of(&self, event: &NftEvent) -> Vec<Family> {
        let meant = |table: &&Table| match event {
            NftEvent::Change(change) => change.port != self.own && **table == change.table,
            NftEvent::Overrun => true,
        };
        let tables = self.tables.iter().filter(meant);
        tables.map(|table| table.family).collect()
    }
}

impl Watch {
    /// Makes a watch of the events of `tables`, which ignores the changes of the netlink port `own`
    /// and tells `owner` of all others.
    ///
    /// # Errors
    /// Returns [`NatError::Watch`] if the subscription can't be registered with the async runtime.
    pub(super) fn new(
        subscription: Subscription,
        own: u32,
        tables: Vec<Table>,
        owner: mpsc::Sender<NftCommand>,
        #[cfg(any(test, feature = "test-util"))] fault: tokio_util::sync::CancellationToken,
    ) -> Result<Self, NatError> {
        // SAFETY: a subscription has one descriptor, which it owns and closes when it is dropped.
        #[expect(unsafe_code, reason = "tokio asks for a promise that the type keeps")]
        let subscription = unsafe { AsyncFd::register(subscription) };
        Ok(Self {
            subscription: subscription.map_err(|error| NatError::Watch(error.into()))?,
            heard: Heard {
                own,
                tables,
                unreadable: 0,
            },
            owner,
            #[cfg(any(test, feature = "test-util"))]
            fault,
        })
    }

    /// Waits until another program has changed a table of the VCH. Returns the families of the changed tables (`inet`,
    /// `bridge`); of all tables if events were lost or could not be decoded. Cancel-safe: a change that was not
    /// returned is returned by the next call.
    ///
    /// # Errors
    /// Returns [`NatError::Watch`] or [`NatError::Socket`] if events can no longer be received, and
    /// [`NatError::Stopped`] if the tables' thread has ended.
    pub async fn changed(&mut self) -> Result<Vec<Family>, NatError> {
        loop {
            let readable = self.subscription.readable_mut();
            #[cfg(any(test, feature = "test-util"))]
            let readable = async {
                tokio::select! {
                    ready = readable => ready,
                    () = self.fault.cancelled() => Err(io::Error::other("injected")),
                }
            };
            let mut ready = tokio::select! {
                ready = readable => ready.map_err(NatError::Watch)?,
                () = self.owner.closed() => return Err(NatError::Stopped),
            };
            let mut changed = Vec::new();
            while let Some(event) = self.heard.take(ready.get_inner_mut().next_event())? {
                changed.extend(self.heard.tables_of(&event));
            }
            ready.clear_ready();
            changed.sort_unstable();
            changed.dedup();
            if !changed.is_empty() {
                return Ok(changed);
            }
        }
    }
}

#[cfg(test)]
mod tests;
