//! Carries out requests: the ledger decides them, the store makes them durable, the data plane puts them in force.
//!
//! ```text
//!   Requests ──command──► vch-store: ledger decides, committed ──published in order──► Reconciler
//!      ▲                                                                                 │ follow, retry,
//!      │                                                                                 │ repair
//!      ├──── settled ────────────────────────────────────────────────────────────────────┤
//!      └──── SessionState ◄── tether ◄── Dataplane: segments, nat, dns, tether, running ◄─┘
//! ```
//!
//! Architecture invariant: a transaction is carried out only after it is durable, and in the order of revisions.
//!
//! Architecture invariant: an addition that fails is undone by a transaction of its own. A removal is never undone: it
//! is retried until it succeeds. What is being retried is the [`Drift`].
//!
//! Architecture invariant: this package knows no API and starts no VM. What runs the VMs is behind
//! [`Nics`](vch_network::Nics).

mod dataplane;
mod drift;
mod error;
mod reconciler;
mod report_store;
mod requests;
mod running;

pub use dataplane::Dataplane;
pub use drift::Drift;
pub use error::{DataplaneError, Later};
pub use reconciler::{Reconciler, ReconcilerError};
pub use report_store::LedgerReports;
pub use requests::{Outcome, Progress, RequestError, Requests};
