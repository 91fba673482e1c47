//! Writes the guest's `/etc/resolv.conf`, `/etc/hosts` and `/etc/hostname`, and sets the kernel's host name and domain
//! name.
//!
//! What the spec does not have is left as it is: `resolv.conf` without a resolver, the names without names, `hosts`
//! without hosts if the file exists and has no lines of the agent.
//!
//! With the first spec of a container's run the files are replaced, and content of the image or of an earlier run is
//! lost, except lines of `hosts` outside of the agent's part. From then on, changes by other programs are kept: the
//! agent changes only its own part of `hosts`, and no longer writes a `resolv.conf` that differs from what it wrote.

mod dir;
mod hosts;
#[cfg(test)]
mod tests;

pub use dir::{Dir, DirError};
pub use hosts::hosts;

use crate::apply::failure;
use nix::errno::Errno;
use nix::unistd::{gethostname, sethostname};
use protocol::message::Failure;
use protocol::spec::{
    DomainName, Extension, Hostname, Incarnation, NetSpec, NetSpecParts, Resolver,
};
use std::fmt::Write;
use std::path::PathBuf;
use std::{fs, io};

/// The kernel's domain name (proc(5)).
const DOMAIN_NAME: &str = "/proc/sys/kernel/domainname";

/// First line of a resolv.conf that the agent writes.
const OWN_LINE: &str = "# Written by tether-net; what is changed here is lost.\n";

/// Which host names the agent sets (`--hostname`): that in etc/hostname, and possibly the kernel's. The kernel's domain
/// name is set only with the kernel's host name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostnameScope {
    /// Sets etc/hostname, and also the kernel's host name and domain name if the root directory is `/`.
    Auto,
    /// Sets etc/hostname, and the kernel's host name and domain name.
    Kernel,
    /// Sets etc/hostname only, for a VM in which other programs share the kernel's host name.
    File,
}

/// Writes the network's files in the etc directory of a root file system: `hosts`, `resolv.conf` and `hostname`. It
/// remembers what it wrote, so that it keeps later changes by other programs.
#[derive(Clone, Debug)]
pub struct Files {
    root: PathBuf,
    hostname: HostnameScope,
    written: Option<Written>,
}

/// The content that was written last, and the incarnation of its spec.
#[derive(Clone, Debug)]
struct Written {
    incarnation: Incarnation,
    resolv_conf: Option<String>,
    hosts: Option<String>,
}

impl Files {
    /// Creates a writer of the files in the etc directory below the directory `root`. It writes nothing until
    /// [`Files::apply`]. Symbolic links do not lead out of `root`. `hostname` tells whether the kernel's names are set
    /// too.
    pub fn new(root: impl Into<PathBuf>, hostname: HostnameScope) -> Self {
        Self {
            root: root.into(),
            hostname,
            written: None,
        }
    }

    /// Makes the files, and as far as the [`HostnameScope`] allows the kernel's host name and domain name, agree with a
    /// [`NetSpec`]. Returns the failures, which are logged too; empty if there were no failures. A file that already
    /// agrees is not written. Within one incarnation, a `resolv.conf` that another program has changed is left as it
    /// is.
    pub fn apply(&mut self, spec: &NetSpec) -> Vec<Failure> {
        let parts = spec.parts();
        let mut failures = Vec::new();
        let incarnation = parts.id.incarnation;
        let before = self
            .written
            .take()
            .filter(|written| written.incarnation == incarnation);
        let mut written = before.unwrap_or(Written {
            incarnation,
            resolv_conf: None,
            hosts: None,
        });
        match Dir::open(&self.root, "etc") {
            Ok(etc) => failures.extend(write_files(&etc, parts, &mut written)),
            Err(error) => failures.push(refused("open etc below the root", &error)),
        }
        if let Some(name) = &parts.hostname
            && self.sets_kernel()
            && let Err(errno) = set_kernel_hostname(name)
        {
            failures.push(failure(format!("set host name {name}"), errno as i32));
        }
        self.written = Some(written);
        let domain = Extension::read(&parts.extension).domain;
        if let Some(domain) = domain.filter(|_| self.sets_kernel())
            && let Err(error) = set_kernel_domain(&domain)
        {
            let errno = error.raw_os_error().unwrap_or(0);
            failures.push(failure(format!("set domain name {domain}"), errno));
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

fn write_files(etc: &Dir, parts: &NetSpecParts, written: &mut Written) -> Vec<Failure> {
    let mut failures = Vec::new();
    if let Some(resolver) = &parts.resolver {
        let text = resolv_conf(resolver);
        match write_resolv_conf(etc, &text, written.resolv_conf.as_deref()) {
            Ok(true) => written.resolv_conf = Some(text),
            Ok(false) => {}
            Err(error) => failures.push(refused("write resolv.conf", &error)),
        }
    }
    match hosts::write(etc, &parts.hosts, written.hosts.as_deref()) {
        Ok(Some(own)) => written.hosts = Some(own),
        Ok(None) => {}
        Err(error) => failures.push(refused("write hosts", &error)),
    }
    if let Some(name) = &parts.hostname
        && let Err(error) = write(etc, "hostname", &format!("{name}\n"))
    {
        failures.push(refused("write hostname", &error));
    }
    failures
}

/// Writes the file unless another program changed it since the agent wrote it. Returns whether the file is the
/// agent's.
fn write_resolv_conf(etc: &Dir, text: &str, last: Option<&str>) -> Result<bool, DirError> {
    if let Some(last) = last
        && etc.read("resolv.conf")?.as_deref() != Some(last.as_bytes())
    {
        tracing::info!("resolv.conf was changed: it is left as it is");
        return Ok(false);
    }
    write(etc, "resolv.conf", text)?;
    Ok(true)
}

fn write(etc: &Dir, name: &str, text: &str) -> Result<(), DirError> {
    if etc.replace(name, text.as_bytes())? {
        tracing::info!("write {name}");
    }
    Ok(())
}

fn refused(action: &str, error: &DirError) -> Failure {
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

fn set_kernel_domain(domain: &DomainName) -> io::Result<()> {
    if fs::read_to_string(DOMAIN_NAME)?.trim_end() == domain.as_str() {
        return Ok(());
    }
    fs::write(DOMAIN_NAME, domain.as_str())?;
    tracing::info!("set domain name {domain}");
    Ok(())
}

/// Returns the text of the resolv.conf(5) for a resolver's configuration: a comment line, a `nameserver` line for each
/// server, and a `search` and an `options` line if they are not empty.
pub fn resolv_conf(resolver: &Resolver) -> String {
    let mut text = OWN_LINE.to_owned();
    for server in resolver.servers() {
        // Writing into a String does not fail, here and below.
        let _ = writeln!(text, "nameserver {server}");
    }
    for (keyword, words) in [
        ("search", joined(resolver.search())),
        ("options", joined(resolver.options())),
    ] {
        if !words.is_empty() {
            let _ = writeln!(text, "{keyword} {words}");
        }
    }
    text
}

fn joined<T: ToString>(words: &[T]) -> String {
    let words: Vec<String> = words.iter().map(ToString::to_string).collect();
    words.join(" ")
}
