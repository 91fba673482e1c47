//! What the kernel makes of batches, in network namespaces that the tests make.
//!
//! Needs root, and Debian's packages nftables and iproute2: a test that lacks one of them fails and
//! says so.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test's way to fail"
)]

mod flows;
mod packets;
mod ruleset;
mod space;
mod tracking;
mod transactions;
