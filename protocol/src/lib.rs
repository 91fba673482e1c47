//! The protocol between the coordinator and the agent: no policy, no netlink.
//!
//! ```text
//!   NetSpec ──► message ──► frame ──► transport ═══ vsock, Unix, serial ═══ transport ──► frame ──► message ──► NetSpec
//!               (typed)    (bytes)                                                      (bytes)     (typed)
//! ```
//!
//! Invariants: only this crate knows the bytes; a value that exists is valid (every type checks
//! itself where it is parsed, from text as from the wire); a released version's bytes never change.

pub mod frame;
pub mod message;
pub mod process;
#[cfg(test)]
mod sample;
pub mod session;
mod session_nonce;
pub mod spec;
#[cfg(feature = "transport")]
pub mod transport;
