//! Networks by the machine's own docker CLI.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod access;
mod world;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lab::eventually;
use serde_json::{Value, json};
use world::{World, lab};

#[test]
fn networks_are_listed_made_and_shown_as_docker_shows_its_own() {
    let lab = lab("dnets");
    let topology = lab.topology().unwrap();
    let world = World::start(&lab, &topology.vch);

    let listed = world.docker("network ls --format {{.Name}}/{{.Driver}}/{{.Scope}}");
    let expected = [
        "bridge/bridge/local",
        "default-external/bridge/external",
        "none/null/local",
        "vic-production/bridge/external",
    ];
    assert_eq!(listed.lines().collect::<Vec<_>>(), expected);

    let production = world.inspect("", "vic-production");
    let as_in_the_document = [
        ("Name", json!("vic-production")),
        ("Scope", json!("external")),
        ("Driver", json!("bridge")),
        ("Internal", json!(false)),
        ("Containers", json!({})),
    ];
    for (key, value) in as_in_the_document {
        assert_eq!(production[key], value, "{key}");
    }
    let first = json!({"Subnet": "208.91.3.0/24", "Gateway": "208.91.3.1"});
    assert_eq!(production["IPAM"]["Config"][0], first);

    let id = world.docker(
        "network create --subnet 10.9.0.0/16 --ip-range 10.9.8.0/24 --gateway 10.9.0.9 \
         --aux-address spare=10.9.8.1 --label tier=front -o com.docker.network.driver.mtu=1400 \
         --internal --attachable web",
    );
    assert_eq!(id.len(), 64);
    let web = world.inspect("1.41", "web");
    let created = web["Created"].as_str().unwrap().to_owned();
    assert!(created.ends_with('Z'), "{created}");
    assert_eq!(
        web,
        json!({
            "Name": "web", "Id": id, "Created": created, "Scope": "local", "Driver": "bridge",
            "EnableIPv6": false,
            "IPAM": {"Driver": "default", "Options": {}, "Config": [{
                "Subnet": "10.9.0.0/16", "IPRange": "10.9.8.0/24", "Gateway": "10.9.0.9",
                "AuxiliaryAddresses": {"spare": "10.9.8.1"},
            }]},
            "Internal": true, "Attachable": true, "Ingress": false,
            "ConfigFrom": {"Network": ""}, "ConfigOnly": false, "Containers": {},
            "Options": {"com.docker.network.driver.mtu": "1400"}, "Labels": {"tier": "front"},
        })
    );

    for (filter, names) in [
        (
            "driver=bridge",
            "bridge default-external vic-production web",
        ),
        ("scope=external", "default-external vic-production"),
        ("name=external", "default-external"),
        ("name=^we", "web"),
        ("label=tier=front", "web"),
        ("label=tier=back", ""),
        ("type=custom", "web"),
        ("dangling=true", "web"),
        (&format!("id={}", &id[..12]), "web"),
    ] {
        let words = format!("network ls --filter {filter} --format {{{{.Name}}}}");
        let listed = world.docker(&words);
        assert_eq!(
            listed.lines().collect::<Vec<_>>().join(" "),
            names,
            "{filter}"
        );
    }

    assert_eq!(
        world.docker(&format!("network rm {}", &id[..12])),
        &id[..12]
    );
    assert_eq!(world.docker("network create --label old spare").len(), 64);
    assert_eq!(world.docker("network create kept").len(), 64);
    assert_eq!(
        world.docker("network prune --force --filter label=old"),
        "Deleted Networks:\nspare"
    );
    assert_eq!(world.docker("network ls -q --filter name=kept").len(), 12);
}

/// Commands, and what of them is refused.
const REFUSED: &[(&str, &str)] = &[
    ("network create web", "network with name web already exists"),
    (
        "network create bridge",
        "operation is not permitted on predefined bridge network",
    ),
    (
        "network rm bridge",
        "bridge is a pre-defined network and cannot be removed",
    ),
    (
        "network rm vic-production",
        "vic-production is a pre-defined network and cannot be removed",
    ),
    (
        "network rm web",
        "error while removing network: network web has active endpoints (c1)",
    ),
    ("network rm nothing", "network nothing not found"),
    (
        "network create --subnet 10.10.10.0/8 x",
        "invalid network config:\ninvalid subnet 10.10.10.0/8: it should be 10.0.0.0/8",
    ),
    ("network connect web nobody", "No such container: nobody"),
    ("network connect nothing c1", "network nothing not found"),
    (
        "network connect web c1",
        "c1 is already attached to network web",
    ),
    (
        "network connect --ip 10.9.0.7 web c2",
        "Address already in use",
    ),
    (
        "network connect --ip 10.8.0.7 web c2",
        "invalid endpoint settings:\nno configured subnet contains IP address 10.8.0.7",
    ),
    (
        "network connect --ip 172.17.0.9 bridge c2",
        "user-specified IP address is supported on user-defined networks only",
    ),
    (
        "network connect --alias x bridge c2",
        "network-scoped alias is supported only for containers in user defined networks",
    ),
];

#[test]
fn what_is_refused_is_refused_in_dockerds_words() {
    let lab = lab("dwords");
    let topology = lab.topology().unwrap();
    let world = World::start(&lab, &topology.vch);
    world.docker("network create --subnet 10.9.0.0/16 web");
    for name in ["c1", "c2"] {
        world.vch.vchctl(&format!("container add {name}")).unwrap();
    }
    world.docker("network connect --ip 10.9.0.7 --alias www web c1");
    world.vch.vchctl("container start c1").unwrap();
    for (words, text) in REFUSED {
        let words: Vec<&str> = words.split_whitespace().collect();
        let said = world.ask("", &words);
        assert_eq!(said.code, Some(1), "{words:?}: {said:?}");
        let heard = format!("{}{}", said.out, said.err);
        let heard = heard.trim_end_matches('\n');
        let bare = heard.replace("Error response from daemon: ", "");
        // Newer CLIs say what they say of their own behind it, in lines of their own.
        assert!(
            bare == *text || bare.starts_with(&format!("{text}\n")),
            "{words:?}: {bare:?}, not {text:?}"
        );
    }
    let overlap = world.refused("network create --subnet 10.9.4.0/24 x");
    let pool = "Pool overlaps with other one on this address space";
    assert!(overlap.contains(pool), "{overlap}");
    let swarm = world.refused("service ls");
    assert!(swarm.contains("not a swarm manager"), "{swarm}");
    let swarm = world.refused("swarm init");
    assert!(swarm.contains("swarm mode is not supported"), "{swarm}");
    let volume = world.refused("volume create data");
    assert!(volume.contains("a volume is not supported"), "{volume}");

    assert_eq!(world.docker("network disconnect web c1"), "");
    let id = world.vch.ask("container inspect c1").unwrap()["id"].clone();
    assert_eq!(
        world.refused("network disconnect web c1"),
        format!(
            "container {} is not connected to the network web",
            id.as_str().unwrap()
        )
    );
    assert_eq!(world.docker("network rm web"), "web");
}

#[test]
fn a_network_goes_while_its_containers_are_stopped_and_is_not_taken_for_a_new_one() {
    let lab = lab("dgone");
    let topology = lab.topology().unwrap();
    let world = World::start(&lab, &topology.vch);
    let old = world.docker("network create web");
    for name in ["c1", "c2"] {
        world.vch.vchctl(&format!("container add {name}")).unwrap();
        world.docker(&format!("network connect web {name}"));
        world
            .vch
            .vchctl(&format!("container start {name}"))
            .unwrap();
    }
    let stopped = |name: &str| world.vch.vchctl(&format!("container stop {name}")).unwrap();
    stopped("c1");
    let words = "error while removing network: network web has active endpoints (c2)";
    assert!(world.refused("network rm web").contains(words));
    stopped("c2");
    let listed = world.docker("network ls --filter dangling=true --format {{.Name}}");
    assert_eq!(listed, "web", "no container that runs is on it");
    assert_eq!(world.docker("network rm web"), "web");
    let new = world.docker("network create web");
    assert_ne!(new, old);
    for name in ["c1", "c2"] {
        let error = world
            .vch
            .vchctl(&format!("container start {name}"))
            .unwrap_err();
        let error = error.to_string();
        assert!(
            error.contains(&format!("network {old} not found")),
            "{error}"
        );
    }
    world.docker("network connect web c1");
    world.vch.vchctl("container start c1").unwrap();
    assert_eq!(world.docker("network disconnect -f web c2"), "");
    world.vch.vchctl("container start c2").unwrap();
    let shown = world.inspect("", "web");
    let endpoints: Vec<&Value> = shown["Containers"].as_object().unwrap().values().collect();
    assert_eq!((endpoints.len(), &endpoints[0]["Name"]), (1, &json!("c1")));
    // The same by `vchctl`, on the segment that networks share.
    world
        .vch
        .vchctl("network create low --segment shared")
        .unwrap();
    world.vch.vchctl("container add c3").unwrap();
    world.vch.vchctl("container connect c3 low").unwrap();
    world.vch.vchctl("network rm low").unwrap();
    assert!(world.vch.vchctl("container start c3").is_err());
    world.vch.vchctl("container disconnect c3 low").unwrap();
    world.vch.vchctl("container start c3").unwrap();
    let status = world.vch.ask("status").unwrap();
    assert_eq!(status["unsettled"], json!([]), "{status:#}");
}

#[test]
fn each_version_of_the_api_has_its_own_keys() {
    let lab = lab("dversions");
    let topology = lab.topology().unwrap();
    let world = World::start(&lab, &topology.vch);
    world.docker("network create web");
    world.vch.vchctl("container add c1").unwrap();
    world.docker("network connect web c1");
    world.vch.vchctl("container start c1").unwrap();

    // An older CLI asks for no more than it has itself.
    for (version, ipv4) in [("1.24", false), ("1.45", false), ("1.48", true)] {
        let web = world.inspect(version, "web");
        let has = web.get("EnableIPv4").is_some();
        // The CLI shows what it knows; what the VCH did not send is false.
        let is = web["EnableIPv4"] == json!(true);
        assert!(!has || is == ipv4, "{version}: {web}");
        let endpoints: Vec<&Value> = web["Containers"].as_object().unwrap().values().collect();
        assert_eq!(endpoints.len(), 1);
        assert_eq!(endpoints[0]["Name"], "c1");
        let address = endpoints[0]["IPv4Address"].as_str().unwrap();
        assert!(address.ends_with("/16"), "{address}");
        let listed = world.ask(version, &["network", "ls", "-q"]);
        assert_eq!((listed.code, listed.out.lines().count()), (Some(0), 5));
    }
    let refused = world.ask("1.23", &["network", "ls"]);
    assert!(
        refused.err.contains("client version 1.23 is too old"),
        "{refused:?}"
    );
    let server = world.docker("version --format {{.Server.APIVersion}}/{{.Server.MinAPIVersion}}");
    assert_eq!(server, "1.51/1.24");
    let info = world.docker("info --format {{.Containers}}/{{.ContainersRunning}}/{{.OSType}}");
    assert_eq!(info, "1/1/linux");

    world.vch.vchctl("container stop c1").unwrap();
    assert_eq!(world.inspect("", "web")["Containers"], json!({}));
}

#[test]
fn what_happens_to_networks_is_told_as_it_happens_and_afterwards() {
    let lab = lab("devents");
    let topology = lab.topology().unwrap();
    let world = World::start(&lab, &topology.vch);
    let wanted =
        "events --since 1 --filter type=network --format {{.Action}}/{{.Actor.Attributes.name}}";
    let words: Vec<&str> = wanted.split_whitespace().collect();
    let mut command = world.command(&words);
    let told = lab.path("told");
    let socket = lab.path("d.sock");
    command.env("DOCKER_HOST", format!("unix://{}", socket.display()));
    command.stdout(std::fs::File::create(&told).unwrap());
    let mut listening = lab::Process::spawn("docker-events", command).unwrap();

    world.docker("network create web");
    world.vch.vchctl("container add c1").unwrap();
    world.docker("network connect web c1");
    world.vch.vchctl("container start c1").unwrap();
    world.docker("network disconnect web c1");
    world.docker("network rm web");
    let expected = "create/web\nconnect/web\ndisconnect/web\ndestroy/web\n";
    eventually(Duration::from_secs(10), "the events are told", || {
        lab.read("told") == expected
    })
    .unwrap();
    listening.kill().unwrap();

    // The past and a moment of the future, after which it ends by itself.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let words = format!(
        "events --since 10m --until {} --filter event=destroy --format {{{{.Action}}}}/{{{{.Actor.Attributes.type}}}}",
        now.as_secs() + 2
    );
    assert_eq!(world.docker(&words), "destroy/bridge");
}
