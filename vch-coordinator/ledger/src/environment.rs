//! What a decision is given beside the state.

use crate::HostPort;
use ipnet::IpNet;

/// The inputs of a decision that are not part of the state.
pub struct Environment<'a> {
    /// Fills a slice with random bytes, of the quality of getrandom(2).
    pub random: &'a mut dyn FnMut(&mut [u8]),
    /// The time in milliseconds since 1970.
    pub now_ms: u64,
    /// Returns the destination of a route of the VCH, of any table, that overlaps a subnet: neither
    /// a default route nor one that the coordinator made.
    pub host_overlap: &'a dyn Fn(&IpNet) -> Option<IpNet>,
    /// Returns the process of the VCH that listens at a port, as a phrase; `None` if the port is
    /// free.
    pub listener: &'a dyn Fn(&HostPort) -> Option<String>,
}
