//! The vsock devices of VMs, without a kernel module: `vhost-device-vsock` serves them over vhost-user, and shows them
//! to the host as Unix sockets ("hybrid vsock").

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

/// One process that serves the vsock devices of guests, which are siblings of one another.
#[derive(Debug)]
pub struct VsockHost {
    lab: Lab,
    _process: Process,
}

impl Lab {
    /// Serves the vsock devices of guests with these CIDs, which are siblings of one another.
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

    /// Returns the socket of hybrid vsock: a client connects and writes `CONNECT <port>` to reach a port of the
    /// guest. Connections of the guest to port P of CID 2 arrive at a listener on this path with `_P` behind it.
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
