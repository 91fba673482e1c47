//! The limit on open files (RLIMIT_NOFILE, getrlimit(2)), and the number of files that the coordinator needs.
//!
//! Most shells set 1,024, which a few hundred networks use up. The coordinator raises the limit when it starts, and
//! does not start if the limit is below what its ledger needs.

use crate::metrics;
use nix::{
    errno::Errno,
    sys::resource::{Resource, getrlimit, setrlimit},
};
use thiserror::Error;
use vch_ledger::desired::{Delta, Segment};

/// Files for the store, netlink, signals, the async runtime, hooks and short-lived reads.
const OWN: usize = 256;
/// The name server's sockets at a gateway address: UDP and TCP.
const EACH_GATEWAY: usize = 2;
/// Files for each container: the listener of its channel, the session, and the connection to its
/// shim.
const EACH_CONTAINER: usize = 3;
/// Files for each connection to the Docker API: the connection, a shim for attach or exec, and two
/// files of a log.
const EACH_DOCKER_CONNECTION: usize = 4;

/// The numbers of objects in the ledger for which the coordinator needs open files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// The number of the VCH's addresses on bridge networks, on each of which the name server listens.
    pub gateways: usize,
    /// The number of containers, running and stopped.
    pub containers: usize,
}

impl Load {
    /// The load that the limit is raised for: 4,096 networks of two families, with a container on
    /// each.
    const WANTED: Self = Self {
        gateways: 8_192,
        containers: 4_096,
    };

    /// Counts the objects in `whole`, the desired state of the whole ledger.
    pub fn of(whole: &Delta) -> Self {
        let backing = whole.networks.values().flatten();
        let bridges = backing.filter(|backing| !matches!(backing.segment, Segment::External(_)));
        Self {
            gateways: bridges.map(|backing| backing.addresses.len()).sum(),
            containers: whole.containers.values().flatten().count(),
        }
    }

    /// Returns the number of open files that the coordinator needs at most for these objects: when the APIs and the
    /// name server have as many connections as they allow.
    pub fn files(self, dns: &vch_dns::Config) -> u64 {
        let docker = EACH_DOCKER_CONNECTION * docker_api::server::MAX_CONNECTIONS;
        let readers = metrics::MAX_CONNECTIONS;
        let names = dns.max_outstanding + dns.max_connections;
        let bounds = control_api::MAX_CONNECTIONS + docker + readers + names;
        let threads = 2 * dns.threads;
        let each = EACH_GATEWAY * self.gateways + EACH_CONTAINER * self.containers;
        u64::try_from(OWN + bounds + threads + each).unwrap_or(u64::MAX)
    }
}

/// Why the coordinator cannot open as many files as it needs.
#[derive(Debug, Error)]
pub enum RlimitError {
    /// The kernel refused to read the limit on open files, or to raise it to a permitted value.
    #[error("the limit of open files can't be read or raised")]
    Kernel(#[from] Errno),
    /// The limit on open files is below what the ledger needs.
    #[error(
        "open files: the limit is {limit}, and {needed} are needed for {} gateways and {} \
         containers: start with `ulimit -Hn {wanted}`, or `LimitNOFILE={wanted}` in the unit",
        load.gateways, load.containers
    )]
    TooFew {
        /// The limit that applies at present, in files.
        limit: u64,
        /// The number of open files that the ledger needs.
        needed: u64,
        /// The recommended limit, with some reserve, in files.
        wanted: u64,
        /// The numbers of objects that need the files.
        load: Load,
    },
}

/// Raises the limit on open files of this process, and checks that it suffices for `load`, the objects in the ledger.
///
/// # Errors
/// - [`RlimitError::Kernel`] if the limit cannot be read or raised.
/// - [`RlimitError::TooFew`] if the limit does not suffice.
pub fn provide(load: Load, dns: &vch_dns::Config) -> Result<(), RlimitError> {
    check(raise(dns)?, load, dns)
}

/// Raises the limit to the wanted number of files, or to the hard limit if the process may not
/// exceed it. Returns the limit that is in force.
///
/// # Errors
/// Returns [`RlimitError::Kernel`] if the limit cannot be read or raised.
fn raise(dns: &vch_dns::Config) -> Result<u64, RlimitError> {
    let wanted = Load::WANTED.files(dns);
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let high = hard.max(wanted);
    if soft >= high {
        return Ok(soft);
    }
    match setrlimit(Resource::RLIMIT_NOFILE, high, high) {
        Ok(()) => return Ok(high),
        // The process lacks CAP_SYS_RESOURCE, or the value is above fs.nr_open.
        Err(Errno::EPERM) => {}
        Err(error) => return Err(error.into()),
    }
    if soft < hard {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    }
    tracing::warn!(
        limit = hard,
        "limit of open files is low: raise it with `ulimit -Hn {wanted}`, or `LimitNOFILE={wanted}`"
    );
    Ok(hard)
}

/// Checks that a limit suffices for what the ledger holds.
///
/// # Errors
/// Returns [`RlimitError::TooFew`] if it does not.
fn check(limit: u64, load: Load, dns: &vch_dns::Config) -> Result<(), RlimitError> {
    let needed = load.files(dns);
    if needed <= limit {
        return Ok(());
    }
    let wanted = Load::WANTED.files(dns).max(2 * needed);
    Err(RlimitError::TooFew {
        limit,
        needed,
        wanted,
        load,
    })
}

#[cfg(test)]
mod tests;
