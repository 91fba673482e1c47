//! Debian's packages of Docker, unpacked below `target/peers` and never installed: dockerd, its CLI and compose of
//! Debian 13, and the programs that dockerd starts, of this machine's own release.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use image::debian::{self, Suite};

use crate::paths;

/// Debian 13: what a new machine gets.
const SUITE: &str = "trixie";
/// The CLI and its plugin `docker compose`.
const CLIENTS: &[&str] = &["docker-cli", "docker-compose"];
/// dockerd, and the daemon that it starts.
const DAEMONS: &[&str] = &["docker.io", "containerd"];
/// The packages that both start, and the libraries that a machine may lack: of this machine's release, since a newer
/// one's need a newer C library.
const OWN: &[&str] = &[
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
/// dockerd looks for its `docker-init` by this name, which Debian's package links to tini's.
const DOCKER_INIT: &str = "docker-init";
const LIBRARIES: &[&str] = &["usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu"];

/// The directory below which Debian's packages of dockerd, and of the programs that it starts, are unpacked.
#[derive(Debug)]
pub struct Packages {
    dir: PathBuf,
}

/// The paths of the docker CLI and of its plugin `docker compose`, in Debian's unpacked packages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clients {
    /// The path of the program `docker`.
    pub docker: PathBuf,
    /// The path of the plugin `docker compose`.
    pub compose: PathBuf,
}

impl Packages {
    /// Downloads and unpacks the packages that are missing in the directory, and returns the directory. While it does
    /// so, other processes of the machine that call it wait.
    ///
    /// # Errors
    /// Returns an error if a package cannot be downloaded or unpacked.
    pub fn unpacked() -> Result<Self> {
        let locked = Dir::locked()?;
        locked.unpack_newer(CLIENTS)?;
        locked.unpack_newer(DAEMONS)?;
        for package in OWN {
            debian::unpacked(package, &locked.path.join(package))?;
        }
        let packages = Self {
            dir: locked.path.clone(),
        };
        packages.link_names()?;
        Ok(packages)
    }

    fn link_names(&self) -> Result<()> {
        let names = self.names();
        fs::create_dir_all(&names).context("make a folder of names")?;
        let iptables = IPTABLES
            .iter()
            .map(|name| (*name, "../iptables/usr/sbin/xtables-nft-multi"));
        for (name, program) in iptables.chain([(DOCKER_INIT, "../tini/usr/bin/tini-static")]) {
            let link = names.join(name);
            if link.symlink_metadata().is_err() {
                symlink(program, &link).with_context(|| format!("link {}", link.display()))?;
            }
        }
        Ok(())
    }

    fn names(&self) -> PathBuf {
        self.dir.join("names")
    }

    /// Makes a command find the packages' programs and libraries before those of this machine.
    pub(super) fn add_paths(&self, command: &mut Command) {
        let inside = |parts: &'static [&'static str]| {
            let of =
                move |package: &Path| parts.iter().map(move |part| package.join(part)).collect();
            DAEMONS
                .iter()
                .chain(OWN)
                .flat_map(move |package| -> Vec<PathBuf> { of(&self.dir.join(package)) })
        };
        let programs = [self.names()]
            .into_iter()
            .chain(inside(&["usr/sbin", "usr/bin"]));
        command.env("PATH", joined(programs.chain(path())));
        command.env("LD_LIBRARY_PATH", joined(inside(LIBRARIES)));
        let plugins = "iptables/usr/lib/x86_64-linux-gnu/xtables";
        command.env("XTABLES_LIBDIR", self.dir.join(plugins));
    }
}

/// Returns the paths of the docker CLI and compose of Debian 13, after downloading and unpacking them if they are
/// missing. Tests use these whatever this machine has installed.
///
/// # Errors
/// Returns an error if a package cannot be downloaded or unpacked.
pub fn clients() -> Result<Clients> {
    let locked = Dir::locked()?;
    locked.unpack_newer(CLIENTS)?;
    let clients = Clients {
        docker: locked.path.join("docker-cli/usr/bin/docker"),
        compose: locked
            .path
            .join("docker-compose/usr/libexec/docker/cli-plugins/docker-compose"),
    };
    for program in [&clients.docker, &clients.compose] {
        ensure!(
            program.is_file(),
            "Debian's packages have no {}",
            program.display()
        );
    }
    Ok(clients)
}

/// The directory of packages while no other process of this machine unpacks there.
#[derive(Debug)]
struct Dir {
    path: PathBuf,
    /// Held until this is dropped; the kernel frees it with the descriptor.
    _lock: File,
}

impl Dir {
    fn locked() -> Result<Self> {
        let path = paths::peers().join(SUITE);
        fs::create_dir_all(&path).with_context(|| format!("make {}", path.display()))?;
        let path = path.canonicalize().context("the folder of peers")?;
        let lock = File::create(path.join(".lock")).context("make a lock")?;
        lock.lock().context("lock the folder of peers")?;
        Ok(Self { path, _lock: lock })
    }

    fn unpack_newer(&self, packages: &[&str]) -> Result<()> {
        let suite = Suite::new(SUITE, &self.path.join("apt"));
        for package in packages {
            suite.unpacked(package, &self.path.join(package))?;
        }
        Ok(())
    }
}

fn path() -> impl Iterator<Item = PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).collect::<Vec<_>>().into_iter()
}

fn joined(dirs: impl Iterator<Item = PathBuf>) -> OsString {
    // None of them has a colon in its name: they are below the project's own directory, or come from PATH.
    env::join_paths(dirs).unwrap_or_default()
}
