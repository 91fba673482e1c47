//! What follows the ledger: each effect makes one part of the machine as the ledger says.

pub mod segments;
