//! A VM under test, run by QEMU.

use std::fs;
use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::json;

use crate::deadline::eventually_some;
use crate::process::Process;
use crate::world::Lab;

mod builder;
mod qmp;
mod shell;
mod tap;
mod vsock;

pub use builder::VmBuilder;
pub use qmp::Qmp;
pub use shell::{Output, Shell};
pub use tap::Tap;
pub use vsock::VsockHost;

/// An emulated VM boots in 2 to 3 s; a loaded machine takes its time.
const BOOT: Duration = Duration::from_secs(60);
/// For a command in the guest that needs no more than a moment.
const COMMAND: Duration = Duration::from_secs(20);
/// How long QEMU may take to end once its connections broke.
const END: Duration = Duration::from_secs(1);
const UNPLUG: Duration = Duration::from_secs(15);
/// How much of a console a failed test shows.
const CONSOLE_TAIL: usize = 60;

/// A VM that was started, controlled by a shell in the guest and by QEMU's machine protocol. Killed on drop.
#[derive(Debug)]
pub struct Vm {
    name: String,
    lab: Lab,
    process: Process,
    qmp: Qmp,
    shell: Shell,
    started: Instant,
}

impl Vm {
    /// Waits until the guest's shell answers, and returns the time from the start of QEMU to that answer.
    ///
    /// # Errors
    /// Returns an error with the console's output if it does not answer within 60 s.
    pub fn ready(&mut self) -> Result<Duration> {
        self.run_within(BOOT, "true")
            .with_context(|| format!("VM {} boots", self.name))?;
        Ok(self.started.elapsed())
    }

    /// Runs a shell script in the guest as root, for 20 s at most, and returns its status and output.
    ///
    /// # Errors
    /// Returns an error if the guest does not answer. A script that fails is not an error.
    pub fn run(&mut self, script: &str) -> Result<Output> {
        self.run_within(COMMAND, script)
    }

    /// Runs a shell script in the guest as root, and returns its status and output. The script is killed when the
    /// time is over.
    ///
    /// # Errors
    /// Returns an error if the guest does not answer. A script that fails is not an error.
    pub fn run_within(&mut self, within: Duration, script: &str) -> Result<Output> {
        let answer = self.shell.run(within, script);
        // A connection breaks a moment before its process has ended.
        if answer.is_err() && self.process.wait_within(END).is_ok() {
            bail!(
                "QEMU of VM {} ended: {}",
                self.name,
                self.lab.read(&format!("{}.qemu", self.name))
            );
        }
        answer.with_context(|| format!("in VM {}: {script}", self.name))
    }

    /// Runs a shell script in the guest as root, for 20 s at most, and returns its standard output.
    ///
    /// # Errors
    /// Returns an error with the output if the script fails.
    pub fn succeed(&mut self, script: &str) -> Result<String> {
        let output = self.run(script)?;
        if output.status != 0 {
            bail!(
                "in VM {}: {script}: status {}: {}",
                self.name,
                output.status,
                output.stderr
            );
        }
        Ok(output.stdout)
    }

    /// Returns the output of the guest's kernel and first process on the console so far.
    #[must_use]
    pub fn console(&self) -> String {
        self.lab.read(&format!("{}.console", self.name))
    }

    /// Returns the name that the test gave to the VM in [`Lab::vm`].
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns QEMU's process ID.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Returns the connection to QEMU's machine protocol, for commands that this type has no function for.
    pub fn qmp(&mut self) -> &mut Qmp {
        &mut self.qmp
    }

    /// Plugs a NIC on `tap` with the MAC address `mac`, such as `02:00:00:00:00:01`, into the VM's empty PCIe root port
    /// number `port` (from 0 on). `id` names the NIC in QEMU. Does not wait until the guest has found the NIC.
    ///
    /// # Errors
    /// Returns QEMU's error if the NIC cannot be plugged in.
    pub fn plug_nic(&mut self, id: &str, tap: Tap, mac: &str, port: u8) -> Result<()> {
        let (netdev, fd) = (format!("net-{id}"), format!("tap-{id}"));
        self.qmp.send_descriptor(&fd, &OwnedFd::from(tap))?;
        self.qmp
            .execute("netdev_add", json!({"type": "tap", "id": netdev, "fd": fd}))?;
        let device = json!({
            "driver": "virtio-net-pci", "id": id, "netdev": netdev, "mac": mac, "bus": format!("rp{port}"), "romfile": "",
        });
        self.qmp.execute("device_add", device)?;
        Ok(())
    }

    /// Unplugs the NIC that has this ID in QEMU, and waits until the guest has released it. The ID is that of
    /// [`Vm::plug_nic`].
    ///
    /// # Errors
    /// Returns an error if QEMU refuses, or the guest does not release the NIC within 15 s.
    pub fn unplug_nic(&mut self, id: &str) -> Result<()> {
        self.qmp.execute("device_del", json!({"id": id}))?;
        self.qmp
            .event(UNPLUG, "DEVICE_DELETED", |data| data["device"] == id)?;
        self.qmp
            .execute("netdev_del", json!({"id": format!("net-{id}")}))?;
        Ok(())
    }

    /// Resumes a paused guest, such as one from [`crate::Template::restore`].
    ///
    /// # Errors
    /// Returns QEMU's error if the guest cannot be resumed.
    pub fn resume(&mut self) -> Result<()> {
        self.qmp.execute("cont", json!({}))?;
        Ok(())
    }

    /// Reboots the guest, which must have been started with [`VmBuilder::reboots`], and waits until its shell
    /// answers.
    ///
    /// # Errors
    /// Returns an error if the guest does not reboot, or its shell does not answer in time.
    pub fn reboot(&mut self) -> Result<()> {
        self.shell.send("reboot -f")?;
        self.qmp.event(COMMAND, "RESET", |_| true)?;
        self.ready()?;
        Ok(())
    }

    /// Ends QEMU by its machine protocol, at once and without shutting the guest down, and waits for its end.
    ///
    /// # Errors
    /// Returns an error if QEMU does not end within 20 s, or fails.
    pub fn quit(mut self) -> Result<()> {
        self.qmp.execute("quit", json!({}))?;
        let status = self.process.wait_within(COMMAND)?;
        if !status.success() {
            bail!(
                "QEMU of VM {}: {status}: {}",
                self.name,
                self.lab.read(&format!("{}.qemu", self.name))
            );
        }
        Ok(())
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let console = self.console();
            let lines: Vec<_> = console.lines().collect();
            let tail = &lines[lines.len().saturating_sub(CONSOLE_TAIL)..];
            eprintln!("console of VM {}:\n{}", self.name, tail.join("\n"));
        }
    }
}

/// A socket that QEMU connects to at its start.
#[derive(Debug)]
struct QemuSocket {
    path: PathBuf,
    listener: UnixListener,
}

impl QemuSocket {
    /// Opens a socket, in place of one that an earlier VM of the same name left.
    fn open(path: PathBuf) -> Result<Self> {
        if path.exists() {
            fs::remove_file(&path)?;
        }
        let listener =
            UnixListener::bind(&path).with_context(|| format!("listen on {}", path.display()))?;
        listener.set_nonblocking(true)?;
        Ok(Self { path, listener })
    }

    fn accept(&self, process: &mut Process, log: &Path) -> Result<UnixStream> {
        let what = format!("QEMU connects to {}", self.path.display());
        let accepted = eventually_some(BOOT, &what, || match self.listener.accept() {
            Ok((stream, _)) => Some(Ok(stream)),
            Err(error) if error.kind() != ErrorKind::WouldBlock => Some(Err(error.into())),
            Err(_) if process.is_running() => None,
            Err(_) => Some(Err(anyhow::anyhow!(
                "QEMU ended: {}",
                fs::read_to_string(log).unwrap_or_default()
            ))),
        })?;
        let stream = accepted?;
        stream.set_nonblocking(false)?;
        Ok(stream)
    }
}
