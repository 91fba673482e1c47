//! A container that has its whole VM, but for the channels of agent and init.

use lab::Lab;
use protocol::process::Process;

use crate::world::{Shim, launch, process};

fn all(args: &[&str]) -> Process {
    Process {
        privileged: true,
        ..process(args)
    }
}

async fn says(shim: &Shim, line: &str) -> String {
    let ran = shim.exec(all(&["sh", "-c", line])).await.unwrap();
    ran.text() + &ran.errors()
}

#[tokio::test]
async fn a_privileged_container_has_its_vm_but_not_the_channels() {
    let lab = Lab::of_vms("privileged").unwrap();
    let mut launch = launch(&lab, &["sleep", "1000"]);
    launch.start.privileged = true;
    launch.start.process.privileged = true;
    let mut shim = Shim::start(&lab, &launch);
    shim.started().await;
    let capabilities = says(&shim, "grep -E 'Cap(Eff|Bnd)|Seccomp:' /proc/self/status").await;
    let expected = "CapEff:\t000001ffffffffff\nCapBnd:\t000001ffffffffff\nSeccomp:\t0\n";
    assert_eq!(capabilities, expected);
    for (what, line) in [
        ("a mount", "mkdir -p /mnt && mount -t tmpfs none /mnt"),
        ("namespaces", "unshare -m -n true"),
        ("/proc/sys", "echo 1 >/proc/sys/net/ipv4/ip_forward"),
        ("/sys", "echo 0 >/sys/module/printk/parameters/time"),
        ("a host name", "hostname own && test $(hostname) = own"),
        ("memory", "head -c 1 /dev/mem >/dev/null"),
        ("the kernel's log", "head -c 1 /dev/kmsg >/dev/null"),
        ("its disks", "ls /dev/vd* && head -c 1 /dev/vda >/dev/null"),
        (
            "devices of modules",
            "test -c /dev/fuse && test -c /dev/net/tun && test -c /dev/loop-control",
        ),
        ("kcore", "test $(stat -c %s /proc/kcore) -gt 1000"),
        (
            "nodes anywhere",
            "mknod /root/zero c 1 5 && head -c 1 /root/zero >/dev/null",
        ),
        (
            "a loop device",
            "head -c 0 /dev/loop-control && dd if=/dev/zero of=/disk bs=1M count=2 2>/dev/null && losetup -f",
        ),
        (
            "cgroups",
            "cd /sys/fs/cgroup && mkdir own && echo $$ >own/cgroup.procs && echo 1 >/proc/self/oom_score_adj",
        ),
    ] {
        let said = says(&shim, &format!("{line} && echo done")).await;
        assert!(said.ends_with("done\n"), "{what}: {said}");
    }
    the_channels_stay_away(&shim).await;
    its_own_bounds_stay(&shim).await;
    a_tree_of_its_own_cgroups(&shim).await;
    // One that was not started so has no more than others.
    let plain = shim.sh("mount -t tmpfs none /mnt; echo $?").await;
    assert_eq!(plain.text(), "1\n", "{plain:?}");
    shim.client().kill().await.unwrap();
    assert_eq!(shim.outcome().code, 137);
}

async fn the_channels_stay_away(shim: &Shim) {
    let ports = says(shim, "cat /sys/class/virtio-ports/*/dev").await;
    assert!(ports.lines().count() >= 2, "{ports}");
    for port in ports.lines() {
        let numbers = port.replace(':', " ");
        let line = format!("mknod /root/port c {numbers}; head -c 1 /root/port && echo opened");
        let said = says(shim, &line).await;
        assert!(
            !said.contains("opened") && said.contains("not permitted"),
            "{said}"
        );
    }
    assert_eq!(says(shim, "ls /dev | grep -c vport").await, "0\n");
    // The program that refuses them is on a cgroup that it does not see.
    let said = says(
        shim,
        "ls -d /sys/fs/cgroup/../vch 2>/dev/null; cat /proc/self/cgroup",
    )
    .await;
    assert_eq!(said, "0::/\n");
}

async fn its_own_bounds_stay(shim: &Shim) {
    let said = says(shim, "echo 1000000 >/sys/fs/cgroup/memory.max && echo done").await;
    assert!(!said.contains("done"), "{said}");
}

/// As a container engine, or systemd, makes it: no process is left in the root of the tree then.
async fn a_tree_of_its_own_cgroups(shim: &Shim) {
    let line = "cd /sys/fs/cgroup && mkdir init && for pid in $(cat cgroup.procs); do echo $pid 2>/dev/null >init/cgroup.procs; done 2>/dev/null; \
                echo '+memory +pids' >cgroup.subtree_control && mkdir deep && cat deep/pids.max";
    let said = says(shim, line).await;
    assert!(said.ends_with("max\n"), "{said}");
    let said = says(shim, "cat /proc/self/cgroup").await;
    assert_eq!(said, "0::/init\n", "an exec finds its place");
    let listed = shim.client().list().await.unwrap();
    assert!(
        listed
            .iter()
            .any(|process| process.command_line == "sleep 1000"),
        "{listed:?}"
    );
}
