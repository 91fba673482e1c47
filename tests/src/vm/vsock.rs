//! The vsock devices of VMs, without a kernel module: the program `vhost-device-vsock` serves them over vhost-user,
//! and shows them to the host as Unix sockets ("hybrid vsock").

use std::fs::File;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::deadline::eventually;
use crate::paths;
use crate::prerequisites::{self, Need};
use crate::process::Process;
use crate::world::Lab;

const START: Duration = Duration::from_secs(10);

/// A process of `vhost-device-vsock`, which serves the vsock devices of several guests. These guests can reach each
/// other (they are siblings).
#[derive(Debug)]
pub struct VsockHost {
    lab: Lab,
    _process: Process,
}

impl Lab {
    /// Starts a process of `vhost-device-vsock`, which serves the vsock devices of guests with these CIDs (context
    /// IDs), and waits until it does. The guests can reach each other.
    ///
    /// # Errors
    /// Returns an error if the program cannot be started or does not serve in time.
    pub fn vsock(&self, cids: &[u32]) -> Result<VsockHost> {
        VsockHost::start(self.clone(), cids)
    }
}

impl VsockHost {
    fn start(lab: Lab, cids: &[u32]) -> Result<Self> {
        prerequisites::check(&[Need::VhostDeviceVsock])?;
        let mut command = Command::new(paths::tool("vhost-device-vsock"));
        for cid in cids {
            let (device, host) = (device_path(&lab, *cid), host_path(&lab, *cid));
            let vm = format!(
                "guest-cid={cid},socket={},uds-path={}",
                device.display(),
                host.display()
            );
            command.args(["--vm", &vm]);
        }
        let log =
            File::create(lab.path("vsock.log")).context("make the log of vhost-device-vsock")?;
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let mut process = Process::spawn("vhost-device-vsock", command)?;
        eventually(START, "vhost-device-vsock listens for every guest", || {
            !process.is_running() || cids.iter().all(|cid| device_path(&lab, *cid).exists())
        })?;
        if !process.is_running() {
            anyhow::bail!("vhost-device-vsock ended: {}", lab.read("vsock.log"));
        }
        Ok(Self {
            lab,
            _process: process,
        })
    }

    /// Returns the path of the Unix socket by which a host's program reaches the guest with this CID: it connects
    /// and writes `CONNECT <port>`. Connections from the guest to port P of the host arrive at a listener whose
    /// path is this one followed by `_P`.
    #[must_use]
    pub fn path(&self, cid: u32) -> PathBuf {
        host_path(&self.lab, cid)
    }

    pub(crate) fn device_path(&self, cid: u32) -> PathBuf {
        device_path(&self.lab, cid)
    }
}

fn device_path(lab: &Lab, cid: u32) -> PathBuf {
    lab.path(&format!("vhost{cid}.sock"))
}

fn host_path(lab: &Lab, cid: u32) -> PathBuf {
    lab.path(&format!("vm{cid}.vsock"))
}
