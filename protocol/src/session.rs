//! One live agent channel, as seen from either end: handshake, keep-alive, back-off, resume.
//!
//! ```text
//!   agent                                   coordinator
//!     │                 ◄── Probe ─────────────│  channel opened; frames of an unknown session
//!     │── Hello(nonce, held) ──►               │  on open, then again with back-off
//!     │                 ◄── Welcome ───────────│  every frame bears the nonce from here on
//!     │                 ◄── Spec ──────────────│  unless the agent holds it
//!     │── Report (its newest) ──►              │  the observed state, even where nothing changed
//!     │                 ◄── Ping(desired, seen)│  each heartbeat
//!     │── Pong(received, sent) ──►             │  who learns that the other lacks something sends it
//! ```
//!
//! Both machines are synchronous: they take the time, an input and random numbers, and return outputs. The driver's
//! loop is the same for both:
//!
//! ```text
//!   loop {
//!       wait for a message, an event of its own, or machine.deadline()
//!       machine.handle(now, input)
//!       while let Some(output) = machine.poll() { do it }
//!   }
//! ```
//!
//! Invariants: a frame of another session changes nothing; only the newest spec and the newest
//! report are kept; a session that hears nothing for [`MISSED_HEARTBEATS`] is lost.

pub mod agent;
mod backoff;
mod budget;
pub mod coordinator;

pub use budget::Budget;

use std::time::Duration;

/// The number of heartbeats without a frame of the session after which it is lost.
pub const MISSED_HEARTBEATS: u32 = 5;
/// The time between two pings unless configured.
pub const DEFAULT_HEARTBEAT: Duration = Duration::from_secs(1);
/// The shortest time between two pings that either side takes.
pub const MIN_HEARTBEAT: Duration = Duration::from_millis(100);
/// The longest time between two pings that either side takes.
pub const MAX_HEARTBEAT: Duration = Duration::from_secs(60);

/// A source of random numbers, for nonces and jitter. The driver passes in the kernel's
/// (getrandom(2)), so that a clone of a VM does not go on with its template's.
pub type Entropy = Box<dyn FnMut() -> u64 + Send>;

/// Returns a source of numbers that look random and follow from `seed` alone (splitmix64: Steele,
/// Lea and Flood, OOPSLA 2014): for tests, and for jitter that need not differ between processes.
pub fn seeded(seed: u64) -> Entropy {
    let mut state = seed;
    Box::new(move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    })
}

#[cfg(test)]
mod tests;
