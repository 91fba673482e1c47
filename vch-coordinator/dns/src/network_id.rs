//! The number of a network.

/// Which network a name belongs to, or a query came in from. The caller chooses the numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NetworkId(pub u128);
