//! How many files the coordinator may have open (RLIMIT_NOFILE, getrlimit(2)), and how many it needs.
//!
//! Most shells give 1,024, which some hundred networks use up. The limit is raised at the start, and
//! compared with what the ledger holds: a coordinator that could not serve it all does not start.

use crate::metrics;
use nix::{
    errno::Errno,
    sys::resource::{Resource, getrlimit, setrlimit},
};
use thiserror::Error;
use vch_ledger::desired::{Delta, Segment};

/// For the store, netlink, signals, the runtime, hooks and what is read for a moment.
const OWN: usize = 256;
/// The name server's sockets at a gateway address: UDP and TCP.
const EACH_GATEWAY: usize = 2;
/// A container's channel: where it is listened for, and the session; and its shim, which is listened to
/// while it runs.
const EACH_CONTAINER: usize = 3;
/// A connection to the Docker API: itself, a shim for what it attaches to or executes, and the two files of
/// a log that it reads.
const EACH_DOCKER_CONNECTION: usize = 4;

/// What costs files by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Addresses of the VCH on bridge networks.
    pub gateways: usize,
    /// Containers.
    pub containers: usize,
}

impl Load {
    /// 4,096 networks of two families, with a container on each.
    const WANTED: Self = Self {
        gateways: 8_192,
        containers: 4_096,
    };

    /// Of all that a ledger holds.
    pub fn of(whole: &Delta) -> Self {
        let backing = whole.networks.values().flatten();
        let bridges = backing.filter(|backing| !matches!(backing.segment, Segment::External(_)));
        Self {
            gateways: bridges.map(|backing| backing.addresses.len()).sum(),
            containers: whole.containers.values().flatten().count(),
        }
    }

    /// How many files it takes, with every bound of API and name server reached.
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

/// Why the coordinator can't have the files that it needs.
#[derive(Debug, Error)]
pub enum RlimitError {
    /// The kernel does not say, or does not let the limit be raised to what is allowed.
    #[error("the limit of open files can't be read or raised")]
    Kernel(#[from] Errno),
    /// The limit is below what the ledger needs.
    #[error(
        "open files: the limit is {limit}, and {needed} are needed for {} gateways and {} \
         containers: start with `ulimit -Hn {wanted}`, or `LimitNOFILE={wanted}` in the unit",
        load.gateways, load.containers
    )]
    TooFew {
        /// The limit.
        limit: u64,
        /// How many the ledger needs.
        needed: u64,
        /// How many to allow, with room for more.
        wanted: u64,
        /// What the ledger holds.
        load: Load,
    },
}

/// Sees to it that as many files may be open as `load` needs.
///
/// # Errors
/// [`RlimitError`].
pub fn provide(load: Load, dns: &vch_dns::Config) -> Result<(), RlimitError> {
    check(raise(dns)?, load, dns)
}

/// Raises the limit as far as this process may: to what is wanted, or to the hard limit. Returns the
/// limit that holds now.
fn raise(dns: &vch_dns::Config) -> Result<u64, RlimitError> {
    let wanted = Load::WANTED.files(dns);
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let high = hard.max(wanted);
    if soft >= high {
        return Ok(soft);
    }
    match setrlimit(Resource::RLIMIT_NOFILE, high, high) {
        Ok(()) => return Ok(high),
        // Without CAP_SYS_RESOURCE, or above fs.nr_open.
        Err(Errno::EPERM) => {}
        Err(error) => return Err(error.into()),
    }
    if soft < hard {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    }
    tracing::warn!(
        limit = hard,
        "few open files: allow more with `ulimit -Hn {wanted}`, or `LimitNOFILE={wanted}`"
    );
    Ok(hard)
}

/// Compares a limit with what the ledger holds.
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
