//! Taps that QEMU takes over as open descriptors, so that QEMU itself needs no right to make any.

use std::fs::{File, OpenOptions};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use anyhow::{Context, Result, bail};
use nix::libc;

use crate::namespace::Namespace;

/// An open tap of a namespace.
#[derive(Debug)]
pub struct Tap {
    file: File,
}

impl Tap {
    /// Opens the tap `name` that is there already (made persistent by whoever owns its place in the network).
    pub fn open(namespace: &Namespace, name: &str) -> Result<Self> {
        namespace.ip(&format!("link show dev {name}"))?;
        namespace
            .run(|| attach(name))?
            .with_context(|| format!("open tap {name} of {}", namespace.name()))
    }

    /// Makes a persistent tap, up, and opens it.
    pub fn create(namespace: &Namespace, name: &str) -> Result<Self> {
        namespace.ip(&format!("tuntap add dev {name} mode tap vnet_hdr"))?;
        namespace.ip(&format!("link set {name} up"))?;
        Self::open(namespace, name)
    }
}

impl AsRawFd for Tap {
    fn as_raw_fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }
}

impl From<Tap> for OwnedFd {
    fn from(tap: Tap) -> Self {
        tap.file.into()
    }
}

#[expect(
    unsafe_code,
    reason = "TUNSETIFF and the union in ifreq (linux/if_tun.h)"
)]
fn attach(name: &str) -> Result<Tap> {
    nix::ioctl_write_ptr_bad!(
        set_interface,
        nix::request_code_write!(b'T', 202, size_of::<libc::c_int>()),
        libc::ifreq
    );
    // SAFETY: ifreq is plain data, for which zeroes are a valid value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    if name.is_empty() || name.len() >= request.ifr_name.len() {
        bail!("{name:?} is no interface name: use 1 to 15 bytes");
    }
    for (place, byte) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *place = libc::c_char::from_ne_bytes([byte]);
    }
    let flags = libc::IFF_TAP | libc::IFF_NO_PI | libc::IFF_VNET_HDR;
    request.ifr_ifru.ifru_flags = libc::c_short::try_from(flags).context("tap flags")?;
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/net/tun")?;
    // SAFETY: `request` lives through the call, which writes the name back into it.
    unsafe { set_interface(file.as_raw_fd(), &raw const request) }?;
    Ok(Tap { file })
}
