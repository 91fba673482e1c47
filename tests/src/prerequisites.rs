//! Checks that the machine has what a test needs. A missing prerequisite is an error that says what to run: no test
//! is skipped silently.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::process::{Command, Stdio};

use anyhow::{Result, bail};
use nix::unistd::Uid;

use crate::paths;

/// Something that a machine must have for a test: a right, a program, a device, or a file that `make` builds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// The rights of root, to make namespaces and taps.
    Root,
    /// The program `ip`.
    Ip,
    /// The program `ping`.
    Ping,
    /// The program `dig`.
    Dig,
    /// The program `nft`, to read nftables rules.
    Nft,
    /// The device /dev/net/tun, by which taps are made.
    Tun,
    /// QEMU, which runs the VMs.
    Qemu,
    /// The program vhost-device-vsock, which gives VMs a vsock device.
    VhostDeviceVsock,
    /// The statically linked agent, `tether-net`.
    Agent,
    /// The statically linked `vsock-probe`, a program that uses AF_VSOCK in VMs.
    Probe,
    /// The statically linked `container-init`, the first process of container VMs.
    Init,
    /// The program mksquashfs, which makes root file systems.
    Squashfs,
    /// The Python package `docker`, a client of Docker's API.
    PythonDocker,
    /// The statically linked `vch-coordinator`, for VMs that are a VCH themselves.
    Host,
}

impl Need {
    /// The needs of every test with network namespaces: root and `ip`.
    pub const NAMESPACES: &'static [Self] = &[Self::Root, Self::Ip];
    /// The needs of every test with [`crate::Member`]s, which are containers without VMs: root, `ip`, `ping`, `dig` and
    /// the agent.
    pub const MEMBERS: &'static [Self] =
        &[Self::Root, Self::Ip, Self::Ping, Self::Dig, Self::Agent];
    /// The needs of every test with VMs: root, `ip`, /dev/net/tun and QEMU.
    pub const VMS: &'static [Self] = &[Self::Root, Self::Ip, Self::Tun, Self::Qemu];

    /// Says what is missing and what to do about it.
    fn missing(self) -> Option<String> {
        match self {
            Self::Root => (!Uid::effective().is_root())
                .then(|| "not root: run as root, or by `sudo -E`".to_owned()),
            Self::Ip => program("ip", "-V", "iproute2"),
            Self::Ping => program("ping", "-V", "iputils-ping"),
            Self::Dig => program("dig", "-v", "bind9-dnsutils"),
            Self::Nft => program("nft", "--version", "nftables"),
            Self::Tun => {
                let opened = OpenOptions::new()
                    .read(true)
                    .write(true)
                    .open("/dev/net/tun");
                opened
                    .err()
                    .map(|error| format!("/dev/net/tun: {error}; run `modprobe tun`"))
            }
            Self::Qemu => program(vch_qemu::PROGRAM, "--version", vch_qemu::PACKAGE),
            Self::VhostDeviceVsock => built(&paths::tool("vhost-device-vsock"), "make tools"),
            Self::Agent => built(&paths::agent(), "make agent"),
            Self::Probe => built(&paths::probe(), "make probe"),
            Self::Init => built(&paths::init(), "make init"),
            Self::Squashfs => program("mksquashfs", "-version", "squashfs-tools"),
            Self::PythonDocker => program("python3", "-V", "python3")
                .or_else(|| built(&paths::python().join("docker/__init__.py"), "make tools")),
            Self::Host => built(&paths::host_program("vch-coordinator"), "make host"),
        }
    }
}

/// Checks that the machine has everything in `needs`. Returns `Ok` if nothing is missing.
///
/// # Errors
/// Returns an error with a line for each need that is missing, which says how to get it.
pub fn check(needs: &[Need]) -> Result<()> {
    let mut text = String::new();
    for missing in needs.iter().filter_map(|need| need.missing()) {
        // Writing to a String can't fail.
        let _ = write!(text, "\n  {missing}");
    }
    if !text.is_empty() {
        bail!("this test needs what is not here:{text}");
    }
    Ok(())
}

fn program(name: &str, version: &str, package: &str) -> Option<String> {
    let started = Command::new(name)
        .arg(version)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    started
        .err()
        .map(|error| format!("{name}: {error}; run `apt-get install {package}` (or `make tools`)"))
}

fn built(path: &std::path::Path, make: &str) -> Option<String> {
    (!path.is_file()).then(|| format!("{}: not there; run `{make}`", path.display()))
}
