//! A running coordinator, controlled by the real command line client `vchctl`.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::deadline::eventually_some;
use crate::namespace::Namespace;
use crate::paths;
use crate::process::Process;
use crate::registry;
use crate::topology::Topology;
use crate::world::Lab;

/// From the start of the process to its first answer.
const START: Duration = Duration::from_secs(10);
const STOP: Duration = Duration::from_secs(10);

/// A `vch-coordinator` in a network namespace, with its data in the test's directory. Killed on drop, with the VMs that
/// it started.
#[derive(Debug)]
pub struct Coordinator<'a> {
    lab: Lab,
    namespace: &'a Namespace,
    dir: PathBuf,
    /// The directory of its programs, if they are not this workspace's.
    programs: Option<PathBuf>,
    process: Option<Process>,
    starts: u32,
}

impl<'a> Coordinator<'a> {
    /// Starts a coordinator in the namespace `vch` of a [`Topology`], with the topology's networks and otherwise the
    /// default configuration, and waits until it answers.
    ///
    /// # Errors
    /// Returns an error with its log if it does not answer within 10 s.
    pub fn start(lab: &Lab, namespace: &'a Namespace) -> Result<Self> {
        Self::start_with(lab, namespace, "")
    }

    /// Starts a coordinator in the namespace `vch` of a [`Topology`], and waits until it answers. `tables` are further
    /// tables of vch.toml, such as `[dns]`, as TOML text. Kinds of networks that they do not declare are the
    /// [`Topology`]'s.
    ///
    /// # Errors
    /// Returns an error with its log if it does not answer within 10 s.
    pub fn start_with(lab: &Lab, namespace: &'a Namespace, tables: &str) -> Result<Self> {
        Self::start_of(lab, namespace, tables, None)
    }

    /// Starts a coordinator as [`Self::start_with`] does. `programs` is a directory with `vch-coordinator` and `vchctl`
    /// of another release; `None` for this workspace's.
    ///
    /// # Errors
    /// Returns an error with its log if it does not answer within 10 s.
    pub fn start_of(
        lab: &Lab,
        namespace: &'a Namespace,
        tables: &str,
        programs: Option<&Path>,
    ) -> Result<Self> {
        let dir = lab.path("vch");
        std::fs::create_dir_all(&dir).context("make the VCH's folder")?;
        let mut coordinator = Self {
            lab: lab.clone(),
            namespace,
            dir,
            programs: None,
            process: None,
            starts: 0,
        };
        coordinator.become_release(tables, programs)?;
        coordinator.restart()?;
        Ok(coordinator)
    }

    /// Changes the release and the tables of vch.toml for the coordinator's next start; a running one goes on as it is.
    /// `tables` replaces the former tables. `programs` is a directory with the programs of another release; `None` for
    /// this workspace's.
    ///
    /// # Errors
    /// Returns the error of the system if vch.toml cannot be written.
    pub fn become_release(&mut self, tables: &str, programs: Option<&Path>) -> Result<()> {
        let shown = self.dir.display();
        let vch = format!("[vch]\nstate_dir = \"{shown}/state\"\nrun_dir = \"{shown}/run\"");
        let config = format!("{vch}\n{tables}\n{}", Topology::tables(tables));
        std::fs::write(self.dir.join("vch.toml"), config).context("write vch.toml")?;
        self.programs = programs.map(Path::to_owned);
        Ok(())
    }

    fn program(&self, name: &str) -> Result<PathBuf> {
        match &self.programs {
            Some(programs) => Ok(programs.join(name)),
            None => paths::built(name),
        }
    }

    /// Returns the table `[docker_endpoint]` of vch.toml, as TOML text, that makes the VCH serve Docker's API at a Unix
    /// socket with this path.
    #[must_use]
    pub fn docker_table(socket: &Path) -> String {
        format!(
            "[docker_endpoint]\ninterface = \"{}\"\naddress = \"{}\"\nsocket = \"{}\"\n",
            Topology::ENDPOINT_INTERFACE,
            Topology::ENDPOINT,
            socket.display()
        )
    }

    /// Returns the table `[runtime]` of vch.toml, as TOML text, that makes the VCH run its containers as VMs of QEMU
    /// with 160 MiB of memory. Makes their boot image first.
    ///
    /// # Errors
    /// Returns an error if the VMs' boot image cannot be made.
    pub fn runtime_table() -> Result<String> {
        let image = paths::vm_image()?;
        let (kernel, initramfs) = (
            image.kernel.canonicalize()?,
            image.initramfs.canonicalize()?,
        );
        Ok(Self::runtime_table_of(&kernel, &initramfs))
    }

    /// Returns the table `[runtime]` of vch.toml, as TOML text, that makes the VCH run its containers as VMs of QEMU
    /// with this kernel, this initramfs and 160 MiB of memory.
    #[must_use]
    pub fn runtime_table_of(kernel: &Path, initramfs: &Path) -> String {
        format!(
            "[runtime]\nkind = \"qemu\"\nkernel = \"{}\"\ninitramfs = \"{}\"\nmemory_mib = 160\n",
            kernel.display(),
            initramfs.display()
        )
    }

    /// Starts the coordinator again, after [`Self::kill`] or [`Self::stop`], with the same data, and waits until it
    /// answers.
    ///
    /// # Errors
    /// Returns an error with its log if it does not answer within 10 s.
    pub fn restart(&mut self) -> Result<()> {
        let mut process = self.spawn()?;
        let answers = eventually_some(START, "the coordinator answers", || {
            let answers = self.vchctl("status").is_ok();
            (answers || !process.is_running()).then_some(answers)
        });
        let log = || format!("its log: {}", self.log());
        if !answers.with_context(log)? {
            bail!("the coordinator ended at once: {}", self.log());
        }
        self.process = Some(process);
        Ok(())
    }

    fn spawn(&mut self) -> Result<Process> {
        self.starts += 1;
        let log = std::fs::File::create(self.lab.path(&self.log_name())).context("make a log")?;
        let mut command = Command::new(self.program("vch-coordinator")?);
        command.arg("--config").arg(self.dir.join("vch.toml"));
        command.env("NO_COLOR", "1").stderr(log);
        self.namespace.spawn("vch-coordinator", command)
    }

    /// Starts the coordinator, and kills it (SIGKILL) after this time, whatever it does then. No other process of it
    /// may run.
    ///
    /// # Errors
    /// Returns an error if it cannot be started or killed.
    pub fn start_and_kill(&mut self, after: Duration) -> Result<()> {
        let mut process = self.spawn()?;
        // Nobody waits for its end: it is to run for so long.
        let _ = process.wait_within(after);
        process.kill()
    }

    /// Kills the coordinator (SIGKILL), if it runs.
    ///
    /// # Errors
    /// Returns the error of the system if it cannot be killed.
    pub fn kill(&mut self) -> Result<()> {
        match self.process.take() {
            Some(mut process) => process.kill(),
            None => Ok(()),
        }
    }

    /// Ends the coordinator (SIGTERM) and waits for its end, if it runs.
    ///
    /// # Errors
    /// Returns an error with its log if it does not end within 10 s, or fails.
    pub fn stop(&mut self) -> Result<()> {
        if let Some(mut process) = self.process.take() {
            let status = process.terminate(STOP)?;
            if !status.success() {
                bail!("the coordinator ended with {status}: {}", self.log());
            }
        }
        Ok(())
    }

    /// Returns the environment of the test that the coordinator belongs to.
    #[must_use]
    pub fn lab(&self) -> &Lab {
        &self.lab
    }

    /// Returns the network namespace in which the coordinator runs.
    #[must_use]
    pub fn namespace(&self) -> &Namespace {
        self.namespace
    }

    /// Returns the coordinator's process ID; `None` after [`Self::kill`] and [`Self::stop`].
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::pid)
    }

    /// Returns the path of the Unix socket of the native API, which `vchctl` uses.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.dir.join("run/api.sock")
    }

    /// Returns the directory that has the coordinator's `vch.toml`, `state` (its lasting data) and `run` (its sockets).
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Returns the log of the coordinator's present or last process; each start begins a new log.
    #[must_use]
    pub fn log(&self) -> String {
        self.lab.read(&self.log_name())
    }

    fn log_name(&self) -> String {
        format!("coordinator-{}.log", self.starts)
    }

    /// Runs `vchctl` with these words, separated by white space, as arguments, and returns its standard output.
    ///
    /// # Errors
    /// Returns an error with its output if it ends with another exit code than 0 or 4 (the agent has not applied
    /// the change yet).
    pub fn vchctl(&self, words: &str) -> Result<String> {
        let output = Command::new(self.program("vchctl")?)
            .env("VCH_SOCKET", self.socket())
            .args(words.split_whitespace())
            .output()
            .context("run vchctl")?;
        if !matches!(output.status.code(), Some(0 | 4)) {
            bail!(
                "vchctl {words}: {}: {}",
                output.status,
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Runs `vchctl --format json` with these words, separated by white space, as arguments, and returns the JSON.
    ///
    /// # Errors
    /// Returns an error with its output if it ends with another exit code than 0 or 4 (the agent has not applied the
    /// change yet), or the output is not JSON.
    pub fn ask(&self, words: &str) -> Result<Value> {
        let text = self.vchctl(&format!("--format json {words}"))?;
        serde_json::from_str(&text).with_context(|| format!("vchctl {words}: {text}"))
    }

    /// Returns the gateways of a network's subnets, in the order of the subnets. Subnets without a gateway are left
    /// out.
    ///
    /// # Errors
    /// Returns an error if `vchctl` fails.
    pub fn gateways(&self, network: &str) -> Result<Vec<IpAddr>> {
        let shown = self.ask(&format!("network inspect {network}"))?;
        let subnets = shown["subnets"].as_array().context("subnets")?;
        let gateways = subnets
            .iter()
            .filter_map(|subnet| subnet["gateway"].as_str());
        let gateways: Result<_, _> = gateways.map(str::parse).collect();
        gateways.with_context(|| format!("gateways in {shown:#}"))
    }

    /// Waits until the container's agent has reported that its network is configured (`vchctl container wait`), and
    /// returns the container as JSON. `within` is cut to whole seconds.
    ///
    /// # Errors
    /// Returns an error with the container and the log if the agent has not reported that in time.
    pub fn ready(&self, container: &str, within: Duration) -> Result<Value> {
        let words = format!("container wait {container} --timeout {}", within.as_secs());
        let shown = self.ask(&words)?;
        if shown["session"]["state"] != "ready" {
            bail!("{container} is not ready: {shown:#}\nlog: {}", self.log());
        }
        Ok(shown)
    }
}

impl Drop for Coordinator<'_> {
    fn drop(&mut self) {
        // A test that fails already must not fail twice.
        drop(self.kill());
        registry::end_shims(&self.dir);
    }
}
