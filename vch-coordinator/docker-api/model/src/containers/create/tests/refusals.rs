//! Which requests are refused, and with which messages.

use crate::containers::create::tests::*;

#[test]
fn what_a_vm_cannot_share_is_refused_with_the_reason() {
    for (field, value) in [
        ("NetworkMode", json!("host")),
        ("NetworkMode", json!("container:web")),
        ("PidMode", json!("container:web")),
        ("IpcMode", json!("container:web")),
        ("Binds", json!(["/a:/b"])),
        ("VolumesFrom", json!(["web"])),
        ("VolumeDriver", json!("nfs")),
        (
            "Mounts",
            json!([{ "Type": "bind", "Source": "/a", "Target": "/b" }]),
        ),
        ("CgroupParent", json!("/x")),
        ("Cgroup", json!("container:web")),
        ("SecurityOpt", json!(["seccomp={}"])),
        ("SecurityOpt", json!(["apparmor=mine"])),
        ("SecurityOpt", json!(["writable-cgroups=true"])),
        ("DeviceCgroupRules", json!(["c 1:3 rwm"])),
        ("DeviceRequests", json!([{ "Count": -1 }])),
        ("BlkioWeight", json!(100)),
        (
            "BlkioWeightDevice",
            json!([{ "Path": "/dev/vda", "Weight": 100 }]),
        ),
        (
            "BlkioDeviceReadBps",
            json!([{ "Path": "/dev/vda", "Rate": 100 }]),
        ),
        (
            "BlkioDeviceWriteIOps",
            json!([{ "Path": "/dev/vda", "Rate": 100 }]),
        ),
    ] {
        let error = refused(json!({ "HostConfig": { field: value } }));
        assert_eq!(error.status, StatusCode::NOT_IMPLEMENTED, "{field}");
        let named = format!("HostConfig.{field} ");
        assert!(error.message.starts_with(&named), "{}", error.message);
        assert!(error.message.contains(": "), "{}", error.message);
    }
    let host = refused(json!({ "HostConfig": { "NetworkMode": "host" } })).message;
    assert!(
        host.contains("each container is a VM") && host.contains("-p"),
        "{host}"
    );
}

/// Values of `HostConfig`, each with its error message.
const NO_SENSE: &[(&str, &str)] = &[
    (r#"{"Memory": 1024}"#, "Minimum memory limit allowed is 6MB"),
    (
        r#"{"RestartPolicy": {"Name": "often"}}"#,
        "invalid restart policy: unknown policy 'often'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'",
    ),
    (
        r#"{"RestartPolicy": {"Name": "always", "MaximumRetryCount": 3}}"#,
        "invalid restart policy: maximum retry count can only be used with 'on-failure'",
    ),
    (
        r#"{"RestartPolicy": {"Name": "always"}, "AutoRemove": true}"#,
        "can't create 'AutoRemove' container with restart policy",
    ),
    (r#"{"ShmSize": -1}"#, "SHM size can not be less than 0"),
    (
        r#"{"OomScoreAdj": 2000}"#,
        "Invalid value 2000, range for oom score adj is [-1000, 1000]",
    ),
    (
        r#"{"Ulimits": [{"Name": "nofile", "Soft": 9, "Hard": 5}]}"#,
        "ulimit soft limit must be less than or equal to hard limit: 9 > 5",
    ),
    (
        r#"{"NanoCpus": 1, "CpuQuota": 5}"#,
        "Conflicting options: Nano CPUs and CPU Quota cannot both be set",
    ),
    (
        r#"{"ExtraHosts": ["nothing"]}"#,
        "bad format for add-host: \"nothing\"",
    ),
    (
        r#"{"ExtraHosts": ["a:b"]}"#,
        "invalid IP address in add-host: \"b\"",
    ),
    (
        r#"{"RestartPolicy": {"Name": "no", "MaximumRetryCount": -1}}"#,
        "invalid restart policy: maximum retry count can only be used with 'on-failure' and cannot be negative",
    ),
    (
        r#"{"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": -1}}"#,
        "invalid restart policy: maximum retry count cannot be negative",
    ),
    (r#"{"Memory": -1}"#, "Minimum memory limit allowed is 6MB"),
    (
        r#"{"Memory": 8388608, "MemorySwap": 7340032}"#,
        "Minimum memoryswap limit should be larger than memory limit, see usage",
    ),
    (
        r#"{"MemorySwap": 7340032}"#,
        "You should always set the Memory limit when using Memoryswap limit, see usage",
    ),
    (
        r#"{"MemoryReservation": 1024}"#,
        "Minimum memory reservation allowed is 6MB",
    ),
    (
        r#"{"Memory": 8388608, "MemoryReservation": 9437184}"#,
        "Minimum memory limit can not be less than memory reservation limit, see usage",
    ),
    (
        r#"{"Memory": 8388608, "MemorySwap": -2}"#,
        "HostConfig.MemorySwap cannot be -2: give a number of bytes",
    ),
    (
        r#"{"MemoryReservation": -1}"#,
        "HostConfig.MemoryReservation cannot be -1: give a number of bytes",
    ),
    (
        r#"{"Ulimits": [{"Name": "nofile", "Soft": -1, "Hard": 5}]}"#,
        "ulimit soft limit must be less than or equal to hard limit: soft: -1 (unlimited), hard: 5",
    ),
    (
        r#"{"Ulimits": [{"Name": "patience", "Soft": 1, "Hard": 5}]}"#,
        "invalid ulimit type: patience: HostConfig.Ulimits takes the resources of setrlimit(2) by names as nofile",
    ),
    (
        r#"{"ConsoleSize": [70000, 80]}"#,
        "HostConfig.ConsoleSize cannot be [70000, 80]: give 0 to 65535 rows and columns",
    ),
    (
        r#"{"Annotations": {"": "b"}}"#,
        "invalid Annotations: the empty string is not permitted as an annotation key: it has the value \"b\"",
    ),
    (
        r#"{"StorageOpt": {"size": "1k"}}"#,
        "HostConfig.StorageOpt: size cannot be \"1k\": give 16M to 16T",
    ),
    (
        r#"{"StorageOpt": {"speed": "1k"}}"#,
        "HostConfig.StorageOpt: unknown option speed: use size",
    ),
    (
        r#"{"MaskedPaths": ["proc"]}"#,
        "HostConfig.MaskedPaths cannot have 'proc': give absolute paths",
    ),
    (
        r#"{"NanoCpus": 1, "CpuPeriod": 5000}"#,
        "Conflicting options: Nano CPUs and CPU Period cannot both be set",
    ),
    (
        r#"{"CpuPeriod": 999}"#,
        "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)",
    ),
    (
        r#"{"CpuQuota": 999}"#,
        "CPU cfs quota can not be less than 1ms (i.e. 1000)",
    ),
    (
        r#"{"CpuShares": -1}"#,
        "invalid CPU shares (-1): value must be a positive integer",
    ),
    (
        r#"{"CpuRealtimePeriod": 1000}"#,
        "kernel does not support CPU real-time scheduler: leave HostConfig.CpuRealtimePeriod out",
    ),
    (
        r#"{"CpusetMems": "1"}"#,
        "Requested memory nodes are not available - requested 1, available: 0",
    ),
    (
        r#"{"CpusetCpus": "2-1"}"#,
        "Invalid value 2-1 for cpuset cpus: invalid format: 2-1",
    ),
    (
        r#"{"BlkioWeight": 5}"#,
        "Range of blkio weight is from 10 to 1000",
    ),
    (
        r#"{"IOMaximumIOps": 5}"#,
        "invalid option: QoS maximum IOPs configuration is not supported on linux",
    ),
    (
        r#"{"IOMaximumBandwidth": 5}"#,
        "invalid option: QoS maximum bandwidth configuration is not supported on linux",
    ),
    (r#"{"IpcMode": "x:y"}"#, "invalid IPC mode: x:y"),
    (r#"{"PidMode": "x:y"}"#, "invalid PID mode: x:y"),
    (
        r#"{"PidMode": "container:"}"#,
        "invalid PID mode: container:",
    ),
    (r#"{"UTSMode": "x:y"}"#, "invalid UTS mode: x:y"),
    (r#"{"UsernsMode": "x:y"}"#, "invalid USER mode: x:y"),
    (
        r#"{"CgroupnsMode": "x:y"}"#,
        "invalid cgroup namespace mode: x:y",
    ),
    (
        r#"{"Isolation": "hyperv"}"#,
        "invalid isolation (hyperv): linux only supports 'default'",
    ),
    (
        r#"{"Runtime": "runsc"}"#,
        "unknown or invalid runtime name: runsc",
    ),
    (
        r#"{"SecurityOpt": ["nothing"]}"#,
        "invalid --security-opt 1: \"nothing\"",
    ),
    (
        r#"{"SecurityOpt": ["no=thing"]}"#,
        "invalid --security-opt 2: \"no=thing\"",
    ),
    (
        r#"{"SecurityOpt": ["no-new-privileges=perhaps"]}"#,
        "invalid --security-opt 2: \"no-new-privileges=perhaps\"",
    ),
    (
        r#"{"CapAdd": ["FLY"]}"#,
        "invalid CapAdd: unknown capability: \"CAP_FLY\"",
    ),
    (
        r#"{"DeviceCgroupRules": ["c 1"]}"#,
        "invalid device cgroup rule format: 'c 1'",
    ),
    (
        r#"{"LogConfig": {"Type": "paper"}}"#,
        "error looking up logging plugin paper: plugin \"paper\" not found",
    ),
    (
        r#"{"LogConfig": {"Type": "", "Config": {"colour": "red"}}}"#,
        "unknown log opt 'colour' for json-file log driver",
    ),
    (
        r#"{"LogConfig": {"Type": "", "Config": {"max-file": "0"}}}"#,
        "max-file cannot be less than 1",
    ),
    (
        r#"{"Tmpfs": {"run": ""}}"#,
        "invalid mount path: 'run' mount path must be absolute",
    ),
    (
        r#"{"Tmpfs": {"/": ""}}"#,
        "invalid specification: destination can't be '/'",
    ),
    (
        r#"{"Binds": ["/a:b"]}"#,
        "invalid volume specification: '/a:b': invalid mount config for type \"bind\": invalid mount path: 'b' mount path must be absolute",
    ),
    (r#"{"VolumesFrom": ["web:words"]}"#, "invalid mode: words"),
    (
        r#"{"NetworkMode": "container:web", "Dns": ["192.0.2.1"]}"#,
        "conflicting options: dns and the network mode",
    ),
    (
        r#"{"Mounts": [{"Type": "bind", "Target": "/a"}]}"#,
        "invalid mount config for type \"bind\": field Source must not be empty",
    ),
    (
        r#"{"Mounts": [{"Type": "tmpfs"}]}"#,
        "invalid mount config for type \"tmpfs\": field Target must not be empty",
    ),
    (
        r#"{"Mounts": [{"Type": "tmpfs", "Target": "/a", "Source": "b"}]}"#,
        "invalid mount config for type \"tmpfs\": field Source must not be specified",
    ),
    (
        r#"{"Mounts": [{"Type": "paper", "Target": "/a"}]}"#,
        "invalid mount config for type \"paper\": mount type unknown",
    ),
    (
        r#"{"Mounts": [{"Type": "tmpfs", "Target": "/a", "BindOptions": {}}]}"#,
        "BindOptions must not be specified on mount type \"tmpfs\"",
    ),
    (
        r#"{"NetworkMode": "container:"}"#,
        "invalid network mode: invalid container format container:<name|id>",
    ),
];

#[test]
fn values_that_make_no_sense_are_refused_in_dockerds_words() {
    for (host, text) in NO_SENSE {
        let host: Value = serde_json::from_str(host).unwrap();
        let error = refused(json!({ "HostConfig": host }));
        assert_eq!(error.status, StatusCode::BAD_REQUEST);
        assert_eq!(error.message, *text);
    }
}

#[test]
fn no_more_processors_are_given_than_there_are() {
    let there = std::thread::available_parallelism().unwrap();
    let whole = 1_000_000_000 * i64::try_from(there.get()).unwrap();
    let body = |nano: i64| json!({ "HostConfig": { "NanoCpus": nano } });
    let expected = format!(
        "range of CPUs is from 0.01 to {there}.00, as there are only {there} CPUs available"
    );
    assert_eq!(refused(body(whole + 1)).message, expected);
    assert_eq!(refused(body(-1)).message, expected);
}

#[test]
fn what_means_the_vchs_own_namespaces_is_invalid_and_says_why() {
    for field in ["PidMode", "IpcMode", "UTSMode", "CgroupnsMode"] {
        let error = refused(json!({ "HostConfig": { field: "host" } }));
        assert_eq!(error.status, StatusCode::BAD_REQUEST, "{field}");
        let named = format!("HostConfig.{field} cannot be host: each container is a VM");
        assert!(error.message.starts_with(&named), "{}", error.message);
    }
}

#[test]
fn values_of_the_containers_own_that_make_no_sense_are_refused_in_dockerds_words() {
    for (body, text) in [
        (json!({ "Env": [""] }), "invalid environment variable: "),
        (
            json!({ "WorkingDir": "srv" }),
            "the working directory 'srv' is invalid, it needs to be an absolute path",
        ),
        (
            json!({ "StopSignal": "SIGNOTHING" }),
            "invalid signal: SIGNOTHING",
        ),
        (
            json!({ "Healthcheck": { "Interval": 5 } }),
            "Interval in Healthcheck cannot be less than 1ms",
        ),
        (
            json!({ "Healthcheck": { "Timeout": -1 } }),
            "Timeout in Healthcheck cannot be less than 1ms",
        ),
        (
            json!({ "Healthcheck": { "Retries": -1, "StartPeriod": 5 } }),
            "Retries in Healthcheck cannot be negative",
        ),
        (
            json!({ "Healthcheck": { "StartPeriod": 5 } }),
            "StartPeriod in Healthcheck cannot be less than 1ms",
        ),
        (
            json!({ "Healthcheck": { "StartInterval": 5 } }),
            "StartInterval in Healthcheck cannot be less than 1ms",
        ),
        (
            json!({ "Volumes": { "data": {} } }),
            "invalid volume specification: 'data': invalid mount path: 'data' mount path must be absolute",
        ),
    ] {
        let error = refused(body);
        assert_eq!(error.status, StatusCode::BAD_REQUEST);
        assert_eq!(error.message, text);
    }
}

#[test]
fn a_host_name_of_more_than_64_bytes_is_refused() {
    let body = |name: &str, domain: &str| json!({ "Hostname": name, "Domainname": domain });
    let longest = format!("{0}.{0}", "a".repeat(31));
    let longest = format!("{longest}a");
    let add = |body: Value| plan_of(body).add;
    let both = add(body(&longest, &longest));
    assert_eq!(both.hostname.unwrap().as_str(), longest);
    assert_eq!(both.domain.unwrap().as_str(), longest);
    let plain = add(body("box", "d.example"));
    assert_eq!(plain.hostname.unwrap().as_str(), "box");
    for (field, error) in [
        ("Hostname", refused(body(&format!("{longest}b"), ""))),
        ("Domainname", refused(body("", &format!("{longest}b")))),
    ] {
        assert_eq!(error.status, StatusCode::BAD_REQUEST);
        let text = error.message;
        assert!(text.starts_with(&format!("invalid {field}")), "{text}");
        assert!(
            text.ends_with("it has 65 bytes: the kernel keeps at most 64"),
            "{text}"
        );
    }
    assert_eq!(refused(body("box", ".")).status, StatusCode::BAD_REQUEST);
}

#[test]
fn an_image_of_another_platform_is_not_found() {
    let image = image();
    let check = |text: &str| platform::check(text, "box", &image);
    for text in [
        "linux",
        "amd64",
        "linux/amd64",
        "linux/x86_64",
        "LINUX/AMD64/v1",
        r#"{"os":"linux","architecture":"amd64"}"#,
    ] {
        assert_eq!(check(text), Ok(()), "{text}");
    }
    let other = check("linux/arm64/v8").unwrap_err();
    assert_eq!(other.status, StatusCode::NOT_FOUND);
    assert_eq!(
        other.message,
        "image with reference box was found but its platform (linux/amd64) does not match the specified platform (linux/arm64/v8)"
    );
    for text in ["tin", "a/b/c/d", "linux/", "li nux/amd64"] {
        let wrong = check(text).unwrap_err();
        assert_eq!(wrong.status, StatusCode::BAD_REQUEST, "{text}");
        assert!(wrong.message.contains(text), "{}", wrong.message);
    }
}
