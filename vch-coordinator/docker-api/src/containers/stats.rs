//! `GET /containers/{id}/stats`: what a container uses, once or every second.

use super::super::{Docker, Json, Parameters, Path};
use axum::{
    body::{Body, Bytes},
    extract::State,
    http::{HeaderValue, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use docker_model::{DockerError, time};
use futures_util::stream;
use protocol::process::{InterfaceUsage, Usage};
use serde_json::{Map, Value, json};
use std::{convert::Infallible, time::Duration};
use vch_ledger::ContainerId;
use vch_runtime::ContainerSnapshot;

/// Between two looks, as dockerd's.
const PAUSE: Duration = Duration::from_secs(1);

/// What was used at a time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Sample {
    /// Since 1970; `None` for a container that does not run.
    at: Option<Duration>,
    usage: Usage,
}

pub async fn stats(
    State(docker): State<Docker>,
    Path(container): Path<String>,
    parameters: Parameters,
) -> Result<Response, DockerError> {
    let id = docker.container(&container).await?;
    let snapshot = docker.runtime.require(id).await?;
    let streams = parameters.get("stream").is_none() || parameters.flag("stream");
    let first = docker.sample(&snapshot).await;
    if !snapshot.container.runs() || (!streams && parameters.flag("one-shot")) {
        let response = response(&snapshot, &Sample::default(), &first);
        return Ok(Json(response).into_response());
    }
    if !streams {
        tokio::time::sleep(PAUSE).await;
        let second = docker.sample(&snapshot).await;
        return Ok(Json(response(&snapshot, &first, &second)).into_response());
    }
    let begin = (docker, id, Some(Sample::default()));
    let lines = stream::unfold(begin, |(docker, id, before)| async move {
        let before = before?;
        if before.at.is_some() {
            tokio::time::sleep(PAUSE).await;
        }
        let (line, next) = docker.line(id, &before).await?;
        Some((Ok::<_, Infallible>(line), (docker, id, next)))
    });
    let mut response = Body::from_stream(lines).into_response();
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    Ok(response)
}

impl Docker {
    /// The next line of a stream, and what comes after it: nothing once the container has ended.
    async fn line(&self, id: ContainerId, before: &Sample) -> Option<(Bytes, Option<Sample>)> {
        let snapshot = self.runtime.get(id).await.ok()??;
        let now = self.sample(&snapshot).await;
        let line = format!("{}\n", response(&snapshot, before, &now));
        let next = now.at.is_some().then_some(now);
        Some((Bytes::from(line), next))
    }

    /// Nothing, for one that does not run or is about to end.
    async fn sample(&self, snapshot: &ContainerSnapshot) -> Sample {
        let client = match snapshot.container.runs() {
            true => self.runtime.client(snapshot).ok(),
            false => None,
        };
        let Some(client) = client else {
            return Sample::default();
        };
        match client.usage().await {
            Ok(usage) => Sample {
                at: Some(time::now()),
                usage,
            },
            Err(_) => Sample::default(),
        }
    }
}

fn response(snapshot: &ContainerSnapshot, before: &Sample, now: &Sample) -> Value {
    let read = |sample: &Sample| match sample.at {
        Some(at) => time::rfc3339(at),
        None => docker_model::containers::status::NEVER.to_owned(),
    };
    let mut response = json!({
        "read": read(now),
        "preread": read(before),
        "num_procs": 0,
        "storage_stats": {},
        "pids_stats": {},
        "blkio_stats": blkio(now),
        "cpu_stats": cpu(snapshot, now),
        "precpu_stats": cpu(snapshot, before),
        "memory_stats": {},
        "name": format!("/{}", snapshot.container.name),
        "id": snapshot.container.id.to_string(),
    });
    let (Some(map), Some(_)) = (response.as_object_mut(), now.at) else {
        return response;
    };
    let [used, cache] = now.usage.memory;
    map.insert(
        "memory_stats".to_owned(),
        json!({
            "usage": used,
            // What the CLI takes off: the cache can be given back.
            "stats": { "cache": cache, "inactive_file": cache, "total_inactive_file": cache },
            "limit": now.usage.memory_limit,
        }),
    );
    map.insert(
        "pids_stats".to_owned(),
        json!({ "current": now.usage.tasks }),
    );
    let interfaces = now.usage.interfaces.iter();
    let networks: Map<String, Value> = interfaces
        .filter(|interface| interface.name != "lo")
        .map(|interface| (interface.name.clone(), network(interface)))
        .collect();
    if !networks.is_empty() {
        map.insert("networks".to_owned(), Value::Object(networks));
    }
    response
}

fn network(interface: &InterfaceUsage) -> Value {
    let [rx_bytes, rx_packets, rx_errors, rx_dropped] = interface.received;
    let [tx_bytes, tx_packets, tx_errors, tx_dropped] = interface.sent;
    json!({
        "rx_bytes": rx_bytes,
        "rx_packets": rx_packets,
        "rx_errors": rx_errors,
        "rx_dropped": rx_dropped,
        "tx_bytes": tx_bytes,
        "tx_packets": tx_packets,
        "tx_errors": tx_errors,
        "tx_dropped": tx_dropped,
    })
}

fn cpu(snapshot: &ContainerSnapshot, sample: &Sample) -> Value {
    let [all, user, system] = sample.usage.cpu_ns;
    let mut response = json!({
        "cpu_usage": {
            "total_usage": all,
            "usage_in_kernelmode": system,
            "usage_in_usermode": user,
        },
        "throttling_data": { "periods": 0, "throttled_periods": 0, "throttled_time": 0 },
    });
    if let (Some(map), Some(at)) = (response.as_object_mut(), sample.at) {
        // The CLI divides by what passed of it between two samples: all of the VM's processors' time.
        let started = Duration::from_millis(snapshot.life.started_ms);
        let since = at.saturating_sub(started).as_nanos();
        let all = since.saturating_mul(sample.usage.cpus.into());
        let all = u64::try_from(all).unwrap_or(u64::MAX);
        map.insert("system_cpu_usage".to_owned(), json!(all));
        map.insert("online_cpus".to_owned(), json!(sample.usage.cpus));
    }
    response
}

fn blkio(sample: &Sample) -> Value {
    let [read, written] = sample.usage.disk;
    let bytes = match sample.at {
        None => json!([]),
        Some(_) => json!([
            { "major": 254, "minor": 0, "op": "Read", "value": read },
            { "major": 254, "minor": 0, "op": "Write", "value": written },
        ]),
    };
    json!({
        "io_service_bytes_recursive": bytes,
        "io_serviced_recursive": null,
        "io_queue_recursive": null,
        "io_service_time_recursive": null,
        "io_wait_time_recursive": null,
        "io_merged_recursive": null,
        "io_time_recursive": null,
        "sectors_recursive": null,
    })
}
