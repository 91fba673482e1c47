//! What the VCH has decided, on disk: embedded and crash-safe.
//!
//! ```text
//!   api ──command──► keeper (one thread: decides, commits in groups, publishes in order) ──► effects
//!                      │
//!                      └── database (redb): rows by key, the last report of each container
//! ```
//!
//! Invariant: nothing is answered or published before it is durable.

mod database;
mod keeper;
mod lock;

pub use database::{Loaded, Store, StoreError};
pub use keeper::{
    Committed, Decision, HostOverlap, Keeper, KeeperError, KeeperThread, Kept, Published, Settled,
    StartError,
};
