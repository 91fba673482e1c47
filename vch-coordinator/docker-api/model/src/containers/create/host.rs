//! `HostConfig`, and the container's names on its networks.

use crate::{
    DockerError,
    containers::{
        body::{Body, HostConfig, Policy},
        create::log,
    },
};
use protocol::spec::{DomainName, HostEntry, Hostname};
use std::{collections::BTreeMap, net::IpAddr};
use vch_ledger::{Dns, MAX_DNS_SERVERS, MAX_UTS_NAME};
use vch_runtime::{
    ulimit_number,
    workload::{RestartPolicy, RestartWhen, Workload},
};

/// The maximum number of rows or columns of a terminal (ioctl_tty(2)).
const MAX_CONSOLE: u32 = 65_535;

/// Sets the workload's fields from `HostConfig`.
///
/// # Errors
/// Returns dockerd's error if a field is not valid.
pub fn fill(workload: &mut Workload, body: &Body) -> Result<(), DockerError> {
    let host = &body.host_config;
    workload.hostname = Some(body.hostname.clone()).filter(|name| !name.is_empty());
    workload.domain.clone_from(&body.domainname);
    workload.restart = restart_policy(&host.restart_policy)?;
    workload.remove_at_end = host.auto_remove;
    if host.auto_remove && workload.restart.when != RestartWhen::No {
        return Err(DockerError::invalid(
            "can't create 'AutoRemove' container with restart policy",
        ));
    }
    workload.read_only = host.readonly_rootfs;
    workload.reaper = host.init.unwrap_or(false);
    workload.console_size = console_size(host)?;
    workload.sysctls.clone_from(&host.sysctls);
    workload.limits = limits(host)?;
    if host.shm_size < 0 {
        return Err(DockerError::invalid("SHM size can not be less than 0"));
    }
    workload.shm_bytes = match host.ipc_mode.as_str() {
        "none" => Some(0),
        _ => Some(host.shm_size).filter(|size| *size > 0),
    };
    workload.oom_score = match i16::try_from(host.oom_score_adj) {
        Ok(score @ -1000..=1000) => score,
        _ => {
            let score = host.oom_score_adj;
            return Err(DockerError::invalid(format!(
                "Invalid value {score}, range for oom score adj is [-1000, 1000]"
            )));
        }
    };
    if let Some(empty) = host.annotations.get("") {
        let shown: String = empty.chars().take(100).collect();
        return Err(DockerError::invalid(format!(
            "invalid Annotations: the empty string is not permitted as an annotation key: it has the value {shown:?}"
        )));
    }
    workload.groups.clone_from(&host.group_add);
    workload.log = log::options(host);
    Ok(())
}

/// Converts a restart policy of a request to the runtime's. An empty name stands for `no`.
///
/// # Errors
/// Returns 400 if the policy's name is unknown, or its maximum number of restarts is negative or belongs to a
/// policy other than `on-failure`.
pub fn restart_policy(policy: &Policy) -> Result<RestartPolicy, DockerError> {
    let when = match policy.name.as_str() {
        "" | "no" => RestartWhen::No,
        "always" => RestartWhen::Always,
        "unless-stopped" => RestartWhen::UnlessStopped,
        "on-failure" => RestartWhen::OnFailure,
        name => {
            let shown: String = name.chars().take(100).collect();
            return Err(DockerError::invalid(format!(
                "invalid restart policy: unknown policy '{shown}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'"
            )));
        }
    };
    let most = policy.maximum_retry_count;
    if when != RestartWhen::OnFailure && most != 0 {
        let negative = if most < 0 {
            " and cannot be negative"
        } else {
            ""
        };
        return Err(DockerError::invalid(format!(
            "invalid restart policy: maximum retry count can only be used with 'on-failure'{negative}"
        )));
    }
    if most < 0 {
        return Err(DockerError::invalid(
            "invalid restart policy: maximum retry count cannot be negative",
        ));
    }
    Ok(RestartPolicy {
        when,
        most: u32::try_from(most).unwrap_or(u32::MAX),
    })
}

fn console_size(host: &HostConfig) -> Result<Option<[u16; 2]>, DockerError> {
    let Some([rows, columns]) = host.console_size.filter(|size| *size != [0, 0]) else {
        return Ok(None);
    };
    match (u16::try_from(rows), u16::try_from(columns)) {
        (Ok(rows), Ok(columns)) => Ok(Some([rows, columns])),
        _ => Err(DockerError::invalid(format!(
            "HostConfig.ConsoleSize cannot be [{rows}, {columns}]: give 0 to {MAX_CONSOLE} rows and columns"
        ))),
    }
}

fn limits(host: &HostConfig) -> Result<Vec<(String, i64, i64)>, DockerError> {
    let one = |limit: &crate::containers::body::Ulimit| {
        let (name, soft, hard) = (&limit.name, limit.soft, limit.hard);
        // As in Docker, -1 means no limit.
        if hard >= 0 && soft < 0 {
            return Err(DockerError::invalid(format!(
                "ulimit soft limit must be less than or equal to hard limit: soft: {soft} (unlimited), hard: {hard}"
            )));
        }
        if hard >= 0 && soft > hard {
            return Err(DockerError::invalid(format!(
                "ulimit soft limit must be less than or equal to hard limit: {soft} > {hard}"
            )));
        }
        if ulimit_number(name).is_none() {
            let shown: String = name.chars().take(100).collect();
            return Err(DockerError::invalid(format!(
                "invalid ulimit type: {shown}: HostConfig.Ulimits takes the resources of setrlimit(2) by names as nofile"
            )));
        }
        Ok((name.clone(), soft, hard))
    };
    host.ulimits.iter().map(one).collect()
}

/// Returns the host name in the body; `None` if it has none.
///
/// # Errors
/// Returns 400 if the name is longer than the kernel permits or not valid.
pub fn hostname(body: &Body) -> Result<Option<Hostname>, DockerError> {
    let name = body.hostname.as_str();
    check_length("Hostname", name)?;
    match name {
        "" => Ok(None),
        name => name.parse().map(Some).map_err(|_| {
            let shown: String = name.chars().take(200).collect();
            DockerError::invalid(format!("invalid hostname format: {shown}"))
        }),
    }
}

fn check_length(field: &str, text: &str) -> Result<(), DockerError> {
    if text.len() <= MAX_UTS_NAME {
        return Ok(());
    }
    let (shown, bytes): (String, _) = (text.chars().take(300).collect(), text.len());
    Err(DockerError::invalid(format!(
        "invalid {field} {shown}: it has {bytes} bytes: the kernel keeps at most {MAX_UTS_NAME}"
    )))
}

/// Returns the domain of the host name; `None` if the body has none.
///
/// # Errors
/// Returns 400 if the domain is not valid.
pub fn domain(body: &Body) -> Result<Option<DomainName>, DockerError> {
    let name = body.domainname.as_str();
    check_length("Domainname", name)?;
    match name {
        "" => Ok(None),
        // The root is possible only as a search domain.
        name if name.parse::<Hostname>().is_err() => {
            let shown: String = name.chars().take(200).collect();
            Err(DockerError::invalid(format!(
                "invalid domainname format: {shown}"
            )))
        }
        name => name
            .parse()
            .map(Some)
            .map_err(|error| DockerError::invalid(format!("invalid domainname format: {error}"))),
    }
}

/// Returns the kernel settings of single interfaces, which the agent writes whenever it changes the
/// interface. The container's first process sets all others.
pub fn link_sysctls(all: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let single = |name: &&String| {
        let parts: Vec<&str> = name.split(['.', '/']).collect();
        let [
            "net",
            "ipv4" | "ipv6" | "mpls",
            "conf" | "neigh" | "input",
            link,
            ..,
        ] = parts[..]
        else {
            return false;
        };
        !matches!(link, "all" | "default" | "lo")
    };
    let single = all.iter().filter(|(name, _)| single(name));
    single
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// Returns the container's own resolver settings, and adds warnings about them to `warnings`.
///
/// # Errors
/// Returns 400 if a server or a domain is not valid.
pub fn dns(body: &Body, warnings: &mut Vec<String>) -> Result<Dns, DockerError> {
    let host = &body.host_config;
    let domain = |text: &String| {
        text.parse().map_err(|error: protocol::spec::NameError| {
            DockerError::invalid(format!("HostConfig.DnsSearch: {error}"))
        })
    };
    let mut servers: Vec<IpAddr> = Vec::new();
    for text in &host.dns {
        let shown: String = text.chars().take(100).collect();
        let server = text.parse().map_err(|_| {
            DockerError::invalid(format!(
                "bad nameserver address: {shown}: give an IP address"
            ))
        })?;
        if !servers.contains(&server) {
            servers.push(server);
        }
    }
    if servers.len() > MAX_DNS_SERVERS {
        let given = servers.len();
        warnings.push(format!(
            "HostConfig.Dns has {given} name servers: the first {MAX_DNS_SERVERS} are asked."
        ));
        servers.truncate(MAX_DNS_SERVERS);
    }
    let mut search = Vec::new();
    for text in host.dns_search.iter().filter(|text| !text.is_empty()) {
        let domain: DomainName = domain(text)?;
        if !search.contains(&domain) {
            search.push(domain);
        }
    }
    let mut options: Vec<String> = Vec::new();
    for option in &host.dns_options {
        if !options.contains(option) {
            options.push(option.clone());
        }
    }
    Ok(Dns {
        servers,
        search,
        options,
    })
}

/// Returns the further lines of the container's hosts file. `gateway` is the address that
/// `host-gateway` stands for.
///
/// # Errors
/// Returns dockerd's error if a line is not valid.
pub fn extra_hosts(body: &Body, gateway: Option<IpAddr>) -> Result<Vec<HostEntry>, DockerError> {
    let one = |text: &String| {
        let bad = || DockerError::invalid(format!("bad format for add-host: \"{text}\""));
        let (name, address) = text.split_once(':').ok_or_else(bad)?;
        let address = match (address, gateway) {
            ("host-gateway", Some(gateway)) => gateway,
            ("host-gateway", None) => {
                return Err(DockerError::invalid(
                    "unable to derive the IP value for host-gateway",
                ));
            }
            (text, _) => text
                .trim_start_matches('[')
                .trim_end_matches(']')
                .parse()
                .map_err(|_| {
                    DockerError::invalid(format!("invalid IP address in add-host: \"{text}\""))
                })?,
        };
        Ok(HostEntry {
            name: name.parse().map_err(|_| bad())?,
            address,
        })
    };
    body.host_config.extra_hosts.iter().map(one).collect()
}
