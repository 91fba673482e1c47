//! Starts QEMU as a child process. It runs as an ordinary user, in a network namespace without any
//! link, and inherits only the descriptors that it needs.

#![expect(
    unsafe_code,
    reason = "what a child does between fork and exec is unsafe to write down"
)]

use crate::{
    bounds, descriptors,
    launch::{Launch, PORTS},
    memory,
    server::with_causes,
    tap::Tap,
};
use nix::{
    errno::Errno,
    fcntl::{FcntlArg, FdFlag, fcntl},
    sched::{CloneFlags, unshare},
    sys::{prctl, signal::Signal},
    unistd::{Gid, Pid, Uid, setgroups, setresgid, setresuid},
};
use std::{
    collections::BTreeMap,
    fs::OpenOptions,
    io,
    os::{
        fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd},
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    process::Stdio,
};
use thiserror::Error;
use tokio::process::{Child, Command};
use vch_qemu::{Disk, Machine, MachineError, Memory, Nic, Stream};

/// The reason for which QEMU can't be started.
#[derive(Debug, Error)]
pub enum QemuError {
    /// A file that QEMU needs can't be opened.
    #[error("cannot open {}", path.display())]
    Open {
        /// The file's path.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// A tap device can't be opened.
    #[error("cannot open tap {tap}: it is there as long as the container is connected")]
    Tap {
        /// The tap's name.
        tap: String,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// A socket between the shim and QEMU can't be made.
    #[error("no socket for QEMU")]
    Socket(#[source] io::Error),
    /// The template, the saved VM to clone, can't be used.
    #[error("no clone is made: {reason}")]
    Template {
        /// The reason, in words.
        reason: String,
    },
    /// The launch describes a machine that QEMU can't be started with.
    #[error(transparent)]
    Machine(#[from] MachineError),
    /// The QEMU program can't be started.
    #[error(
        "cannot start {}: install the Debian package {}",
        program.display(),
        vch_qemu::PACKAGE
    )]
    Program {
        /// The program's path.
        program: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
}

/// A running QEMU, and the shim's ends of the sockets that it is connected to.
pub struct Qemu {
    /// The QEMU process; its standard error is a pipe.
    pub child: Child,
    /// The socket of QMP, by which QEMU is controlled.
    pub control: UnixStream,
    /// The guest's console, to which its kernel prints.
    pub console: UnixStream,
    /// The virtserialport `vch.process`, by which the shim talks to the guest's init.
    pub process: UnixStream,
    /// The open tap devices of the VM's NICs, by NIC ID.
    pub taps: BTreeMap<String, Tap>,
    /// The paths by which QEMU itself opens the image's disk and the writable disk. They lead to
    /// inherited descriptors.
    pub disks: [PathBuf; 2],
}

/// The descriptors that QEMU inherits, kept open until it runs.
#[derive(Default)]
struct Inherited(Vec<OwnedFd>);

impl Inherited {
    fn add(&mut self, descriptor: impl Into<OwnedFd>) -> RawFd {
        let descriptor = descriptor.into();
        let number = descriptor.as_raw_fd();
        self.0.push(descriptor);
        number
    }

    fn file(&mut self, path: &Path, write: bool) -> Result<RawFd, QemuError> {
        let opened = OpenOptions::new().read(true).write(write).open(path);
        let file = opened.map_err(|source| QemuError::Open {
            path: path.to_owned(),
            source,
        })?;
        Ok(self.add(file))
    }

    /// Makes a socket pair; returns the shim's end and the number of QEMU's, which QEMU inherits.
    fn pair(&mut self) -> Result<(UnixStream, RawFd), QemuError> {
        let (ours, its) = UnixStream::pair().map_err(QemuError::Socket)?;
        Ok((ours, self.add(its)))
    }
}

/// The common part of all machines: their lines, and how they boot.
struct Board {
    inherited: Inherited,
    machine: Machine,
    control: UnixStream,
    console: UnixStream,
    process: UnixStream,
}

/// Returns the path by which QEMU opens a descriptor that it inherits, so that no path of the VCH
/// has to be readable for QEMU.
fn inside(number: RawFd) -> PathBuf {
    PathBuf::from(format!("/dev/fd/{number}"))
}

impl Board {
    fn new(launch: &Launch, tether: UnixListener) -> Result<Self, QemuError> {
        let mut inherited = Inherited::default();
        let (control, control_end) = inherited.pair()?;
        let (console, console_end) = inherited.pair()?;
        let (process, process_end) = inherited.pair()?;
        let tether_end = inherited.add(tether);
        let kernel = inherited.file(&launch.kernel, false)?;
        let initramfs = inherited.file(&launch.initramfs, false)?;
        let machine = Machine::new(inside(kernel), inside(initramfs))
            .accelerator(launch.accelerator())
            .memory_mib(launch.memory_mib)
            .cpus(launch.cpus)
            .kernel_option("tether.channel=virtio:tether.0")
            .serial(Stream::Connected(console_end))
            .port("tether.0", Stream::Listening(tether_end))
            .port(protocol::process::PORT, Stream::Connected(process_end))
            .qmp(Stream::Connected(control_end));
        let mut board = Self {
            inherited,
            machine,
            control,
            console,
            process,
        };
        // The same in every VM of a kernel: a template is saved with it.
        if let Some(modules) = &launch.modules_disk {
            let modules = board.disk_file(modules, false)?;
            board.machine = board.machine.disk(disk("modules", modules, true));
        }
        Ok(board)
    }

    /// Opens a disk's file for QEMU; returns its path inside of QEMU.
    fn disk_file(&mut self, path: &Path, write: bool) -> Result<PathBuf, QemuError> {
        let number = self.inherited.file(path, write)?;
        self.machine = self.machine.clone().descriptor(number);
        Ok(PathBuf::from(format!("/dev/fdset/{number}")))
    }

    fn start(self, launch: &Launch, disks: [PathBuf; 2]) -> Result<Qemu, QemuError> {
        let child = spawn(launch, &self.machine, &self.inherited)?;
        Ok(Qemu {
            child,
            control: self.control,
            console: self.console,
            process: self.process,
            taps: BTreeMap::new(),
            disks,
        })
    }
}

impl Qemu {
    /// Starts QEMU for a launch. `tether` is the listening socket at which the coordinator reaches
    /// the guest's network agent.
    ///
    /// # Errors
    /// Returns the [`QemuError`] of the step that failed; no process is left running.
    pub fn start(launch: &Launch, tether: UnixListener) -> Result<Self, QemuError> {
        let mut board = Board::new(launch, tether)?;
        let image_disk = board.disk_file(&launch.image_disk, false)?;
        let writable_disk = board.disk_file(&launch.writable_disk, true)?;
        let disks = [image_disk.clone(), writable_disk.clone()];
        if let Some(template) = &launch.template {
            let memory = memory::of_template(template).map_err(|error| QemuError::Template {
                reason: with_causes(&error),
            })?;
            let memory = board.inherited.add(memory);
            board.machine = board
                .machine
                .memory(Memory::Template(inside(memory)))
                .root_ports(PORTS)
                .incoming();
            return board.start(launch, disks);
        }
        let mut machine = board
            .machine
            .root_ports(PORTS)
            .nics_in_ports()
            .disk(disk("image", image_disk, true))
            .disk(disk("upper", writable_disk, false));
        let mut taps = BTreeMap::new();
        for nic in &launch.nics {
            let failed = |source| QemuError::Tap {
                tap: nic.tap.clone(),
                source,
            };
            let tap = Tap::open(&nic.tap).map_err(failed)?;
            machine = machine.nic(Nic {
                id: nic.id.clone(),
                mac: nic.mac,
                tap: board.inherited.add(tap.duplicate().map_err(failed)?),
            });
            taps.insert(nic.id.clone(), tap);
        }
        board.machine = machine;
        let qemu = board.start(launch, disks)?;
        Ok(Self { taps, ..qemu })
    }

    /// Starts a QEMU that is to be saved as a template, without disks and NICs. `memory` is the
    /// file of its memory.
    ///
    /// # Errors
    /// Returns [`QemuError`] if QEMU can't be started.
    pub fn template(launch: &Launch, memory: OwnedFd) -> Result<Self, QemuError> {
        // Nobody connects to it: an abstract name that the kernel chooses.
        let nobody = UnixListener::bind_addr(&anonymous()?).map_err(QemuError::Socket)?;
        let mut board = Board::new(launch, nobody)?;
        let memory = board.inherited.add(memory);
        board.machine = board
            .machine
            .memory(Memory::Template(inside(memory)))
            .root_ports(PORTS);
        board.start(launch, [PathBuf::new(), PathBuf::new()])
    }
}

fn anonymous() -> Result<SocketAddr, QemuError> {
    let name = format!("vch-template-{}", std::process::id());
    SocketAddr::from_abstract_name(name).map_err(QemuError::Socket)
}

fn disk(serial: &str, path: PathBuf, read_only: bool) -> Disk {
    Disk {
        serial: serial.to_owned(),
        path,
        read_only,
    }
}

fn spawn(launch: &Launch, machine: &Machine, inherited: &Inherited) -> Result<Child, QemuError> {
    let mut command = Command::new(&launch.program);
    command
        .args(machine.arguments()?)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let numbers: Vec<RawFd> = inherited.0.iter().map(AsRawFd::as_raw_fd).collect();
    let id = launch.uid;
    let shim = Pid::this();
    // SAFETY: system calls only, and the list that they read was made before the fork.
    unsafe {
        command.pre_exec(move || confine(id, &numbers, shim));
    }
    command.spawn().map_err(|source| QemuError::Program {
        program: launch.program.clone(),
        source,
    })
}

/// Confines the child before it executes QEMU.
fn confine(id: u32, inherited: &[RawFd], shim: Pid) -> io::Result<()> {
    descriptors::close_at_exec()?;
    bounds::qemu()?;
    for number in inherited {
        // SAFETY: the descriptor is open until the exec.
        let descriptor = unsafe { BorrowedFd::borrow_raw(*number) };
        fcntl(descriptor, FcntlArg::F_SETFD(FdFlag::empty()))?;
    }
    unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWIPC)?;
    setgroups(&[])?;
    let (uid, gid) = (Uid::from_raw(id), Gid::from_raw(id));
    setresgid(gid, gid, gid)?;
    setresuid(uid, uid, uid)?;
    prctl::set_no_new_privs()?;
    // Behind the change of user, which clears it. It goes with its shim: with the thread that starts it, the only one.
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    // A shim that was killed before that sends no signal any more.
    if Pid::parent() != shim {
        return Err(Errno::ESRCH.into());
    }
    Ok(())
}

#[cfg(test)]
mod tests;
