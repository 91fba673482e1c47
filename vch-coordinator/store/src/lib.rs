//! The store: the decisions of the ledger (networks, containers, endpoints, bindings) on disk, as rows of an embedded and
//! crash-safe database.
//!
//! ```text
//!   requests ──command──► writer (one thread: decides, commits in groups, publishes in order) ──► reconciler
//!                           │                                                              └────► changes
//!                           └── database (redb): rows by key, the last report of each container,
//!                                                the last transactions (log)
//! ```
//!
//! Architecture invariant: nothing is answered, published or told to a follower before it is durable; a
//! transaction is on disk as a whole or not at all.
//!
//! Architecture invariant: only this package knows the database. The ledger decides, on the writer's thread. The
//! package does not know which parts follow the published transactions.

mod changes;
#[cfg(test)]
mod crash;
mod database;
mod dir;
mod environment;
mod error;
mod facts;
mod jobs;
mod lock;
mod log;
mod metrics;
mod migration;
mod page;
mod prepare;
pub mod private;
mod reserve;
#[cfg(any(test, feature = "test-util"))]
pub mod sample;
mod schema;
mod value;
mod writer;

pub use changes::Changes;
pub use database::{Loaded, Store};
pub use environment::HostChecks;
pub use error::{StoreError, WriterError};
pub use jobs::{Committed, Decision, FollowError, Published, Settled};
pub use log::Logged;
pub use page::ChangesError;
pub use writer::{LedgerHandle, SpawnedWriter, StartError, WriterThread};
