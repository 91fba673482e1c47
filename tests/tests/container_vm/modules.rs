//! Kernel modules that a container's processes bring in by what they ask the kernel for.

use lab::Lab;
use protocol::process::{Device, Process};

use crate::world::{Shim, launch, process};

/// capabilities(7).
const NET_ADMIN: u8 = 12;
const SYS_ADMIN: u8 = 21;

fn with(capability: u8, line: &str) -> Process {
    let mut process = process(&["sh", "-c", line]);
    process.capabilities.push(capability);
    process.capabilities.sort_unstable();
    process
}

#[tokio::test]
async fn what_a_container_asks_the_kernel_for_is_loaded_on_demand() {
    let lab = Lab::of_vms("modules").unwrap();
    let mut launch = launch(&lab, &["sleep", "1000"]);
    launch.start.devices = vec![Device {
        source: "/dev/net/tun".to_owned(),
        path: "/dev/net/tun".to_owned(),
        access: "rwm".to_owned(),
    }];
    let mut shim = Shim::start(&lab, &launch);
    shim.started().await;
    let loaded = shim.sh("cut -d ' ' -f 1 /proc/modules").await.text();
    assert!(
        !loaded.contains("bridge") && !loaded.contains("tun\n"),
        "{loaded}"
    );
    for kind in ["dummy", "bridge", "wireguard", "ifb"] {
        let line = format!("ip link add test-{kind} type {kind} && ip link show test-{kind}");
        let ran = shim.exec(with(NET_ADMIN, &line)).await.unwrap();
        assert_eq!(ran.code(), 0, "{kind}: {ran:?}");
    }
    let line = "ip link add one type veth peer name two && ip link add link one name one.7 type vlan id 7 && echo made";
    let ran = shim.exec(with(NET_ADMIN, line)).await.unwrap();
    assert_eq!(ran.text(), "made\n", "{ran:?}");
    let line = "ls -l /dev/net/tun; tunctl -t mytun 2>&1 || ip tuntap add dev mytun mode tun; ip link show mytun >/dev/null && echo made";
    let ran = shim.exec(with(NET_ADMIN, line)).await.unwrap();
    assert!(ran.text().ends_with("made\n"), "{ran:?}");
    // A node of its own opens, as Docker's list has it.
    let ran = shim
        .sh("mknod /tmp/fuse c 10 229; head -c 0 /tmp/fuse && echo opened")
        .await;
    assert!(
        !ran.text().contains("opened"),
        "it did not ask for it: {ran:?}"
    );
    let line = "mkdir -p /tmp/o && mount -t tmpfs none /tmp/o && cd /tmp/o && mkdir l u w m && echo x >l/f && \
                mount -t overlay -o lowerdir=l,upperdir=u,workdir=w none m && cat m/f";
    let ran = shim.exec(with(SYS_ADMIN, line)).await.unwrap();
    assert_eq!(ran.text(), "x\n", "{ran:?}");
    // Its own are refused as before, and what the disk does not have is not there.
    let ran = shim
        .sh("ip link add mine type dummy; insmod /etc/passwd; echo $?")
        .await;
    assert_eq!(ran.text(), "1\n", "{ran:?}");
    let ran = shim
        .sh("cat /sys/module/vsock/initstate 2>/dev/null; ls / | grep -c modules")
        .await;
    assert_eq!(ran.text(), "0\n", "the disk is init's: {ran:?}");
    shim.client().kill().await.unwrap();
    assert_eq!(shim.outcome().code, 137);
}
