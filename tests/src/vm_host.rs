//! A VCH whose containers are VMs, controlled by the docker CLI.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::docker::Docker;
use crate::prerequisites::{self, Need};
use crate::rootfs::RootFs;
use crate::topology::Topology;
use crate::vch::Coordinator;
use crate::world::Lab;

/// A VCH that runs its containers as VMs, and a docker CLI that talks to it. It has no images at first.
#[derive(Debug)]
pub struct VmHost<'a> {
    /// The VCH's coordinator.
    pub vch: Coordinator<'a>,
    /// The docker CLI, which talks to the VCH's Unix socket.
    pub docker: Docker,
    socket: PathBuf,
}

/// The way in which the VMs of containers start: by booting, or as clones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Boot {
    /// Each VM boots its kernel.
    Cold,
    /// All VMs but the first of a kind are clones of a saved VM. This is the default of vch.toml.
    Clone,
}

impl<'a> VmHost<'a> {
    /// Starts a VCH in `topology`, and waits until it answers. `lab` must be one of [`Lab::of_vms`]; `boot` says how
    /// the containers' VMs start.
    ///
    /// # Errors
    /// Returns an error if a prerequisite is missing, or the coordinator does not answer in time.
    pub fn start(lab: &Lab, topology: &'a Topology, boot: Boot) -> Result<Self> {
        let runtime = Coordinator::runtime_table()?;
        let boot = match boot {
            Boot::Cold => "boot = \"cold\"\n",
            Boot::Clone => "",
        };
        Self::start_with(lab, topology, &format!("{runtime}{boot}"))
    }

    /// Starts a VCH in `topology`, and waits until it answers. `runtime` is the table `[runtime]` of vch.toml, as TOML
    /// text, which configures its VMs; further tables may follow it.
    ///
    /// # Errors
    /// Returns an error if a prerequisite is missing, or the coordinator does not answer in time.
    pub fn start_with(lab: &Lab, topology: &'a Topology, runtime: &str) -> Result<Self> {
        Self::start_of(lab, topology, runtime, None)
    }

    /// Starts a VCH as [`Self::start_with`] does. `programs` is a directory with the VCH's programs of another release;
    /// `None` for this workspace's.
    ///
    /// # Errors
    /// Returns an error if a prerequisite is missing, or the coordinator does not answer in time.
    pub fn start_of(
        lab: &Lab,
        topology: &'a Topology,
        runtime: &str,
        programs: Option<&Path>,
    ) -> Result<Self> {
        prerequisites::check(&[Need::Agent, Need::Init, Need::Squashfs])?;
        let socket = lab.path("docker.sock");
        let tables = format!("{}{runtime}", Coordinator::docker_table(&socket));
        Ok(Self {
            vch: Coordinator::start_of(lab, &topology.vch, &tables, programs)?,
            docker: Docker::new(lab, &socket)?,
            socket,
        })
    }

    /// Changes the release and the tables of vch.toml for the coordinator's next start, as
    /// [`Coordinator::become_release`] does. `runtime` is the table `[runtime]` with further tables; the table of the
    /// Docker endpoint is added.
    ///
    /// # Errors
    /// Returns the error of the system if vch.toml cannot be written.
    pub fn become_release(&mut self, runtime: &str, programs: Option<&Path>) -> Result<()> {
        let tables = format!("{}{runtime}", Coordinator::docker_table(&self.socket));
        self.vch.become_release(&tables, programs)
    }

    /// Imports the image `busybox`, whose containers run a shell.
    ///
    /// # Errors
    /// Returns an error if the root file system cannot be made or the import fails.
    pub fn import_busybox(&self, lab: &Lab) -> Result<()> {
        let files = RootFs::busybox(lab, "busybox")?;
        self.docker.import(&files, "busybox")
    }

    /// Returns the path of the Unix socket of the VCH's Docker API.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Runs a line of a POSIX shell in which `docker` is the CLI of this VCH, and returns its standard output without
    /// white space at the end.
    ///
    /// # Errors
    /// Returns an error with the output and the coordinator's log if the line fails.
    pub fn run(&self, line: &str) -> Result<String> {
        let said = self.docker.run(line)?;
        let log = || {
            format!(
                "`{line}`: {said:?}\nthe coordinator's log: {}",
                self.vch.log()
            )
        };
        ensure!(said.code == 0, log());
        Ok(said.stdout.trim_end().to_owned())
    }

    /// Returns the numbers of all objects that containers consist of, as text: rows of the ledger, taps,
    /// directories, sockets and processes. A test that removes what it made ends with the text that it began with.
    ///
    /// # Errors
    /// Returns an error if `vchctl` or `ip` fails.
    pub fn left(&self) -> Result<String> {
        let links = self.vch.namespace().ip("-br link")?;
        let taps = links.lines().filter(|line| line.starts_with("vt-")).count();
        let status = self.vch.ask("status")?;
        Ok(format!(
            "containers {}, endpoints {}, ports {}, taps {taps}, folders {}, sockets {}, processes {}",
            status["containers"],
            status["endpoints"],
            status["bindings"],
            self.entries("state/containers"),
            self.entries("run/vms"),
            self.processes()?
        ))
    }

    /// Returns how many entries a directory of the coordinator's has; 0 if it does not exist.
    fn entries(&self, dir: &str) -> usize {
        let entries = fs::read_dir(self.vch.dir().join(dir));
        entries.map_or(0, |entries| entries.flatten().count())
    }

    /// Shims of this coordinator, by the logs that they write, and what they started: their QEMUs.
    fn processes(&self) -> Result<usize> {
        let all: Vec<_> = fs::read_dir("/proc")
            .context("list processes")?
            .flatten()
            .collect();
        let is_shim = |process: &Path| {
            // A process may be gone by now.
            let log = fs::read_link(process.join("fd/2")).unwrap_or_default();
            log.starts_with(self.vch.dir()) && log.ends_with("shim.log")
        };
        let own = all.iter().filter(|entry| {
            let process = entry.path();
            let status = fs::read_to_string(process.join("status")).unwrap_or_default();
            let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"));
            let parent = parent.unwrap_or_default().trim();
            is_shim(&process) || is_shim(&Path::new("/proc").join(parent))
        });
        Ok(own.count())
    }
}
