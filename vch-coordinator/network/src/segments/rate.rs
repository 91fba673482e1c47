//! Traffic limits of ports: how much may pass to the VM or namespace behind a port, and how much may come from there.
//!
//! ```text
//!   bridge ──► port: token bucket ──► VM          bridge ◄── port ◄┄┄ ifb: token bucket
//!                                                              │           ▲
//!                                                        ingress filter ───┘ all of what the VM sends
//! ```
//!
//! A queueing discipline limits only what leaves by a link. So what comes in by a port is redirected to a link of its
//! own, an intermediate functional block (ifb): it leaves by that, and comes in by the port again.
//!
//! Invariants: the VCH's token buckets have the handle [`message::HANDLE`], which tells them from others'. The queueing
//! discipline of an unlimited port is never changed. Only `apply` and `observe` touch the kernel.

mod apply;
mod bucket;
mod message;
mod observe;
mod plan;
pub mod shaping;

pub use bucket::TokenBucket;
pub use plan::{LinkTaken, plan_limit};
