//! Sends the host's time to the guest regularly. The guest's own clock was set only once: it would drift, and be late
//! after the host was suspended.

use crate::guest::Guest;
use protocol::process::ToInit;
use std::{convert::Infallible, time::Duration};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

/// Sends the time that `clock` returns (milliseconds since 1970) to the guest once in each `period`, without end.
/// Cancel-safe: a message that was not sent has no effect.
pub async fn send(guest: Guest, clock: impl Fn() -> u64, period: Duration) -> Infallible {
    let mut ticks = interval_at(Instant::now() + period, period);
    // After a sleep of the host's one message says all.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        guest.offer(|| ToInit::Clock { now_ms: clock() }).await;
    }
}

#[cfg(test)]
mod tests;
