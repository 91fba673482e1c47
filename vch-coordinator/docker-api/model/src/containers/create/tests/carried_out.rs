//! Which fields reach the workload, and the response's warnings.

use crate::containers::{create::tests::*, document::ContainerDocument};

#[test]
fn what_the_host_is_asked_is_carried_out() {
    let create = plan_of(json!({
        "Hostname": "box",
        "Domainname": "example.org",
        "Tty": true,
        "OpenStdin": true,
        "HostConfig": {
            "Memory": 64 << 20, "CpuQuota": 50_000,
            "RestartPolicy": { "Name": "on-failure", "MaximumRetryCount": 3 },
            "SecurityOpt": ["no-new-privileges"],
            "Mounts": [{ "Type": "tmpfs", "Target": "/m", "TmpfsOptions": { "SizeBytes": 5, "Mode": 448 } }],
            "Tmpfs": { "/t": "size=1m" },
            "Dns": ["192.0.2.53"], "DnsSearch": ["example.org"], "DnsOptions": ["ndots:2"],
            "ExtraHosts": ["gate:host-gateway", "six:2001:db8::1"],
            "Links": ["/db:/web/store"],
            "Init": true, "ReadonlyRootfs": true, "GroupAdd": ["7"],
        }
    }));
    let workload = &create.workload;
    assert_eq!(workload.resources.processors_nano(), 500_000_000);
    assert_eq!(workload.resources.memory, 64 << 20);
    let wanted = RestartPolicy {
        when: RestartWhen::OnFailure,
        most: 3,
    };
    assert_eq!(workload.restart, wanted);
    assert!(workload.no_new_privileges && workload.reaper && workload.read_only);
    assert_eq!(workload.tmpfs["/m"], "mode=700,size=5");
    assert_eq!(workload.tmpfs["/t"], "size=1m");
    assert_eq!(
        create.add.hostname.map(|name| name.to_string()).as_deref(),
        Some("box")
    );
    assert_eq!(create.add.dns.servers, [IpAddr::from([192, 0, 2, 53])]);
    let hosts: Vec<String> = create
        .add
        .extra_hosts
        .iter()
        .map(|entry| format!("{} {}", entry.name, entry.address))
        .collect();
    assert_eq!(hosts, ["gate 172.17.0.1", "six 2001:db8::1"]);
    let links: Vec<String> = create
        .connect
        .iter()
        .flat_map(|endpoint| &endpoint.links)
        .map(|(container, alias)| format!("{container} {alias}"))
        .collect();
    assert_eq!(links, ["db store"]);
}

#[test]
fn name_servers_and_search_domains_are_taken_as_often_as_they_are_given() {
    let planned = |host: Value| planned(Version::NEWEST, json!({ "HostConfig": host })).unwrap();
    let twice = planned(json!({ "Dns": ["192.0.2.1", "192.0.2.1", "192.0.2.2"] }));
    assert_eq!(twice.create.add.dns.servers.len(), 2);
    assert_eq!(twice.warnings, [""; 0]);
    let nine: Vec<String> = (1..=9).map(|last| format!("192.0.2.{last}")).collect();
    let nine = planned(json!({ "Dns": nine }));
    assert_eq!(nine.create.add.dns.servers.len(), 8);
    assert_eq!(
        nine.warnings,
        ["HostConfig.Dns has 9 name servers: the first 8 are asked."]
    );
    assert_eq!(ContainerDocument::of(&nine.create.workload).dns[0].len(), 9);
    let none = planned(json!({ "DnsSearch": ["."] }));
    assert_eq!(none.create.add.dns.search, [".".parse().unwrap()]);
}

#[test]
fn a_log_that_nobody_reads_is_kept_as_one_without_options() {
    let options = json!({ "max-file": "0", "colour": "red" });
    let driver = |name: &str, config: &Value| {
        let log = json!({ "Type": name, "Config": config });
        plan_of(json!({ "HostConfig": { "LogConfig": log } })).workload
    };
    let none = driver("none", &options);
    assert!(none.log.is_empty());
    let log = ContainerDocument::of(&none).host.log_config.unwrap();
    assert_eq!(serde_json::to_value(log.config).unwrap(), options);
    assert!(!is_log_read(&none));
    assert!(is_log_read(&driver("local", &json!({}))));
    assert!(is_log_read(&driver("", &json!({}))));
}

#[test]
fn resources_privileges_and_devices_of_the_vm_are_carried_out() {
    let host = json!({
        "Memory": 64 << 20, "MemorySwap": -1, "MemoryReservation": 32 << 20, "CpuShares": 512,
        "CpuQuota": 50_000, "CpuPeriod": 50_000, "CpusetCpus": "0", "CpusetMems": "0",
        "PidsLimit": 64, "ShmSize": 1 << 20, "ConsoleSize": [30, 100],
        "SecurityOpt": ["seccomp=unconfined", "apparmor=unconfined", "label=disable"],
        "MaskedPaths": [], "ReadonlyPaths": ["/proc/sys"], "StorageOpt": { "size": "64M" },
        "Devices": [{ "PathOnHost": "/dev/net/tun", "PathInContainer": "/dev/tap", "CgroupPermissions": "rw" },
            { "PathOnHost": "/dev/fuse" }],
        "UsernsMode": "host", "IpcMode": "shareable", "CgroupnsMode": "private", "Runtime": "vm",
    });
    let workload = plan_of(json!({ "HostConfig": host })).workload;
    let resources = &workload.resources;
    assert_eq!(resources.memory_swap, -1);
    assert_eq!(resources.memory_reservation, 32 << 20);
    assert_eq!(resources.cpu_shares, 512);
    assert_eq!(resources.processors_nano(), 1_000_000_000);
    assert_eq!(
        [&*resources.cpuset_cpus, &*resources.cpuset_mems],
        ["0", "0"]
    );
    assert_eq!(resources.tasks, 64);
    assert!(workload.unfiltered && !workload.privileged);
    assert_eq!(workload.masked_paths, Some(Vec::new()));
    assert_eq!(
        workload.read_only_paths.as_deref(),
        Some(&["/proc/sys".to_owned()][..])
    );
    assert_eq!(workload.console_size, Some([30, 100]));
    assert_eq!(workload.disk_bytes, Some(64 << 20));
    let devices: Vec<[&str; 3]> = workload
        .devices
        .iter()
        .map(|device| [&*device.source, &*device.path, &*device.access])
        .collect();
    let expected = [
        ["/dev/net/tun", "/dev/tap", "rw"],
        ["/dev/fuse", "/dev/fuse", "rwm"],
    ];
    assert_eq!(devices, expected);
    let error = refused(json!({ "HostConfig": { "Devices": [{ "PathOnHost": "/dev/sda" }] } }));
    assert_eq!(error.status, StatusCode::BAD_REQUEST);
    assert!(
        error
            .message
            .starts_with("HostConfig.Devices cannot have \"/dev/sda\"")
    );
    let none = plan_of(json!({ "HostConfig": { "IpcMode": "none" } })).workload;
    assert_eq!(none.shm_bytes, Some(0));
    let all = plan_of(json!({ "HostConfig": { "Privileged": true, "MaskedPaths": [] } })).workload;
    assert!(all.privileged && all.masked_paths.is_none());
}

#[test]
fn what_dockerd_discards_on_such_a_kernel_is_discarded_with_its_warning() {
    let warned = |version: u32, host: Value| {
        let planned = planned(Version(version), json!({ "HostConfig": host })).unwrap();
        let words = planned.warnings.join(" ");
        words.split(' ').next_back().unwrap_or_default().to_owned()
    };
    assert_eq!(warned(50, json!({ "MemorySwappiness": -1 })), "");
    assert_eq!(warned(50, json!({ "MemorySwappiness": 5 })), "discarded.");
    assert_eq!(warned(50, json!({ "OomKillDisable": true })), "discarded.");
    assert_eq!(warned(50, json!({ "CpuPercent": 5 })), "discarded.");
    assert_eq!(warned(41, json!({ "KernelMemory": 7 << 20 })), "discarded.");
    assert_eq!(warned(50, json!({ "KernelMemory": 7 << 20 })), "");
    let mac = json!({ "MacAddress": "02:00:00:00:00:09" });
    assert_eq!(planned(Version(43), mac.clone()).unwrap().warnings, [""; 0]);
    assert_eq!(planned(Version(44), mac).unwrap().warnings, [MAC_WARNING]);
}

#[test]
fn volumes_are_folders_of_the_containers_own_and_the_answer_says_so() {
    let body: Body = serde_json::from_value(json!({ "Volumes": { "/data/": {} } })).unwrap();
    let image = Image {
        volumes: vec!["/var/lib/db".to_owned(), "/data".to_owned()],
        ..image()
    };
    let context = CreateContext {
        version: Version::NEWEST,
        name: "web".parse().unwrap(),
        image: &image,
        host_gateway: None,
    };
    let planned = plan(&body, context).unwrap();
    assert_eq!(planned.create.workload.volumes, ["/data", "/var/lib/db"]);
    assert_eq!(
        planned.warnings,
        [
            "Volumes are not there yet: /data, /var/lib/db is part of the container's own file system, and removed with it."
        ]
    );
}

#[test]
fn a_health_checks_pace_is_its_own_while_the_container_starts() {
    let body = json!({ "Healthcheck": { "Test": ["CMD", "true"], "StartInterval": 2_000_000 } });
    let pace = |version: u32| {
        let planned = planned(Version(version), body.clone()).unwrap();
        planned.create.workload.health.unwrap().start_interval_ns
    };
    assert_eq!(pace(44), 2_000_000);
    // Versions without the field ignore it.
    assert_eq!(pace(43), 0);
    let wrong = refused(json!({ "Healthcheck": { "Test": ["SHELL", "true"] } }));
    assert!(
        wrong
            .message
            .starts_with("Healthcheck.Test cannot begin with \"SHELL\"")
    );
}

#[test]
fn a_port_may_name_a_range_of_the_host_or_nothing() {
    let ports = |bindings: Value| {
        let host = json!({ "PortBindings": { "80/tcp": bindings } });
        let add = plan_of(json!({ "HostConfig": host })).add;
        let ports: Vec<String> = add.ports.iter().map(ToString::to_string).collect();
        ports.join(" ")
    };
    assert_eq!(
        ports(json!([{ "HostPort": "8000-8001" }])),
        "8000-8001:80/tcp"
    );
    let at = json!([{ "HostIp": "127.0.0.1", "HostPort": "8000-8001" }]);
    assert_eq!(ports(at), "127.0.0.1:8000-8001:80/tcp");
    // Both mean a port that the VCH chooses.
    assert_eq!(ports(json!([])), "80/tcp");
    assert_eq!(ports(json!([{ "HostIp": "", "HostPort": "" }])), "80/tcp");
    let bindings = json!({ "PortBindings": { "80/tcp": null, "81/tcp": [] } });
    let create = plan_of(crate::containers::body::without_nulls(
        json!({ "HostConfig": bindings }),
    ));
    assert!(create.add.ports.iter().all(|port| port.publish.is_some()));
    assert_eq!(create.add.ports.len(), 2);
    let error =
        refused(json!({ "HostConfig": { "PortBindings": { "80/tcp": [{ "HostPort": "9-8" }] } } }));
    assert_eq!(error.message, "Invalid hostPort: 9-8");
}

#[test]
fn kernel_settings_of_one_interface_are_the_agents_to_keep() {
    let sysctls = json!({
        "net.ipv6.conf.eth0.accept_ra": "2",
        "net/ipv4/neigh/eth1/gc_stale_time": "5",
        "net.ipv4.conf.all.forwarding": "1",
        "net.ipv4.ip_forward": "1",
        "kernel.msgmax": "1",
    });
    let add = plan_of(json!({ "HostConfig": { "Sysctls": sysctls } })).add;
    let names: Vec<_> = add.sysctls.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "net.ipv6.conf.eth0.accept_ra",
            "net/ipv4/neigh/eth1/gc_stale_time"
        ]
    );
}

#[test]
fn a_name_that_dns_cannot_hold_is_warned_of() {
    let long = "n".repeat(64);
    let body: Body = serde_json::from_value(json!({ "Image": "busybox" })).unwrap();
    let image = image();
    let context = CreateContext {
        version: Version::NEWEST,
        name: long.parse().unwrap(),
        image: &image,
        host_gateway: None,
    };
    let planned = plan(&body, context).unwrap();
    let [warning] = &planned.warnings[..] else {
        panic!("{:?}", planned.warnings);
    };
    assert!(
        warning.contains(&long) && warning.contains("63"),
        "{warning}"
    );
}
