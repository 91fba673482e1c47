//! Checks that the machine has what a test tier needs. A missing prerequisite is an error that says what to run: no
//! test passes silently.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::process::{Command, Stdio};

use anyhow::{Result, bail};
use nix::unistd::Uid;

use crate::paths;

/// A prerequisite of a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// The right to make namespaces and taps.
    Root,
    /// The program `ip`.
    Ip,
    /// The program `ping`.
    Ping,
    /// The program `dig`.
    Dig,
    /// The program `nft`, to look at rules.
    Nft,
    /// The device that taps come from.
    Tun,
    /// QEMU, which runs the VMs.
    Qemu,
    /// The vsock device of VMs.
    VhostDeviceVsock,
    /// The static agent.
    Agent,
    /// The static program that speaks AF_VSOCK in guests.
    Probe,
    /// The static first process of container VMs.
    Init,
    /// The program that makes root file systems (mksquashfs).
    Squashfs,
    /// The Python package `docker`.
    PythonDocker,
    /// The static coordinator for VMs that are a VCH themselves.
    Host,
}

impl Need {
    /// The needs of every test with namespaces.
    pub const NAMESPACES: &'static [Self] = &[Self::Root, Self::Ip];
    /// The needs of every test with [`crate::Member`]s.
    pub const MEMBERS: &'static [Self] =
        &[Self::Root, Self::Ip, Self::Ping, Self::Dig, Self::Agent];
    /// The needs of every test with VMs.
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

/// Checks the needs.
///
/// # Errors
/// Returns an error with a line for each need that is missing.
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
