//! The namespaces, runtimes and cgroups in a container's body.

use crate::{
    DockerError,
    containers::{body::Body, create::refused::refuse},
};

/// The name of the only runtime. Requests may name it, and `docker inspect` shows it.
pub const RUNTIME: &str = "vm";
const VM: &str = "each container is a VM with a kernel of its own";

/// The mode of a namespace.
enum Mode<'a> {
    /// The container's own namespace.
    Own,
    /// The VCH's namespace.
    Host,
    /// Another container's namespace.
    Container(&'a str),
    /// An unknown mode.
    Unknown,
}

fn mode<'a>(text: &'a str, own: &[&str]) -> Mode<'a> {
    match text {
        text if own.contains(&text) => Mode::Own,
        "host" => Mode::Host,
        text => match text.strip_prefix("container:") {
            None | Some("") => Mode::Unknown,
            Some(name) => Mode::Container(name),
        },
    }
}

/// Checks that a VM supports the modes.
///
/// # Errors
/// Returns 400 for an unknown mode and for the VCH's own namespaces, and 501 for another container's.
pub fn check(body: &Body) -> Result<(), DockerError> {
    network(body)?;
    let host = &body.host_config;
    let isolation = host.isolation.as_str();
    if !(isolation.is_empty() || isolation.eq_ignore_ascii_case("default")) {
        return Err(DockerError::invalid(format!(
            "invalid isolation ({isolation}): linux only supports 'default'"
        )));
    }
    namespace(
        "IpcMode",
        "IPC",
        &host.ipc_mode,
        &["", "none", "private", "shareable"],
    )?;
    namespace("PidMode", "PID", &host.pid_mode, &[""])?;
    // The host's user namespace means for Docker that root is the host's; here that is root of the
    // container's VM in any case.
    let userns = host.userns_mode.as_str();
    if !matches!(userns, "" | "host") {
        return Err(invalid("USER mode", userns));
    }
    whole("UTSMode", "UTS mode", &host.uts_mode, &[""])?;
    let own = ["", "private"];
    whole(
        "CgroupnsMode",
        "cgroup namespace mode",
        &host.cgroupns_mode,
        &own,
    )?;
    if !matches!(host.runtime.as_str(), "" | RUNTIME) {
        let shown: String = host.runtime.chars().take(100).collect();
        return Err(DockerError::invalid(format!(
            "unknown or invalid runtime name: {shown}"
        )));
    }
    cgroup(&host.cgroup)?;
    if !host.cgroup_parent.is_empty() {
        let remedy = format!("{VM} and cgroups of its own: leave it out");
        return Err(refuse(
            "HostConfig.CgroupParent",
            &host.cgroup_parent,
            &remedy,
        ));
    }
    Ok(())
}

fn network(body: &Body) -> Result<(), DockerError> {
    let mode = body.host_config.network_mode.as_str();
    if mode == "host" {
        let remedy = "each container is a VM, and the VCH's own network is no container's: use a network of driver bridge and publish ports (`-p`), or connect it to an external network (`docker network ls`)";
        return Err(refuse("HostConfig.NetworkMode", "host", remedy));
    }
    if matches!(mode, "container" | "container:") {
        return Err(DockerError::invalid(
            "invalid network mode: invalid container format container:<name|id>",
        ));
    }
    if mode.starts_with("container:") {
        if let Some(conflict) = conflict(body) {
            return Err(DockerError::invalid(format!(
                "conflicting options: {conflict}"
            )));
        }
        let remedy = "each container is a VM with interfaces of its own: put both on one network and use their names";
        return Err(refuse("HostConfig.NetworkMode", mode, remedy));
    }
    Ok(())
}

/// Returns dockerd's message for an option that conflicts with sharing another container's network;
/// `None` if there is no conflict.
fn conflict(body: &Body) -> Option<&'static str> {
    let host = &body.host_config;
    let conflicts = [
        (!body.hostname.is_empty(), "hostname and the network mode"),
        (
            !host.links.is_empty(),
            "container type network can't be used with links. This would result in undefined behavior",
        ),
        (!host.dns.is_empty(), "dns and the network mode"),
        (
            !host.extra_hosts.is_empty(),
            "custom host-to-IP mapping and the network mode",
        ),
        (
            !body.mac_address.is_empty(),
            "mac-address and the network mode",
        ),
        (
            !host.port_bindings.is_empty() || host.publish_all_ports,
            "port publishing and the container type network mode",
        ),
        (
            !body.exposed_ports.is_empty(),
            "port exposing and the container type network mode",
        ),
    ];
    conflicts
        .into_iter()
        .find_map(|(given, words)| given.then_some(words))
}

fn namespace(field: &str, kind: &str, text: &str, own: &[&str]) -> Result<(), DockerError> {
    match mode(text, own) {
        Mode::Own => Ok(()),
        Mode::Host => Err(hosts(field)),
        Mode::Container(name) => {
            let remedy = format!("{VM}, which it shares with no other container: leave it out");
            Err(refuse(&format!("HostConfig.{field}"), name, &remedy))
        }
        Mode::Unknown => Err(invalid(&format!("{kind} mode"), text)),
    }
}

/// Checks the mode of a namespace that containers cannot share.
///
/// # Errors
/// Returns 400 for an unknown mode and for the VCH's own namespace, and 501 for another container's.
fn whole(field: &str, kind: &str, text: &str, own: &[&str]) -> Result<(), DockerError> {
    match mode(text, own) {
        Mode::Own => Ok(()),
        Mode::Host => Err(hosts(field)),
        Mode::Container(_) | Mode::Unknown => Err(invalid(kind, text)),
    }
}

fn hosts(field: &str) -> DockerError {
    DockerError::invalid(format!(
        "HostConfig.{field} cannot be host: {VM}, and the VCH's namespaces are out of its reach: leave it out"
    ))
}

fn invalid(what: &str, text: &str) -> DockerError {
    let shown: String = text.chars().take(100).collect();
    DockerError::invalid(format!("invalid {what}: {shown}"))
}

fn cgroup(text: &str) -> Result<(), DockerError> {
    match mode(text, &[""]) {
        Mode::Own => Ok(()),
        Mode::Container(name) => {
            let remedy = format!("{VM} and cgroups of its own: leave it out");
            Err(refuse("HostConfig.Cgroup", name, &remedy))
        }
        Mode::Host | Mode::Unknown => Err(invalid("cgroup mode", text)),
    }
}
