//! `POST /containers/{id}/update`: the restart policy, memory and processors.

use super::{
    super::{Docker, DockerError, Json, Path},
    body::{HostConfig, without_nulls},
    create,
};
use crate::runtime::{
    Update,
    workload::{Resources, RestartWhen, Workload},
};
use axum::extract::State;
use serde_json::{Value, json};

/// What `docker update` says where a VM runs with what it was started with.
const LATER: &str =
    "memory and processors are a VM's from its next start on: restart the container";

pub async fn update(
    State(docker): State<Docker>,
    Path(container): Path<String>,
    Json(body): Json<Value>,
) -> Result<Json<Value>, DockerError> {
    let host: HostConfig = crate::api::docker::json::typed(without_nulls(body))?;
    let id = docker.container(&container).await?;
    let looked = docker.runtime.must(id).await?;
    let update = plan(&host, &looked.workload)?;
    let later = update.resources.is_some() && looked.container.runs();
    docker.runtime.update(id, update).await?;
    let warnings = match later {
        true => json!([LATER]),
        false => Value::Null,
    };
    Ok(Json(json!({ "Warnings": warnings })))
}

fn plan(host: &HostConfig, workload: &Workload) -> Result<Update, DockerError> {
    create::check_resources(host)?;
    let restart = match host.restart_policy.name.as_str() {
        "" => None,
        _ => Some(create::restart_policy(&host.restart_policy)?),
    };
    let restarts = restart
        .as_ref()
        .is_some_and(|policy| policy.when != RestartWhen::No);
    if workload.remove_at_end && restarts {
        return Err(DockerError::conflict(
            "Restart policy cannot be updated because AutoRemove is enabled for the container",
        ));
    }
    let wished = create::resources(host)?;
    let given = |new: i64, old: i64| if new == 0 { old } else { new };
    let merged = Resources {
        memory: given(wished.memory, workload.resources.memory),
        nano_cpus: given(wished.nano_cpus, workload.resources.nano_cpus),
        tasks: workload.resources.tasks,
    };
    let resources = (merged != workload.resources).then_some(merged);
    Ok(Update { restart, resources })
}
