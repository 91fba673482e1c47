//! Taps: made through `/dev/net/tun` (Linux, `networking/tuntap`), since netlink makes none.

#![expect(
    unsafe_code,
    reason = "taps are made by ioctls, for which no safe interface is at hand"
)]

use nix::{errno::Errno, libc};
use protocol::spec::InterfaceName;
use std::{
    fs::{File, OpenOptions},
    os::fd::AsRawFd,
};

// linux/if_tun.h. TUNSETIFF is declared with an int and reads an ifreq.
nix::ioctl_write_ptr_bad!(
    tun_set_iff,
    nix::request_code_write!(b'T', 202, size_of::<libc::c_int>()),
    libc::ifreq
);
nix::ioctl_write_int!(tun_set_persist, b'T', 203);
nix::ioctl_write_int!(tun_set_owner, b'T', 204);

/// A tap that goes when this is dropped, unless it is [persisted](Self::persist).
#[derive(Debug)]
pub struct Tap(File);

impl Tap {
    /// Makes a tap in the network namespace of the calling thread. `owner` may open it without
    /// privileges.
    ///
    /// # Errors
    /// EBUSY if the name is taken; what opening `/dev/net/tun` says.
    pub fn create(name: &InterfaceName, owner: Option<u32>) -> Result<Self, Errno> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open("/dev/net/tun")
            .map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO)))?;
        // IFF_TUN_EXCL: make one, never open somebody else's.
        let flags = libc::IFF_TAP | libc::IFF_NO_PI | libc::IFF_VNET_HDR | libc::IFF_TUN_EXCL;
        let mut ifr_name = [0; libc::IFNAMSIZ];
        for (to, from) in ifr_name.iter_mut().zip(name.as_str().bytes()) {
            *to = from.cast_signed();
        }
        #[expect(clippy::cast_possible_truncation, reason = "the flags have 16 bits")]
        let request = libc::ifreq {
            ifr_name,
            ifr_ifru: libc::__c_anonymous_ifr_ifru {
                ifru_flags: flags as libc::c_short,
            },
        };
        // SAFETY: the descriptor is open and the kernel reads one ifreq, which lives until then.
        unsafe { tun_set_iff(file.as_raw_fd(), &raw const request) }?;
        if let Some(uid) = owner {
            // SAFETY: the descriptor is open and the argument is a number.
            unsafe { tun_set_owner(file.as_raw_fd(), uid.into()) }?;
        }
        Ok(Self(file))
    }

    /// Lets the tap outlive this value, for whoever opens it by name.
    ///
    /// # Errors
    /// As the ioctl TUNSETPERSIST.
    pub fn persist(self) -> Result<(), Errno> {
        // SAFETY: the descriptor is open and the argument is a number.
        unsafe { tun_set_persist(self.0.as_raw_fd(), 1) }.map(drop)
    }
}

#[cfg(test)]
impl Tap {
    /// The side of the tap that a VM has: each frame behind a `virtio_net_hdr`.
    pub fn into_guest(self) -> File {
        self.0
    }
}
