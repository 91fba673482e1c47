//! What may be left empty, and what cannot be read.

use serde_json::{Value, json};

use crate::{API, CREATE, Testbed};

pub fn an_empty_text_is_an_absent_one(testbed: &Testbed<'_>) {
    let shown = |body: &Value| {
        testbed.answers(CREATE, Some(body), (201, ""));
        let shown = testbed.ask("GET", "/containers/asked/json", None).body;
        testbed.answers(("DELETE", "/containers/asked"), None, (204, ""));
        let mut config = shown["Config"].clone();
        // The container's short ID.
        config["Hostname"] = Value::Null;
        let endpoint = &shown["NetworkSettings"]["Networks"]["bridge"];
        json!([
            config,
            shown["HostConfig"],
            endpoint["IPAMConfig"],
            endpoint["Aliases"]
        ])
    };
    let empty = json!({
        "Image": "busybox", "Hostname": "", "Domainname": "", "User": "", "WorkingDir": "", "StopSignal": "",
        "MacAddress": "", "Healthcheck": null, "Entrypoint": null, "Cmd": null,
        "HostConfig": {
            "NetworkMode": "", "IpcMode": "", "PidMode": "", "UTSMode": "", "UsernsMode": "", "CgroupnsMode": "",
            "Isolation": "", "Runtime": "", "Cgroup": "", "CgroupParent": "", "CpusetCpus": "", "CpusetMems": "",
            "VolumeDriver": "", "ContainerIDFile": "", "LogConfig": { "Type": "", "Config": {} },
            "RestartPolicy": { "Name": "" }, "Binds": null, "Links": null, "ExtraHosts": [], "Dns": null,
        },
        "NetworkingConfig": { "EndpointsConfig": { "bridge": {
            "MacAddress": "", "Aliases": null, "Links": null, "DriverOpts": null,
            "IPAMConfig": null, "IPAddress": "", "NetworkID": "", "EndpointID": "",
        } } },
    });
    assert_eq!(shown(&empty), shown(&json!({ "Image": "busybox" })));

    testbed.answers(CREATE, Some(&json!({ "Image": "busybox" })), (201, ""));
    for (method, target, status) in [
        ("POST", "/containers/create?name=&platform=", 201),
        ("GET", "/containers/json?all=1&limit=&filters=", 200),
        ("GET", "/containers/asked/json?size=", 200),
        (
            "GET",
            "/containers/asked/logs?stdout=1&tail=&since=&until=&follow=",
            200,
        ),
        ("POST", "/containers/asked/stop?t=&signal=", 304),
        ("POST", "/containers/asked/kill?signal=", 409),
        ("GET", "/containers/asked/top?ps_args=", 409),
        ("POST", "/containers/asked/wait?condition=", 200),
        (
            "POST",
            "/containers/asked/attach?detachKeys=&logs=&stream=",
            200,
        ),
        ("POST", "/containers/asked/start?detachKeys=&checkpoint=", 0),
        ("GET", "/events?since=&until=1&filters=", 200),
        ("GET", "/images/json?filters=&all=", 200),
        ("GET", "/images/busybox/json?platform=", 200),
        ("GET", "/networks?filters=", 200),
        ("GET", "/networks/bridge?scope=&verbose=", 200),
        ("POST", "/containers/prune?filters=", 200),
    ] {
        // A start is another test's.
        if status == 0 {
            continue;
        }
        let body = target
            .contains("create")
            .then(|| json!({ "Image": "busybox" }));
        let answer = testbed.ask(method, target, body.as_ref());
        assert_eq!(answer.status, status, "{method} {target}: {}", answer.body);
    }
    // All of them were pruned.
    testbed.nothing_is_there();
    let network = json!({ "Name": "asked", "Driver": "", "Scope": "", "IPAM": { "Driver": "", "Config": null },
        "ConfigFrom": { "Network": "" }, "Options": null, "Labels": null });
    testbed.answers(("POST", "/networks/create"), Some(&network), (201, ""));
    testbed.answers(("DELETE", "/networks/asked"), None, (204, ""));
}

/// Whatever else is wrong: what it names is not there, or a VCH does not have it.
pub fn a_body_that_cannot_be_read_is_refused_before_anything_else(testbed: &Testbed<'_>) {
    const JSON: &str = "application/json";
    for path in [
        "/auth",
        "/commit",
        "/containers/create",
        "/containers/nobody/exec",
        "/containers/nobody/update",
        "/exec/nobody/start",
        "/networks/create",
        "/networks/nothing/connect",
        "/networks/nothing/disconnect",
        "/volumes/create",
        "/swarm/init",
    ] {
        for (kind, body, words) in [
            (
                "text/plain",
                "{}",
                "unsupported Content-Type header (text/plain): must be 'application/json'",
            ),
            (
                JSON,
                "{invalid",
                "invalid JSON: invalid character 'i' looking for beginning of object key string",
            ),
            (JSON, "{}trailing", "unexpected content after JSON"),
            (
                JSON,
                " ",
                "invalid JSON: got EOF while reading request body",
            ),
            (JSON, "[", "invalid JSON"),
        ] {
            for version in ["", "/v1.24", API] {
                let request = format!("POST {version}{path}");
                let answer = testbed.send(&request, &[], Some((kind, body.as_bytes())));
                assert_eq!(answer.status, 400, "{request} {body}: {}", answer.body);
                let message = answer.message();
                assert!(message.starts_with(words), "{request} {body}: {message}");
            }
        }
    }
    for path in [
        "/containers/create",
        "/networks/create",
        "/networks/nothing/connect",
    ] {
        let request = format!("POST {API}{path}");
        let answer = testbed.send(&request, &[], Some((JSON, &[])));
        assert_eq!(answer.status, 400, "{request}: {}", answer.body);
    }
}

pub fn paths_and_versions(testbed: &Testbed<'_>) {
    for path in [
        "/networks",
        "/containers/json",
        "/networks/bridge",
        "/images/busybox/json",
    ] {
        let with = testbed.ask("GET", &format!("{path}/"), None);
        let without = testbed.ask("GET", path, None);
        assert_eq!((with.status, with.body), (200, without.body), "{path}");
    }
    for minor in 24..=51 {
        let answer = testbed.send(&format!("GET /v1.{minor}/containers/json"), &[], None);
        assert_eq!(answer.status, 200, "{minor}: {}", answer.body);
    }
    let newer = testbed.send("GET /v1.52/containers/json", &[], None);
    assert_eq!(newer.status, 400);
    let words = "client version 1.52 is too new. Maximum supported API version is 1.51";
    assert!(newer.message().contains(words), "{}", newer.message());
    testbed.answers(CREATE, Some(&json!({ "Image": "busybox" })), (201, ""));
    for (version, has) in [("1.47", false), ("1.48", true)] {
        let answer = testbed.send(&format!("GET /v{version}/containers/asked/json"), &[], None);
        let descriptor = answer.body.get("ImageManifestDescriptor");
        assert_eq!(descriptor.is_some(), has, "{version}");
        let platform = descriptor.map(|it| it["platform"]["os"].clone());
        assert_eq!(platform, has.then(|| json!("linux")), "{version}");
    }
    testbed.answers(("DELETE", "/containers/asked"), None, (204, ""));
    let target = "/containers/create?name=asked&platform=linux/arm64";
    let words = "does not match the specified platform (linux/arm64)";
    let body = json!({ "Image": "busybox" });
    testbed.answers(("POST", target), Some(&body), (404, words));
}
