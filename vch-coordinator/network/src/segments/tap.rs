//! Taps: created through `/dev/net/tun` (Linux, `networking/tuntap`), since netlink can't create one.

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
nix::ioctl_write_int!(tun_set_group, b'T', 206);

/// The user ID and group ID of root, which become the tap's owner and group. A tap without owner and group can be
/// opened by every user while nothing is attached to it (`tun_not_capable` in the kernel's drivers/net/tun.c).
pub const ROOT: u32 = 0;

/// An open tap. The kernel removes it when this value is dropped, unless it was [persisted](Self::persist).
#[derive(Debug)]
pub struct Tap(File);

impl Tap {
    /// Creates a tap in the network namespace of the calling thread. Only root can open it.
    ///
    /// # Errors
    /// Returns EBUSY if the name is in use, else the errno of opening `/dev/net/tun` or of its ioctls.
    pub fn create(name: &InterfaceName) -> Result<Self, Errno> {
        // IFF_TUN_EXCL: make one, never open one that is there.
        let tap = Self::attach(name, libc::IFF_TUN_EXCL)?;
        tap.close_to_users()?;
        Ok(tap)
    }

    /// Lets only root open an existing tap, to which no process is attached. Succeeds if the tap has been removed
    /// meanwhile.
    ///
    /// # Errors
    /// Returns EBUSY if a VM is attached to the tap: no other process can attach until that VM ends. Otherwise returns
    /// the errno of opening `/dev/net/tun` or of its ioctls.
    pub fn close_existing(name: &InterfaceName) -> Result<(), Errno> {
        Self::attach(name, 0)?.close_to_users()
    }

    fn attach(name: &InterfaceName, more: libc::c_int) -> Result<Self, Errno> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open("/dev/net/tun")
            .map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO)))?;
        let flags = libc::IFF_TAP | libc::IFF_NO_PI | libc::IFF_VNET_HDR | more;
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
        Ok(Self(file))
    }

    fn close_to_users(&self) -> Result<(), Errno> {
        let tap = self.0.as_raw_fd();
        // SAFETY: the descriptor is open and the argument is a number.
        unsafe { tun_set_owner(tap, ROOT.into()) }?;
        // SAFETY: the descriptor is open and the argument is a number.
        unsafe { tun_set_group(tap, ROOT.into()) }.map(drop)
    }

    /// Lets the tap outlive this value, so that another process can open it by name.
    ///
    /// # Errors
    /// Returns the errno of the ioctl TUNSETPERSIST.
    pub fn persist(self) -> Result<(), Errno> {
        // SAFETY: the descriptor is open and the argument is a number.
        unsafe { tun_set_persist(self.0.as_raw_fd(), 1) }.map(drop)
    }
}

#[cfg(test)]
impl Tap {
    /// Attaches to an existing tap, as a VM does; for tests.
    ///
    /// # Errors
    /// Returns the kernel's error if the tap does not exist, is in use, or this process may not attach to it.
    pub fn open_existing(name: &InterfaceName) -> Result<Self, Errno> {
        Self::attach(name, 0)
    }

    /// Returns the file by which the VM's side of the tap is read and written. A `virtio_net_hdr` precedes each frame.
    pub fn into_guest(self) -> File {
        self.0
    }
}
