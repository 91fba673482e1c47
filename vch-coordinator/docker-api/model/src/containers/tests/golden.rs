//! The bytes of inspect and list, by container and version, so that clients that compare texts see
//! no accidental change.

use super::{recreate::every_option, *};
use crate::containers::{
    stats::{Sample, Stats},
    view::Sizes,
};
use protocol::process::{InterfaceUsage, Usage};
use std::{collections::BTreeMap, fmt::Write, sync::Arc, time::Duration};
use vch_runtime::{Health, HealthResult, HealthStatus, workload::HealthCheck};

/// One line for each: `WHAT CONTAINER 1.VERSION JSON`.
const GOLDEN: &str = include_str!("golden.txt");

fn line(text: &mut String, view: &ContainerView, version: u32) {
    let name = &view.snapshot.container.name;
    let execs: &[String] = match view.snapshot.container.runs() {
        true => &["ab".to_owned()],
        false => &[],
    };
    let inspected = ContainerInspect::of(view, Version(version), execs);
    let inspected = serde_json::to_string(&inspected).unwrap();
    writeln!(text, "inspect {name} 1.{version} {inspected}").unwrap();
    let summary = ContainerSummary::of(view, Version(version), 1_700_000_100_000);
    let summary = serde_json::to_string(&summary).unwrap();
    writeln!(text, "list {name} 1.{version} {summary}").unwrap();
}

/// Returns the lines for containers with every option: created, running and ended.
fn golden_lines() -> String {
    let mut text = String::new();
    for (name, body) in every_option() {
        let mut world = World::new();
        world.create(name, body);
        line(&mut text, &world.view(name), 51);
        world.start(name);
        let mut view = world.view(name);
        view.sizes = Some(Sizes {
            written: 5,
            image: 7,
        });
        let result = HealthResult {
            start_ns: 1,
            end_ns: 2,
            code: 1,
            output: "no".to_owned(),
        };
        view.snapshot.health = (name == "own").then(|| Health {
            status: HealthStatus::Starting,
            failing: 1,
            log: [result].into(),
        });
        let versions: &[u32] = match name {
            "host" => &[24, 43, 44, 45, 46, 47, 48],
            _ => &[43],
        };
        for version in versions {
            line(&mut text, &view, *version);
        }
        world.end(name, 3);
        line(&mut text, &world.view(name), 44);
    }
    text.push_str(&on_lost_networks());
    text.push_str(&in_use());
    text.push_str(&of_an_older_release());
    text
}

/// Returns the lines for a container that awaits an endpoint, and for one whose network was
/// removed.
fn on_lost_networks() -> String {
    let mut text = String::new();
    let mut world = World::new();
    let endpoints = json!({ "web": { "Aliases": ["www"], "DriverOpts": { "a": "b" } } });
    let body = json!({
        "Image": "busybox", "HostConfig": { "NetworkMode": "web" },
        "NetworkingConfig": { "EndpointsConfig": endpoints }
    });
    world.create("missing", body.clone());
    world.decide(Command::RemoveNetwork("web".into()));
    line(&mut text, &world.view("missing"), 41);
    line(&mut text, &world.view("missing"), 51);
    let mut world = World::new();
    world.create("awaiting", body);
    let mut view = world.view("awaiting");
    let connect = vch_ledger::Connect::tap("awaiting", "later");
    let workload = Arc::make_mut(&mut view.snapshot.workload);
    workload.awaited = vec![(&connect).into()];
    line(&mut text, &view, 51);
    text
}

/// Returns the lines for statistics: without a sample, and with two samples.
fn in_use() -> String {
    let mut world = World::new();
    world.create("busy", json!({}));
    world.start("busy");
    let snapshot = world.view("busy").snapshot;
    let at = |seconds| Sample {
        at: Some(
            Duration::from_millis(snapshot.run_state.started_ms) + Duration::from_secs(seconds),
        ),
        usage: Usage {
            cpu_ns: [7, 5, 2],
            cpus: 2,
            memory: [100, 40],
            memory_limit: 1_000,
            tasks: 3,
            interfaces: ["lo", "eth1", "eth0"]
                .map(|name| InterfaceUsage {
                    name: name.to_owned(),
                    received: [1, 2, 3, 4],
                    sent: [5, 6, 7, 8],
                })
                .into(),
            disk: [9, 10],
        },
    };
    let nothing = Sample::default;
    let mut text = String::new();
    for (before, now) in [(nothing(), nothing()), (nothing(), at(1)), (at(1), at(2))] {
        let shown = Stats::of(&snapshot, &before, &now);
        let shown = serde_json::to_string(&shown).unwrap();
        writeln!(text, "stats {shown}").unwrap();
    }
    text
}

/// Returns the lines for a container whose document has nothing to show.
fn of_an_older_release() -> String {
    let mut text = String::new();
    let mut world = World::new();
    world.create("old", json!({ "ExposedPorts": { "53/udp": {} } }));
    world.start("old");
    let mut view = world.view("old");
    view.document = crate::containers::document::ContainerDocument::default();
    let workload = Arc::make_mut(&mut view.snapshot.workload);
    workload.tmpfs = BTreeMap::from([("/run".to_owned(), "size=1m".to_owned())]);
    workload.no_new_privileges = true;
    workload.health = Some(HealthCheck {
        test: vec!["NONE".to_owned()],
        ..HealthCheck::default()
    });
    line(&mut text, &view, 51);
    text
}

#[test]
fn inspect_and_list_have_the_same_bytes_as_ever() {
    let shown = golden_lines();
    for (line, golden) in shown.lines().zip(GOLDEN.lines()) {
        assert_eq!(line, golden);
    }
    assert_eq!(shown, GOLDEN);
}
