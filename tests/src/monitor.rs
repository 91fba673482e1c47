//! Records the changes of a network namespace, as the kernel announces them, so that tests can assert that nothing
//! else changed.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::deadline::eventually;
use crate::namespace::Namespace;
use crate::process::Process;
use crate::world::Lab;

/// From a change to its line; also for the monitor's own start.
const SOON: Duration = Duration::from_secs(10);
/// The beginning of the addresses of `lo`, and names of tables, by which the monitor's own changes
/// are known.
const OWN_ADDRESS: &str = "127.77.";
const OWN_TABLE: &str = "lab_monitor_";
/// How `nft monitor` tells who changed the rules: an `nft` is the monitor's own change.
const BY_NFT: &str = "(nft)";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Links, addresses and routes, v4 and v6.
    Network,
    /// nftables.
    Rules,
}

/// A record of the changes of one namespace, either of its network or of its nftables rules. [`Monitor::changes`] makes
/// a harmless change itself, and waits until it has received that, which proves that it has received all earlier ones.
#[derive(Debug)]
pub struct Monitor {
    /// The namespace's name.
    namespace: String,
    kind: Kind,
    heard: PathBuf,
    told: usize,
    own: u16,
    _process: Process,
}

impl Monitor {
    /// Starts to record changes of links, addresses and routes, IPv4 and IPv6 (`ip monitor`). Changes before the call
    /// are not recorded.
    ///
    /// # Errors
    /// Returns an error if the program cannot be started or does not announce changes in time.
    pub fn of_network(lab: &Lab, namespace: &Namespace) -> Result<Self> {
        Self::start(lab, namespace, Kind::Network)
    }

    /// Starts to record changes of nftables: tables, chains, sets, elements and rules (`nft monitor`). Changes before
    /// the call are not recorded.
    ///
    /// # Errors
    /// Returns an error if the program cannot be started or does not announce changes in time.
    pub fn of_rules(lab: &Lab, namespace: &Namespace) -> Result<Self> {
        Self::start(lab, namespace, Kind::Rules)
    }

    fn start(lab: &Lab, namespace: &Namespace, kind: Kind) -> Result<Self> {
        let heard = lab.path(&format!("{}-{kind:?}.heard", namespace.name()));
        // Otherwise its lines would come a block at a time.
        let mut command = Command::new("stdbuf");
        command.args(match kind {
            Kind::Network => &["-oL", "ip", "-o", "monitor", "link", "address", "route"][..],
            Kind::Rules => &["-oL", "nft", "monitor"][..],
        });
        command.stdout(File::create(&heard).context("make the monitor's file")?);
        let process = namespace.spawn("monitor", command)?;
        let mut monitor = Self {
            namespace: namespace.name().to_owned(),
            kind,
            heard,
            told: 0,
            own: 0,
            _process: process,
        };
        // Until it listens it hears nothing.
        eventually(SOON, "the monitor listens", || {
            monitor.change().is_ok() && !monitor.lines().is_empty()
        })?;
        monitor.changes()?;
        Ok(monitor)
    }

    /// Returns the changes that were announced since the last call, or since the start, without the monitor's own. Each
    /// is a line as `ip -o monitor` or `nft monitor` prints it.
    ///
    /// # Errors
    /// Returns an error if the monitor's own change fails or is not announced in time.
    pub fn changes(&mut self) -> Result<Vec<String>> {
        let own = self.change()?;
        let last = match self.kind {
            Kind::Network => "Deleted",
            Kind::Rules => "delete table",
        };
        eventually(SOON, "the monitor hears its own change", || {
            let lines = self.lines();
            let mut lines = lines.iter();
            lines.any(|line| line.contains(last) && line.contains(&own))
        })?;
        let lines = self.lines();
        let new = lines.iter().skip(self.told);
        let others = new.filter(|line| {
            ![OWN_ADDRESS, OWN_TABLE, BY_NFT]
                .iter()
                .any(|own| line.contains(own))
        });
        let others = others.cloned().collect();
        self.told = lines.len();
        Ok(others)
    }

    /// Makes a change and takes it back; gives what it is known by.
    fn change(&mut self) -> Result<String> {
        self.own = self.own.checked_add(1).context("too many changes")?;
        let [high, low] = self.own.to_be_bytes();
        let (own, program, verbs, rest) = match self.kind {
            Kind::Network => {
                let own = format!("{OWN_ADDRESS}{high}.{low}/32");
                (own, "ip", ["address add", "address delete"], "dev lo")
            }
            Kind::Rules => {
                let own = format!("{OWN_TABLE}{high}_{low}_");
                (own, "nft", ["add table inet", "delete table inet"], "")
            }
        };
        for verb in verbs {
            let mut command = Command::new("ip");
            command.args(["netns", "exec", &self.namespace, program]);
            command
                .args(verb.split(' '))
                .arg(&own)
                .args(rest.split_whitespace());
            let output = command.output().context("make a change of its own")?;
            ensure!(output.status.success(), "{command:?}: {output:?}");
        }
        Ok(own)
    }

    /// Returns whole lines only: the last one may be incomplete.
    fn lines(&self) -> Vec<String> {
        let text = fs::read(&self.heard).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(str::to_owned).collect()
    }
}
