//! What no CLI asks of a container's streams, but other clients do; and containers that are made anew of what inspect
//! shows, as updaters and graphical clients make them.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use lab::http::{self, Raw, UPGRADE, unframed};
use lab::{Boot, Lab, Topology, VmHost, eventually};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(30);
const API: &str = "/v1.51";
const RAW: &str = "application/vnd.docker.raw-stream";
const FRAMED: &str = "application/vnd.docker.multiplexed-stream";

struct Testbed<'a> {
    host: VmHost<'a>,
}

impl<'a> Testbed<'a> {
    fn build(lab: &Lab, topology: &'a Topology) -> Self {
        let host = VmHost::start(lab, topology, Boot::Clone).unwrap();
        host.import_busybox(lab).unwrap();
        Self { host }
    }

    fn run(&self, line: &str) -> String {
        self.host.run(line).unwrap()
    }

    fn ask(&self, method: &str, target: &str, body: Option<&Value>) -> http::Answer {
        http::ask(self.host.socket(), method, &format!("{API}{target}"), body).unwrap()
    }

    fn open(&self, request: &str, headers: &[(&str, &str)], body: Option<&Value>) -> Raw {
        Raw::open(self.host.socket(), request, headers, body).unwrap()
    }

    /// Attaches to a container, as `query` says.
    fn attach(&self, container: &str, query: &str, headers: &[(&str, &str)]) -> Raw {
        let request = format!("POST {API}/containers/{container}/attach?{query}");
        self.open(&request, headers, None)
    }

    fn create(&self, name: &str, body: &Value) {
        let target = format!("/containers/create?name={name}");
        let answer = self.ask("POST", &target, Some(body));
        assert_eq!(answer.status, 201, "{name}: {answer:?}");
    }

    fn inspect(&self, name: &str) -> Value {
        let answer = self.ask("GET", &format!("/containers/{name}/json"), None);
        assert_eq!(answer.status, 200, "{name}: {answer:?}");
        answer.body
    }

    /// Creates a process beside a container's; its ID.
    fn exec(&self, version: &str, body: &Value) -> String {
        let target = format!("/{version}/containers/plain/exec");
        let answer = http::ask(self.host.socket(), "POST", &target, Some(body)).unwrap();
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.body["Id"].as_str().unwrap().to_owned()
    }
}

#[test]
fn streams_are_framed_sized_and_ended_as_each_request_asks() {
    let lab = Lab::of_vms("raw-streams").unwrap();
    let topology = lab.topology().unwrap();
    let testbed = Testbed::build(&lab, &topology);
    let script = "echo first; echo problem >&2; while read line; do echo \"heard $line\"; done";
    testbed.create(
        "plain",
        &json!({ "Image": "busybox", "Cmd": ["sh", "-c", script], "OpenStdin": true }),
    );
    testbed.run("docker start plain");
    let wrote = || testbed.run("docker logs plain 2>&1").contains("problem");
    eventually(SOON, "it has written", wrote).unwrap();
    testbed.run("docker run --name over busybox sh -c 'echo first; echo problem >&2'");

    the_start_decides_how_an_execs_output_comes(&testbed);
    a_terminal_begins_with_the_size_that_is_asked_for(&testbed);
    an_attach_without_a_stream_ends(&testbed);
    clients_that_do_not_ask_for_an_upgrade_write_and_read(&testbed);
    an_exec_leaves_by_its_keys(&testbed);
    testbed.run("docker rm -f plain over");
    following_ends_at_the_moment_that_is_asked_for(&testbed);
}

/// Not what the exec was created with.
fn the_start_decides_how_an_execs_output_comes(testbed: &Testbed<'_>) {
    let words = json!(["sh", "-c", "echo out; echo err >&2"]);
    for terminal in [false, true] {
        let request =
            json!({ "Cmd": words, "Tty": terminal, "AttachStdout": true, "AttachStderr": true });
        let plain = match terminal {
            true => ["out\r\nerr\r\n", ""],
            false => ["out\n", "err\n"],
        };
        for raw in [false, true] {
            let case = format!("created with Tty {terminal}, started with Tty {raw}");
            let exec = testbed.exec("v1.51", &request);
            let request = format!("POST {API}/exec/{exec}/start");
            let stream = testbed.open(&request, &UPGRADE, Some(&json!({ "Tty": raw })));
            assert_eq!(stream.status, 101, "{case}: {}", stream.head);
            let kind = if raw { RAW } else { FRAMED };
            assert_eq!(stream.header("content-type"), kind, "{case}");
            let bytes = stream.end(SOON).unwrap();
            let said = if raw {
                // Both streams come as they are written: which is first is a matter of luck without a terminal.
                let text = String::from_utf8(bytes).unwrap();
                let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
                lines.sort_unstable_by(|one, other| other.cmp(one));
                lines.concat()
            } else {
                let streams = unframed(&bytes).unwrap();
                assert_eq!(streams, plain, "{case}");
                continue;
            };
            assert_eq!(said, plain.concat(), "{case}");
        }
    }
}

fn a_terminal_begins_with_the_size_that_is_asked_for(testbed: &Testbed<'_>) {
    let size = json!([31, 111]);
    let other = json!([32, 112]);
    for (version, created, started, expected) in [
        ("v1.51", &Value::Null, &Value::Null, "24 80"),
        ("v1.51", &size, &Value::Null, "31 111"),
        ("v1.51", &Value::Null, &size, "31 111"),
        ("v1.51", &size, &other, "32 112"),
        // There was none then.
        ("v1.41", &size, &other, "24 80"),
    ] {
        let exec = testbed.exec(
            version,
            &json!({ "Cmd": ["stty", "size"], "Tty": true, "AttachStdin": true, "AttachStdout": true, "ConsoleSize": created }),
        );
        let start = json!({ "Tty": true, "ConsoleSize": started });
        let request = format!("POST /{version}/exec/{exec}/start");
        let stream = testbed.open(&request, &UPGRADE, Some(&start));
        let said = String::from_utf8(stream.end(SOON).unwrap()).unwrap();
        assert_eq!(said.trim_end(), expected, "{version} {created} {started}");
    }
}

/// Checks that earlier output is sent if it is requested, and that the stream then ends.
fn an_attach_without_a_stream_ends(testbed: &Testbed<'_>) {
    let asks: [&[(&str, &str)]; 2] = [&UPGRADE, &[]];
    for container in ["plain", "over"] {
        for headers in asks {
            for (query, expected) in [
                (
                    "stream=0&logs=1&stdout=1&stderr=1",
                    ["first\n", "problem\n"],
                ),
                ("logs=1&stdout=1", ["first\n", ""]),
                ("stream=0&logs=1&stderr=1", ["", "problem\n"]),
                ("stream=0&stdout=1&stderr=1", ["", ""]),
                ("stream=0&stdin=1&stdout=1", ["", ""]),
                ("", ["", ""]),
            ] {
                let case = format!("{container} {headers:?} {query}");
                let stream = testbed.attach(container, query, headers);
                let upgraded = !headers.is_empty();
                let (status, kind) = if upgraded { (101, FRAMED) } else { (200, RAW) };
                assert_eq!(stream.status, status, "{case}: {}", stream.head);
                assert_eq!(stream.header("content-type"), kind, "{case}");
                let streams = unframed(&stream.end(SOON).unwrap()).unwrap();
                assert_eq!(streams, expected, "{case}");
            }
        }
    }
    // The keys are looked at before anything is taken over.
    for query in ["detachKeys=ctrl-%3F", "stream=1&detachKeys=ctrl-"] {
        let stream = testbed.attach("plain", query, &UPGRADE);
        assert_eq!(stream.status, 400, "{query}: {}", stream.head);
    }
}

/// As older and smaller clients do: the answer is 200, and its connection goes both ways.
fn clients_that_do_not_ask_for_an_upgrade_write_and_read(testbed: &Testbed<'_>) {
    let all = "stream=1&stdin=1&stdout=1&stderr=1";
    for (word, headers) in [("one", &[][..]), ("two", &UPGRADE), ("three", &[])] {
        let mut stream = testbed.attach("plain", all, headers);
        let status = if headers.is_empty() { 200 } else { 101 };
        assert_eq!(stream.status, status, "{}", stream.head);
        stream.write(&format!("{word}\n")).unwrap();
        let heard = format!("heard {word}\n");
        stream.until(heard.as_bytes(), SOON).unwrap();
        // It has said all; the container goes on listening to others.
        stream.finish().unwrap();
    }
    let mut whole = testbed.attach("plain", &format!("{all}&logs=1"), &[]);
    whole.write("four\n").unwrap();
    let bytes = whole.until(b"heard four\n", SOON).unwrap();
    let [out, err] = unframed(&bytes).unwrap();
    let past = "first\nheard one\nheard two\nheard three\nheard four\n";
    assert_eq!((&*out, &*err), (past, "problem\n"));

    let exec = testbed.exec(
        "v1.51",
        &json!({ "Cmd": ["cat"], "AttachStdin": true, "AttachStdout": true }),
    );
    let request = format!("POST {API}/exec/{exec}/start");
    let mut stream = testbed.open(&request, &[], Some(&json!({})));
    assert_eq!((stream.status, stream.header("content-type")), (200, RAW));
    stream.write("typed\n").unwrap();
    stream.until(b"typed\n", SOON).unwrap();
    stream.write("and more\n").unwrap();
    stream.finish().unwrap();
    let [out, _] = unframed(&stream.end(SOON).unwrap()).unwrap();
    assert_eq!(out, "typed\nand more\n");
    let shown = testbed.ask("GET", &format!("/exec/{exec}/json"), None).body;
    assert_eq!(
        (&shown["Running"], &shown["ExitCode"]),
        (&json!(false), &json!(0)),
        "{shown:#}"
    );
}

/// The process goes on, and the stream ends.
fn an_exec_leaves_by_its_keys(testbed: &Testbed<'_>) {
    // An empty text is no keys of its own, as the CLI sends it.
    for (keys, typed) in [("ctrl-a,b", "\u{1}b"), ("", "\u{10}\u{11}")] {
        let exec = testbed.exec(
            "v1.51",
            &json!({ "Cmd": ["cat"], "Tty": true, "AttachStdin": true, "AttachStdout": true, "DetachKeys": keys }),
        );
        let request = format!("POST {API}/exec/{exec}/start");
        let mut stream = testbed.open(&request, &UPGRADE, Some(&json!({ "Tty": true })));
        stream.write("hello\n").unwrap();
        stream.until(b"hello\r\nhello\r\n", SOON).unwrap();
        stream.write(typed).unwrap();
        stream.end(SOON).unwrap();
        let shown = testbed.ask("GET", &format!("/exec/{exec}/json"), None).body;
        assert_eq!(shown["Running"], true, "{shown:#}");
        assert_eq!(shown["DetachKeys"], keys, "{shown:#}");
    }
}

/// Seconds since 1970.
fn seconds() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs_f64()
}

/// Checks that following ends at the requested time, whether the container is silent then or writes
/// without end.
fn following_ends_at_the_moment_that_is_asked_for(testbed: &Testbed<'_>) {
    testbed.run("docker run -d --name silent busybox sh -c 'echo first; exec sleep 1000'");
    testbed.run("docker run -d --name chatty busybox sh -c 'while :; do echo on; done'");
    let wrote = || testbed.run("docker logs -n 1 silent") == "first";
    eventually(SOON, "it has written", wrote).unwrap();
    for container in ["silent", "chatty"] {
        let (began, until) = (Instant::now(), seconds() + 3.0);
        let query = format!("follow=1&stdout=1&timestamps=1&until={until:.3}");
        let request = format!("GET {API}/containers/{container}/logs?{query}");
        let stream = testbed.open(&request, &[("Connection", "close")], None);
        assert_eq!(stream.status, 200, "{}", stream.head);
        let bytes = stream.body(SOON).unwrap();
        let lasted = began.elapsed();
        assert!(lasted > Duration::from_secs(2), "{container}: {lasted:?}");
        assert!(!bytes.is_empty(), "{container}");
    }
    // A moment that has been is the end at once, and what was written since is left out.
    let began = Instant::now();
    let request = format!("GET {API}/containers/chatty/logs?follow=1&stdout=1&until=5");
    let stream = testbed.open(&request, &[("Connection", "close")], None);
    assert_eq!(stream.body(SOON).unwrap(), b"");
    assert!(began.elapsed() < Duration::from_secs(10));
    testbed.run("docker rm -f silent chatty");
}

/// A container with what a VM can be asked for, on two networks.
fn every_option() -> Value {
    let text = r#"{
        "Image": "busybox", "Hostname": "box", "Domainname": "d.example", "User": "0:8", "Tty": true,
        "AttachStdin": true, "AttachStdout": true, "AttachStderr": true, "OpenStdin": true, "StdinOnce": true,
        "ExposedPorts": { "80/tcp": {}, "81/udp": {} }, "Env": ["A=b", "PATH=/bin"], "Entrypoint": ["sh", "-c"],
        "Cmd": ["exec sleep 1000"], "WorkingDir": "/srv", "Volumes": { "/data": {} }, "Labels": { "a": "b" },
        "OnBuild": ["RUN true"], "Shell": ["/bin/sh", "-c"], "StopSignal": "SIGRTMIN+3", "StopTimeout": 4,
        "Healthcheck": { "Test": ["CMD", "true"], "Interval": 2000000000, "Timeout": 1000000000,
            "StartPeriod": 5000000000, "StartInterval": 1000000000, "Retries": 7 },
        "HostConfig": {
            "ContainerIDFile": "/id", "LogConfig": { "Type": "local", "Config": { "max-size": "1m", "max-file": "3" } },
            "NetworkMode": "web", "PortBindings": {
                "80/tcp": [{ "HostIp": "", "HostPort": "8080" }, { "HostIp": "127.0.0.1", "HostPort": "8081" }],
                "81/udp": [{ "HostIp": "", "HostPort": "8090-8099" }] },
            "RestartPolicy": { "Name": "on-failure", "MaximumRetryCount": 3 }, "Annotations": { "a": "b" },
            "ConsoleSize": [30, 100], "CapAdd": ["NET_ADMIN"], "CapDrop": ["CHOWN"], "CgroupnsMode": "private",
            "Dns": ["192.0.2.1"], "DnsOptions": ["timeout:1"], "DnsSearch": ["."], "ExtraHosts": ["a:192.0.2.7"],
            "GroupAdd": ["9"], "IpcMode": "shareable", "OomScoreAdj": 100, "ReadonlyRootfs": true,
            "SecurityOpt": ["no-new-privileges", "seccomp=unconfined"], "StorageOpt": { "size": "64M" },
            "Tmpfs": { "/run": "size=1m" }, "UsernsMode": "host", "ShmSize": 1048576,
            "Sysctls": { "net.ipv4.ip_forward": "1", "net.ipv6.conf.eth0.accept_ra": "2" }, "Isolation": "default",
            "CpuShares": 512, "Memory": 67108864, "MemoryReservation": 33554432, "MemorySwap": -1,
            "CpuPeriod": 50000, "CpuQuota": 25000, "CpusetCpus": "0", "CpusetMems": "0", "PidsLimit": 64,
            "Devices": [{ "PathOnHost": "/dev/fuse", "PathInContainer": "/dev/fuse", "CgroupPermissions": "rwm" }],
            "Ulimits": [{ "Name": "nofile", "Soft": 500, "Hard": 600 }], "Init": true,
            "Mounts": [{ "Type": "tmpfs", "Target": "/m", "TmpfsOptions": { "SizeBytes": 4096 } }],
            "MaskedPaths": ["/proc/version"], "ReadonlyPaths": ["/proc/sys"]
        },
        "NetworkingConfig": { "EndpointsConfig": {
            "web": { "Aliases": ["www"], "MacAddress": "02:00:00:00:00:07", "GwPriority": 3,
                "IPAMConfig": { "IPv4Address": "10.90.0.77" } },
            "back": { "Aliases": ["store"], "DriverOpts": {
                "com.docker.network.endpoint.sysctls": "net.ipv4.conf.IFNAME.log_martians=1" } }
        } }
    }"#;
    serde_json::from_str(text).unwrap()
}

/// Returns the fields that are equal for a container that was made anew, without identities and
/// times.
fn comparable(shown: &Value) -> Value {
    let mut networks = shown["NetworkSettings"]["Networks"].clone();
    for endpoint in networks.as_object_mut().unwrap().values_mut() {
        let endpoint = endpoint.as_object_mut().unwrap();
        endpoint.remove("EndpointID");
        if endpoint["IPAMConfig"].is_null() {
            endpoint.remove("IPAddress");
        }
        // The container's short ID is among them.
        let names = endpoint.remove("DNSNames").unwrap();
        let count = names.as_array().map_or(0, Vec::len);
        endpoint.insert("DNSNames".to_owned(), json!(count));
    }
    let mut all = json!({ "Networks": networks, "Ports": shown["NetworkSettings"]["Ports"] });
    for key in [
        "Name",
        "Path",
        "Args",
        "Image",
        "Platform",
        "HostConfig",
        "Config",
        "Mounts",
    ] {
        all[key] = shown[key].clone();
    }
    all
}

/// As programs do that make a container anew: all that inspect shows is asked for.
fn again(shown: &Value) -> Value {
    let mut body = shown["Config"].clone();
    body["HostConfig"] = shown["HostConfig"].clone();
    body["NetworkingConfig"] = json!({ "EndpointsConfig": shown["NetworkSettings"]["Networks"] });
    body
}

#[test]
fn a_container_made_anew_of_what_inspect_shows_is_the_same() {
    let lab = Lab::of_vms("anew").unwrap();
    let topology = lab.topology().unwrap();
    let testbed = Testbed::build(&lab, &topology);
    testbed.run("docker network create --subnet 10.90.0.0/16 web");
    testbed.run("docker network create --subnet 10.91.0.0/16 back");
    let host = |host: Value| json!({ "Image": "busybox", "HostConfig": host });
    let bodies = [
        ("plain", json!({ "Image": "busybox" }), true),
        ("every", every_option(), true),
        (
            "privileged",
            host(json!({ "Privileged": true, "NanoCpus": 500_000_000, "IpcMode": "none" })),
            false,
        ),
        (
            "removed",
            host(json!({ "AutoRemove": true, "PublishAllPorts": true, "Init": false })),
            false,
        ),
        (
            "alone",
            json!({ "Image": "busybox", "NetworkDisabled": true, "HostConfig": { "NetworkMode": "none" } }),
            false,
        ),
        ("none", host(json!({ "NetworkMode": "none" })), false),
        (
            "bare",
            host(
                json!({ "MaskedPaths": [], "ReadonlyPaths": [], "RestartPolicy": { "Name": "always", "MaximumRetryCount": 0 } }),
            ),
            false,
        ),
    ];
    for (name, body, started) in bodies {
        let live = |body: &Value| {
            testbed.create(name, body);
            if started {
                // The default command of the image would end at once without its input.
                testbed.run(&format!("docker start {name}"));
            }
            let shown = testbed.inspect(name);
            testbed.run(&format!("docker rm -f {name}"));
            shown
        };
        let mut body = body;
        if started && body["Cmd"].is_null() {
            body["Cmd"] = json!(["sleep", "1000"]);
        }
        let first = live(&body);
        assert_eq!(first["State"]["Running"], started, "{name}");
        for (part, written) in [("HostConfig", &body["HostConfig"]), ("Config", &body)] {
            for (field, value) in written.as_object().into_iter().flatten() {
                // Names of capabilities are shown in their long form.
                let own = ["HostConfig", "NetworkingConfig", "CapAdd", "CapDrop"];
                if !own.contains(&&**field) {
                    assert_eq!(&first[part][field], value, "{part}.{field} of {name}");
                }
            }
        }
        let second = live(&again(&first));
        let [first, second] = [&first, &second].map(comparable);
        for (key, value) in first.as_object().unwrap() {
            assert_eq!(&second[key], value, "{key} of {name}, made anew");
        }
    }
    testbed.run("docker network rm web back");
}
