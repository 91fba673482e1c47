//! The devices and other parts of a machine (a VM that QEMU runs).

use std::fmt::Write as _;
use std::os::fd::RawFd;
use std::path::PathBuf;

use super::MachineError;
use super::option::OptionList;

/// How QEMU executes the instructions of a VM's processors.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Accelerator {
    /// QEMU emulates the processors (TCG), which works on every host.
    #[default]
    Tcg,
    /// The host's processors execute the instructions, by KVM.
    Kvm,
}

impl Accelerator {
    /// Parses the value of the environment variable [`super::ACCELERATOR_VARIABLE`]: `tcg` or `kvm`. `None` (not set)
    /// and an empty value mean TCG. Does not read the variable itself: the caller passes its value.
    ///
    /// # Errors
    /// Returns [`MachineError::Accelerator`] for any other value.
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

/// The host's end of a guest's serial line, of a virtserialport, or of QEMU's control channel (QMP).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stream {
    /// QEMU writes the output to the file at this path, and replaces a file that exists; the guest gets no input.
    File(PathBuf),
    /// QEMU listens on a Unix socket that it makes at this path. It serves one client at a time; a
    /// second one waits.
    Listen(PathBuf),
    /// QEMU connects, when it starts, to the Unix socket at this path, on which another process listens.
    Connect(PathBuf),
    /// QEMU inherits this file descriptor, a connected Unix socket.
    Connected(RawFd),
    /// QEMU inherits this file descriptor, a listening Unix socket. It serves one client at a time; a second one waits.
    Listening(RawFd),
}

/// A virtio disk of a VM. Its content is that of a file of the host, byte for byte (QEMU's format `raw`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// The serial number, which the guest reads (`/sys/block/*/serial`) and which is also the
    /// disk's ID in QEMU: a letter, then letters, digits, `-`, `.` or `_`; at most 20 bytes.
    pub serial: String,
    /// The path of the file on the host, or `/dev/fdset/N` for a descriptor `N` of [`super::Machine::descriptor`].
    pub path: PathBuf,
    /// Whether the guest can only read the disk. If so, several VMs may share the file, which QEMU does not lock;
    /// otherwise QEMU locks it for this VM alone.
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

/// The vsock device of a guest (vsock(7)), by which it talks to the host: what provides it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Vsock {
    /// A process `vhost-device-vsock` provides the device, and sets the guest's context ID. It listens on the Unix
    /// socket at this path, to which QEMU connects when it starts.
    VhostUser(PathBuf),
    /// The host's kernel provides the device (vhost_vsock).
    Native {
        /// The guest's context ID (CID), 3 to 4294967294.
        cid: u32,
    },
}

/// What backs the guest's memory on the host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Memory {
    /// Memory that QEMU allocates. If a vhost-user vsock device has to share it with another process, it is an
    /// anonymous file (memfd).
    #[default]
    Own,
    /// The file at this path, which QEMU maps as shared: what the guest writes stays in the file. A VM that is to be
    /// saved as a template has such memory.
    Template(PathBuf),
    /// A private mapping of the file at this path, which is the memory of a template: the guest begins with the file's
    /// content, and what it writes is not kept in the file.
    Clone(PathBuf),
}

/// A virtio network card, connected to a tap device of the host that is already open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nic {
    /// The NIC's ID: a letter, then letters, digits, `-`, `.` or `_`. It names the device (`ID`)
    /// and its network back-end (`net-ID`) in QMP.
    pub id: String,
    /// The MAC address that the guest sees as the permanent one. It must not be a group address.
    pub mac: [u8; 6],
    /// The descriptor of the tap device, which QEMU inherits. It must be opened with `IFF_TAP |
    /// IFF_NO_PI | IFF_VNET_HDR`.
    pub tap: RawFd,
}

/// `VIRTIO_BLK_ID_BYTES` of linux/virtio_blk.h.
const MAX_SERIAL: usize = 20;

impl Nic {
    /// Returns the ID of the NIC's network back-end in QEMU, `net-ID`.
    #[must_use]
    pub fn netdev(&self) -> String {
        format!("net-{}", self.id)
    }

    /// Returns the MAC address as text, such as `02:00:00:00:00:01`.
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
