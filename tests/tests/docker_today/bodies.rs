//! What is asked of a container or a network and is wrong, or not offered.

use serde_json::json;

use crate::{CREATE, Testbed, of_host};

/// 501 is for what is valid and not offered.
pub fn modes_of_namespaces(testbed: &Testbed<'_>) {
    for (field, value, status, words) in [
        ("IpcMode", "x:y", 400, "invalid IPC mode: x:y"),
        ("PidMode", "x:y", 400, "invalid PID mode: x:y"),
        ("UTSMode", "x:y", 400, "invalid UTS mode: x:y"),
        (
            "CgroupnsMode",
            "x:y",
            400,
            "invalid cgroup namespace mode: x:y",
        ),
        ("UsernsMode", "x:y", 400, "invalid USER mode: x:y"),
        ("IpcMode", "host", 400, "out of its reach"),
        ("PidMode", "host", 400, "out of its reach"),
        ("UTSMode", "host", 400, "out of its reach"),
        ("CgroupnsMode", "host", 400, "out of its reach"),
        ("IpcMode", "container:db", 501, "HostConfig.IpcMode \"db\""),
        ("PidMode", "container:db", 501, "HostConfig.PidMode \"db\""),
        (
            "Runtime",
            "nothing",
            400,
            "unknown or invalid runtime name: nothing",
        ),
        ("NetworkMode", "container:", 400, "invalid container format"),
        (
            "NetworkMode",
            "container:db",
            501,
            "HostConfig.NetworkMode \"container:db\"",
        ),
        ("Isolation", "hyperv", 400, "invalid isolation (hyperv)"),
    ] {
        let body = of_host(&json!({ field: value }));
        testbed.answers(CREATE, Some(&body), (status, words));
    }
    testbed.nothing_is_there();
}

/// An invalid form is refused as such; a valid one is not offered. By 404 clients would pull the image.
pub fn volumes_links_and_other_containers(testbed: &Testbed<'_>) {
    for (host, status, words) in [
        (
            json!({ "Binds": ["/x:relative"] }),
            400,
            "mount path must be absolute",
        ),
        (
            json!({ "Binds": ["/x:/y:words"] }),
            400,
            "invalid mode: words",
        ),
        (
            json!({ "Binds": ["a b:/y"] }),
            400,
            "includes invalid characters",
        ),
        (
            json!({ "Binds": ["data:/y"] }),
            501,
            "volumes are not there yet",
        ),
        (
            json!({ "VolumesFrom": ["db:words"] }),
            400,
            "invalid mode: words",
        ),
        (
            json!({ "VolumesFrom": ["db"] }),
            501,
            "volumes are not there yet",
        ),
        (
            json!({ "Mounts": [{ "Type": "words", "Target": "/x" }] }),
            400,
            "mount type unknown",
        ),
        (
            json!({ "Mounts": [{ "Type": "bind", "Target": "/x" }] }),
            400,
            "field Source must not be empty",
        ),
        (
            json!({ "Mounts": [{ "Type": "volume", "Target": "/x" }] }),
            501,
            "volumes are not there yet",
        ),
        (
            json!({ "Links": ["nobody:x"] }),
            400,
            "No such container: nobody",
        ),
        (
            json!({ "NetworkMode": "container:db", "Dns": ["192.0.2.1"] }),
            400,
            "dns and the network mode",
        ),
        (
            json!({ "NetworkMode": "container:db", "PublishAllPorts": true }),
            400,
            "port publishing",
        ),
    ] {
        testbed.answers(CREATE, Some(&of_host(&host)), (status, words));
    }
    testbed.nothing_is_there();
}

pub fn volumes_and_links_of_their_own(testbed: &Testbed<'_>) {
    for (body, status, words) in [
        (json!({ "Name": "a b" }), 400, "includes invalid characters"),
        (
            json!({ "Name": "data", "Driver": "words" }),
            404,
            "plugin \"words\" not found",
        ),
        (json!({ "Name": "data" }), 501, "a volume is not supported"),
    ] {
        testbed.answers(("POST", "/volumes/create"), Some(&body), (status, words));
    }
    let filters = "?filters=%7B%22words%22%3A%5B%22x%22%5D%7D";
    for (method, path) in [("GET", "/volumes"), ("POST", "/volumes/prune")] {
        let target = format!("{path}{filters}");
        testbed.answers((method, &target), None, (400, "invalid filter 'words'"));
    }
    // An empty alias is ignored; a container's own name is no link.
    let body = json!({ "Image": "busybox", "NetworkingConfig": { "EndpointsConfig": { "bridge": { "Aliases": [""] } } } });
    testbed.answers(CREATE, Some(&body), (201, ""));
    let words = "cannot remove the default link name";
    testbed.answers(("DELETE", "/containers/asked?link=1"), None, (409, words));
    let words = "No such container: asked/x";
    testbed.answers(("DELETE", "/containers/asked/x?link=1"), None, (404, words));
    testbed.answers(("DELETE", "/containers/asked"), None, (204, ""));
}

pub fn long_names(testbed: &Testbed<'_>) {
    let named = |field: &str, value: &str| json!({ "Image": "busybox", field: value });
    let label = "a".repeat(32);
    for bytes in [65, 128, 253] {
        let name = format!("{label}.").repeat(8);
        let name = name[..bytes].trim_end_matches('.').replace("..", ".");
        let body = named(
            "Hostname",
            &format!("{name}{}", "b".repeat(bytes - name.len())),
        );
        testbed.answers(CREATE, Some(&body), (400, "64"));
    }
    let whole = format!("{label}.{}", "b".repeat(31));
    testbed.answers(CREATE, Some(&named("Hostname", &whole)), (201, ""));
    let shown = testbed.ask("GET", "/containers/asked/json", None).body;
    assert_eq!(shown["Config"]["Hostname"], json!(whole));
    testbed.answers(("DELETE", "/containers/asked"), None, (204, ""));

    // What DNS cannot hold: a name is had all the same, with a warning; an alias is for DNS alone.
    for bytes in [64, 128, 129, 253] {
        let name = "n".repeat(bytes);
        let target = format!("/containers/create?name={name}");
        let body = json!({ "Image": "busybox" });
        if bytes > 128 {
            let words = format!("it has {bytes} bytes: give at most 128");
            testbed.answers(("POST", &target), Some(&body), (400, &words));
        } else {
            let answer = testbed.ask("POST", &target, Some(&body));
            let warnings = answer.body["Warnings"].to_string();
            assert_eq!(answer.status, 201, "{}", answer.body);
            assert!(warnings.contains("which DNS cannot hold"), "{warnings}");
            testbed.answers(("DELETE", &format!("/containers/{name}")), None, (204, ""));
        }
        let body = json!({ "Image": "busybox", "HostConfig": { "NetworkMode": "net" },
            "NetworkingConfig": { "EndpointsConfig": { "net": { "Aliases": [name] } } } });
        testbed.answers(CREATE, Some(&body), (400, "invalid alias"));
    }
    testbed.nothing_is_there();
}

/// None is taken that does nothing.
pub fn options_of_networks(testbed: &Testbed<'_>) {
    for (option, value, status) in [
        ("com.docker.network.host_ipv4", "192.0.2.1", 501),
        ("com.docker.network.host_ipv6", "2001:db8::1", 501),
        (
            "com.docker.network.bridge.trusted_host_interfaces",
            "eth0",
            501,
        ),
        ("com.docker.network.bridge.gateway_mode_ipv4", "routed", 501),
        (
            "com.docker.network.bridge.gateway_mode_ipv6",
            "isolated",
            501,
        ),
        ("com.docker.network.bridge.gateway_mode_ipv4", "words", 400),
        ("com.docker.network.bridge.inhibit_ipv4", "true", 501),
        ("com.docker.network.bridge.name", "br0", 501),
        ("com.docker.network.bridge.enable_icc", "words", 400),
        ("com.docker.network.bridge.host_binding_ipv4", "words", 400),
        ("com.docker.network.container_iface_prefix", "a/b", 400),
        ("com.docker.network.driver.mtu", "words", 400),
    ] {
        let body = json!({ "Name": "asked", "Options": { option: value } });
        testbed.answers(("POST", "/networks/create"), Some(&body), (status, option));
    }
    let body = json!({ "Name": "asked", "Options": {
        "com.docker.network.bridge.gateway_mode_ipv4": "nat",
        "com.docker.network.bridge.enable_icc": "false",
        "com.docker.network.bridge.enable_ip_masquerade": "false",
        "com.docker.network.bridge.host_binding_ipv4": "127.0.0.1",
        "com.docker.network.container_iface_prefix": "lan",
        "com.docker.network.driver.mtu": "1400",
    } });
    testbed.answers(("POST", "/networks/create"), Some(&body), (201, ""));
    let shown = testbed.ask("GET", "/networks/asked", None).body;
    assert_eq!(shown["Options"], body["Options"]);
    testbed.answers(("DELETE", "/networks/asked"), None, (204, ""));
}

pub fn ports_and_name_servers(testbed: &Testbed<'_>) {
    // The network has no address of that family.
    let six = json!({ "80/tcp": [{ "HostIp": "::", "HostPort": "8080" }] });
    let body = of_host(&json!({ "PortBindings": six }));
    testbed.answers(CREATE, Some(&body), (400, "::"));
    testbed.nothing_is_there();

    let mut servers: Vec<String> = (1..=9).map(|last| format!("192.0.2.{last}")).collect();
    servers.push(servers[0].clone());
    let answer = testbed.ask(
        CREATE.0,
        CREATE.1,
        Some(&of_host(&json!({ "Dns": servers }))),
    );
    let warnings = answer.body["Warnings"].to_string();
    assert_eq!(answer.status, 201, "{}", answer.body);
    let told = warnings.contains("has 9 name servers: the first 8 are asked");
    assert!(told, "{warnings}");
    testbed.answers(("DELETE", "/containers/asked"), None, (204, ""));
}

/// And one of its name that came: no stopped container is on it but by its own request.
pub fn a_network_that_went(testbed: &Testbed<'_>) {
    let network = json!({ "Name": "web" });
    let made = || {
        let answer = testbed.ask("POST", "/networks/create", Some(&network));
        assert_eq!(answer.status, 201, "{}", answer.body);
        answer.body["Id"].as_str().unwrap().to_owned()
    };
    let old = made();
    testbed.answers(
        CREATE,
        Some(&of_host(&json!({ "NetworkMode": "web" }))),
        (201, ""),
    );
    testbed.answers(("DELETE", "/networks/web"), None, (204, ""));
    assert_ne!(made(), old);
    let words = format!("network {old} not found");
    testbed.answers(("POST", "/containers/asked/start"), None, (404, &words));
    let shown = testbed.ask("GET", "/networks/web", None).body;
    assert_eq!(shown["Containers"], json!({}));
    testbed.answers(("DELETE", "/containers/asked"), None, (204, ""));
    testbed.answers(("DELETE", "/networks/web"), None, (204, ""));
}
