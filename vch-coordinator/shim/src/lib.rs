//! The shim (`vch-shim`): one small process for each container VM. It starts QEMU, logs the container's output, and
//! records how the VM ended. It outlives the coordinator, the host's daemon that started it. This library has the
//! shim's parts, and the [`Client`] by which the coordinator talks to a shim.
//!
//! ```text
//!   coordinator ── Client ──► shim.sock ──► server ──► guest ═══ virtserialport vch.process ═══ init
//!        │                                    │          │
//!        │                                    │          └─► log (files): the container's output
//!        └── tether.sock ─────────► QEMU ◄────┴── qmp: NICs are plugged and unplugged
//!                                     │
//!                            outcome (exit.json): written and synced before any client learns of the end
//! ```
//!
//! `shim.lock` in the container's directory is locked as long as the shim is alive ([`liveness()`]).
//!
//! Invariants: the container's output is in the log before any client gets it, and every client reads it from there, so
//! that a slow client delays no other client. QEMU runs as an ordinary user in a network namespace of its own without
//! any link, and inherits what it needs as open descriptors.

mod bounds;
mod client;
mod clock;
pub mod descriptors;
mod foreign;
mod guest;
mod launch;
mod liveness;
pub mod log;
mod memory;
mod nics;
mod outcome;
mod overheard;
mod pace;
mod phase;
mod qemu;
mod qmp;
mod run;
mod server;
mod shim;
mod sockets;
mod stage;
mod stderr;
mod tap;
pub mod template;
#[cfg(feature = "test-util")]
pub mod testing;
mod vm;
mod wire;

pub use client::{
    Client, ClientError, Running, Stages, StreamItem, StreamReader, StreamWriter, Streams,
};
pub use launch::{Launch, LaunchError, Nic};
pub use liveness::{Liveness, ShimProcess, liveness};
pub use outcome::{Blame, Failure, Outcome};
pub use phase::Phase;
pub use shim::run;
pub use stage::Stage;
