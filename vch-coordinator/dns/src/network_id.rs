//! The number of a network.

/// The network that a name belongs to, or that a query came in from. The caller chooses the
/// numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NetworkId(pub u128);
