use super::*;
use serde_json::json;
use vch_runtime::workload::RestartPolicy;

fn planned(host: Value, workload: &Workload) -> Result<Update, DockerError> {
    let host: HostConfig = serde_json::from_value(host).unwrap();
    plan(&host, workload, Version::NEWEST).map(|(update, _)| update)
}

fn limited() -> Workload {
    Workload {
        resources: Resources {
            memory: 64 << 20,
            memory_swap: 128 << 20,
            nano_cpus: 500_000_000,
            tasks: 10,
            ..Resources::default()
        },
        ..Workload::default()
    }
}

#[test]
fn what_an_update_does_not_name_stays() {
    let update = planned(
        json!({ "Memory": 96 << 20, "CpuShares": 7, "CpusetCpus": "0" }),
        &limited(),
    );
    let expected = Resources {
        memory: 96 << 20,
        cpu_shares: 7,
        cpuset_cpus: "0".to_owned(),
        ..limited().resources
    };
    assert_eq!(update.unwrap().resources, Some(expected));
    let nothing = planned(json!({}), &limited()).unwrap();
    assert_eq!(nothing.resources, None);
    assert_eq!(nothing.restart, None);
}

#[test]
fn a_limit_of_processes_is_lifted_by_zero_and_by_less() {
    for limit in [0, -1] {
        let update = planned(json!({ "PidsLimit": limit }), &limited()).unwrap();
        assert_eq!(update.resources.unwrap().tasks, 0, "{limit}");
    }
}

#[test]
fn what_contradicts_the_containers_own_settings_is_a_conflict_in_dockerds_words() {
    for (host, text) in [
        (
            json!({ "Memory": 256 << 20 }),
            "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time",
        ),
        (
            json!({ "CpuQuota": 5000 }),
            "Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set",
        ),
        (
            json!({ "CpuPeriod": 5000 }),
            "Conflicting options: CPU Period cannot be updated as NanoCPUs has already been set",
        ),
    ] {
        let error = planned(host, &limited()).unwrap_err();
        assert_eq!(error.status.as_u16(), 409);
        assert_eq!(error.message, text);
    }
    let more = planned(json!({ "Memory": 256 << 20, "MemorySwap": -1 }), &limited());
    assert_eq!(more.unwrap().resources.unwrap().memory_swap, -1);
}

#[test]
fn a_container_that_removes_itself_gets_no_policy() {
    let workload = Workload {
        remove_at_end: true,
        ..limited()
    };
    let policy = |name: &str| json!({ "RestartPolicy": { "Name": name } });
    assert_eq!(
        planned(policy("always"), &workload)
            .unwrap_err()
            .status
            .as_u16(),
        409
    );
    let none = planned(policy("no"), &workload).unwrap();
    assert_eq!(none.restart, Some(RestartPolicy::default()));
    assert_eq!(
        planned(policy("often"), &workload)
            .unwrap_err()
            .status
            .as_u16(),
        400
    );
}

#[test]
fn what_a_running_vm_cannot_have_is_said() {
    let vm = VmSize {
        memory_mib: 160,
        cpus: 1,
    };
    assert_eq!(later(&limited().resources, vm), [""; 0]);
    let more = Resources {
        memory: 512 << 20,
        nano_cpus: 2_000_000_000,
        ..Resources::default()
    };
    assert_eq!(
        later(&more, vm),
        [
            "The running VM has 160 MiB of memory: the container has 512 MiB from its next start on.",
            "The running VM has 1 processors: the container has 2 from its next start on.",
        ]
    );
    // The size of a VM that an older release started is unknown.
    assert_eq!(later(&more, VmSize::default()), [""; 0]);
}
