//! What clients and images of today expect of a Docker host, asked of a whole VCH: docs/docker-rows.md names the rest.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::fs;
use std::net::IpAddr;
use std::time::Duration;

use lab::debian_image::DebianImage;
use lab::{
    Boot, Coordinator, Lab, Member, Need, Responder, RootFs, Topology, VmHost, Way, ask,
    eventually, http, prerequisites,
};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(60);
const API: &str = "/v1.51";

/// A VCH with an image of busybox, of which nothing is started.
struct House<'a> {
    vch: Coordinator<'a>,
}

impl<'a> House<'a> {
    fn build(lab: &Lab, topology: &'a Topology) -> Self {
        let tables = [
            Coordinator::docker_table(&lab.path("docker.sock")),
            Coordinator::runtime_table().unwrap(),
        ];
        let vch = Coordinator::start_with(lab, &topology.vch, &tables.concat()).unwrap();
        let house = Self { vch };
        let tar = RootFs::busybox(lab, "busybox").unwrap().tar().unwrap();
        let query = "fromSrc=-&repo=busybox&tag=latest&changes=CMD%20%5B%22sh%22%5D";
        let request = format!("POST {API}/images/create?{query}");
        let body = fs::read(tar).unwrap();
        let answer = house.send(&request, &[], Some(("application/x-tar", &*body)));
        assert_eq!(answer.status, 200, "{answer:?}");
        house
    }

    fn send(
        &self,
        request: &str,
        headers: &[(&str, &str)],
        body: Option<(&str, &[u8])>,
    ) -> http::Answer {
        let socket = self.vch.lab().path("docker.sock");
        http::send(&socket, request, headers, body).unwrap()
    }

    fn ask(&self, method: &str, target: &str, body: Option<&Value>) -> http::Answer {
        let text = body.map(ToString::to_string);
        let body = text.as_ref();
        let body = body.map(|text| ("application/json", text.as_bytes()));
        self.send(&format!("{method} {API}{target}"), &[], body)
    }

    /// Asks for what must be answered with this status, and with these words if it is refused.
    fn answers(&self, (method, target): (&str, &str), body: Option<&Value>, comes: (u16, &str)) {
        let answer = self.ask(method, target, body);
        let (status, words) = comes;
        let told = answer.message().contains(words);
        assert!(
            answer.status == status && told,
            "{method} {target} {body:?}: not {status} {words:?}, but {} {}",
            answer.status,
            answer.body
        );
    }

    fn nothing_is_there(&self) {
        let all = self.ask("GET", "/containers/json?all=1", None).body;
        assert_eq!(all, json!([]));
    }
}

const CREATE: (&str, &str) = ("POST", "/containers/create?name=asked");

fn of_host(host: &Value) -> Value {
    json!({ "Image": "busybox", "HostConfig": host })
}

#[test]
fn what_is_empty_is_absent_and_what_is_wrong_is_refused_in_words_and_leaves_nothing() {
    let lab = Lab::of_namespaces("today").unwrap();
    let topology = lab.topology().unwrap();
    let house = House::build(&lab, &topology);
    an_empty_text_is_an_absent_one(&house);
    a_body_that_cannot_be_read_is_refused_before_anything_else(&house);
    paths_and_versions(&house);
    modes_of_namespaces(&house);
    volumes_links_and_other_containers(&house);
    volumes_and_links_of_their_own(&house);
    long_names(&house);
    options_of_networks(&house);
    ports_and_name_servers(&house);
    a_network_that_went(&house);
    house.nothing_is_there();
}

fn an_empty_text_is_an_absent_one(house: &House<'_>) {
    let shown = |body: &Value| {
        house.answers(CREATE, Some(body), (201, ""));
        let shown = house.ask("GET", "/containers/asked/json", None).body;
        house.answers(("DELETE", "/containers/asked"), None, (204, ""));
        let mut config = shown["Config"].clone();
        // The container's short ID.
        config["Hostname"] = Value::Null;
        let place = &shown["NetworkSettings"]["Networks"]["bridge"];
        json!([
            config,
            shown["HostConfig"],
            place["IPAMConfig"],
            place["Aliases"]
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

    house.answers(CREATE, Some(&json!({ "Image": "busybox" })), (201, ""));
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
        let answer = house.ask(method, target, body.as_ref());
        assert_eq!(answer.status, status, "{method} {target}: {}", answer.body);
    }
    // All of them were pruned.
    house.nothing_is_there();
    let network = json!({ "Name": "asked", "Driver": "", "Scope": "", "IPAM": { "Driver": "", "Config": null },
        "ConfigFrom": { "Network": "" }, "Options": null, "Labels": null });
    house.answers(("POST", "/networks/create"), Some(&network), (201, ""));
    house.answers(("DELETE", "/networks/asked"), None, (204, ""));
}

/// Whatever else is wrong: what it names is not there, or a VCH does not have it.
fn a_body_that_cannot_be_read_is_refused_before_anything_else(house: &House<'_>) {
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
                let answer = house.send(&request, &[], Some((kind, body.as_bytes())));
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
        let answer = house.send(&request, &[], Some((JSON, &[])));
        assert_eq!(answer.status, 400, "{request}: {}", answer.body);
    }
}

fn paths_and_versions(house: &House<'_>) {
    for path in [
        "/networks",
        "/containers/json",
        "/networks/bridge",
        "/images/busybox/json",
    ] {
        let with = house.ask("GET", &format!("{path}/"), None);
        let without = house.ask("GET", path, None);
        assert_eq!((with.status, with.body), (200, without.body), "{path}");
    }
    for minor in 24..=51 {
        let answer = house.send(&format!("GET /v1.{minor}/containers/json"), &[], None);
        assert_eq!(answer.status, 200, "{minor}: {}", answer.body);
    }
    let newer = house.send("GET /v1.52/containers/json", &[], None);
    assert_eq!(newer.status, 400);
    let words = "client version 1.52 is too new. Maximum supported API version is 1.51";
    assert!(newer.message().contains(words), "{}", newer.message());
    house.answers(CREATE, Some(&json!({ "Image": "busybox" })), (201, ""));
    for (version, has) in [("1.47", false), ("1.48", true)] {
        let answer = house.send(&format!("GET /v{version}/containers/asked/json"), &[], None);
        let descriptor = answer.body.get("ImageManifestDescriptor");
        assert_eq!(descriptor.is_some(), has, "{version}");
        let platform = descriptor.map(|it| it["platform"]["os"].clone());
        assert_eq!(platform, has.then(|| json!("linux")), "{version}");
    }
    house.answers(("DELETE", "/containers/asked"), None, (204, ""));
    let target = "/containers/create?name=asked&platform=linux/arm64";
    let words = "does not match the specified platform (linux/arm64)";
    let body = json!({ "Image": "busybox" });
    house.answers(("POST", target), Some(&body), (404, words));
}

/// 501 is for what is valid and not offered.
fn modes_of_namespaces(house: &House<'_>) {
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
        house.answers(CREATE, Some(&body), (status, words));
    }
    house.nothing_is_there();
}

/// A form that is none is refused as such; what is one is not offered. By 404 clients would pull the image.
fn volumes_links_and_other_containers(house: &House<'_>) {
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
        house.answers(CREATE, Some(&of_host(&host)), (status, words));
    }
    house.nothing_is_there();
}

fn volumes_and_links_of_their_own(house: &House<'_>) {
    for (body, status, words) in [
        (json!({ "Name": "a b" }), 400, "includes invalid characters"),
        (
            json!({ "Name": "data", "Driver": "words" }),
            404,
            "plugin \"words\" not found",
        ),
        (json!({ "Name": "data" }), 501, "a volume is not supported"),
    ] {
        house.answers(("POST", "/volumes/create"), Some(&body), (status, words));
    }
    let filters = "?filters=%7B%22words%22%3A%5B%22x%22%5D%7D";
    for (method, path) in [("GET", "/volumes"), ("POST", "/volumes/prune")] {
        let target = format!("{path}{filters}");
        house.answers((method, &target), None, (400, "invalid filter 'words'"));
    }
    // An alias that is empty is none; a container's own name is no link.
    let body = json!({ "Image": "busybox", "NetworkingConfig": { "EndpointsConfig": { "bridge": { "Aliases": [""] } } } });
    house.answers(CREATE, Some(&body), (201, ""));
    let words = "cannot remove the default link name";
    house.answers(("DELETE", "/containers/asked?link=1"), None, (409, words));
    let words = "No such container: asked/x";
    house.answers(("DELETE", "/containers/asked/x?link=1"), None, (404, words));
    house.answers(("DELETE", "/containers/asked"), None, (204, ""));
}

fn long_names(house: &House<'_>) {
    let named = |field: &str, value: &str| json!({ "Image": "busybox", field: value });
    let label = "a".repeat(32);
    for bytes in [65, 128, 253] {
        let name = format!("{label}.").repeat(8);
        let name = name[..bytes].trim_end_matches('.').replace("..", ".");
        let body = named(
            "Hostname",
            &format!("{name}{}", "b".repeat(bytes - name.len())),
        );
        house.answers(CREATE, Some(&body), (400, "64"));
    }
    let whole = format!("{label}.{}", "b".repeat(31));
    house.answers(CREATE, Some(&named("Hostname", &whole)), (201, ""));
    let shown = house.ask("GET", "/containers/asked/json", None).body;
    assert_eq!(shown["Config"]["Hostname"], json!(whole));
    house.answers(("DELETE", "/containers/asked"), None, (204, ""));

    // What DNS cannot hold: a name is had all the same, with a warning; an alias is for DNS alone.
    for bytes in [64, 128, 129, 253] {
        let name = "n".repeat(bytes);
        let target = format!("/containers/create?name={name}");
        let body = json!({ "Image": "busybox" });
        if bytes > 128 {
            let words = format!("it has {bytes} bytes: give at most 128");
            house.answers(("POST", &target), Some(&body), (400, &words));
        } else {
            let answer = house.ask("POST", &target, Some(&body));
            let warnings = answer.body["Warnings"].to_string();
            assert_eq!(answer.status, 201, "{}", answer.body);
            assert!(warnings.contains("which DNS cannot hold"), "{warnings}");
            house.answers(("DELETE", &format!("/containers/{name}")), None, (204, ""));
        }
        let body = json!({ "Image": "busybox", "HostConfig": { "NetworkMode": "net" },
            "NetworkingConfig": { "EndpointsConfig": { "net": { "Aliases": [name] } } } });
        house.answers(CREATE, Some(&body), (400, "invalid alias"));
    }
    house.nothing_is_there();
}

/// None is taken that does nothing.
fn options_of_networks(house: &House<'_>) {
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
        house.answers(("POST", "/networks/create"), Some(&body), (status, option));
    }
    let body = json!({ "Name": "asked", "Options": {
        "com.docker.network.bridge.gateway_mode_ipv4": "nat",
        "com.docker.network.bridge.enable_icc": "false",
        "com.docker.network.bridge.enable_ip_masquerade": "false",
        "com.docker.network.bridge.host_binding_ipv4": "127.0.0.1",
        "com.docker.network.container_iface_prefix": "lan",
        "com.docker.network.driver.mtu": "1400",
    } });
    house.answers(("POST", "/networks/create"), Some(&body), (201, ""));
    let shown = house.ask("GET", "/networks/asked", None).body;
    assert_eq!(shown["Options"], body["Options"]);
    house.answers(("DELETE", "/networks/asked"), None, (204, ""));
}

fn ports_and_name_servers(house: &House<'_>) {
    // The network has no address of that family.
    let six = json!({ "80/tcp": [{ "HostIp": "::", "HostPort": "8080" }] });
    let body = of_host(&json!({ "PortBindings": six }));
    house.answers(CREATE, Some(&body), (400, "::"));
    house.nothing_is_there();

    let mut servers: Vec<String> = (1..=9).map(|last| format!("192.0.2.{last}")).collect();
    servers.push(servers[0].clone());
    let answer = house.ask(
        CREATE.0,
        CREATE.1,
        Some(&of_host(&json!({ "Dns": servers }))),
    );
    let warnings = answer.body["Warnings"].to_string();
    assert_eq!(answer.status, 201, "{}", answer.body);
    let told = warnings.contains("has 9 name servers: the first 8 are asked");
    assert!(told, "{warnings}");
    house.answers(("DELETE", "/containers/asked"), None, (204, ""));
}

/// And one of its name that came: no stopped container is on it but by its own wish.
fn a_network_that_went(house: &House<'_>) {
    let network = json!({ "Name": "web" });
    let made = || {
        let answer = house.ask("POST", "/networks/create", Some(&network));
        assert_eq!(answer.status, 201, "{}", answer.body);
        answer.body["Id"].as_str().unwrap().to_owned()
    };
    let old = made();
    house.answers(
        CREATE,
        Some(&of_host(&json!({ "NetworkMode": "web" }))),
        (201, ""),
    );
    house.answers(("DELETE", "/networks/web"), None, (204, ""));
    assert_ne!(made(), old);
    let words = format!("network {old} not found");
    house.answers(("POST", "/containers/asked/start"), None, (404, &words));
    let shown = house.ask("GET", "/networks/web", None).body;
    assert_eq!(shown["Containers"], json!({}));
    house.answers(("DELETE", "/containers/asked"), None, (204, ""));
    house.answers(("DELETE", "/networks/web"), None, (204, ""));
}

#[test]
fn the_options_that_a_network_is_made_with_are_in_force() {
    prerequisites::check(Need::MEMBERS).unwrap();
    let lab = Lab::of_namespaces("today-options").unwrap();
    let topology = lab.topology().unwrap();
    let house = House::build(&lab, &topology);
    let network = json!({ "Name": "web", "IPAM": { "Config": [{ "Subnet": "10.79.0.0/16" }] }, "Options": {
        "com.docker.network.bridge.enable_icc": "false",
        "com.docker.network.bridge.enable_ip_masquerade": "false",
        "com.docker.network.bridge.host_binding_ipv4": "127.0.0.1",
        "com.docker.network.container_iface_prefix": "lan",
        "com.docker.network.driver.mtu": "1400",
    } });
    house.answers(("POST", "/networks/create"), Some(&network), (201, ""));
    let member = |words: &str| {
        let mut member = Member::add(&lab, &house.vch, words).unwrap();
        member.connect(&house.vch, "web").unwrap();
        member.begin(&house.vch).unwrap();
        member.restart_agent().unwrap();
        house.vch.ready(member.name(), SOON).unwrap();
        member
    };
    let one = member("one -p 8080:7000");
    let two = member("two");
    let _at_one = Responder::start(one.namespace(), "one", 7000).unwrap();
    let short = Duration::from_secs(1);
    let reaches = |to: IpAddr, way: Way| ask(two.namespace(), to, way, short).unwrap().is_some();
    assert!(!reaches(
        one.address(&house.vch, "web").unwrap(),
        Way::Tcp(7000)
    ));
    let link = one.namespace().ip("link show lan0").unwrap();
    assert!(link.contains("mtu 1400"), "{link}");

    let published = |to: IpAddr| {
        ask(&topology.vch, to, Way::Tcp(8080), short)
            .unwrap()
            .is_some()
    };
    assert!(published([127, 0, 0, 1].into()));
    assert!(!published(Topology::VCH.into()));
    let outside = ask(
        &topology.outside,
        Topology::VCH.into(),
        Way::Tcp(8080),
        short,
    );
    assert_eq!(outside.unwrap(), None);

    // Who is asked outside sees the container's own address, to which there must be a way back.
    let back = format!("route add 10.79.0.0/16 via {}", Topology::VCH);
    topology.outside.ip(&back).unwrap();
    let _outside = Responder::start(&topology.outside, "outside", 7001).unwrap();
    let answer = ask(
        two.namespace(),
        Topology::GATEWAY.into(),
        Way::Tcp(7001),
        SOON,
    )
    .unwrap();
    let own = two.address(&house.vch, "web").unwrap();
    assert_eq!(answer, Some(format!("outside {own}")));
}

/// A VCH whose containers run.
struct Running<'a> {
    host: VmHost<'a>,
}

impl Running<'_> {
    fn run(&self, line: &str) -> String {
        self.host.run(line).unwrap()
    }

    /// Looks into a container.
    fn sh(&self, container: &str, script: &str) -> String {
        let said = self.run(&format!("docker exec {container} sh -c '{script}'"));
        said.replace('\r', "")
    }

    fn create(&self, name: &str, body: &Value) {
        let target = format!("{API}/containers/create?name={name}");
        let answer = http::ask(self.host.socket(), "POST", &target, Some(body)).unwrap();
        assert_eq!(answer.status, 201, "{answer:?}");
    }

    fn inspect(&self, name: &str) -> Value {
        let target = format!("{API}/containers/{name}/json");
        http::ask(self.host.socket(), "GET", &target, None)
            .unwrap()
            .body
    }
}

#[test]
fn images_of_ordinary_users_and_of_administrators_find_what_they_expect() {
    DebianImage::NETFILTER.root_file_system().unwrap();
    let lab = Lab::of_vms("today-inside").unwrap();
    let topology = lab.topology().unwrap();
    let host = VmHost::start(&lab, &topology, Boot::Clone).unwrap();
    host.import_busybox(&lab).unwrap();
    DebianImage::NETFILTER.import(&host.docker).unwrap();
    let house = Running { host };
    ordinary_users(&house);
    what_an_administrator_makes(&house);
    names_and_published_ports(&house);
    places_health_and_chosen_ports(&house);
}

fn ordinary_users(house: &Running<'_>) {
    let writes = "echo out >/dev/stdout && echo err >/dev/stderr && echo done";
    house.run(&format!(
        "docker run -d --name user -u 1000 busybox sh -c '{writes}; exec sleep 1000'"
    ));
    house.run(&format!(
        "docker run -d -t --name typist -u 1000 --ulimit nofile=100:200 \
         --sysctl net.ipv4.ip_unprivileged_port_start=1024 --sysctl net.ipv4.ping_group_range=\"5 6\" \
         busybox sh -c '{writes}; exec sleep 1000'"
    ));
    let logs = |name: &str| house.run(&format!("docker logs {name} 2>/dev/null"));
    for (name, out) in [("user", "out\ndone"), ("typist", "out\r\nerr\r\ndone")] {
        eventually(SOON, "it has written", || logs(name).ends_with("done")).unwrap();
        assert_eq!(logs(name), out, "{name}");
        let typed = house.run(&format!("docker exec {name} sh -c '{writes}' 2>/dev/null"));
        assert_eq!(typed, "out\ndone", "{name}");
        let line = format!("docker exec -t {name} sh -c '{writes}'");
        assert_eq!(house.run(&line), "out\r\nerr\r\ndone", "{name}");
    }
    assert_eq!(house.run("docker logs user 2>&1 >/dev/null"), "err");

    let settings = "cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/net/ipv4/ping_group_range; \
        ulimit -n; ulimit -Hn; nc -l -p 80 </dev/null >/dev/null 2>&1 & sleep 1; \
        kill $! 2>/dev/null && echo listens";
    assert_eq!(
        house.sh("user", settings),
        "0\n0\t2147483647\n1048576\n1048576\nlistens"
    );
    let said = house
        .host
        .docker
        .run(&format!("docker exec typist sh -c '{settings}'"));
    assert_eq!(said.unwrap().stdout, "1024\n5\t6\n100\n200\n");
    house.run("docker rm -f user typist");
    // By the kernel's echo sockets, which need no right.
    let ping =
        "docker run --rm -u 1000 --cap-drop ALL netfilter /usr/local/bin/ping -c 1 127.0.0.1";
    let said = house.run(ping);
    assert!(said.contains("1 received"), "{said}");
}

fn what_an_administrator_makes(house: &Running<'_>) {
    let script = "set -e; \
        for kind in dummy bridge wireguard; do ip link add made-$kind type $kind; done; \
        ip link add one type veth peer name two; ip link add link one name one.7 type vlan id 7; \
        ip tuntap add dev tun7 mode tun; \
        nft add table inet t; \
        nft add chain inet t c \"{ type filter hook input priority 0; }\"; \
        nft add rule inet t c tcp dport 80 counter accept; \
        nft list ruleset | grep -o \"tcp dport 80\"; \
        for tables in iptables ip6tables; do \
            $tables -A INPUT -p tcp -m conntrack --ctstate NEW --dport 81 -j ACCEPT; \
            $tables -t nat -A POSTROUTING -j MASQUERADE; \
            $tables -t nat -S | grep -c MASQUERADE; \
        done; \
        mount -t tmpfs none /mnt; cd /mnt; mkdir low up work all; echo below >low/file; \
        mount -t overlay -o lowerdir=low,upperdir=up,workdir=work none all; cat all/file";
    let run =
        "docker run --rm --cap-add NET_ADMIN --cap-add SYS_ADMIN --device /dev/net/tun netfilter";
    let said = house.run(&format!("{run} sh -c '{script}'"));
    assert_eq!(said, "tcp dport 80\n1\n1\nbelow");
}

fn names_and_published_ports(house: &Running<'_>) {
    house.run("docker network create --subnet 10.77.0.0/16 app");
    let serve = "while :; do echo answer | nc -l -p 80; done";
    house.run(&format!(
        "docker run -d --name aa --network app --hostname box.d.example -p 8080:80 busybox sh -c '{serve}'"
    ));
    house.run(
        "docker run -d --name bb --network app --hostname front --domainname d.example \
         --add-host host.docker.internal:host-gateway busybox sleep 1000",
    );
    assert_eq!(
        house.sh("aa", "hostname; hostname -f"),
        "box.d.example\nbox.d.example"
    );
    let own = house.sh("aa", "grep box /etc/hosts");
    let address = "10.77.0.2";
    let line = format!("{address}\tbox.d.example box");
    assert!(own.starts_with(&line), "{own}");
    let domain = "hostname -f; cat /proc/sys/kernel/domainname";
    assert_eq!(house.sh("bb", domain), "front.d.example\nd.example");
    for name in ["aa", "box.d.example", "aa.app"] {
        let asked = house.sh("bb", &format!("ping -c 1 {name} | head -n 1"));
        assert!(asked.contains(&format!("({address})")), "{name}: {asked}");
    }
    for name in ["bb", "front", "front.d.example"] {
        let asked = house.sh("aa", &format!("ping -c 1 {name} | head -n 1"));
        assert!(asked.contains("(10.77.0.3)"), "{name}: {asked}");
    }
    for (container, names) in [("aa", ["aa", "box.d.example"]), ("bb", ["bb", "front"])] {
        let shown = house.inspect(container);
        let all = &shown["NetworkSettings"]["Networks"]["app"]["DNSNames"];
        for name in names {
            let has = all.as_array().unwrap().contains(&json!(name));
            assert!(has, "{name} of {container}: {all}");
        }
    }
    // The same bridge and another one; each gateway, and the name that means the host.
    house.run(
        "docker run -d --name cc --add-host host.docker.internal:host-gateway busybox sleep 1000",
    );
    for container in ["bb", "cc"] {
        let gateway = house.sh(
            container,
            "ip route | grep default | head -n 1 | cut -d \" \" -f 3",
        );
        for to in [&*gateway, "host.docker.internal"] {
            let answered = || house.sh(container, &format!("nc -w 5 {to} 8080 </dev/null || :"));
            let what = format!("the published port answers {container} at {to}");
            eventually(SOON, &what, || answered() == "answer").unwrap();
        }
    }
    house.run("docker rm -f aa bb cc");
}

/// What newer versions of the API say of places, and of a container's health while it starts.
fn places_health_and_chosen_ports(house: &Running<'_>) {
    house.run("docker network create --subnet 10.78.0.0/16 data");
    let six = json!({ "Name": "six", "EnableIPv4": false, "EnableIPv6": true });
    let target = format!("{API}/networks/create");
    let made = http::ask(house.host.socket(), "POST", &target, Some(&six)).unwrap();
    assert_eq!(made.status, 201, "{made:?}");
    // Each counts once.
    let servers: Vec<String> = (0..18)
        .map(|count| format!("192.0.2.{}", count % 9))
        .collect();
    let hour = 3_600_000_000_000_u64;
    house.create(
        "placed",
        &json!({
            "Image": "busybox", "Cmd": ["sleep", "1000"],
            "Healthcheck": { "Test": ["CMD", "true"], "Interval": hour, "StartPeriod": hour, "StartInterval": 1_000_000_000 },
            "HostConfig": {
                "NetworkMode": "app", "PortBindings": { "80/tcp": [], "81/udp": null }, "Annotations": { "a": "b" },
                "Dns": servers, "DnsOptions": ["ndots:3"],
            },
            "NetworkingConfig": { "EndpointsConfig": {
                "app": { "MacAddress": "02:00:00:00:00:07" },
                "data": { "GwPriority": 5, "DriverOpts": {
                    "com.docker.network.endpoint.ifname": "lan0",
                    "com.docker.network.endpoint.sysctls": "net.ipv4.conf.IFNAME.log_martians=1" } },
                "six": {},
            } },
        }),
    );
    house.run("docker start placed");
    let way = house.sh("placed", "ip route get 192.0.2.200 | head -n 1");
    assert!(way.contains("via 10.78.0.1 dev lan0"), "{way}");
    let said = house.sh(
        "placed",
        "cat /sys/class/net/*/address | grep -c 02:00:00:00:00:07; \
         cat /proc/sys/net/ipv4/conf/lan0/log_martians; \
         grep -c ^nameserver /etc/resolv.conf; grep ^options /etc/resolv.conf; \
         ip -4 -o address | grep -c eth",
    );
    // Its third interface has no address of IPv4.
    assert_eq!(said, "1\n1\n1\noptions ndots:3\n1");
    let shown = house.inspect("placed");
    let place = &shown["NetworkSettings"]["Networks"]["six"];
    assert_eq!(place["IPAddress"], "", "{place:#}");
    assert_ne!(place["GlobalIPv6Address"], "", "{place:#}");
    assert_eq!(shown["HostConfig"]["Annotations"], json!({ "a": "b" }));
    let ports = &shown["NetworkSettings"]["Ports"];
    for port in ["80/tcp", "81/udp"] {
        let chosen: u16 = ports[port][0]["HostPort"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap();
        assert!(chosen > 1024, "{ports:#}");
    }
    let healthy = || house.inspect("placed")["State"]["Health"]["Status"] == "healthy";
    eventually(SOON, "it is healthy before its interval", healthy).unwrap();
    house.run("docker rm -f placed && docker network rm app data six");
}
