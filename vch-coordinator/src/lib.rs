//! Owns everything about the network of a Virtual Container Host.

pub mod effects;
