//! The VM's NICs: those that it started with, and those that are plugged while it runs.

use crate::{
    launch::{Nic, PORTS},
    qmp::{Qmp, QmpError},
    tap::Tap,
};
use serde_json::json;
use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};
use thiserror::Error;

/// The reason for which a NIC of the VM could not be changed.
#[derive(Debug, Error)]
pub enum NicError {
    /// QEMU refused a command, or did not answer.
    #[error(transparent)]
    Qemu(#[from] QmpError),
    /// The tap can't be opened or attached.
    #[error("tap {tap} can't be opened")]
    Tap {
        /// The tap's name.
        tap: String,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// The VM has no free PCIe root port.
    #[error(
        "all {PORTS} slots of the VM are taken, its disks' among them: disconnect a network, or stop and start the container"
    )]
    Full,
    /// The VM has no NIC with this ID.
    #[error("the VM has no NIC {0}")]
    Unknown(String),
}

impl NicError {
    /// Returns the error's stable code, for the shim's clients: `qemu`, `tap`, `no-slot` or
    /// `no-such-nic`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Qemu(_) => "qemu",
            Self::Tap { .. } => "tap",
            Self::Full => "no-slot",
            Self::Unknown(_) => "no-such-nic",
        }
    }
}

/// The VM's NICs, each with its tap and its PCIe root port (slot).
pub struct Nics {
    qmp: Qmp,
    taps: BTreeMap<String, Tap>,
    slots: BTreeMap<u8, String>,
}

impl Nics {
    /// Returns the NICs that the VM was started with. They have the first slots, in the order of
    /// `first`. `taps` has their taps by NIC ID.
    pub fn new(qmp: Qmp, taps: BTreeMap<String, Tap>, first: &[Nic]) -> Self {
        let slots = (0..).zip(first).map(|(slot, nic)| (slot, nic.id.clone()));
        Self {
            qmp,
            taps,
            slots: slots.collect(),
        }
    }

    /// Plugs the two disks of a clone, which begins without devices, and lets it run. `disks` are
    /// the paths of the image's disk and of the writable disk. The NICs are plugged later, once the
    /// clone's init has answered: a guest takes devices one after the other, and mounts its disks
    /// while the NICs follow.
    ///
    /// # Errors
    /// Returns [`NicError::Qemu`] if QEMU refuses or does not answer.
    pub async fn equip(qmp: Qmp, disks: &[PathBuf; 2]) -> Result<Self, NicError> {
        let mut own = Self::new(qmp, BTreeMap::new(), &[]);
        for (slot, (serial, path)) in ["image", "upper"].into_iter().zip(disks).enumerate() {
            let slot = u8::try_from(slot).unwrap_or(u8::MAX);
            own.plug_disk(slot, serial, path).await?;
        }
        own.qmp.execute("cont", json!({})).await?;
        Ok(own)
    }

    async fn plug_disk(&mut self, slot: u8, serial: &str, path: &Path) -> Result<(), NicError> {
        let read_only = serial == "image";
        let file = json!({
            "driver": "file",
            "filename": path,
            "locking": if read_only { "off" } else { "auto" },
        });
        let backend = json!({
            "driver": "raw",
            "node-name": serial,
            "read-only": read_only,
            "discard": "unmap",
            "file": file,
        });
        self.qmp.execute("blockdev-add", backend).await?;
        let device = json!({
            "driver": "virtio-blk-pci",
            "drive": serial,
            "serial": serial,
            "bus": format!("rp{slot}"),
            // On a full disk of the host the guest hears of it; QEMU's default is to stop the VM.
            "werror": "report",
            "rerror": "report",
        });
        self.qmp.execute("device_add", device).await?;
        self.slots.insert(slot, serial.to_owned());
        Ok(())
    }

    /// Plugs a NIC into the running VM. Does nothing if the VM has a NIC with this ID.
    ///
    /// # Errors
    /// Returns [`NicError::Full`] if no slot is free, [`NicError::Tap`] if the tap can't be opened,
    /// [`NicError::Qemu`] if QEMU refuses.
    pub async fn plug(&mut self, nic: &Nic) -> Result<(), NicError> {
        if self.taps.contains_key(&nic.id) {
            return Ok(());
        }
        let mut slots = 0..PORTS;
        let slot = slots.find(|slot| !self.slots.contains_key(slot));
        let slot = slot.ok_or(NicError::Full)?;
        let failed = |source| NicError::Tap {
            tap: nic.tap.clone(),
            source,
        };
        let tap = Tap::open(&nic.tap).map_err(failed)?;
        let descriptor = tap.duplicate().map_err(failed)?;
        let [name, netdev] = ["fd", "net"].map(|kind| format!("{kind}-{}", nic.id));
        self.qmp.forget_deleted(&nic.id);
        self.qmp.give(&name, &descriptor).await?;
        let backend = json!({"type": "tap", "id": netdev, "fd": name});
        self.qmp.execute("netdev_add", backend).await?;
        let mac = nic.mac.map(|byte| format!("{byte:02x}")).join(":");
        let device = json!({
            "driver": "virtio-net-pci",
            "id": nic.id,
            "netdev": netdev,
            "mac": mac,
            "bus": format!("rp{slot}"),
            "romfile": "",
        });
        if let Err(error) = self.qmp.execute("device_add", device).await {
            // Its own error would hide the first one.
            let _ = self.qmp.execute("netdev_del", json!({"id": netdev})).await;
            return Err(error.into());
        }
        self.slots.insert(slot, nic.id.clone());
        self.taps.insert(nic.id.clone(), tap);
        Ok(())
    }

    /// Unplugs a NIC from the VM; does nothing if the VM does not have it.
    ///
    /// # Errors
    /// Returns [`NicError::Qemu`] if QEMU refuses, or the guest does not release the NIC in time.
    pub async fn unplug(&mut self, id: &str) -> Result<(), NicError> {
        if !self.taps.contains_key(id) {
            return Ok(());
        }
        match self.qmp.execute("device_del", json!({"id": id})).await {
            // It was asked for before, and the guest takes its time.
            Err(QmpError::Refused { reason, .. }) if reason.contains("already in the process") => {}
            // It went after the deadline of an earlier request.
            Err(QmpError::Refused { reason, .. }) if reason.contains("not found") => {
                return self.gone(id).await;
            }
            asked => drop(asked?),
        }
        self.qmp.deleted(id).await?;
        self.gone(id).await
    }

    async fn gone(&mut self, id: &str) -> Result<(), NicError> {
        let netdev = format!("net-{id}");
        self.qmp
            .execute("netdev_del", json!({"id": netdev}))
            .await?;
        self.slots.retain(|_, held| held != id);
        self.taps.remove(id);
        Ok(())
    }

    /// Connects a NIC to its tap again, after another program deleted the tap and it was created
    /// anew.
    ///
    /// # Errors
    /// Returns [`NicError::Unknown`] if the VM does not have the NIC, [`NicError::Tap`] if the tap
    /// can't be attached.
    pub fn reattach(&mut self, nic: &Nic) -> Result<(), NicError> {
        let tap = self.taps.get(&nic.id);
        let tap = tap.ok_or_else(|| NicError::Unknown(nic.id.clone()))?;
        tap.attach_again(&nic.tap).map_err(|source| NicError::Tap {
            tap: nic.tap.clone(),
            source,
        })
    }

    /// Tells QEMU to end, and the VM with it. Does nothing if QEMU has ended.
    pub async fn quit(&mut self) {
        // It may have ended already.
        let _ = self.qmp.execute("quit", json!({})).await;
    }
}

#[cfg(test)]
mod tests;
