//! The number of a network.

/// The number of a network of containers. The caller of this crate chooses it; the crate only
/// compares the numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NetworkId(pub u128);
