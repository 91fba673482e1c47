//! Hears when somebody else changes our tables.

use super::NatError;
use tokio::io::unix::AsyncFd;
use vch_nftables::{Event, Family, Subscription, Table};

/// Tells of changes to our tables that we did not make.
pub struct Watch {
    subscription: AsyncFd<Subscription>,
    /// The port of our own changes.
    own: u32,
    /// Our tables.
    tables: Vec<Table>,
}

impl Watch {
    pub(super) fn new(
        subscription: Subscription,
        own: u32,
        tables: Vec<Table>,
    ) -> Result<Self, NatError> {
        // SAFETY: a subscription has one descriptor, which it owns and closes when it is dropped.
        #[expect(unsafe_code, reason = "tokio asks for a promise that the type keeps")]
        let subscription = unsafe { AsyncFd::register(subscription) };
        Ok(Self {
            subscription: subscription.map_err(|error| NatError::Watch(error.into()))?,
            own,
            tables,
        })
    }

    /// Waits until somebody else changed one of our tables, and says which; a table of ours may
    /// also have changed where events were lost. Cancel-safe: what was not told is told next time.
    ///
    /// # Errors
    /// Events can't be had any more.
    pub async fn changed(&mut self) -> Result<Vec<Family>, NatError> {
        loop {
            let mut ready = self
                .subscription
                .readable_mut()
                .await
                .map_err(NatError::Watch)?;
            let mut changed = Vec::new();
            while let Some(event) = ready.get_inner_mut().next_event()? {
                let heard = match event {
                    Event::Change(change) if change.port == self.own => continue,
                    Event::Change(change) => self
                        .tables
                        .iter()
                        .filter(|table| **table == change.table)
                        .map(|table| table.family)
                        .collect(),
                    Event::Overrun => self
                        .tables
                        .iter()
                        .map(|table| table.family)
                        .collect::<Vec<_>>(),
                };
                changed.extend(heard);
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
