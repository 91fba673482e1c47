//! The inputs of a decision beside the ledger's state: randomness, time, and the VCH's routes and listeners.

use crate::HostPort;
use ipnet::IpNet;

/// The inputs of a decision that are not part of the ledger's state. The caller of
/// [`Ledger::decide`](crate::Ledger::decide) provides them, so that the ledger itself does no I/O.
pub struct Environment<'a> {
    /// Fills a slice with random bytes as unpredictable as those of getrandom(2); used for IDs, incarnations and the
    /// choice of ports.
    pub random: &'a mut dyn FnMut(&mut [u8]),
    /// The current time, in milliseconds since 1970 (UTC).
    pub now_ms: u64,
    /// Returns the destination of a route of the VCH (in any routing table) that overlaps the given subnet; `None` if
    /// no route does. Default routes and routes that the coordinator made do not count.
    pub host_overlap: &'a dyn Fn(&IpNet) -> Option<IpNet>,
    /// Returns a description of the process that listens at the given port of the VCH, as in `nginx (process 7)`;
    /// `None` if the port is free.
    pub listener: &'a dyn Fn(&HostPort) -> Option<String>,
}
