use super::{bytes, cgroup_limits, cpus, nic_id, set};
use crate::{
    Vms,
    workload::{Resources, Workload},
};
use protocol::process::{CgroupLimits, CpuMax, Start};
use vch_ledger::{EndpointId, Id};
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
