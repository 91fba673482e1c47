//! Carries requests out: decided by the ledger, durable in the store, in force in the data plane.
//!
//! ```text
//!   Requests ──command──► vch-store: ledger decides, committed ──published in order──► Reconciler
//!      ▲                                                                                 │ follow, retry,
//!      │                                                                                 │ repair
//!      ├──── settled ────────────────────────────────────────────────────────────────────┤
//!      └──── SessionState ◄── tether ◄── Dataplane: segments, nat, dns, tether, running ◄─┘
//! ```
//!
//! Architecture invariant: nothing is followed before it is durable, and nothing out of the order of revisions.
//!
//! Architecture invariant: an addition that fails is undone by a transaction of its own; a removal never is, it is
//! retried until it converges. What is being retried is the [`Drift`].
//!
//! Architecture invariant: this package knows no API and starts no VM; what runs the VMs is behind
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
