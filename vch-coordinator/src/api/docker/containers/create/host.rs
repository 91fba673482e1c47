//! `HostConfig`, and what names the container on its networks.

use super::super::super::DockerError;
use super::super::body::{Body, HostConfig, Policy};
use crate::runtime::{
    capability_number,
    workload::{Resources, RestartPolicy, RestartWhen, Workload},
};
use protocol::spec::{HostEntry, Hostname};
use std::{net::IpAddr, num::NonZero, thread};
use vch_ledger::Dns;

/// dockerd's: less is no container's.
const LEAST_MEMORY: i64 = 6 << 20;
/// A whole processor.
const NANO: i64 = 1_000_000_000;
/// dockerd's, where a quota names no period: microseconds.
const PERIOD_US: i64 = 100_000;

/// By their whole names, as they are shown again.
fn capabilities(field: &str, names: &[String]) -> Result<Vec<String>, DockerError> {
    let whole = |name: &String| {
        let upper = name.to_ascii_uppercase();
        let whole = match upper.as_str() {
            "ALL" => return Ok(upper),
            long if long.starts_with("CAP_") => upper,
            short => format!("CAP_{short}"),
        };
        match capability_number(&whole) {
            Some(_) => Ok(whole),
            None => Err(DockerError::invalid(format!(
                "invalid {field}: unknown capability: \"{whole}\""
            ))),
        }
    };
    names.iter().map(whole).collect()
}

/// Fills in what is set by `HostConfig`.
///
/// # Errors
/// In dockerd's words.
pub fn fill(workload: &mut Workload, body: &Body) -> Result<(), DockerError> {
    let host = &body.host_config;
    workload.hostname = Some(body.hostname.clone()).filter(|name| !name.is_empty());
    workload.domain.clone_from(&body.domainname);
    workload.resources = resources(host)?;
    workload.restart = restart_policy(&host.restart_policy)?;
    workload.remove_at_end = host.auto_remove;
    if host.auto_remove && workload.restart.when != RestartWhen::No {
        return Err(DockerError::invalid(
            "can't create 'AutoRemove' container with restart policy",
        ));
    }
    workload.read_only = host.readonly_rootfs;
    workload.reaper = host.init;
    workload.capabilities = [
        capabilities("CapAdd", &host.cap_add)?,
        capabilities("CapDrop", &host.cap_drop)?,
    ];
    let privileges = host.security_opt.iter();
    workload.no_new_privileges = privileges.clone().any(|option| !option.ends_with("false"));
    workload.tmpfs = tmpfs(host)?;
    workload.sysctls.clone_from(&host.sysctls);
    workload.limits = limits(host)?;
    if host.shm_size < 0 {
        return Err(DockerError::invalid("SHM size can not be less than 0"));
    }
    workload.shm_bytes = Some(host.shm_size).filter(|size| *size > 0);
    workload.oom_score = match i16::try_from(host.oom_score_adj) {
        Ok(score @ -1000..=1000) => score,
        _ => {
            let score = host.oom_score_adj;
            return Err(DockerError::invalid(format!(
                "Invalid value {score}, range for oom score adj is [-1000, 1000]"
            )));
        }
    };
    workload.groups.clone_from(&host.group_add);
    workload.log.clone_from(&host.log_config.config);
    Ok(())
}

/// When it is started again.
///
/// # Errors
/// In dockerd's words.
pub fn restart_policy(policy: &Policy) -> Result<RestartPolicy, DockerError> {
    let name = policy.name.as_str();
    let when = match name {
        "" | "no" => RestartWhen::No,
        "always" => RestartWhen::Always,
        "unless-stopped" => RestartWhen::UnlessStopped,
        "on-failure" => RestartWhen::OnFailure,
        _ => {
            return Err(DockerError::invalid(format!(
                "invalid restart policy: unknown policy '{name}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'"
            )));
        }
    };
    if policy.maximum_retry_count < 0 {
        return Err(DockerError::invalid(
            "invalid restart policy: maximum retry count cannot be negative",
        ));
    }
    if policy.maximum_retry_count > 0 && when != RestartWhen::OnFailure {
        return Err(DockerError::invalid(
            "invalid restart policy: maximum retry count can only be used with 'on-failure'",
        ));
    }
    Ok(RestartPolicy {
        when,
        most: u32::try_from(policy.maximum_retry_count).unwrap_or(u32::MAX),
    })
}

/// Memory and processors.
///
/// # Errors
/// In dockerd's words.
pub fn resources(host: &HostConfig) -> Result<Resources, DockerError> {
    if host.memory < 0 || (host.memory > 0 && host.memory < LEAST_MEMORY) {
        return Err(DockerError::invalid("Minimum memory limit allowed is 6MB"));
    }
    if host.memory_swap > 0 && host.memory == 0 {
        return Err(DockerError::invalid(
            "You should always set the Memory limit when using Memoryswap limit, see usage",
        ));
    }
    if host.memory_swap > 0 && host.memory_swap < host.memory {
        return Err(DockerError::invalid(
            "Minimum memoryswap limit should be larger than memory limit, see usage",
        ));
    }
    if host.nano_cpus > 0 && (host.cpu_period > 0 || host.cpu_quota > 0) {
        let which = if host.cpu_period > 0 {
            "Period"
        } else {
            "Quota"
        };
        return Err(DockerError::invalid(format!(
            "Conflicting options: Nano CPUs and CPU {which} cannot both be set."
        )));
    }
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    let most = i64::try_from(processors).unwrap_or(i64::MAX);
    if host.nano_cpus < 0 || host.nano_cpus > most.saturating_mul(NANO) {
        return Err(DockerError::invalid(format!(
            "Range of CPUs is from 0.01 to {most}.00, as there are only {most} CPUs available"
        )));
    }
    let period = if host.cpu_period > 0 {
        host.cpu_period
    } else {
        PERIOD_US
    };
    let quota = host.cpu_quota.max(0).saturating_mul(1_000_000_000) / period;
    Ok(Resources {
        memory: host.memory,
        nano_cpus: host.nano_cpus.max(quota),
        tasks: 0,
    })
}

fn tmpfs(host: &HostConfig) -> Result<std::collections::BTreeMap<String, String>, DockerError> {
    let mut all = host.tmpfs.clone();
    for mount in &host.mounts {
        let mut options = Vec::new();
        if mount.tmpfs_options.size_bytes > 0 {
            options.push(format!("size={}", mount.tmpfs_options.size_bytes));
        }
        if mount.tmpfs_options.mode > 0 {
            options.push(format!("mode={:o}", mount.tmpfs_options.mode));
        }
        if mount.read_only {
            options.push("ro".to_owned());
        }
        all.insert(mount.target.clone(), options.join(","));
    }
    match all.keys().find(|path| !path.starts_with('/')) {
        Some(path) => Err(DockerError::invalid(format!(
            "invalid mount path: '{path}' mount path must be absolute"
        ))),
        None => Ok(all),
    }
}

fn limits(host: &HostConfig) -> Result<Vec<(String, i64, i64)>, DockerError> {
    let one = |limit: &super::super::body::Ulimit| {
        let (name, soft, hard) = (&limit.name, limit.soft, limit.hard);
        if hard >= 0 && soft > hard {
            return Err(DockerError::invalid(format!(
                "ulimit soft limit must be less than or equal to hard limit: {soft} > {hard}"
            )));
        }
        Ok((name.clone(), soft, hard))
    };
    host.ulimits.iter().map(one).collect()
}

/// The host name that was chosen.
///
/// # Errors
/// In dockerd's words.
pub fn hostname(body: &Body) -> Result<Option<Hostname>, DockerError> {
    match body.hostname.as_str() {
        "" => Ok(None),
        name => name.parse().map(Some).map_err(|_| {
            let shown: String = name.chars().take(200).collect();
            DockerError::invalid(format!("invalid hostname format: {shown}"))
        }),
    }
}

/// Its own resolver settings.
///
/// # Errors
/// A server or domain that is none.
pub fn dns(body: &Body) -> Result<Dns, DockerError> {
    let host = &body.host_config;
    let server = |text: &String| {
        text.parse::<IpAddr>()
            .map_err(|_| DockerError::invalid(format!("bad nameserver address: {text}")))
    };
    let domain = |text: &String| {
        text.parse().map_err(|error: protocol::spec::NameError| {
            DockerError::invalid(format!("HostConfig.DnsSearch: {error}"))
        })
    };
    Ok(Dns {
        servers: host.dns.iter().map(server).collect::<Result<_, _>>()?,
        search: host
            .dns_search
            .iter()
            .map(domain)
            .collect::<Result<_, _>>()?,
        options: host.dns_options.clone(),
    })
}

/// Lines for its hosts file.
///
/// # Errors
/// In dockerd's words.
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
