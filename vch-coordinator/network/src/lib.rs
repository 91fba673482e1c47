//! The data plane of the VCH: makes the kernel, the name server and the agents in the VMs agree with the ledger. Each
//! module carries out its part of a [`Delta`], the changes to the desired state.
//!
//! ```text
//!   Delta (from the ledger) ──► segments   bridges, taps, veth pairs, gateways' addresses
//!                           ├─► nat        nftables: published ports, isolation, anti-spoofing
//!                           ├─► dns        names, and a listener on each gateway address
//!                           ├─► tether     sessions: each VM is told its newest spec ──► ReportStore
//!                           └─► Nics       implemented by what runs the VMs: plug, unplug, reattach
//! ```
//!
//! Architecture invariant: nothing here decides. A module reads the kernel only to compare it with what the ledger
//! says; the desired state is never derived from the kernel or from a VM.
//!
//! Architecture invariant: nothing here blocks a thread of the asynchronous runtime on the kernel: `segments` and `nat`
//! have a thread of their own ([`ActorThread`]), the name server has its threads.
//!
//! Architecture invariant: only `tether` speaks to agents, only `segments` changes links, only `nat` changes nftables.
//! The modules do not know one another; `vch-engine` calls them in their order.
//!
//! [`Delta`]: vch_ledger::desired::Delta

mod actor_thread;
pub mod dns;
pub mod nat;
mod nics;
mod port_probe;
pub mod segments;
#[cfg(any(test, feature = "test-util"))]
pub mod testing;
pub mod tether;

pub use actor_thread::ActorThread;
pub use nics::{NicError, Nics};
pub use port_probe::PortProbe;
