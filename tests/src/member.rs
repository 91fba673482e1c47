//! A container that is a network namespace, with the real agent in it.

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

/// A container without a VM: attached by `veth`, with its agent on a Unix socket. Dropping it removes everything of
/// it on this machine; the ledger keeps the container until it is removed there.
#[derive(Debug)]
pub struct Member {
    name: String,
    namespace: Namespace,
    dir: PathBuf,
    channel: String,
    agent: Option<Process>,
}

impl Member {
    /// Adds a container, connects it and starts it; each of `connections` is a network's name with the options of
    /// `vchctl container connect`. Its agent runs when this returns; [`Coordinator::ready`] waits for it.
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

    /// Starts the container in the ledger (`container start`); no agent runs yet.
    pub fn begin(&mut self, coordinator: &Coordinator<'_>) -> Result<()> {
        let started = coordinator.ask(&format!("container start {}", self.name))?;
        self.channel = text(&started, "channel")?;
        Ok(())
    }

    /// Connects the container to a further network; `connection` is the network's name with the
    /// options of `vchctl container connect`.
    pub fn connect(&self, coordinator: &Coordinator<'_>, connection: &str) -> Result<Value> {
        coordinator.ask(&format!(
            "container connect {} {connection} --attachment veth:{}",
            self.name,
            self.namespace.path()
        ))
    }

    /// Starts the container's agent, after [`Self::begin`], and again after [`Self::kill_agent`].
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

    /// Kills the container's agent (SIGKILL).
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

    /// Returns the container's root: the agent writes `etc/resolv.conf`, `etc/hosts` and
    /// `etc/hostname` below it.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.dir
    }

    /// Returns the socket of the container's channel, after [`Self::begin`].
    #[must_use]
    pub fn socket(&self) -> &Path {
        Path::new(self.channel.trim_start_matches("unix:"))
    }

    /// Returns the process ID of the container's agent.
    #[must_use]
    pub fn agent_pid(&self) -> Option<u32> {
        self.agent.as_ref().map(Process::pid)
    }

    /// Returns the log of the container's agent.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.join("agent.log")).unwrap_or_default()
    }

    /// Returns the container's first address on a network, as the ledger has it.
    pub fn address(&self, coordinator: &Coordinator<'_>, network: &str) -> Result<IpAddr> {
        let addresses = self.addresses(coordinator, network)?;
        let first = addresses.first().copied();
        first.with_context(|| format!("{} has no address on {network}", self.name))
    }

    /// Returns the container's addresses on a network, as the ledger has them: IPv4 first.
    pub fn addresses(&self, coordinator: &Coordinator<'_>, network: &str) -> Result<Vec<IpAddr>> {
        let shown = coordinator.ask(&format!("container inspect {}", self.name))?;
        let addresses = shown["endpoints"][network]["addresses"].as_array();
        let addresses = addresses.with_context(|| format!("not on {network}: {shown:#}"))?;
        let bare = |net: &Value| net.as_str()?.split('/').next()?.parse().ok();
        let bare = addresses.iter().map(bare).collect::<Option<_>>();
        bare.with_context(|| format!("addresses in {shown:#}"))
    }

    /// Returns whether one echo request to `to` is answered within `within`, at least a second.
    pub fn reaches(&self, to: IpAddr, within: Duration) -> Result<bool> {
        responder::echo(&self.namespace, to, within)
    }

    /// Returns the output of `ping` to a name, which it looks up by the resolv.conf that the agent wrote: it runs in
    /// a mount namespace in which that file is /etc/resolv.conf. One echo request; no answer is an error.
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

    /// Returns the answers to a query, by dig: `words` such as `web` or `-x 172.18.0.2`. It asks the server that the
    /// agent wrote into its resolv.conf.
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
