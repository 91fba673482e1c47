//! Reseeds the VM's random numbers for each new incarnation (run of the container).
//!
//! A VM that is restored, or cloned from a saved one, continues with the saved state of the
//! kernel's random number generator: two clones would draw the same keys. The incarnation is new
//! for each start, restore or clone. It is mixed into the kernel's pool, and the generator is made
//! to draw from the pool at once.
//!
//! The result is *difference*, not secrecy: the coordinator and its clients know the incarnation.
//! Together with the saved memory, the next numbers can be computed from it until the kernel has
//! gathered noise of its own. Therefore no entropy is credited. A plain write does not credit any,
//! and needs no privilege (random(4): it adds data "but does not increment the entropy count");
//! `RNDADDENTROPY` would need one. `RNDRESEEDCRNG` needs `CAP_SYS_ADMIN`; without it the kernel
//! itself draws from the pool within a minute.

#[cfg(test)]
mod tests;

use nix::errno::Errno;
use protocol::spec::Incarnation;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// random(4).
const DEVICE: &str = "/dev/urandom";

nix::ioctl_none!(
    /// Makes the kernel's random number generator take a new key from its entropy pool at once (ioctl
    /// `RNDRESEEDCRNG` of linux/random.h). `fd` is an open `/dev/urandom`; the caller needs `CAP_SYS_ADMIN`. Returns 0.
    ///
    /// # Errors
    /// Returns the kernel's errno, `ENODATA` if the generator was not seeded yet.
    reseed_crng,
    b'R',
    7
);

/// The reason why the kernel's random numbers could not be reseeded for a new incarnation.
#[derive(Debug, Error)]
pub enum ReseedError {
    /// The incarnation can't be written to the kernel's entropy pool, so the random numbers may repeat those of a
    /// clone.
    #[error("can't mix this life into {device}, so its random numbers may repeat those of a clone")]
    Mix {
        /// The path of the device by which the pool is written: `/dev/urandom`.
        device: String,
        /// The kernel's error.
        #[source]
        source: io::Error,
    },
    /// The incarnation is in the pool, but the generator can't be made to draw from it at once, so it uses its old key
    /// for up to a minute. The kernel's errno is the reason.
    #[error(
        "can't reseed the kernel's random numbers at once: give the agent CAP_SYS_ADMIN, or clones draw the same for up to a minute"
    )]
    Reseed(#[source] Errno),
}

/// Reseeds the kernel's random numbers once for each new [`Incarnation`] (run of the container).
#[derive(Debug)]
pub struct Reseeder {
    device: PathBuf,
    latest: LatestRun,
    refused: bool,
}

impl Default for Reseeder {
    fn default() -> Self {
        Self::of(Path::new(DEVICE))
    }
}

impl Reseeder {
    fn of(device: &Path) -> Self {
        Self {
            device: device.to_owned(),
            latest: LatestRun::default(),
            refused: false,
        }
    }

    /// Reseeds the kernel's random numbers if `incarnation` differs from that of the last call, or this is the first
    /// call; otherwise does nothing. The agent calls this with each spec before it applies it.
    ///
    /// Returns an error, which the caller logs, only the first time that reseeding fails, since later attempts fail for
    /// the same reason; `None` otherwise.
    pub fn live(&mut self, incarnation: Incarnation) -> Option<ReseedError> {
        if !self.latest.begins(incarnation) {
            return None;
        }
        let Err(refused) = reseed(&self.device, incarnation) else {
            tracing::info!("a new life of the VM: the kernel's random numbers are reseeded");
            return None;
        };
        let told = std::mem::replace(&mut self.refused, true);
        (!told).then_some(refused)
    }
}

/// The incarnation of the run that the agent was told of last.
#[derive(Debug, Default)]
struct LatestRun(Option<Incarnation>);

impl LatestRun {
    /// Returns whether this incarnation differs from the last one; the first one does.
    fn begins(&mut self, incarnation: Incarnation) -> bool {
        self.0.replace(incarnation) != Some(incarnation)
    }
}

#[expect(unsafe_code, reason = "RNDRESEEDCRNG is an ioctl")]
fn reseed(device: &Path, incarnation: Incarnation) -> Result<(), ReseedError> {
    let mix = |source| ReseedError::Mix {
        device: device.display().to_string(),
        source,
    };
    let mut pool = OpenOptions::new().write(true).open(device).map_err(mix)?;
    pool.write_all(&incarnation.0).map_err(mix)?;
    // SAFETY: the descriptor is open, and the request has no argument.
    match unsafe { reseed_crng(pool.as_raw_fd()) } {
        // Not seeded at all yet: its first key will come from the pool, with the incarnation in it.
        Ok(_) | Err(Errno::ENODATA) => Ok(()),
        Err(errno) => Err(ReseedError::Reseed(errno)),
    }
}
