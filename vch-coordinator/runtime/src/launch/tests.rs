use super::{LaunchError, LaunchPaths, bytes, cgroup_limits, cpus, launch, limit, nic_id, set};
use crate::{
    Vms,
    tests::{Testbed, request, vms, workload},
    workload::{self, Resources, Workload},
};
use protocol::process::{CgroupLimits, CpuMax, Device, READ_ONLY, Start, TerminalSize, Tmpfs};
use std::{collections::BTreeMap, path::Path};
use vch_ledger::{Command, Connect, CreateNetwork, EndpointId, Id};
use vch_shim::Launch;

/// Returns the launch of a sample container.
pub fn sample() -> Launch {
    Launch {
        container: "c".repeat(64),
        dir: "/nowhere".into(),
        sockets: "/nowhere".into(),
        program: "qemu".into(),
        kernel: "/nowhere/vmlinux".into(),
        initramfs: "/nowhere/vm.cpio".into(),
        modules_disk: None,
        kvm: false,
        memory_mib: 256,
        cpus: 1,
        image_disk: "/nowhere/image".into(),
        writable_disk: "/nowhere/upper".into(),
        template: None,
        nics: Vec::new(),
        uid: 1,
        cgroup: None,
        start: Start {
            image_disk: "image".to_owned(),
            writable_disk: "upper".to_owned(),
            shm_bytes: 1,
            network_deadline_ms: 1,
            ..Start::default()
        },
        log_bytes: 1,
        log_files: 1,
        boot_deadline_ms: 1,
    }
}

#[test]
fn a_variable_takes_the_place_of_the_one_of_its_name() {
    let mut all = vec!["PATH=/bin".to_owned(), "TERM=xterm".to_owned()];
    set(&mut all, "PATH=/usr/bin");
    set(&mut all, "A=b=c");
    set(&mut all, "TERM");
    set(&mut all, "NEVER");
    assert_eq!(all, ["PATH=/usr/bin", "A=b=c"]);
}

#[test]
fn sizes_of_logs_are_docker_s() {
    let read = ["7", "10k", "10m", "1g", "1gb", "1GiB", "2t"].map(bytes);
    let expected = [
        Some(7),
        Some(10 << 10),
        Some(10 << 20),
        Some(1 << 30),
        Some(1 << 30),
        Some(1 << 30),
        Some(2 << 40),
    ];
    assert_eq!(read, expected);
    assert_eq!(["x", "5x", "", "-1", "1.5g"].map(bytes), [None; 5]);
}

#[test]
fn a_nic_is_called_by_what_its_endpoint_s_id_begins_with() {
    let endpoint = EndpointId::from_bytes([0xab; 32]);
    assert_eq!(nic_id(endpoint), "nabababababab");
}

#[test]
fn a_container_s_cgroup_has_the_bounds_that_are_asked_for() {
    let limits = |resources: Resources| cgroup_limits(&resources);
    assert_eq!(limits(Resources::default()), CgroupLimits::default());
    let all = limits(Resources {
        memory: 64 << 20,
        memory_swap: -1,
        memory_reservation: 32 << 20,
        cpu_shares: 1024,
        cpu_quota: 30_000,
        cpuset_cpus: "0-1".to_owned(),
        cpuset_mems: "0".to_owned(),
        tasks: 7,
        ..Resources::default()
    });
    let quota = |quota_us: u64| {
        Some(CpuMax {
            quota_us,
            period_us: 100_000,
        })
    };
    let expected = CgroupLimits {
        memory: Some(64 << 20),
        memory_low: Some(32 << 20),
        tasks: Some(7),
        cpu_weight: Some(39),
        cpu_max: quota(30_000),
        cpus: "0-1".to_owned(),
        memory_nodes: "0".to_owned(),
    };
    assert_eq!(all, expected);
    let half = limits(Resources {
        nano_cpus: 500_000_000,
        ..Resources::default()
    });
    assert_eq!(half.cpu_max, quota(50_000));
    let unlimited = limits(Resources {
        cpu_quota: -1,
        ..Resources::default()
    });
    assert_eq!(unlimited.cpu_max, None);
}

#[test]
fn a_vm_has_the_processors_that_its_container_may_use() {
    let vms = Vms {
        cpus: 2,
        ..Vms::sample()
    };
    let processors = |resources: Resources| {
        let workload = Workload {
            resources,
            ..Workload::default()
        };
        cpus(&workload, &vms)
    };
    assert_eq!(processors(Resources::default()), 2);
    let half = Resources {
        nano_cpus: 500_000_000,
        ..Resources::default()
    };
    assert_eq!(processors(half), 1);
    let third = Resources {
        nano_cpus: 500_000_000,
        cpuset_cpus: "0,2-3".to_owned(),
        ..Resources::default()
    };
    assert_eq!(processors(third), 4);
}

/// Returns the launch of a container with this configuration and these connections.
async fn launched(workload: Workload, connect: Vec<Connect>) -> Result<Launch, LaunchError> {
    let testbed = Testbed::open();
    let other = CreateNetwork::named("other".parse().unwrap());
    testbed.carry_out(Command::CreateNetwork(other)).await;
    let mut create = request("web", workload);
    create.add.hostname = Some("host".parse().unwrap());
    create.connect = connect;
    let id = testbed.runtime.create(create).await.unwrap();
    let snapshot = testbed.runtime.require(id).await.unwrap();
    let paths = LaunchPaths {
        dir: Path::new("/state"),
        sockets: Path::new("/run"),
        image_disk: "/image".into(),
        writable_disk: "/upper".into(),
    };
    launch(&snapshot, &vms(), paths)
}

#[tokio::test]
async fn a_container_s_options_become_its_launch() {
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let options = Workload {
        command: vec!["-x".to_owned()],
        environment: vec!["PATH=/bin".to_owned(), "COLOUR=green".to_owned()],
        terminal: true,
        tmpfs: BTreeMap::from([pair("/run", "size=1m")]),
        sysctls: BTreeMap::from([pair("net.core.somaxconn", "7")]),
        limits: vec![("nofile".to_owned(), 5, -1)],
        shm_bytes: Some(-1),
        devices: vec![workload::Device {
            source: "/dev/kvm".to_owned(),
            path: "/dev/other".to_owned(),
            access: "r".to_owned(),
        }],
        masked_paths: Some(vec!["/proc/keys".to_owned()]),
        log: BTreeMap::from([pair("max-size", "1m"), pair("max-file", "many")]),
        ..workload()
    };
    let launch = launched(options, Vec::new()).await.unwrap();
    let start = &launch.start;
    assert_eq!((launch.log_bytes, launch.log_files), (1 << 20, 2));
    let tmpfs = Tmpfs {
        path: "/run".to_owned(),
        options: "size=1m".to_owned(),
    };
    assert_eq!(start.tmpfs, [tmpfs]);
    assert_eq!(start.sysctls, [pair("net.core.somaxconn", "7")]);
    assert_eq!(start.shm_bytes, 64 << 20, "Docker's default");
    let device = Device {
        source: "/dev/kvm".to_owned(),
        path: "/dev/other".to_owned(),
        access: "r".to_owned(),
    };
    assert_eq!(start.devices, [device]);
    assert_eq!(start.masked_paths, ["/proc/keys"]);
    assert_eq!(start.read_only_paths, READ_ONLY);
    let process = &start.process;
    assert_eq!(process.args, ["true", "-x"]);
    let terminal = TerminalSize {
        rows: 24,
        columns: 80,
    };
    assert_eq!(process.terminal, Some(terminal));
    let expected = ["PATH=/bin", "HOSTNAME=host", "TERM=xterm", "COLOUR=green"];
    assert_eq!(process.environment, expected);
    assert_eq!(process.limits, [(7, 5, u64::MAX)]);
}

#[tokio::test]
async fn a_capability_or_a_limit_that_is_unknown_is_named() {
    let capabilities = [vec!["FLYING".to_owned()], Vec::new()];
    let unknown = Workload {
        capabilities,
        ..workload()
    };
    let error = launched(unknown, Vec::new()).await.unwrap_err();
    assert_eq!(error, LaunchError::Capability("FLYING".to_owned()));
    let unknown = Workload {
        limits: vec![("patience".to_owned(), 1, 1)],
        ..workload()
    };
    let error = launched(unknown, Vec::new()).await.unwrap_err();
    assert_eq!(error, LaunchError::Limit("patience".to_owned()));
}

#[tokio::test]
async fn a_vm_has_a_nic_for_each_tap_in_the_order_of_its_interfaces() {
    let connect = |network: &str, number: u8| Connect {
        interface: Some(format!("eth{number}").parse().unwrap()),
        mac: Some(format!("02:00:00:00:00:0{number}").parse().unwrap()),
        ..Connect::tap("web", network)
    };
    let connects = vec![connect("other", 7), connect("bridge", 1)];
    let launch = launched(workload(), connects).await.unwrap();
    let macs: Vec<[u8; 6]> = launch.nics.iter().map(|nic| nic.mac).collect();
    assert_eq!(macs, [[2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 7]]);
    assert!(launch.nics.iter().all(|nic| nic.tap.starts_with("vt-")));
    let without = launched(workload(), Vec::new()).await.unwrap();
    assert!(without.nics.is_empty());
}

#[test]
fn each_resource_limit_of_the_kernel_has_its_number() {
    let names = [
        "cpu",
        "fsize",
        "data",
        "stack",
        "core",
        "rss",
        "nproc",
        "nofile",
        "memlock",
        "as",
        "locks",
        "sigpending",
        "msgqueue",
        "nice",
        "rtprio",
        "rttime",
    ];
    let numbers: Vec<Option<u8>> = names.into_iter().map(limit).collect();
    let expected: Vec<Option<u8>> = (0..16).map(Some).collect();
    assert_eq!(numbers, expected);
    assert_eq!(limit("patience"), None);
}
