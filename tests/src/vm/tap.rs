//! Taps that QEMU takes over as open descriptors, so that QEMU itself needs no right to make any.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::libc;

use crate::deadline::readable;
use crate::namespace::Namespace;

/// `struct virtio_net_hdr` of linux/virtio_net.h, which stands before each frame.
const VNET_HEADER: usize = 10;
/// A segment that the kernel has not cut yet is 64 KB long.
const MAX_FRAME: usize = VNET_HEADER + (1 << 16);

/// An open descriptor of a tap of a network namespace: a network device whose frames a program (a test, or QEMU) reads
/// and writes. Closed on drop.
#[derive(Debug)]
pub struct Tap {
    file: File,
}

impl Tap {
    /// Opens the existing tap `name` of a namespace, which another program made. A persistent tap stays when this value
    /// is dropped.
    ///
    /// # Errors
    /// Returns an error if the tap does not exist or is in use.
    pub fn open(namespace: &Namespace, name: &str) -> Result<Self> {
        namespace.ip(&format!("link show dev {name}"))?;
        namespace
            .run(|| attach(name))?
            .with_context(|| format!("open tap {name} of {}", namespace.name()))
    }

    /// Returns a second descriptor of the same tap, which stays open after QEMU has taken over the first.
    ///
    /// # Errors
    /// Returns the error of the system if the descriptor cannot be duplicated.
    pub fn try_clone(&self) -> Result<Self> {
        let file = self.file.try_clone().context("duplicate a tap")?;
        Ok(Self { file })
    }

    /// Returns the length in bytes of the virtio header before each frame, which QEMU has set. A tap that is made
    /// anew does not have this setting: [`Tap::attach_again`] restores it.
    ///
    /// # Errors
    /// Returns the error of the system if the tap was deleted.
    #[expect(unsafe_code, reason = "TUNGETVNETHDRSZ (linux/if_tun.h)")]
    pub fn header(&self) -> Result<i32> {
        nix::ioctl_read_bad!(
            header,
            nix::request_code_read!(b'T', 215, size_of::<i32>()),
            i32
        );
        let mut bytes = 0;
        // SAFETY: the kernel writes one int.
        unsafe { header(self.file.as_raw_fd(), &raw mut bytes) }.context("TUNGETVNETHDRSZ")?;
        Ok(bytes)
    }

    /// Attaches the open descriptor, and QEMU's duplicate of it, to a new tap of the same name, after the former
    /// one was deleted. `header` is the result of [`Tap::header`].
    ///
    /// # Errors
    /// Returns the error of the system if the new tap cannot be attached to.
    #[expect(unsafe_code, reason = "TUNSETVNETHDRSZ (linux/if_tun.h)")]
    pub fn attach_again(&self, name: &str, header: i32) -> Result<()> {
        nix::ioctl_write_ptr_bad!(
            set_header,
            nix::request_code_write!(b'T', 216, size_of::<i32>()),
            i32
        );
        set_interface(&self.file, name)?;
        // SAFETY: the kernel reads one int.
        unsafe { set_header(self.file.as_raw_fd(), &raw const header) }
            .context("TUNSETVNETHDRSZ")?;
        Ok(())
    }

    /// Makes a tap in a namespace, sets its link up, and opens it. The tap is persistent: it stays until the namespace
    /// is removed, whether or not a program has it open.
    ///
    /// # Errors
    /// Returns an error if the tap cannot be made.
    pub fn create(namespace: &Namespace, name: &str) -> Result<Self> {
        namespace.ip(&format!("tuntap add dev {name} mode tap vnet_hdr"))?;
        namespace.ip(&format!("link set {name} up"))?;
        Self::open(namespace, name)
    }

    /// Sends an Ethernet frame to the namespace as a guest on this tap would: from the frame's header on, without a
    /// frame check sequence.
    ///
    /// # Errors
    /// Returns the error of the system if the frame cannot be sent completely.
    pub fn send(&self, frame: &[u8]) -> Result<()> {
        let whole = [&[0; VNET_HEADER], frame].concat();
        let written = (&self.file).write(&whole).context("write to the tap")?;
        ensure!(written == whole.len(), "a frame was cut");
        Ok(())
    }

    /// Reads the Ethernet frames that a guest on this tap would receive until `which` accepts one, and returns that;
    /// `None` if none is accepted in time. The frames before it are dropped.
    ///
    /// # Errors
    /// Returns the error of the system if the tap cannot be read.
    pub fn receive_until(
        &self,
        within: Duration,
        which: impl Fn(&[u8]) -> bool,
    ) -> Result<Option<Vec<u8>>> {
        let end = Instant::now() + within;
        let mut buffer = vec![0; MAX_FRAME];
        while Instant::now() < end {
            if !readable(&self.file) {
                continue;
            }
            let length = (&self.file)
                .read(&mut buffer)
                .context("read from the tap")?;
            let frame = buffer[..length].get(VNET_HEADER..).unwrap_or_default();
            if which(frame) {
                return Ok(Some(frame.to_vec()));
            }
        }
        Ok(None)
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

fn attach(name: &str) -> Result<Tap> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/net/tun")?;
    set_interface(&file, name)?;
    Ok(Tap { file })
}

#[expect(
    unsafe_code,
    reason = "TUNSETIFF and the union in ifreq (linux/if_tun.h)"
)]
fn set_interface(file: &File, name: &str) -> Result<()> {
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
    for (slot, byte) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *slot = libc::c_char::from_ne_bytes([byte]);
    }
    let flags = libc::IFF_TAP | libc::IFF_NO_PI | libc::IFF_VNET_HDR;
    request.ifr_ifru.ifru_flags = libc::c_short::try_from(flags).context("tap flags")?;
    // SAFETY: `request` lives through the call, which writes the name back into it.
    unsafe { set_interface(file.as_raw_fd(), &raw const request) }.context("TUNSETIFF")?;
    Ok(())
}
