//! The shim's side of its protocol, with which tests of packages above this one play a shim.

pub use crate::wire::{Incoming, NotInVersion1, Outgoing, Reply, Request, answer};
