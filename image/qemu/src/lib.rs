//! The QEMU command line of a container VM, as a value. [`Machine`] describes the VM;
//! [`Machine::arguments`] returns the arguments for the program [`PROGRAM`].
//!
//! The VM boots the bootstrap image: a kernel and an initramfs, which the package `image` makes.
//!
//! Architecture invariant: an argument is a function of a [`Machine`] alone; no file is opened, no
//! process is started.
//!
//! Emulation (TCG) is the default everywhere. KVM is used only when the variable `VCH_ACCEL` says
//! `kvm`: a `/dev/kvm` that opens says nothing about whether a guest gets past its firmware.

use std::ffi::{OsStr, OsString};
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};

use thiserror::Error;

mod device;
mod option;
#[cfg(test)]
mod tests;

pub use device::{Accelerator, Disk, Memory, Nic, Stream, Vsock};
use device::{check_id, root_port};
use option::OptionList;

/// The file name of the QEMU program.
pub const PROGRAM: &str = "qemu-system-x86_64";
/// The Debian package that contains the QEMU program.
pub const PACKAGE: &str = "qemu-system-x86";
/// The file name of the disk of kernel modules. `image build` writes it beside the initramfs, and
/// each container VM gets it as a read-only disk.
pub const MODULE_DISK: &str = "modules.squashfs";
/// The environment variable that chooses how QEMU executes the guest's instructions: `tcg` (emulation, the default) or
/// `kvm`. [`Accelerator::from_variable`] parses its value.
pub const ACCELERATOR_VARIABLE: &str = "VCH_ACCEL";

/// CIDs 0 to 2 are the hypervisor, local and the host (`linux/vm_sockets.h`).
const FIRST_GUEST_CID: u32 = 3;
/// Below this the kernel and the initramfs leave no room to run anything.
const LEAST_MEMORY_MIB: u32 = 64;
/// Eight devices of eight: half of the root bus stays free.
const MOST_ROOT_PORTS: u8 = 64;
const MOST_CPUS: u16 = 64;
/// The kernel options of every VM: power off on a panic; no crypto self-tests, which take 0.7 s under emulation; and
/// no test of the timer interrupt, which real boards need, and which fails in a guest whose processor has to wait
/// (`kernel-parameters`).
const KERNEL_OPTIONS: &str = "console=ttyS0 quiet panic=-1 cryptomgr.notests no_timer_check";

/// The reason for which a [`Machine`] is not valid, so that it has no command line.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum MachineError {
    /// The value of the variable [`ACCELERATOR_VARIABLE`] is unknown.
    #[error("{ACCELERATOR_VARIABLE}={value}: write `tcg` (the default) or `kvm`")]
    Accelerator {
        /// The variable's value.
        value: String,
    },
    /// The machine has less than 64 MiB of memory.
    #[error("memory {mib} MiB: give at least {LEAST_MEMORY_MIB} MiB")]
    Memory {
        /// The memory in MiB.
        mib: u32,
    },
    /// The context ID (CID) of the vsock device is not one that a guest can have.
    #[error("vsock CID {cid}: a guest's CID is between {FIRST_GUEST_CID} and 4294967294")]
    Cid {
        /// The context ID.
        cid: u32,
    },
    /// The machine has a vhost-user vsock device and a clone's memory. Such a device needs memory
    /// that QEMU shares with another process, and a clone's memory is private.
    #[error(
        "vsock by vhost-user needs shared memory, and a clone's memory is private: use another channel for a clone"
    )]
    PrivateMemory,
    /// The MAC address of a NIC is a group or broadcast address.
    #[error(
        "MAC address of NIC `{nic}` is a group address: clear the lowest bit of its first byte"
    )]
    GroupMac {
        /// The NIC's ID.
        nic: String,
    },
    /// The ID of a NIC, disk or port has characters that QEMU refuses, a disk's ID has more than 20 bytes, or two of
    /// the NICs and disks have the same ID.
    #[error("id {id:?}: use a letter, then letters, digits, `-`, `.` or `_`, and each id once")]
    Id {
        /// The ID.
        id: String,
    },
    /// The machine has no processor, or more than 64.
    #[error("{count} processors: give 1 to {MOST_CPUS}")]
    Processors {
        /// The number of processors.
        count: u16,
    },
    /// The machine has more than 64 PCIe root ports.
    #[error("root port {port}: this machine has {count} of them (at most {MOST_ROOT_PORTS})")]
    RootPort {
        /// How many root ports were requested.
        port: u8,
        /// How many root ports a machine can have.
        count: u8,
    },
}

/// The description of a VM that boots the bootstrap image (a kernel and an initramfs). Methods add
/// parts to it; [`Machine::arguments`] checks it and returns the arguments for QEMU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    kernel: PathBuf,
    initramfs: PathBuf,
    accelerator: Accelerator,
    memory_mib: u32,
    memory: Memory,
    options: String,
    serial: Vec<Stream>,
    ports: Vec<(String, Stream)>,
    nics: Vec<Nic>,
    disks: Vec<Disk>,
    descriptors: Vec<RawFd>,
    cpus: u16,
    vsock: Option<Vsock>,
    root_ports: u8,
    nics_in_ports: bool,
    qmp: Option<Stream>,
    reboots: bool,
    incoming: bool,
}

impl Machine {
    /// Returns a machine with this kernel and initramfs (paths of files on the host), 128 MiB of memory, one emulated
    /// processor, and no device except a source of random numbers.
    pub fn new(kernel: impl Into<PathBuf>, initramfs: impl Into<PathBuf>) -> Self {
        Self {
            kernel: kernel.into(),
            initramfs: initramfs.into(),
            accelerator: Accelerator::Tcg,
            memory_mib: 128,
            memory: Memory::Own,
            options: KERNEL_OPTIONS.to_owned(),
            serial: Vec::new(),
            ports: Vec::new(),
            nics: Vec::new(),
            disks: Vec::new(),
            descriptors: Vec::new(),
            cpus: 1,
            vsock: None,
            root_ports: 0,
            nics_in_ports: false,
            qmp: None,
            reboots: false,
            incoming: false,
        }
    }

    /// Sets whether QEMU emulates the processors (the default) or uses KVM.
    #[must_use]
    pub fn accelerator(mut self, accelerator: Accelerator) -> Self {
        self.accelerator = accelerator;
        self
    }

    /// Sets the size of the guest's memory, in MiB: at least 64, by default 128.
    #[must_use]
    pub fn memory_mib(mut self, mib: u32) -> Self {
        self.memory_mib = mib;
        self
    }

    /// Sets what backs the guest's memory: by default QEMU's own memory.
    #[must_use]
    pub fn memory(mut self, memory: Memory) -> Self {
        self.memory = memory;
        self
    }

    /// Appends an option to the kernel's command line, such as `tether.channel=virtio:tether.0`. Options of every VM,
    /// such as `console=ttyS0`, precede it.
    #[must_use]
    pub fn kernel_option(mut self, option: &str) -> Self {
        self.options.push(' ');
        self.options.push_str(option);
        self
    }

    /// Adds a serial line. The first is `ttyS0` in the guest and the kernel's console, the next
    /// `ttyS1`, and so on. `stream` is the host's end.
    #[must_use]
    pub fn serial(mut self, stream: Stream) -> Self {
        self.serial.push(stream);
        self
    }

    /// Adds a virtserialport, a byte channel between host and guest. The guest finds it by `name`
    /// (`/sys/class/virtio-ports/*/name`); `stream` is the host's end.
    #[must_use]
    pub fn port(mut self, name: &str, stream: Stream) -> Self {
        self.ports.push((name.to_owned(), stream));
        self
    }

    /// Adds a NIC that the VM has from its start.
    #[must_use]
    pub fn nic(mut self, nic: Nic) -> Self {
        self.nics.push(nic);
        self
    }

    /// Adds a disk that the VM has from its start. The guest finds it by its serial number.
    #[must_use]
    pub fn disk(mut self, disk: Disk) -> Self {
        self.disks.push(disk);
        self
    }

    /// Adds an open file descriptor `N` that QEMU inherits. QEMU can then open `/dev/fdset/N` as a file, for example as
    /// [`Disk::path`].
    #[must_use]
    pub fn descriptor(mut self, descriptor: RawFd) -> Self {
        self.descriptors.push(descriptor);
        self
    }

    /// Sets the number of the guest's processors: 1 to 64, by default 1.
    #[must_use]
    pub fn cpus(mut self, count: u16) -> Self {
        self.cpus = count;
        self
    }

    /// Sets the VM's vsock device; by default it has none. A second call replaces the device of the first.
    #[must_use]
    pub fn vsock(mut self, vsock: Vsock) -> Self {
        self.vsock = Some(vsock);
        self
    }

    /// Sets the number of PCIe root ports (`rp0`, `rp1`, …): at most 64, by default none. Each
    /// takes one device, which can be plugged and unplugged while the VM runs.
    #[must_use]
    pub fn root_ports(mut self, count: u8) -> Self {
        self.root_ports = count;
        self
    }

    /// Puts the NICs in the PCIe root ports, the first in `rp0`; [`root_ports`](Self::root_ports) must be at least
    /// their number. Without this call they are on the root bus, which has less room, and from which they can't be
    /// unplugged.
    #[must_use]
    pub fn nics_in_ports(mut self) -> Self {
        self.nics_in_ports = true;
        self
    }

    /// Lets QEMU offer its control protocol QMP at this stream.
    #[must_use]
    pub fn qmp(mut self, stream: Stream) -> Self {
        self.qmp = Some(stream);
        self
    }

    /// Lets the guest reboot, also after a panic of its kernel. Without this call, QEMU ends in both cases.
    #[must_use]
    pub fn reboots(mut self) -> Self {
        self.reboots = true;
        self
    }

    /// Makes QEMU wait, instead of booting, for the command `migrate-incoming` of QMP, which restores a saved VM.
    #[must_use]
    pub fn incoming(mut self) -> Self {
        self.incoming = true;
        self
    }

    /// Checks the machine, and returns QEMU's arguments, without the program.
    ///
    /// # Errors
    /// Returns the [`MachineError`] of the first part that is not valid.
    pub fn arguments(&self) -> Result<Vec<OsString>, MachineError> {
        self.check()?;
        let mut line = CommandLine::default();
        line.flags(&["-nodefaults", "-no-user-config", "-display", "none"]);
        line.flags(&[
            "-sandbox",
            "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
        ]);
        self.write_board(&mut line);
        self.write_devices(&mut line);
        if let Some(stream) = &self.qmp {
            line.chardev("qmp", stream);
            line.flags(&["-mon", "chardev=qmp,mode=control"]);
        }
        if self.incoming {
            line.flags(&["-incoming", "defer"]);
        }
        Ok(line.arguments)
    }

    fn write_board(&self, line: &mut CommandLine) {
        let accelerator = match self.accelerator {
            Accelerator::Tcg => "tcg",
            Accelerator::Kvm => "kvm",
        };
        let processor = match self.accelerator {
            // The richest model costs half a second of emulated probing.
            Accelerator::Tcg => "qemu64",
            Accelerator::Kvm => "host",
        };
        let mut machine = OptionList::new("q35").with("accel", accelerator);
        if let Some(memory) = self.memory_object() {
            line.option("-object", memory);
            machine = machine.with("memory-backend", "ram");
        }
        line.option("-machine", machine);
        line.flags(&[
            "-cpu",
            processor,
            "-m",
            &self.memory_mib.to_string(),
            "-bios",
            "qboot.rom",
        ]);
        if self.cpus != 1 {
            line.flags(&["-smp", &self.cpus.to_string()]);
        }
        if !self.reboots {
            line.flags(&["-no-reboot"]);
        }
        line.pair("-kernel", self.kernel.as_os_str());
        line.pair("-initrd", self.initramfs.as_os_str());
        line.flags(&["-append", &self.options]);
    }

    fn memory_object(&self) -> Option<OptionList> {
        let size = format!("{}M", self.memory_mib);
        let object = |kind| OptionList::new(kind).with("id", "ram").with("size", &size);
        let file = |path: &Path, share| {
            object("memory-backend-file")
                .with("mem-path", path)
                .with("share", share)
        };
        match (&self.memory, &self.vsock) {
            (Memory::Own, Some(Vsock::VhostUser(_))) => {
                Some(object("memory-backend-memfd").with("share", "on"))
            }
            (Memory::Own, _) => None,
            (Memory::Template(path), _) => Some(file(path, "on")),
            (Memory::Clone(path), _) => Some(file(path, "off")),
        }
    }

    fn write_devices(&self, line: &mut CommandLine) {
        line.flags(&["-device", "virtio-rng-pci"]);
        for port in 0..self.root_ports {
            line.option("-device", root_port(port));
        }
        for (number, stream) in self.serial.iter().enumerate() {
            let id = format!("serial{number}");
            line.chardev(&id, stream);
            line.option("-serial", OptionList::new(&format!("chardev:{id}")));
        }
        if !self.ports.is_empty() {
            line.flags(&["-device", "virtio-serial-pci"]);
        }
        for (number, (name, stream)) in self.ports.iter().enumerate() {
            let id = format!("port{number}");
            line.chardev(&id, stream);
            line.option(
                "-device",
                OptionList::new("virtserialport")
                    .with("chardev", &id)
                    .with("name", name),
            );
        }
        for descriptor in &self.descriptors {
            line.flags(&["-add-fd", &format!("fd={descriptor},set={descriptor}")]);
        }
        for disk in &self.disks {
            line.option("-blockdev", disk.back_end());
            line.option("-device", disk.device());
        }
        for (number, nic) in self.nics.iter().enumerate() {
            let netdev = OptionList::new("tap")
                .with("id", &nic.netdev())
                .with("fd", &nic.tap.to_string());
            line.option("-netdev", netdev);
            let device = match self.nics_in_ports {
                true => nic.device().with("bus", &format!("rp{number}")),
                false => nic.device(),
            };
            line.option("-device", device);
        }
        match &self.vsock {
            Some(Vsock::VhostUser(path)) => {
                line.chardev("vsock", &Stream::Connect(path.clone()));
                line.flags(&["-device", "vhost-user-vsock-pci,chardev=vsock"]);
            }
            Some(Vsock::Native { cid }) => {
                line.option(
                    "-device",
                    OptionList::new("vhost-vsock-pci").with("guest-cid", &cid.to_string()),
                );
            }
            None => {}
        }
    }

    fn check(&self) -> Result<(), MachineError> {
        if self.memory_mib < LEAST_MEMORY_MIB {
            return Err(MachineError::Memory {
                mib: self.memory_mib,
            });
        }
        if self.root_ports > MOST_ROOT_PORTS {
            return Err(MachineError::RootPort {
                port: self.root_ports,
                count: MOST_ROOT_PORTS,
            });
        }
        match (&self.vsock, &self.memory) {
            (Some(Vsock::Native { cid }), _) if !(FIRST_GUEST_CID..u32::MAX).contains(cid) => {
                return Err(MachineError::Cid { cid: *cid });
            }
            (Some(Vsock::VhostUser(_)), Memory::Clone(_)) => {
                return Err(MachineError::PrivateMemory);
            }
            _ => {}
        }
        let mut ids = Vec::new();
        for nic in &self.nics {
            nic.check()?;
            if ids.contains(&&nic.id) {
                return Err(MachineError::Id { id: nic.id.clone() });
            }
            ids.push(&nic.id);
        }
        for disk in &self.disks {
            disk.check()?;
            if ids.contains(&&disk.serial) {
                return Err(MachineError::Id {
                    id: disk.serial.clone(),
                });
            }
            ids.push(&disk.serial);
        }
        for (name, _) in &self.ports {
            check_id(name)?;
        }
        if !(1..=MOST_CPUS).contains(&self.cpus) {
            return Err(MachineError::Processors { count: self.cpus });
        }
        Ok(())
    }
}

#[derive(Default)]
struct CommandLine {
    arguments: Vec<OsString>,
}

impl CommandLine {
    fn flags(&mut self, flags: &[&str]) {
        self.arguments.extend(flags.iter().map(OsString::from));
    }

    fn pair(&mut self, flag: &str, value: &OsStr) {
        self.arguments
            .extend([OsString::from(flag), value.to_owned()]);
    }

    fn option(&mut self, flag: &str, list: OptionList) {
        self.arguments
            .extend([OsString::from(flag), list.into_argument()]);
    }

    fn chardev(&mut self, id: &str, stream: &Stream) {
        let list = match stream {
            Stream::File(path) => OptionList::new("file").with("id", id).with("path", path),
            Stream::Listen(path) => OptionList::new("socket")
                .with("id", id)
                .with("path", path)
                .with("server", "on")
                .with("wait", "off"),
            Stream::Connect(path) => OptionList::new("socket").with("id", id).with("path", path),
            Stream::Connected(descriptor) => OptionList::new("socket")
                .with("id", id)
                .with("fd", &descriptor.to_string()),
            Stream::Listening(descriptor) => OptionList::new("socket")
                .with("id", id)
                .with("fd", &descriptor.to_string())
                .with("server", "on")
                .with("wait", "off"),
        };
        self.option("-chardev", list);
    }
}
