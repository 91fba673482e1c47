//! `POST /containers/{id}/update` (`docker update`): changes the restart policy and the limits of memory,
//! processors and tasks.

use super::super::{Docker, Json, Path};
use axum::extract::State;
use docker_model::{
    DockerError, Version,
    containers::{
        body::{HostConfig, without_nulls},
        create,
        created::Updated,
    },
    prune::some,
};
use serde_json::Value;
use vch_runtime::{
    ContainerSnapshot, RuntimeError, Update, cgroup_limits,
    workload::{Resources, RestartWhen, VmSize, Workload},
};

/// Handles `POST /containers/{id}/update`. Limits of a running container take effect at once where its VM permits;
/// the response has a warning about the others.
///
/// # Errors
/// Returns 400 if a limit is not valid, 404 if the container does not exist, 501 for a field that a VCH does not
/// support, and 503 if the coordinator is stopping.
pub async fn update(
    State(docker): State<Docker>,
    version: Version,
    Path(container): Path<String>,
    Json(body): Json<Value>,
) -> Result<Json<Updated>, DockerError> {
    let host: HostConfig = docker_model::json::typed(without_nulls(body))?;
    let id = docker.container(&container).await?;
    let snapshot = docker.runtime.require(id).await?;
    let (update, mut warnings) =
        plan(&host, &snapshot.workload, version).map_err(|error| match error.status.as_u16() {
            409 => DockerError {
                message: format!("Cannot update container {id}: {}", error.message),
                ..error
            },
            _ => error,
        })?;
    let resources = update.resources.clone();
    docker.runtime.update(id, update).await?;
    if let Some(resources) = resources.filter(|_| snapshot.container.runs()) {
        warnings.extend(later(&resources, snapshot.run_state.vm));
        warnings.extend(in_force(&docker, &snapshot, &resources).await);
    }
    let warnings = some(warnings);
    Ok(Json(Updated { warnings }))
}

/// Sets the limits of the running container. Returns a warning for each limit that takes effect
/// only at its next start.
///
/// # Errors
/// Returns an error if the limits can't be set.
async fn in_force(
    docker: &Docker,
    snapshot: &ContainerSnapshot,
    resources: &Resources,
) -> Vec<String> {
    let bounded = async {
        let client = docker.runtime.client(snapshot)?;
        Ok::<_, RuntimeError>(client.update(cgroup_limits(resources)).await?)
    };
    match bounded.await {
        Ok(refused) => refused
            .into_iter()
            .map(|reason| format!("not in force before the next start: {reason}"))
            .collect(),
        Err(error) => vec![format!("not in force before the next start: {error}")],
    }
}

/// Returns a warning for each limit that exceeds the running VM.
fn later(resources: &Resources, vm: VmSize) -> Vec<String> {
    let mut warnings = Vec::new();
    let memory_mib = u64::try_from(resources.memory).unwrap_or(0) >> 20;
    if vm.memory_mib > 0 && memory_mib > u64::from(vm.memory_mib) {
        let has = vm.memory_mib;
        warnings.push(format!(
            "The running VM has {has} MiB of memory: the container has {memory_mib} MiB from its next start on."
        ));
    }
    let processors = u64::try_from(resources.processors_nano())
        .unwrap_or(0)
        .div_ceil(1_000_000_000);
    if vm.cpus > 0 && processors > u64::from(vm.cpus) {
        let has = vm.cpus;
        warnings.push(format!(
            "The running VM has {has} processors: the container has {processors} from its next start on."
        ));
    }
    warnings
}

/// Returns the changes of the workload, and warnings about them.
///
/// # Errors
/// Returns dockerd's error if a field is not valid.
fn plan(
    host: &HostConfig,
    workload: &Workload,
    version: Version,
) -> Result<(Update, Vec<String>), DockerError> {
    let (requested, warnings) = create::resources(host, version, true)?;
    let restart = create::restart_policy(&host.restart_policy)?;
    let restart = (!host.restart_policy.name.is_empty()).then_some(restart);
    let restarts = restart
        .as_ref()
        .is_some_and(|policy| policy.when != RestartWhen::No);
    if workload.remove_at_end && restarts {
        return Err(DockerError::conflict(
            "Restart policy cannot be updated because AutoRemove is enabled for the container",
        ));
    }
    let merged = merged(host, &requested, &workload.resources)?;
    let resources = (merged != workload.resources).then_some(merged);
    Ok((Update { restart, resources }, warnings))
}

fn merged(host: &HostConfig, new: &Resources, old: &Resources) -> Result<Resources, DockerError> {
    for (new, new_name, old, old_name) in [
        (new.nano_cpus, "Nano CPUs", old.cpu_period, "CPU Period"),
        (new.nano_cpus, "Nano CPUs", old.cpu_quota, "CPU Quota"),
        (new.cpu_period, "CPU Period", old.nano_cpus, "NanoCPUs"),
        (new.cpu_quota, "CPU Quota", old.nano_cpus, "NanoCPUs"),
    ] {
        if new > 0 && old > 0 {
            return Err(DockerError::conflict(format!(
                "Conflicting options: {new_name} cannot be updated as {old_name} has already been set"
            )));
        }
    }
    if new.memory != 0 && new.memory > old.memory_swap && host.memory_swap == 0 {
        return Err(DockerError::conflict(
            "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time",
        ));
    }
    let number = |new: i64, old: i64| if new == 0 { old } else { new };
    let text = |new: &String, old: &String| {
        if new.is_empty() {
            old.clone()
        } else {
            new.clone()
        }
    };
    Ok(Resources {
        memory: number(new.memory, old.memory),
        memory_swap: number(host.memory_swap, old.memory_swap),
        memory_reservation: number(new.memory_reservation, old.memory_reservation),
        nano_cpus: number(new.nano_cpus, old.nano_cpus),
        cpu_shares: number(new.cpu_shares, old.cpu_shares),
        cpu_period: number(new.cpu_period, old.cpu_period),
        cpu_quota: number(new.cpu_quota, old.cpu_quota),
        cpuset_cpus: text(&new.cpuset_cpus, &old.cpuset_cpus),
        cpuset_mems: text(&new.cpuset_mems, &old.cpuset_mems),
        // 0 and -1 mean no limit here.
        tasks: host.pids_limit.map_or(old.tasks, |limit| limit.max(0)),
    })
}

#[cfg(test)]
mod tests;
