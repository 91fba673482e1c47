//! Segments: the L2 that carries the bridge networks.
//!
//! A segment is a Linux bridge with the gateway's addresses; what is on it hangs on its ports.

mod desired;

pub use desired::{Bridge, Desired, Owner, Port, PortKind};
