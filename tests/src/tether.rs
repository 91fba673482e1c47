//! The channel between the agent in a container's VM and the coordinator, as a device of the VM.

use anyhow::{Context, Result, ensure};

use crate::paths;
use crate::vch::Coordinator;
use crate::vm::{Tap, VmBuilder, VsockHost};
use crate::world::Lab;

/// The port that agents listen on, in hybrid vsock.
const PORT: u16 = 1023;

/// The kind of channel between the agent in a container's VM and the coordinator.
#[derive(Debug, Clone, Copy)]
pub enum Tether<'a> {
    /// Hybrid vsock (a vsock device that the host sees as Unix sockets), for the guest with this CID.
    Vsock(&'a VsockHost, u32),
    /// The VM's second serial line, `/dev/ttyS1`; the first one is the console.
    Serial,
    /// A virtserialport, a character device of virtio, with the name `tether.0`.
    Port,
}

impl Tether<'_> {
    /// Returns the argument of `vchctl container add --channel`, by which the coordinator reaches the agent of the VM
    /// with this name.
    #[must_use]
    pub fn channel(&self, lab: &Lab, name: &str) -> String {
        match self {
            Self::Vsock(host, cid) => format!("hybrid-vsock:{}:{PORT}", host.path(*cid).display()),
            Self::Serial | Self::Port => {
                format!("chardev:{}", lab.path(&format!("{name}.tether")).display())
            }
        }
    }

    fn plug(&self, vm: VmBuilder, lab: &Lab, name: &str) -> VmBuilder {
        let socket = lab.path(&format!("{name}.tether"));
        match self {
            Self::Vsock(host, cid) => vm
                .vsock(host, *cid)
                .kernel_option(&format!("tether.channel=vsock-listen:{PORT}")),
            Self::Serial => vm
                .serial(socket)
                .kernel_option("tether.channel=serial:/dev/ttyS1"),
            Self::Port => vm
                .port("tether.0", socket)
                .kernel_option("tether.channel=virtio:tether.0"),
        }
    }
}

impl Coordinator<'_> {
    /// Returns the description of a container's VM, not started yet: with the agent, the device of the channel, and
    /// a NIC for each of the container's endpoints, in the order of their interfaces' names. The container must
    /// have been added with [`Tether::channel`], connected and started.
    ///
    /// # Errors
    /// Returns an error if `vchctl` fails, the boot image cannot be made or a tap cannot be opened.
    pub fn vm(&self, name: &str, tether: Tether<'_>) -> Result<VmBuilder> {
        self.vm_with(name, tether, Vec::new())
    }

    /// Returns the description of a container's VM as [`Coordinator::vm`] does, with taps that are open already for
    /// the first of its endpoints.
    ///
    /// # Errors
    /// Returns an error if `vchctl` fails, the boot image cannot be made or a tap cannot be opened.
    pub fn vm_with(&self, name: &str, tether: Tether<'_>, open: Vec<Tap>) -> Result<VmBuilder> {
        let shown = self.ask(&format!("container inspect {name}"))?;
        let endpoints = shown["endpoints"].as_object().context("endpoints")?;
        let mut nics = Vec::new();
        for endpoint in endpoints.values() {
            let text = |field: &str| {
                let text = endpoint[field].as_str();
                text.with_context(|| format!("no {field} in {endpoint:#}"))
            };
            nics.push((text("interface")?, text("link")?, mac(text("mac")?)?));
        }
        nics.sort_unstable();
        let lab = self.lab();
        let image = paths::container_image()?;
        let mut vm = tether.plug(lab.vm(name).image(&image), lab, name);
        let mut open = open.into_iter();
        for (_, link, mac) in nics {
            let tap = match open.next() {
                Some(tap) => tap,
                None => Tap::open(self.namespace(), link)?,
            };
            vm = vm.nic(tap, mac);
        }
        Ok(vm)
    }
}

fn mac(text: &str) -> Result<[u8; 6]> {
    let bytes: Result<Vec<u8>, _> = text
        .split(':')
        .map(|part| u8::from_str_radix(part, 16))
        .collect();
    let bytes = bytes.with_context(|| format!("{text} is no MAC address"))?;
    ensure!(bytes.len() == 6, "{text} is no MAC address");
    let mut mac = [0; 6];
    mac.copy_from_slice(&bytes);
    Ok(mac)
}
