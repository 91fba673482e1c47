use crate::{
    Version,
    containers::{
        inspect::ContainerInspect, list, status, summary::ContainerSummary, view::ContainerView,
    },
    filters::Filters,
    names,
};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use vch_ledger::Command;

mod golden;
mod recreate;
mod world;

use world::World;

fn inspected(world: &World, name: &str, version: u32) -> Value {
    let view = world.view(name);
    let shown = ContainerInspect::of(&view, Version(version), &[]);
    serde_json::to_value(shown).unwrap()
}

fn keys(value: &Value) -> BTreeSet<&str> {
    value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

#[test]
fn inspect_shows_the_limit_that_an_endpoint_has_now() {
    let mut world = World::new();
    world.create(
        "server",
        json!({
            "Image": "busybox", "Labels": { "vch.rate": "10mbit" }, "HostConfig": { "NetworkMode": "web" },
            "NetworkingConfig": { "EndpointsConfig": {
                "web": { "DriverOpts": { "vch.rate": "50Mbit", "a": "b" } }, "bridge": {}
            } }
        }),
    );
    let options = |world: &World, network: &str| {
        inspected(world, "server", 50)["NetworkSettings"]["Networks"][network]["DriverOpts"].clone()
    };
    assert_eq!(
        options(&world, "web"),
        json!({ "vch.rate": "50Mbit", "a": "b" })
    );
    assert_eq!(options(&world, "bridge"), json!({ "vch.rate": "10mbit" }));
    for rate in ["1500kbit", "none"] {
        world.decide(Command::SetRate {
            container: "server".into(),
            network: "web".into(),
            rate: rate.parse().ok(),
        });
        assert_eq!(
            options(&world, "web"),
            json!({ "vch.rate": rate, "a": "b" })
        );
    }
    world.start("server");
    assert_eq!(options(&world, "bridge"), json!({ "vch.rate": "10mbit" }));
}

#[test]
fn inspect_of_a_running_container_shows_its_endpoints_and_none_of_one_that_ended() {
    let mut world = World::new();
    world.create(
        "server",
        json!({
            "Image": "busybox", "Cmd": ["httpd", "-f"],
            "HostConfig": { "NetworkMode": "web" },
            "NetworkingConfig": { "EndpointsConfig": { "web": { "Aliases": ["www"] } } }
        }),
    );
    let created = inspected(&world, "server", 41);
    assert_eq!(created["State"]["Status"], "created");
    assert_eq!(created["State"]["StartedAt"], status::NEVER);
    assert_eq!(
        created["NetworkSettings"]["Networks"]["web"]["IPAddress"],
        ""
    );
    world.start("server");
    let shown = inspected(&world, "server", 41);
    assert_eq!(shown["Name"], "/server");
    assert_eq!(shown["Path"], "httpd");
    assert_eq!(shown["Args"], json!(["-f"]));
    assert_eq!(shown["State"]["Running"], true);
    assert_eq!(shown["HostConfig"]["NetworkMode"], "web");
    let view = world.view("server");
    let (_, endpoint) = &view.snapshot.endpoints[0];
    let shown_endpoint = &shown["NetworkSettings"]["Networks"]["web"];
    assert_eq!(
        shown_endpoint["IPAddress"],
        endpoint.addresses[0].addr().to_string()
    );
    assert_eq!(
        shown_endpoint["IPPrefixLen"],
        endpoint.addresses[0].prefix_len()
    );
    assert_eq!(
        shown_endpoint["GlobalIPv6Address"],
        endpoint.addresses[1].addr().to_string()
    );
    assert_eq!(shown_endpoint["MacAddress"], endpoint.mac.to_string());
    let network = &view.networks[&endpoint.network];
    assert_eq!(
        shown_endpoint["Gateway"],
        network.subnets[0].gateway.unwrap().to_string()
    );
    assert_eq!(shown_endpoint["NetworkID"], network.id.to_string());
    assert_eq!(
        shown_endpoint["Aliases"],
        json!(["www", view.snapshot.container.id.short()])
    );
    // The container is not on the default bridge, so the old fields are empty.
    assert_eq!(shown["NetworkSettings"]["IPAddress"], "");
    world.end("server", 3);
    let ended = inspected(&world, "server", 41);
    assert_eq!(ended["State"]["ExitCode"], 3);
    assert_eq!(ended["NetworkSettings"]["Networks"]["web"]["IPAddress"], "");
}

#[test]
fn the_default_bridges_endpoint_is_repeated_in_the_old_fields() {
    let mut world = World::new();
    world.create("one", json!({}));
    world.start("one");
    let settings = &inspected(&world, "one", 41)["NetworkSettings"];
    assert_ne!(settings["IPAddress"], "");
    for key in [
        "IPAddress",
        "IPPrefixLen",
        "Gateway",
        "MacAddress",
        "EndpointID",
    ] {
        assert_eq!(settings[key], settings["Networks"]["bridge"][key], "{key}");
    }
}

#[test]
fn an_endpoints_keys_are_those_of_the_requests_version() {
    let mut world = World::new();
    world.create("one", json!({ "HostConfig": { "NetworkMode": "web" } }));
    let of = |version| {
        let shown = inspected(&world, "one", version);
        let shown_endpoint = &shown["NetworkSettings"]["Networks"]["web"];
        (
            shown_endpoint.get("DNSNames").is_some(),
            shown_endpoint.get("GwPriority").is_some(),
        )
    };
    assert_eq!(of(41), (false, false));
    assert_eq!(of(44), (true, false));
    assert_eq!(of(48), (true, true));
}

/// Checks the keys against those of dockerd 20.10 (API 1.41).
#[test]
fn inspect_has_dockerds_keys() {
    let mut world = World::new();
    world.create("one", json!({}));
    let shown = inspected(&world, "one", 41);
    let top = "AppArmorProfile Args Config Created Driver ExecIDs GraphDriver HostConfig HostnamePath HostsPath Id Image LogPath MountLabel Mounts Name NetworkSettings Path Platform ProcessLabel ResolvConfPath RestartCount State";
    assert_eq!(keys(&shown), top.split(' ').collect());
    let state =
        "Dead Error ExitCode FinishedAt OOMKilled Paused Pid Restarting Running StartedAt Status";
    assert_eq!(keys(&shown["State"]), state.split(' ').collect());
    let settings = "Bridge EndpointID Gateway GlobalIPv6Address GlobalIPv6PrefixLen HairpinMode IPAddress IPPrefixLen IPv6Gateway LinkLocalIPv6Address LinkLocalIPv6PrefixLen MacAddress Networks Ports SandboxID SandboxKey SecondaryIPAddresses SecondaryIPv6Addresses";
    assert_eq!(
        keys(&shown["NetworkSettings"]),
        settings.split(' ').collect()
    );
    let config = "AttachStderr AttachStdin AttachStdout Cmd Domainname Entrypoint Env Hostname Image Labels OnBuild OpenStdin StdinOnce Tty User Volumes WorkingDir";
    assert_eq!(keys(&shown["Config"]), config.split(' ').collect());
    let endpoint_keys = "Aliases DriverOpts EndpointID Gateway GlobalIPv6Address GlobalIPv6PrefixLen IPAMConfig IPAddress IPPrefixLen IPv6Gateway Links MacAddress NetworkID";
    let networks = &shown["NetworkSettings"]["Networks"];
    assert_eq!(
        keys(&networks["bridge"]),
        endpoint_keys.split(' ').collect()
    );
}

#[test]
fn a_list_has_what_runs_and_all_only_if_asked() {
    let mut world = World::new();
    for name in ["one", "two", "three"] {
        world.create(name, json!({}));
    }
    world.start("one");
    world.start("two");
    world.end("two", 3);
    assert_eq!(world.listed(false, 0, &json!({})), ["one"]);
    assert_eq!(world.listed(true, 0, &json!({})), ["three", "two", "one"]);
    // The limit counts the newest containers, running or not.
    assert_eq!(world.listed(false, 2, &json!({})), ["three", "two"]);
}

#[test]
fn each_filter_of_a_list_chooses() {
    let mut world = World::new();
    world.create(
        "one",
        json!({ "Image": "busybox", "Labels": { "tier": "front" } }),
    );
    world.create(
        "two",
        json!({
            "Image": "nginx:1.2",
            "HostConfig": { "NetworkMode": "web" },
            "ExposedPorts": { "80/tcp": {}, "53/udp": {} }
        }),
    );
    world.create("three", json!({ "Image": "nginx:1.2" }));
    world.start("one");
    world.start("three");
    world.end("three", 7);
    let id = world.view("two").snapshot.container.id.to_string();
    for (filters, names) in [
        (json!({ "name": ["t"] }), vec!["three", "two"]),
        (json!({ "name": ["^/one$"] }), vec!["one"]),
        (json!({ "name": { "^two$": true } }), vec!["two"]),
        (json!({ "id": [id.get(..12).unwrap()] }), vec!["two"]),
        (json!({ "label": ["tier"] }), vec!["one"]),
        (json!({ "label": ["tier=back"] }), vec![]),
        (json!({ "status": ["created"] }), vec!["two"]),
        (
            json!({ "status": ["running", "exited"] }),
            vec!["three", "one"],
        ),
        (json!({ "exited": ["7"] }), vec!["three"]),
        (json!({ "exited": ["0"] }), vec![]),
        (json!({ "ancestor": ["busybox:latest"] }), vec!["one"]),
        (json!({ "ancestor": ["nginx:1.2"] }), vec!["three", "two"]),
        (json!({ "network": ["web"] }), vec!["two"]),
        (json!({ "before": ["two"] }), vec!["one"]),
        (json!({ "since": ["two"] }), vec!["three"]),
        (json!({ "expose": ["80"] }), vec![]),
        (json!({ "publish": ["80"] }), vec![]),
        (json!({ "health": ["none"] }), vec!["three", "two", "one"]),
        (json!({ "health": ["healthy"] }), vec![]),
        (json!({ "volume": ["data"] }), vec![]),
        (json!({ "is-task": ["true"] }), vec![]),
    ] {
        assert_eq!(world.listed(true, 0, &filters), names, "{filters}");
    }
    // The filters find only ports in force.
    world.start("two");
    for ports in ["80", "50-60/udp"] {
        let filters = json!({ "expose": [ports] });
        assert_eq!(world.listed(true, 0, &filters), ["two"], "{ports}");
    }
}

#[test]
fn a_filter_that_is_none_is_refused() {
    let world = World::new();
    for filters in [
        json!({ "colour": ["red"] }),
        json!({ "status": ["asleep"] }),
        json!({ "health": ["fair"] }),
        json!({ "exited": ["often"] }),
        json!({ "before": ["nobody"] }),
    ] {
        let params = list::ListParams {
            filters: Filters::parse(Some(&filters.to_string())).unwrap(),
            ..list::ListParams::default()
        };
        assert!(list::chosen(&world.views(), &params).is_err(), "{filters}");
    }
}

#[test]
fn a_summary_is_what_ps_prints() {
    let mut world = World::new();
    let body =
        json!({ "Image": "busybox", "Cmd": ["sleep", "9"], "ExposedPorts": { "80/tcp": {} } });
    world.create("one", body);
    let now_ms = world.now_ms + 5_000;
    let summary = |world: &World| {
        let view = world.view("one");
        serde_json::to_value(ContainerSummary::of(&view, Version(41), now_ms)).unwrap()
    };
    assert_eq!(summary(&world)["Ports"], json!([]));
    world.start("one");
    let shown = summary(&world);
    assert_eq!(shown["Names"], json!(["/one"]));
    assert_eq!(shown["Command"], "sleep 9");
    assert_eq!(shown["State"], "running");
    assert_eq!(shown["Status"], "Up 5 seconds");
    assert_eq!(
        shown["Ports"],
        json!([{ "PrivatePort": 80, "Type": "tcp" }])
    );
    assert_eq!(shown["Created"], 1_700_000_001);
}

#[test]
fn a_drawn_name_is_one_that_can_be_chosen() {
    for number in 0..5_000_u64 {
        let number = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        for tries in [0, 5] {
            let name = names::drawn(number, tries);
            assert!(names::chosen(&name).is_ok(), "{name}");
        }
    }
    let error = names::chosen("/-x").unwrap_err();
    assert_eq!(
        error.message,
        "Invalid container name (/-x), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"
    );
    assert!(names::chosen(&"n".repeat(128)).is_ok());
    let error = names::chosen(&"n".repeat(129)).unwrap_err();
    let words = "it has 129 bytes: give at most 128";
    assert!(error.message.ends_with(words), "{error:?}");
}
