//! A saved VM that was booted once, and its clones, which skip the boot.
//!
//! The memory stays in a file that the template shares and the clones map privately, so only the state of the
//! devices is saved beside it (QEMU's migration capability `x-ignore-shared`).
//!
//! Clones share the state of the kernel's random numbers too, until something in the guest reseeds them
//! (`RNDADDENTROPY` and `RNDRESEEDCRNG`, random(4)); Debian's cloud kernel lacks the driver of QEMU's `vmgenid`,
//! which would do so.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::json;
use vch_qemu::Memory;

use crate::deadline::eventually_some;
use crate::vm::{Vm, VmBuilder};

/// The devices' state is a fraction of a megabyte.
const MIGRATION: Duration = Duration::from_secs(20);
/// The name under which QEMU knows the descriptor of the state file.
const STATE: &str = "state";

/// A saved VM, from which copies are started that skip the boot. Its two files, the memory and the state of the
/// devices, are in the test's directory.
#[derive(Debug)]
pub struct Template {
    memory: PathBuf,
    state: PathBuf,
}

impl Template {
    /// Boots a VM, waits until its shell answers, saves it, and ends it. QEMU refuses to save a VM with a vhost-user
    /// vsock device.
    ///
    /// # Errors
    /// Returns an error if the VM does not boot or cannot be saved.
    pub fn save(vm: VmBuilder) -> Result<Self> {
        Self::save_after(vm, |_| Ok(()))
    }

    /// Boots a VM, waits until its shell answers, does `work` in it, saves it, and ends it.
    ///
    /// # Errors
    /// Returns an error if the VM does not boot or cannot be saved, or the error of `work`.
    pub fn save_after(vm: VmBuilder, work: impl FnOnce(&mut Vm) -> Result<()>) -> Result<Self> {
        let path = |kind| vm.lab().path(&format!("{}.{kind}", vm.name()));
        let template = Self {
            memory: path("memory"),
            state: path("state"),
        };
        let mut vm = vm
            .memory(Memory::Template(template.memory.clone()))
            .boot()?;
        work(&mut vm)?;
        template.write(&mut vm)?;
        vm.quit()?;
        Ok(template)
    }

    /// Starts a copy of the saved VM, paused: the caller plugs in what it needs, then calls [`Vm::resume`]. `vm`
    /// must describe the same devices as the saved VM had, with host ends of its own. In the guest, a NIC keeps the
    /// MAC address that it was saved with, whatever `vm` says.
    ///
    /// # Errors
    /// Returns an error if QEMU cannot be started or cannot load the saved state.
    pub fn restore(&self, vm: VmBuilder) -> Result<Vm> {
        let mut vm = vm
            .memory(Memory::Clone(self.memory.clone()))
            .incoming()
            .start()?;
        let state = File::open(&self.state).context("open the saved state")?;
        prepare(&mut vm, state)?;
        vm.qmp()
            .execute("migrate-incoming", json!({"uri": format!("fd:{STATE}")}))?;
        wait(&mut vm)?;
        Ok(vm)
    }

    /// Starts a copy of the saved VM, resumes it, and waits until its shell answers. `vm` must describe the same
    /// devices as the saved VM had, as for [`Self::restore`].
    ///
    /// # Errors
    /// Returns an error if QEMU cannot load the saved state, or the shell does not answer in time.
    pub fn clone_vm(&self, vm: VmBuilder) -> Result<Vm> {
        let mut vm = self.restore(vm)?;
        vm.resume()?;
        vm.ready()?;
        Ok(vm)
    }

    fn write(&self, vm: &mut Vm) -> Result<()> {
        vm.qmp().execute("stop", json!({}))?;
        prepare(
            vm,
            File::create(&self.state).context("make the state file")?,
        )?;
        vm.qmp()
            .execute("migrate", json!({"uri": format!("fd:{STATE}")}))?;
        wait(vm)
    }
}

/// Gives QEMU the state file, and leaves out the memory, which is in a file of its own.
fn prepare(vm: &mut Vm, state: File) -> Result<()> {
    vm.qmp().send_descriptor(STATE, &OwnedFd::from(state))?;
    let capability = json!({"capability": "x-ignore-shared", "state": true});
    vm.qmp().execute(
        "migrate-set-capabilities",
        json!({"capabilities": [capability]}),
    )?;
    Ok(())
}

fn wait(vm: &mut Vm) -> Result<()> {
    let what = format!("the state of VM {} is carried over", vm.name());
    let state = eventually_some(MIGRATION, &what, || {
        match vm.qmp().execute("query-migrate", json!({})) {
            Ok(answer) => match answer["status"].as_str() {
                Some("completed") => Some(Ok(())),
                Some("failed" | "cancelled") => Some(Err(answer["error-desc"].to_string())),
                _ => None,
            },
            Err(error) => Some(Err(format!("{error:#}"))),
        }
    })?;
    if let Err(reason) = state {
        bail!("QEMU can't carry the state of VM {}: {reason}", vm.name());
    }
    Ok(())
}
