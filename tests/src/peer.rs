//! A real dockerd as a peer, with which the VCH's Docker endpoint is compared.
//!
//! Debian's packages, unpacked and never installed; the daemon lives in network, mount and process namespaces of its
//! own, and all that it started ends with it.

mod cgroups;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::deadline::{eventually, eventually_some};
use crate::docker::Docker;
use crate::docker_packages::Packages;
use crate::namespace::Namespace;
use crate::process::Process;
use crate::world::Lab;

/// From the start of the process to its first answer; the first start makes keys and rules.
const START: Duration = Duration::from_secs(60);
const LOG: &str = "dockerd.log";
/// The newest API version that this dockerd and its CLI support.
pub const API_VERSION: &str = "1.45";

/// dockerd 26.1 of Debian 13, with an empty data directory in the test's directory. Killed on drop, together with
/// its containers.
#[derive(Debug)]
pub struct Peer {
    lab: Lab,
    dir: PathBuf,
    /// The name of the cgroup above those of its containers.
    cgroup: String,
    process: Process,
    namespace: Namespace,
}

impl Peer {
    /// Starts a dockerd and waits until it answers. Its packages are downloaded at the first start on a machine.
    ///
    /// # Errors
    /// Returns an error if the packages are not available, or dockerd does not answer within 60 s.
    pub fn start(lab: &Lab) -> Result<Self> {
        let packages = Packages::unpacked()?;
        let dir = lab.path("dockerd");
        fs::create_dir_all(&dir).context("make dockerd's folder")?;
        fs::write(dir.join("daemon.json"), "{}").context("write daemon.json")?;
        let namespace = Namespace::create("dockerd")?;
        let cgroup = namespace.name().to_owned();
        let mut command = Self::command(lab, &packages, &dir)?;
        command.args(["--cgroup-parent", &format!("/{cgroup}")]);
        let process = namespace.spawn("dockerd", command)?;
        let mut peer = Self {
            lab: lab.clone(),
            dir,
            cgroup,
            process,
            namespace,
        };
        let docker = peer.docker()?;
        let answers = eventually_some(START, "dockerd answers", || {
            let answers = docker
                .run("docker version")
                .is_ok_and(|said| said.code == 0);
            (answers || !peer.process.is_running()).then_some(answers)
        });
        if !answers.with_context(|| peer.log())? {
            bail!("dockerd ended at once: {}", peer.log());
        }
        Ok(peer)
    }

    /// Mounts of its own, so that nothing of this machine is written outside `dir`: /run and /opt are where dockerd and
    /// containerd write without being asked. A new sysfs shows its own network; containers' cgroups are below one of their
    /// own. As the first process of its process namespace it takes everything with it.
    fn command(lab: &Lab, packages: &Packages, dir: &Path) -> Result<Command> {
        const INSIDE: &str = r#"set -e
            mount -t sysfs sysfs /sys
            eval "$CGROUPS"
            mount -t tmpfs tmpfs /run
            mount -t tmpfs tmpfs /opt
            dir=$1
            shift
            exec dockerd --config-file $dir/daemon.json --data-root $dir/data --exec-root $dir/exec \
                --host unix://$dir/docker.sock --pidfile $dir/pid --storage-driver vfs "$@""#;
        let mut command = Command::new("unshare");
        command.args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]);
        command.args(["sh", "-c", INSIDE, "sh"]).arg(dir);
        command.env("CGROUPS", cgroups::MOUNT);
        packages.add_paths(&mut command);
        let log = fs::File::create(lab.path(LOG)).context("make a log")?;
        command.stdout(log.try_clone().context("the log")?);
        command.stderr(log);
        Ok(command)
    }

    /// Returns the path of the Unix socket of dockerd's API.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.dir.join("docker.sock")
    }

    /// Returns a docker CLI that talks to this dockerd.
    ///
    /// # Errors
    /// Returns an error if the CLI's packages are not available.
    pub fn docker(&self) -> Result<Docker> {
        Docker::new(&self.lab, &self.socket())
    }

    /// Returns the network namespace that dockerd runs in, with its bridges.
    #[must_use]
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Returns dockerd's log so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.lab.read(LOG)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        /// The time from the signal to killed processes until the last one's end.
        const END: Duration = Duration::from_secs(10);
        // What can't be removed is empty directories of a kernel file system; nobody is there to hear of it.
        drop(self.process.kill());
        drop(eventually(END, "dockerd's cgroups are removed", || {
            cgroups::remove(&self.cgroup)
        }));
    }
}
