//! The guest's `/etc/resolv.conf`, `/etc/hosts` and `/etc/hostname`, and the kernel's host name.
//!
//! What a spec leaves open is left alone: `resolv.conf` when it has no resolver, the host name when
//! it has none, and `hosts` when the spec says nothing about hosts and the file, if there is one,
//! does not begin with the agent's own line.

mod folder;
#[cfg(test)]
mod tests;

pub use folder::{Folder, FolderError};

use crate::apply::failure;
use nix::errno::Errno;
use nix::unistd::{gethostname, sethostname};
use protocol::message::Failure;
use protocol::spec::{HostEntry, Hostname, NetSpec, NetSpecParts, Resolver};
use std::fmt::Write;
use std::path::PathBuf;

/// First line of what the agent writes; by it the agent knows its own files.
const OWN_LINE: &str = "# Written by tether-net; what is changed here is lost.\n";

/// Whose host name is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostnameScope {
    /// The file's, and the kernel's where the root is `/`.
    Auto,
    /// The file's and the kernel's.
    Kernel,
    /// The file's alone: the kernel's belongs to others too.
    File,
}

/// The files of one root folder.
#[derive(Clone, Debug)]
pub struct Files {
    root: PathBuf,
    hostname: HostnameScope,
}

impl Files {
    /// The files below `root`, nothing of which leads out of it.
    pub fn new(root: impl Into<PathBuf>, hostname: HostnameScope) -> Self {
        Self {
            root: root.into(),
            hostname,
        }
    }

    /// Makes the files what a spec says. What is as it must be is not written.
    pub fn apply(&self, spec: &NetSpec) -> Vec<Failure> {
        let parts = spec.parts();
        let mut failures = Vec::new();
        match Folder::open(&self.root, "etc") {
            Ok(etc) => failures.extend(write_files(&etc, parts)),
            Err(error) => failures.push(refused("open etc below the root", &error)),
        }
        if let Some(name) = &parts.hostname
            && self.sets_kernel()
            && let Err(errno) = set_kernel_hostname(name)
        {
            failures.push(failure(format!("set host name {name}"), errno as i32));
        }
        for failure in &failures {
            tracing::error!("can't {}: errno {}", failure.action, failure.errno);
        }
        failures
    }

    fn sets_kernel(&self) -> bool {
        match self.hostname {
            HostnameScope::Auto => self.root.as_os_str() == "/",
            HostnameScope::Kernel => true,
            HostnameScope::File => false,
        }
    }
}

fn write_files(etc: &Folder, parts: &NetSpecParts) -> Vec<Failure> {
    let mut wanted = Vec::new();
    if let Some(resolver) = &parts.resolver {
        wanted.push(("resolv.conf", resolv_conf(resolver)));
    }
    if !parts.hosts.is_empty() || hosts_are_ours(etc) {
        wanted.push(("hosts", hosts(&parts.hosts)));
    }
    if let Some(name) = &parts.hostname {
        wanted.push(("hostname", format!("{name}\n")));
    }
    let write = |(name, text): (&str, String)| match etc.replace(name, text.as_bytes()) {
        Ok(false) => None,
        Ok(true) => {
            tracing::info!("write {name}");
            None
        }
        Err(error) => Some(refused(&format!("write {name}"), &error)),
    };
    wanted.into_iter().filter_map(write).collect()
}

/// Whether the hosts file is missing or the agent's.
fn hosts_are_ours(etc: &Folder) -> bool {
    match etc.read("hosts") {
        // An empty one is what a power failure leaves of it.
        Ok(present) => {
            present.is_none_or(|bytes| bytes.is_empty() || bytes.starts_with(OWN_LINE.as_bytes()))
        }
        Err(_) => false,
    }
}

fn refused(action: &str, error: &FolderError) -> Failure {
    failure(action.to_owned(), error.errno())
}

fn set_kernel_hostname(name: &Hostname) -> Result<(), Errno> {
    if gethostname().is_ok_and(|present| present == name.as_str()) {
        return Ok(());
    }
    sethostname(name.as_str())?;
    tracing::info!("set host name {name}");
    Ok(())
}

/// The text of a resolv.conf(5).
pub fn resolv_conf(resolver: &Resolver) -> String {
    let mut text = OWN_LINE.to_owned();
    for server in resolver.servers() {
        // Writing into a String does not fail, here and below.
        let _ = writeln!(text, "nameserver {server}");
    }
    for (keyword, words) in [
        ("search", words(resolver.search())),
        ("options", words(resolver.options())),
    ] {
        if !words.is_empty() {
            let _ = writeln!(text, "{keyword} {words}");
        }
    }
    text
}

fn words<T: ToString>(words: &[T]) -> String {
    let words: Vec<String> = words.iter().map(ToString::to_string).collect();
    words.join(" ")
}

/// The text of a hosts(5), localhost first.
pub fn hosts(entries: &[HostEntry]) -> String {
    let mut text = OWN_LINE.to_owned();
    text.push_str("127.0.0.1\tlocalhost\n");
    text.push_str("::1\tlocalhost ip6-localhost ip6-loopback\n");
    text.push_str("fe00::\tip6-localnet\nff00::\tip6-mcastprefix\n");
    text.push_str("ff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n");
    for entry in entries {
        let _ = writeln!(text, "{}\t{}", entry.address, entry.name);
    }
    text
}
