//! Describes a VM and starts it.

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use image::bootstrap::Image;
use vch_qemu::{Accelerator, Disk, Machine, Memory, Nic, Stream, Vsock};

use super::{QemuSocket, Qmp, Shell, Tap, Vm, VsockHost};
use crate::paths;
use crate::process::{Process, SpawnContext};
use crate::world::Lab;

/// The virtserialport on which the image's init answers commands.
const SHELL_PORT: &str = "lab.shell";

/// The description of a VM that is not started yet. Its methods change the description and return it. Devices of one
/// kind are found by the guest in the order in which they were added.
#[derive(Debug)]
#[must_use]
pub struct VmBuilder {
    lab: Lab,
    name: String,
    image: Option<Image>,
    taps: Vec<(Tap, [u8; 6])>,
    changes: Vec<Change>,
    memory_mib: u32,
}

/// A part of a machine besides its image and its lab channels.
#[derive(Debug)]
enum Change {
    KernelOption(String),
    Serial(PathBuf),
    Port(String, PathBuf),
    Vsock(Vsock),
    Disk(Disk),
    RootPorts(u8),
    Reboots,
    Memory(Memory),
    Incoming,
}

impl Lab {
    /// Returns the description of a VM with a console and the shell that tests use, and without further devices. `name`
    /// is unique in the test.
    pub fn vm(&self, name: &str) -> VmBuilder {
        VmBuilder::new(self.clone(), name)
    }
}

impl VmBuilder {
    fn new(lab: Lab, name: &str) -> Self {
        Self {
            lab,
            name: name.to_owned(),
            image: None,
            taps: Vec::new(),
            changes: Vec::new(),
            memory_mib: 128,
        }
    }

    /// Makes the VM boot this image (kernel and initramfs). The default is that of [`paths::bare_image`].
    pub fn image(mut self, image: &Image) -> Self {
        self.image = Some(image.clone());
        self
    }

    /// Gives the VM this much memory, in MiB. The default is 128.
    pub fn memory_mib(mut self, mib: u32) -> Self {
        self.memory_mib = mib;
        self
    }

    /// Adds an option to the guest kernel's command line, such as `tether.channel=serial:/dev/ttyS1`.
    pub fn kernel_option(self, option: &str) -> Self {
        self.with(Change::KernelOption(option.to_owned()))
    }

    /// Adds a serial line (`/dev/ttyS1`, then `/dev/ttyS2`, …). QEMU makes its host end, a Unix socket at `path`.
    pub fn serial(self, path: impl Into<PathBuf>) -> Self {
        self.with(Change::Serial(path.into()))
    }

    /// Adds a virtserialport, which the guest finds by `name`. QEMU makes its host end, a Unix socket at `path`.
    pub fn port(self, name: &str, path: impl Into<PathBuf>) -> Self {
        self.with(Change::Port(name.to_owned(), path.into()))
    }

    /// Adds a vsock device with this CID (context ID), which `host` serves.
    pub fn vsock(self, host: &VsockHost, cid: u32) -> Self {
        let device = Vsock::VhostUser(host.device_path(cid));
        self.with(Change::Vsock(device))
    }

    /// Adds a NIC with this MAC address on an open tap. QEMU's protocol knows the NICs as `nic0`, `nic1`, … in the
    /// order of these calls.
    pub fn nic(mut self, tap: Tap, mac: [u8; 6]) -> Self {
        self.taps.push((tap, mac));
        self
    }

    /// Gives the VM this many empty PCIe root ports, at most 64, for NICs that [`Vm::plug_nic`] plugs in later. They
    /// have the numbers from 0 on.
    pub fn root_ports(self, count: u8) -> Self {
        self.with(Change::RootPorts(count))
    }

    /// Adds a disk that the guest may write to (`/dev/vda`, then `/dev/vdb`, …): the file at `path`, with this
    /// serial number.
    pub fn disk(self, serial: &str, path: impl Into<PathBuf>) -> Self {
        self.with(Change::Disk(Disk {
            serial: serial.to_owned(),
            path: path.into(),
            read_only: false,
        }))
    }

    /// Lets the guest reboot. By default, QEMU ends when the guest reboots.
    pub fn reboots(self) -> Self {
        self.with(Change::Reboots)
    }

    pub(crate) fn memory(self, memory: Memory) -> Self {
        self.with(Change::Memory(memory))
    }

    pub(crate) fn incoming(self) -> Self {
        self.with(Change::Incoming)
    }

    pub(crate) fn lab(&self) -> &Lab {
        &self.lab
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Starts the VM and waits until its shell answers, for 60 s at most.
    ///
    /// # Errors
    /// Returns an error if the test's environment was not made with [`Lab::of_vms`], QEMU cannot be started, or the
    /// shell does not answer in time.
    pub fn boot(self) -> Result<Vm> {
        let mut vm = self.start()?;
        vm.ready()?;
        Ok(vm)
    }

    /// Starts the VM without waiting for its shell, so that several VMs can boot at the same time. [`Vm::ready`]
    /// waits.
    ///
    /// # Errors
    /// Returns an error if the test's environment was not made with [`Lab::of_vms`], or QEMU cannot be started.
    pub fn start(self) -> Result<Vm> {
        ensure!(
            self.lab.may_run_vms(),
            "VM {}: a test with VMs begins with Lab::of_vms",
            self.name
        );
        let image = match &self.image {
            Some(image) => image.clone(),
            None => paths::bare_image()?,
        };
        let shell = QemuSocket::open(self.lab.path(&format!("{}.shell", self.name)))?;
        let qmp = QemuSocket::open(self.lab.path(&format!("{}.qmp", self.name)))?;
        let arguments = self.machine(&image, &shell, &qmp)?.arguments()?;
        let log = self.lab.path(&format!("{}.qemu", self.name));
        let mut command = Command::new(vch_qemu::PROGRAM);
        command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        command.stderr(File::create(&log).context("make QEMU's log")?);
        let inherited = self
            .taps
            .into_iter()
            .map(|(tap, _)| OwnedFd::from(tap))
            .collect();
        let started = Instant::now();
        let context = SpawnContext {
            inherited,
            ..SpawnContext::default()
        };
        let mut process =
            Process::spawn_in(&format!("QEMU of VM {}", self.name), command, context)?;
        let qmp = Qmp::greet(qmp.accept(&mut process, &log)?)?;
        let shell = Shell::new(shell.accept(&mut process, &log)?)?;
        Ok(Vm {
            name: self.name,
            lab: self.lab,
            process,
            qmp,
            shell,
            started,
        })
    }

    fn machine(&self, image: &Image, shell: &QemuSocket, qmp: &QemuSocket) -> Result<Machine> {
        let variable = std::env::var(vch_qemu::ACCELERATOR_VARIABLE).ok();
        let mut machine = Machine::new(&image.kernel, &image.initramfs)
            .accelerator(Accelerator::from_variable(variable.as_deref())?)
            .memory_mib(self.memory_mib)
            .kernel_option("lab.shell")
            .serial(Stream::File(
                self.lab.path(&format!("{}.console", self.name)),
            ))
            .port(SHELL_PORT, Stream::Connect(shell.path.clone()))
            .qmp(Stream::Connect(qmp.path.clone()));
        for change in &self.changes {
            machine = match change {
                Change::KernelOption(option) => machine.kernel_option(option),
                Change::Serial(path) => machine.serial(Stream::Listen(path.clone())),
                Change::Port(name, path) => machine.port(name, Stream::Listen(path.clone())),
                Change::Vsock(vsock) => machine.vsock(vsock.clone()),
                Change::Disk(disk) => machine.disk(disk.clone()),
                Change::RootPorts(count) => machine.root_ports(*count),
                Change::Reboots => machine.reboots(),
                Change::Memory(memory) => machine.memory(memory.clone()),
                Change::Incoming => machine.incoming(),
            };
        }
        for (number, (tap, mac)) in self.taps.iter().enumerate() {
            machine = machine.nic(Nic {
                id: format!("nic{number}"),
                mac: *mac,
                tap: tap.as_raw_fd(),
            });
        }
        Ok(machine)
    }

    fn with(mut self, change: Change) -> Self {
        self.changes.push(change);
        self
    }
}
