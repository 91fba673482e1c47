//! The bounds of a container's cgroup in its VM, from its start on and as they change; and the guest's clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lab::Lab;
use protocol::process::{CgroupLimits, CpuMax, Process};
use tokio::time::timeout;

use crate::world::{Shim, launch, process};

/// CAP_SYS_TIME (capabilities(7)).
const SYS_TIME: u8 = 25;
/// The shim tells the time each 10 s, and a clock that is ahead is believed to be after two of them.
const CLOCK_FOLLOWS: Duration = Duration::from_secs(60);

async fn file(shim: &Shim, name: &str) -> String {
    let text = shim.sh(&format!("cat /sys/fs/cgroup/{name}")).await.text();
    text.trim().to_owned()
}

#[tokio::test]
async fn a_container_s_bounds_are_in_force_and_change_while_it_runs() {
    let lab = Lab::of_vms("limits").unwrap();
    let mut launch = launch(&lab, &["sleep", "1000"]);
    launch.cpus = 2;
    launch.start.cgroup = CgroupLimits {
        memory: Some(48 << 20),
        tasks: Some(20),
        cpu_weight: Some(20),
        cpu_max: Some(CpuMax {
            quota_us: 50_000,
            period_us: 100_000,
        }),
        ..CgroupLimits::default()
    };
    let mut shim = Shim::start(&lab, &launch);
    shim.started().await;
    for (name, expected) in [
        ("memory.max", "50331648"),
        ("pids.max", "20"),
        ("cpu.weight", "20"),
        ("cpu.max", "50000 100000"),
    ] {
        assert_eq!(file(&shim, name).await, expected, "{name}");
    }
    assert_eq!(shim.client().usage().await.unwrap().memory_limit, 48 << 20);
    memory_ends_the_process_that_takes_it(&shim).await;
    let many = shim
        .sh("for i in $(seq 40); do sleep 5 & done 2>&1; wait")
        .await;
    let said = many.text() + &many.errors();
    assert!(said.contains("fork"), "{said}");
    updates(&shim).await;
    the_clock_follows(&shim).await;
    shim.client().kill().await.unwrap();
    assert_eq!(shim.outcome().code, 137);
}

/// The VM has more than the container: the kernel ends that process, and nothing else.
async fn memory_ends_the_process_that_takes_it(shim: &Shim) {
    let ran = shim.sh("tail -c 100m /dev/zero; echo $?").await;
    assert_eq!(ran.text(), "137\n", "{ran:?}");
    assert_eq!(shim.sh("echo still").await.text(), "still\n");
}

async fn updates(shim: &Shim) {
    let client = shim.client();
    let changed = CgroupLimits {
        memory: Some(96 << 20),
        cpus: "1".to_owned(),
        ..CgroupLimits::default()
    };
    assert!(client.update(changed).await.unwrap().is_empty());
    for (name, expected) in [
        ("memory.max", "100663296"),
        ("pids.max", "max"),
        ("cpu.weight", "100"),
        ("cpu.max", "max 100000"),
        ("cpuset.cpus", "1"),
    ] {
        assert_eq!(file(shim, name).await, expected, "{name}");
    }
    let only = shim.sh("grep Cpus_allowed_list /proc/self/status").await;
    assert_eq!(only.text(), "Cpus_allowed_list:\t1\n");
    let impossible = CgroupLimits {
        cpus: "7".to_owned(),
        tasks: Some(30),
        ..CgroupLimits::default()
    };
    let refused = client.update(impossible).await.unwrap();
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert!(refused[0].starts_with("cpuset.cpus=7: "), "{refused:?}");
    assert_eq!(file(shim, "pids.max").await, "30");
    assert!(
        client
            .update(CgroupLimits::default())
            .await
            .unwrap()
            .is_empty()
    );
    // The kernel takes no processors away from a cgroup with processes: all are what none is.
    assert_eq!(file(shim, "cpuset.cpus").await, "0-1");
    assert_eq!(file(shim, "pids.max").await, "max");
}

/// A guest's root sets it wrong, in either direction, and it comes back.
async fn the_clock_follows(shim: &Shim) {
    for wrong in ["2001-02-03 04:05:06", "2036-02-03 04:05:06"] {
        let mut sets = process(&["date", "-u", "-s", wrong]);
        sets.capabilities.push(SYS_TIME);
        let ran = shim.exec(sets).await.unwrap();
        assert_eq!(ran.code(), 0, "{ran:?}");
        let right = async {
            loop {
                let now = SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .unwrap()
                    .as_secs();
                let date = Process {
                    environment: vec!["TZ=UTC".to_owned()],
                    ..process(&["date", "+%s"])
                };
                let guest: u64 = shim
                    .exec(date)
                    .await
                    .unwrap()
                    .text()
                    .trim()
                    .parse()
                    .unwrap();
                if guest.abs_diff(now) <= 2 {
                    return;
                }
            }
        };
        let came = timeout(CLOCK_FOLLOWS, right).await;
        assert!(came.is_ok(), "it stays where it was set: {wrong}");
    }
}
