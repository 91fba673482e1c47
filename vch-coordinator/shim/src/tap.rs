//! Opens existing tap devices by name (linux/if_tun.h).

#![expect(
    unsafe_code,
    reason = "taps are opened by ioctls, for which no safe interface is at hand"
)]

use nix::{errno::Errno, libc};
use std::{
    fs::{File, OpenOptions},
    io,
    os::fd::{AsRawFd, OwnedFd},
};

nix::ioctl_write_ptr_bad!(
    set_interface,
    nix::request_code_write!(b'T', 202, size_of::<libc::c_int>()),
    libc::ifreq
);
nix::ioctl_write_ptr_bad!(
    set_header,
    nix::request_code_write!(b'T', 216, size_of::<libc::c_int>()),
    libc::c_int
);

/// Bytes before each frame: `virtio_net_hdr_mrg_rxbuf` of linux/virtio_net.h. QEMU sets it when the guest's driver speaks
/// virtio 1.0, as all do here; before that no frame goes either way.
static HEADER: libc::c_int = 12;

/// An open tap device, of which QEMU has a duplicate descriptor.
#[derive(Debug)]
pub struct Tap(File);

impl Tap {
    /// Opens the tap device of that name in the network namespace of the calling thread. Creates
    /// none.
    ///
    /// # Errors
    /// Returns the system's error if no tap has the name, if another process has it open, or if it
    /// was made without `IFF_VNET_HDR`.
    pub fn open(name: &str) -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open("/dev/net/tun")?;
        // Without this the kernel would make one.
        nix::net::if_::if_nametoindex(name)?;
        attach(&file, name)?;
        Ok(Self(file))
    }

    /// Returns a duplicate of the descriptor, for QEMU.
    ///
    /// # Errors
    /// Returns the system's error if no descriptor is left.
    pub fn duplicate(&self) -> io::Result<OwnedFd> {
        Ok(self.0.try_clone()?.into())
    }

    /// Attaches this descriptor and all of its duplicates to the tap device of that name, after
    /// their tap was deleted and created anew. QEMU continues with it.
    ///
    /// # Errors
    /// Returns the errors of [`open`](Self::open).
    pub fn attach_again(&self, name: &str) -> io::Result<()> {
        nix::net::if_::if_nametoindex(name)?;
        match attach(&self.0, name) {
            // It is of that tap already.
            Err(Errno::EEXIST | Errno::EINVAL | Errno::EBUSY) if self.stands(name) => return Ok(()),
            attached => attached?,
        }
        // The new tap does not know what QEMU had told the old one, and that one can't be asked any more.
        // SAFETY: the descriptor is open and the kernel reads one int.
        unsafe { set_header(self.0.as_raw_fd(), &raw const HEADER) }?;
        Ok(())
    }

    /// Returns whether the descriptor is attached to an existing link of that name.
    fn stands(&self, name: &str) -> bool {
        nix::ioctl_read_bad!(
            get_interface,
            nix::request_code_read!(b'T', 210, size_of::<libc::c_uint>()),
            libc::ifreq
        );
        let mut request = request("");
        // SAFETY: the descriptor is open and the kernel writes one ifreq.
        let known = unsafe { get_interface(self.0.as_raw_fd(), &raw mut request) };
        let own = request.ifr_name.iter().map(|byte| byte.cast_unsigned());
        let own = own.take_while(|byte| *byte != 0);
        known.is_ok() && own.eq(name.bytes())
    }
}

fn attach(file: &File, name: &str) -> Result<(), Errno> {
    if name.is_empty() || name.len() >= libc::IFNAMSIZ {
        return Err(Errno::EINVAL);
    }
    let request = request(name);
    // SAFETY: the descriptor is open and the kernel reads one ifreq, which lives until then.
    unsafe { set_interface(file.as_raw_fd(), &raw const request) }.map(drop)
}

fn request(name: &str) -> libc::ifreq {
    let mut ifr_name = [0; libc::IFNAMSIZ];
    for (to, from) in ifr_name.iter_mut().zip(name.bytes()) {
        *to = from.cast_signed();
    }
    let flags = libc::IFF_TAP | libc::IFF_NO_PI | libc::IFF_VNET_HDR;
    #[expect(clippy::cast_possible_truncation, reason = "the flags have 16 bits")]
    let ifru_flags = flags as libc::c_short;
    libc::ifreq {
        ifr_name,
        ifr_ifru: libc::__c_anonymous_ifr_ifru { ifru_flags },
    }
}

#[cfg(test)]
pub mod tests;
