//! One session between coordinator and agent, as two state machines without I/O: handshake, keep-alive, back-off,
//! resume.
//!
//! ```text
//!   agent                                   coordinator
//!     │                 ◄── Probe ─────────────│  channel opened, or frames of an unknown session
//!     │── Hello(nonce, held) ──►               │  when the channel opens, then again with back-off
//!     │                 ◄── Welcome ───────────│  from here on every frame has the nonce
//!     │                 ◄── Spec ──────────────│  unless the agent has it already
//!     │── Report (its newest) ──►              │  the observed state, even if nothing changed
//!     │                 ◄── Ping(desired, seen)│  at each heartbeat
//!     │── Pong(received, sent) ──►             │  each side sends again what the other lacks
//! ```
//!
//! Both machines are synchronous: they take the time, an input and random numbers, and return outputs. The driver (the
//! task that owns the channel) has the same loop on both sides:
//!
//! ```text
//!   loop {
//!       wait for a message, an event of its own, or machine.deadline()
//!       machine.handle(now, input)
//!       while let Some(output) = machine.poll() { do it }
//!   }
//! ```
//!
//! Invariants: a frame of another session changes nothing; only the newest spec and the newest report are kept; a
//! session without a received frame for [`MISSED_HEARTBEATS`] heartbeats is lost.

pub mod agent;
mod backoff;
mod budget;
pub mod coordinator;

pub use budget::Budget;

use std::time::Duration;

/// The number of heartbeats without any received frame after which a side considers the session between coordinator and
/// agent lost.
pub const MISSED_HEARTBEATS: u32 = 5;
/// The usual time between two pings of the coordinator: one second.
pub const DEFAULT_HEARTBEAT: Duration = Duration::from_secs(1);
/// The shortest time between two pings: 100 ms. Both sides replace a shorter one by it.
pub const MIN_HEARTBEAT: Duration = Duration::from_millis(100);
/// The longest time between two pings: 60 s. Both sides replace a longer one by it.
pub const MAX_HEARTBEAT: Duration = Duration::from_secs(60);

/// A source of random numbers, for nonces and for jitter of pauses: each call returns 64 random bits. The driver passes
/// in the kernel's (getrandom(2)): a generator in a cloned VM's memory would repeat the numbers of the other clones.
pub type Entropy = Box<dyn FnMut() -> u64 + Send>;

/// Returns a source of pseudo-random numbers that depend on `seed` only (splitmix64: Steele, Lea and Flood, OOPSLA
/// 2014). It is for tests, and for jitter that need not differ between processes.
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
