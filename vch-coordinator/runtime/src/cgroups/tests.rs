use super::{Bounds, Cgroups, CgroupsError};
use protocol::process::CpuMax;
use std::{fs, path::Path};
use vch_ledger::{ContainerId, Id};

const BOUNDS: Bounds = Bounds {
    memory_mib: 256,
    emulated: false,
    cpus: 2,
    cpu_max: Some(CpuMax {
        quota_us: 50_000,
        period_us: 100_000,
    }),
};

fn container() -> ContainerId {
    ContainerId::from_bytes([0xab; 32])
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

#[test]
fn a_vm_has_its_memory_and_what_qemu_needs_and_its_processors() {
    assert_eq!(
        BOUNDS.files(),
        [
            ("memory.max", (512_u64 << 20).to_string()),
            ("pids.max", "130".to_owned()),
            ("cpu.max", "300000 100000".to_owned()),
        ]
    );
    let emulated = Bounds {
        emulated: true,
        ..BOUNDS
    };
    assert_eq!(emulated.files()[0].1, (1536_u64 << 20).to_string());
    assert_eq!(BOUNDS.running(), "50000 100000");
    let asks = |cpu_max| Bounds { cpu_max, ..BOUNDS }.running();
    assert_eq!(asks(None), "300000 100000");
    let least = CpuMax {
        quota_us: 1,
        period_us: 50_000,
    };
    assert_eq!(asks(Some(least)), "1000 50000", "the kernel's least");
}

#[tokio::test]
async fn cgroups_are_made_bounded_and_removed_below_the_mount() {
    let mount = tempfile::tempdir().unwrap();
    let at = |name: &str| mount.path().join(name);
    fs::write(at("cgroup.controllers"), "cpuset cpu io memory pids\n").unwrap();
    let stale = at("vch").join("stale");
    fs::create_dir_all(&stale).unwrap();
    let cgroups = Cgroups::open(mount.path());
    assert!(cgroups.unlimited().is_none());
    assert!(!stale.exists());
    for dir in ["", "vch"] {
        let control = read(&at(dir).join("cgroup.subtree_control"));
        assert_eq!(control, "+cpu +memory +pids");
    }
    let own = cgroups.make(container(), &BOUNDS).unwrap().unwrap();
    assert_eq!(own, at("vch").join("ab".repeat(32)));
    assert_eq!(read(&own.join("cpu.max")), "300000 100000");
    cgroups.run(container(), &BOUNDS).unwrap();
    assert_eq!(read(&own.join("cpu.max")), "50000 100000");
    cgroups.make(container(), &BOUNDS).unwrap();
    // The kernel's files go with their directory; these do not.
    for file in fs::read_dir(&own).unwrap().flatten() {
        fs::remove_file(file.path()).unwrap();
    }
    cgroups.clone().remove(container()).await;
    assert!(!own.exists());
    cgroups.run(container(), &BOUNDS).unwrap();
    cgroups.remove(container()).await;
}

#[test]
fn a_host_without_controllers_is_told_of_with_a_remedy() {
    let mount = tempfile::tempdir().unwrap();
    let none = Cgroups::open(mount.path());
    assert!(matches!(
        none.unlimited(),
        Some(CgroupsError::NotMounted { .. })
    ));
    fs::write(mount.path().join("cgroup.controllers"), "hugetlb cpu\n").unwrap();
    let some = Cgroups::open(mount.path());
    let reason = some.unlimited().unwrap().to_string();
    assert!(
        reason.contains("no memory, pids: boot the host"),
        "{reason}"
    );
    assert_eq!(some.make(container(), &BOUNDS).unwrap(), None);
    some.run(container(), &BOUNDS).unwrap();
    assert!(!mount.path().join("vch").exists());
}
