//! A container without a VM: a network namespace with the real agent in it, which starts in milliseconds.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::namespace::Namespace;
use crate::paths;
use crate::process::Process;
use crate::responder;
use crate::vch::Coordinator;
use crate::world::Lab;

/// A container of a VCH without a VM: a network namespace attached by veth pairs, in which the real agent runs and is
/// reached by a Unix socket. Dropping it removes the namespace and kills the agent; the coordinator keeps the container
/// until a test removes it there.
#[derive(Debug)]
pub struct Member {
    name: String,
    namespace: Namespace,
    dir: PathBuf,
    channel: String,
    agent: Option<Process>,
}

impl Member {
    /// Adds a container, connects it and starts it. Each of `connections` is a network's name with the options of
    /// `vchctl container connect`. The agent runs when this returns; [`Coordinator::ready`] waits until it has
    /// configured the network.
    ///
    /// # Errors
    /// Returns an error if a command of `vchctl` fails, or the namespace or the agent cannot be started.
    pub fn start(
        lab: &Lab,
        coordinator: &Coordinator<'_>,
        name: &str,
        connections: &[&str],
    ) -> Result<Self> {
        let mut member = Self::add(lab, coordinator, name)?;
        for connection in connections {
            member.connect(coordinator, connection)?;
        }
        member.begin(coordinator)?;
        member.restart_agent()?;
        Ok(member)
    }

    /// Adds a container that is on no network yet, and makes its namespace. `words` are its name and the options of
    /// `vchctl container add`. No agent runs.
    ///
    /// # Errors
    /// Returns an error if `vchctl` fails or the namespace cannot be made.
    pub fn add(lab: &Lab, coordinator: &Coordinator<'_>, words: &str) -> Result<Self> {
        coordinator.vchctl(&format!("container add {words}"))?;
        let name = words.split_whitespace().next().context("a name")?;
        let namespace = Namespace::create(name)?;
        let dir = lab.path(name);
        std::fs::create_dir_all(dir.join("etc")).context("make the member's root")?;
        Ok(Self {
            name: name.to_owned(),
            namespace,
            dir,
            channel: String::new(),
            agent: None,
        })
    }

    /// Begins a run of the container in the coordinator (`vchctl container start`), which puts its names and ports
    /// in force. No agent runs yet.
    ///
    /// # Errors
    /// Returns an error if `vchctl` fails.
    pub fn begin(&mut self, coordinator: &Coordinator<'_>) -> Result<()> {
        let started = coordinator.ask(&format!("container start {}", self.name))?;
        self.channel = text(&started, "channel")?;
        Ok(())
    }

    /// Connects the container to a further network. `connection` is the network's name with the options of `vchctl
    /// container connect`. Returns the endpoint as JSON.
    ///
    /// # Errors
    /// Returns an error if `vchctl` fails.
    pub fn connect(&self, coordinator: &Coordinator<'_>, connection: &str) -> Result<Value> {
        coordinator.ask(&format!(
            "container connect {} {connection} --attachment veth:{}",
            self.name,
            self.namespace.path()
        ))
    }

    /// Starts the container's agent: after [`Self::begin`], and again after [`Self::kill_agent`]. An agent that still
    /// runs is killed once the new one is started.
    ///
    /// # Errors
    /// Returns an error if the agent cannot be started.
    pub fn restart_agent(&mut self) -> Result<()> {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.dir.join("agent.log"))
            .context("make the agent's log")?;
        let mut command = Command::new(paths::agent());
        command.args(["--channel", &self.channel, "--root"]);
        command.arg(&self.dir).stderr(log);
        self.agent = Some(self.namespace.spawn("tether-net", command)?);
        Ok(())
    }

    /// Kills the container's agent (SIGKILL), if it runs.
    ///
    /// # Errors
    /// Returns the error of the system if it cannot be killed.
    pub fn kill_agent(&mut self) -> Result<()> {
        match self.agent.take() {
            Some(mut agent) => agent.kill(),
            None => Ok(()),
        }
    }

    /// Returns the container's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the container's network namespace.
    #[must_use]
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Returns the directory that is the container's root: the agent writes `etc/resolv.conf`, `etc/hosts` and
    /// `etc/hostname` below it.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.dir
    }

    /// Returns the path of the Unix socket on which the coordinator reaches the agent. Valid after [`Self::begin`].
    #[must_use]
    pub fn socket(&self) -> &Path {
        Path::new(self.channel.trim_start_matches("unix:"))
    }

    /// Returns the process ID of the container's agent; `None` before it is started, and after [`Self::kill_agent`].
    #[must_use]
    pub fn agent_pid(&self) -> Option<u32> {
        self.agent.as_ref().map(Process::pid)
    }

    /// Returns the log of the container's agents so far, of all its runs; empty if none has run.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.join("agent.log")).unwrap_or_default()
    }

    /// Returns the container's first address on a network, as the coordinator has stored it: the IPv4 address if it has
    /// one.
    ///
    /// # Errors
    /// Returns an error if `vchctl` fails or the container has no address on the network.
    pub fn address(&self, coordinator: &Coordinator<'_>, network: &str) -> Result<IpAddr> {
        let addresses = self.addresses(coordinator, network)?;
        let first = addresses.first().copied();
        first.with_context(|| format!("{} has no address on {network}", self.name))
    }

    /// Returns the container's addresses on a network, as the coordinator has stored them, IPv4 first.
    ///
    /// # Errors
    /// Returns an error if `vchctl` fails or the container is not on the network.
    pub fn addresses(&self, coordinator: &Coordinator<'_>, network: &str) -> Result<Vec<IpAddr>> {
        let shown = coordinator.ask(&format!("container inspect {}", self.name))?;
        let addresses = shown["endpoints"][network]["addresses"].as_array();
        let addresses = addresses.with_context(|| format!("not on {network}: {shown:#}"))?;
        let bare = |net: &Value| net.as_str()?.split('/').next()?.parse().ok();
        let bare = addresses.iter().map(bare).collect::<Option<_>>();
        bare.with_context(|| format!("addresses in {shown:#}"))
    }

    /// Returns whether `to` answers an ICMP echo request of the container. `ping` sends one and waits for the answer
    /// for `within`, in whole seconds (rounded down, at least one). Returns `false` also if the container has no route
    /// to `to`.
    ///
    /// # Errors
    /// Returns an error if `ping` cannot be run.
    pub fn reaches(&self, to: IpAddr, within: Duration) -> Result<bool> {
        responder::echo(&self.namespace, to, within)
    }

    /// Returns the output of `ping` for one echo request of the container to a name, which is answered within 5 s. The
    /// name is looked up by the resolv.conf that the agent wrote, which is mounted as /etc/resolv.conf.
    ///
    /// # Errors
    /// Returns an error if the name is not found or no answer arrives.
    pub fn ping_by_name(&self, name: &str) -> Result<String> {
        let script = "mount --bind \"$1\" /etc/resolv.conf && exec ping -n -c 1 -W 5 \"$2\"";
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", script, "sh"]);
        command.arg(self.dir.join("etc/resolv.conf")).arg(name);
        let output = self.namespace.output(command)?;
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            let errors = String::from_utf8_lossy(&output.stderr);
            bail!("{} pings {name}: {printed}{errors}", self.name);
        }
        Ok(printed)
    }

    /// Returns the lines that `dig +short` prints for a query of the container: addresses or names; empty if the name
    /// does not exist. `words` are its arguments, such as `web` or `-x 172.18.0.2`. It asks the name server in the
    /// resolv.conf that the agent wrote, once.
    ///
    /// # Errors
    /// Returns an error if the file has no name server or dig fails.
    pub fn resolve(&self, words: &str) -> Result<Vec<String>> {
        let path = self.dir.join("etc/resolv.conf");
        let resolver = std::fs::read_to_string(&path).context("read its resolv.conf")?;
        let server = resolver
            .lines()
            .find_map(|line| line.strip_prefix("nameserver "));
        let server = server.with_context(|| format!("no nameserver in {resolver:?}"))?;
        let mut command = Command::new("dig");
        command.args(["+short", "+tries=1", "+time=2", &format!("@{server}")]);
        command.args(words.split_whitespace());
        let output = self.namespace.output(command)?;
        if !output.status.success() {
            bail!(
                "dig {words}: {}",
                String::from_utf8_lossy(&output.stdout).trim()
            );
        }
        let printed = String::from_utf8_lossy(&output.stdout);
        Ok(printed.lines().map(str::to_owned).collect())
    }
}

fn text(value: &Value, field: &str) -> Result<String> {
    let found = value[field].as_str().map(str::to_owned);
    found.with_context(|| format!("no {field} in {value:#}"))
}
