//! The devices and other parts of a machine.

use std::fmt::Write as _;
use std::os::fd::RawFd;
use std::path::PathBuf;

use super::MachineError;
use super::option::OptionList;

/// How the guest's instructions are executed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Accelerator {
    /// QEMU emulates them (TCG): works on every host.
    #[default]
    Tcg,
    /// The host's kernel executes them (KVM).
    Kvm,
}

impl Accelerator {
    /// Parses the value of [`super::ACCELERATOR_VARIABLE`]; `None` means TCG.
    ///
    /// # Errors
    /// Returns [`MachineError::Accelerator`] for another value than `tcg` or `kvm`.
    pub fn from_variable(value: Option<&str>) -> Result<Self, MachineError> {
        match value {
            None | Some("" | "tcg") => Ok(Self::Tcg),
            Some("kvm") => Ok(Self::Kvm),
            Some(other) => Err(MachineError::Accelerator {
                value: other.to_owned(),
            }),
        }
    }
}

/// The host's end of a console, serial line or virtserialport.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stream {
    /// QEMU writes the output to a file; the guest gets no input.
    File(PathBuf),
    /// QEMU listens on a Unix socket at this path: one client at a time; a second one waits.
    Listen(PathBuf),
    /// QEMU connects to a listening Unix socket when it starts.
    Connect(PathBuf),
    /// QEMU inherits this connected Unix socket.
    Connected(RawFd),
    /// QEMU inherits this listening Unix socket: one client at a time; a second one waits.
    Listening(RawFd),
}

/// A virtio disk of raw bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// The serial number that the guest reads (`/sys/block/*/serial`), which is also the disk's ID in QEMU: at most
    /// 20 bytes.
    pub serial: String,
    /// The path of the file, or `/dev/fdset/N` for a descriptor of [`super::Machine::descriptor`].
    pub path: PathBuf,
    /// Whether the guest can't write to the disk.
    pub read_only: bool,
}

impl Disk {
    /// Checks that QEMU can have the device.
    ///
    /// # Errors
    /// Returns [`MachineError`] with the value that is not possible.
    pub(super) fn check(&self) -> Result<(), MachineError> {
        check_id(&self.serial)?;
        if self.serial.len() > MAX_SERIAL {
            return Err(MachineError::Id {
                id: self.serial.clone(),
            });
        }
        Ok(())
    }

    /// Returns the back-end's options. A read-only file may be shared, so it is not locked; the guest uses the host's
    /// page cache.
    pub(super) fn back_end(&self) -> OptionList {
        OptionList::new("driver=raw")
            .with("node-name", &self.serial)
            .with("read-only", if self.read_only { "on" } else { "off" })
            .with("file.driver", "file")
            .with("file.filename", &self.path)
            .with("file.locking", if self.read_only { "off" } else { "auto" })
            .with("discard", "unmap")
    }

    pub(super) fn device(&self) -> OptionList {
        OptionList::new("virtio-blk-pci")
            .with("drive", &self.serial)
            .with("serial", &self.serial)
            // On a full disk of the host the guest hears of it; QEMU's default is to stop the VM.
            .with("werror", "report")
            .with("rerror", "report")
    }
}

/// The vsock device of a guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Vsock {
    /// A `vhost-device-vsock` process that listens at this path provides it, and sets the CID.
    VhostUser(PathBuf),
    /// The host kernel's vhost_vsock provides it.
    Native {
        /// The guest's context ID.
        cid: u32,
    },
}

/// The backing of the guest's memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Memory {
    /// QEMU's own memory; in a shared memory file if a device needs that.
    #[default]
    Own,
    /// The file of a template, which keeps what the guest writes.
    Template(PathBuf),
    /// A private copy of a template's file: what the guest writes is not kept.
    Clone(PathBuf),
}

/// A virtio NIC on a tap that is already open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nic {
    /// The NIC's ID, which names the device (`ID`) and its network back-end (`net-ID`) in QMP.
    pub id: String,
    /// The MAC address that the guest sees as the permanent one.
    pub mac: [u8; 6],
    /// The descriptor of the tap that QEMU inherits, opened with
    /// `IFF_TAP | IFF_NO_PI | IFF_VNET_HDR`.
    pub tap: RawFd,
}

/// `VIRTIO_BLK_ID_BYTES` of linux/virtio_blk.h.
const MAX_SERIAL: usize = 20;

impl Nic {
    /// Returns the ID of the NIC's network back-end.
    #[must_use]
    pub fn netdev(&self) -> String {
        format!("net-{}", self.id)
    }

    /// Returns the MAC address as text.
    #[must_use]
    pub fn mac_text(&self) -> String {
        let mut text = String::new();
        for (number, byte) in self.mac.iter().enumerate() {
            let colon = if number == 0 { "" } else { ":" };
            // Writing to a String can't fail.
            let _ = write!(text, "{colon}{byte:02x}");
        }
        text
    }

    /// Checks that QEMU can have the device.
    ///
    /// # Errors
    /// Returns [`MachineError`] with the value that is not possible.
    pub(super) fn check(&self) -> Result<(), MachineError> {
        check_id(&self.id)?;
        if self.mac[0] & 1 == 1 {
            return Err(MachineError::GroupMac {
                nic: self.id.clone(),
            });
        }
        Ok(())
    }

    pub(super) fn device(&self) -> OptionList {
        // An empty romfile skips the network boot ROM.
        OptionList::new("virtio-net-pci")
            .with("id", &self.id)
            .with("netdev", &self.netdev())
            .with("mac", &self.mac_text())
            .with("romfile", "")
    }
}

/// The first device of the root bus whose functions are root ports; those before it are for what the
/// VM has from the start.
const FIRST_PORT_DEVICE: u8 = 8;
/// Functions of one device (PCI Local Bus Specification 3.0, 3.2.2.3).
const FUNCTIONS: u8 = 8;

/// Returns the options of a root port. Eight root ports share one device number: a guest then finds 40 of them as
/// fast as none, where 16 devices cost it 0.3 s, and 48 would not fit on the bus.
pub(super) fn root_port(number: u8) -> OptionList {
    // Chassis and slot 0 are the board's own.
    let slot = (u16::from(number) + 1).to_string();
    let device = FIRST_PORT_DEVICE + number / FUNCTIONS;
    let function = number % FUNCTIONS;
    OptionList::new("pcie-root-port")
        .with("id", &format!("rp{number}"))
        .with("chassis", &slot)
        .with("slot", &slot)
        .with("multifunction", "on")
        .with("addr", &format!("{device:#x}.{function}"))
}

/// Checks that QEMU takes a text as an ID (`id_wellformed` in its `util/id.c`).
///
/// # Errors
/// Returns [`MachineError::Id`] if it does not.
pub(super) fn check_id(id: &str) -> Result<(), MachineError> {
    let begins = id.starts_with(|c: char| c.is_ascii_alphabetic());
    let goes_on = id
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_'));
    if begins && goes_on {
        Ok(())
    } else {
        Err(MachineError::Id { id: id.to_owned() })
    }
}
