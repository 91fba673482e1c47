//! Address management: the subnets of networks, and the addresses of endpoints.
//!
//! Every operation is O(log n) in what is in use, whatever the size of a subnet or a pool.

mod intervals;
mod range;
mod space;
mod subnet;

pub(crate) use intervals::Intervals;
pub use range::AddressRange;
pub(crate) use range::{address, number};
pub(crate) use space::Space;
pub(crate) use subnet::{Choice, SubnetState};
