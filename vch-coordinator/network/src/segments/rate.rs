//! Limits of ports: how much may pass to what hangs on a port, and how much from it.
//!
//! ```text
//!   bridge ──► port: token bucket ──► VM          bridge ◄── port ◄┄┄ ifb: token bucket
//!                                                              │           ▲
//!                                                        ingress filter ───┘ all of what the VM sends
//! ```
//!
//! A queueing discipline limits what leaves by a link. What comes in by the port is redirected to a link of its own, an
//! intermediate functional block (ifb), leaves by that, and comes in by the port again. Invariants: a bucket bears
//! [`message::HANDLE`], by which those of the VCH are told from others'; an unlimited port's own queueing discipline is
//! never changed; only `apply` and `observe` touch the kernel.

mod apply;
mod bucket;
mod message;
mod observe;
mod plan;
pub mod shaping;

pub use bucket::TokenBucket;
pub use plan::{LinkTaken, plan_limit};
