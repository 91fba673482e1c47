//! The parts that a machine is made of.

use std::fmt::Write as _;
use std::os::fd::RawFd;
use std::path::PathBuf;

use super::MachineError;
use super::option::OptionList;

/// How the guest's instructions are run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Accelerator {
    /// Emulated: works everywhere.
    #[default]
    Tcg,
    /// By the host's kernel.
    Kvm,
}

impl Accelerator {
    /// Reads the value of [`super::ACCELERATOR_VARIABLE`]; unset means TCG.
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
    /// Written to a file; nothing is read.
    File(PathBuf),
    /// QEMU listens on a Unix socket: one client at a time, a second one waits.
    Listen(PathBuf),
    /// QEMU connects to a listening Unix socket at its start.
    Connect(PathBuf),
    /// A connected Unix socket, as QEMU inherits it.
    Connected(RawFd),
    /// A listening Unix socket, as QEMU inherits it: one client at a time, a second one waits.
    Listening(RawFd),
}

/// A virtio disk of raw bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// What the guest reads as its serial number (`/sys/block/*/serial`): at most 20 bytes, and an id for QEMU.
    pub serial: String,
    /// The file; or an open one, as `/dev/fdset/N` of [`super::Machine::descriptor`].
    pub path: PathBuf,
    /// The guest can't write to it.
    pub read_only: bool,
}

impl Disk {
    pub(super) fn check(&self) -> Result<(), MachineError> {
        check_id(&self.serial)?;
        if self.serial.len() > MAX_SERIAL {
            return Err(MachineError::Id {
                id: self.serial.clone(),
            });
        }
        Ok(())
    }

    /// The back-end. Whoever shares a read-only file needs no lock on it; the host's cache is the guest's.
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

/// A guest's vsock device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Vsock {
    /// By a `vhost-device-vsock` process that listens here; the CID is that process's matter.
    VhostUser(PathBuf),
    /// By the host kernel's vhost_vsock.
    Native {
        /// The guest's context id.
        cid: u32,
    },
}

/// Where the guest's memory is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Memory {
    /// QEMU's own; shared by a memory file descriptor where a device needs that.
    #[default]
    Own,
    /// A template's: a file that keeps what the guest writes.
    Template(PathBuf),
    /// A clone's: begins as the template's file, writes stay private.
    Clone(PathBuf),
}

/// A virtio NIC on a tap that is already open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nic {
    /// Names the device (`ID`) and its network back-end (`net-ID`) in QMP.
    pub id: String,
    /// What the guest sees as its permanent address.
    pub mac: [u8; 6],
    /// The tap, opened with `IFF_TAP | IFF_NO_PI | IFF_VNET_HDR`, as QEMU inherits it.
    pub tap: RawFd,
}

/// `VIRTIO_BLK_ID_BYTES` of linux/virtio_blk.h.
const MAX_SERIAL: usize = 20;

impl Nic {
    /// The id of its network back-end.
    #[must_use]
    pub fn netdev(&self) -> String {
        format!("net-{}", self.id)
    }

    /// Its MAC address as text.
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

/// Eight root ports are one device: a guest looks for 40 of them as fast as for none, where 16 devices
/// cost it 0.3 s, and 48 would not fit on the bus.
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

/// What QEMU takes as an id (`id_wellformed` in its `util/id.c`).
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
