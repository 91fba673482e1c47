//! Debian's packages of Docker, unpacked below `target/peers`.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow};
use image::debian;

use crate::places;

/// What dockerd is, what it starts, and the libraries of both that a machine may lack.
const PACKAGES: &[&str] = &[
    "docker.io",
    "containerd",
    "runc",
    "tini",
    "iptables",
    "libdevmapper1.02.1",
    "libip4tc2",
    "libip6tc2",
    "libmnl0",
    "libnetfilter-conntrack3",
    "libnfnetlink0",
    "libnftnl11",
    "libseccomp2",
    "libxtables12",
];
/// Names by which `xtables-nft-multi` is called; Debian's package makes them when it is installed.
const IPTABLES: &[&str] = &[
    "iptables",
    "iptables-save",
    "iptables-restore",
    "ip6tables",
    "ip6tables-save",
    "ip6tables-restore",
];
const LIBRARIES: &[&str] = &["usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu"];

/// Where the unpacked packages are.
#[derive(Debug)]
pub struct Packages {
    folder: PathBuf,
}

impl Packages {
    /// Downloads and unpacks what is not there yet; one process of the machine at a time.
    pub fn unpacked() -> Result<Self> {
        let folder = places::peers();
        fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
        let folder = folder.canonicalize().context("the folder of peers")?;
        let lock = File::create(folder.join(".lock")).context("make a lock")?;
        lock.lock().context("lock the folder of peers")?;
        for package in PACKAGES {
            debian::unpacked(package, &folder.join(package))?;
        }
        let packages = Self { folder };
        packages.link_iptables()?;
        Ok(packages)
    }

    fn link_iptables(&self) -> Result<()> {
        let names = self.names();
        fs::create_dir_all(&names).context("make a folder of names")?;
        for name in IPTABLES {
            let link = names.join(name);
            if link.symlink_metadata().is_err() {
                symlink("../iptables/usr/sbin/xtables-nft-multi", &link)
                    .with_context(|| format!("link {}", link.display()))?;
            }
        }
        Ok(())
    }

    fn names(&self) -> PathBuf {
        self.folder.join("names")
    }

    /// Lets a command find their programs and libraries before those of this machine.
    pub(super) fn surround(&self, command: &mut Command) {
        let inside = |parts: &'static [&'static str]| {
            let of =
                move |package: &Path| parts.iter().map(move |part| package.join(part)).collect();
            PACKAGES
                .iter()
                .flat_map(move |package| -> Vec<PathBuf> { of(&self.folder.join(package)) })
        };
        let programs = [self.names()]
            .into_iter()
            .chain(inside(&["usr/sbin", "usr/bin"]));
        command.env("PATH", joined(programs.chain(path())));
        command.env("LD_LIBRARY_PATH", joined(inside(LIBRARIES)));
        let plugins = "iptables/usr/lib/x86_64-linux-gnu/xtables";
        command.env("XTABLES_LIBDIR", self.folder.join(plugins));
    }
}

/// The docker CLI: this machine's where there is one, else Debian's, unpacked.
pub fn cli() -> Result<PathBuf> {
    let ours = path().map(|folder| folder.join("docker"));
    if let Some(program) = ours.into_iter().find(|program| program.is_file()) {
        return Ok(program);
    }
    let program = Packages::unpacked()?
        .folder
        .join("docker.io/usr/bin/docker");
    let there = program.is_file().then_some(program);
    there.ok_or_else(|| anyhow!("package docker.io has no /usr/bin/docker"))
}

fn path() -> impl Iterator<Item = PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).collect::<Vec<_>>().into_iter()
}

fn joined(folders: impl Iterator<Item = PathBuf>) -> OsString {
    // None of them has a colon in its name: they are below the project's own folder, or come from PATH.
    env::join_paths(folders).unwrap_or_default()
}
