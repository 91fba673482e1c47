//! What a container can't reach, as root with Docker's default capabilities; and what its QEMU has not.

use std::fs;
use std::path::Path;

use lab::{Lab, eventually_some};
use protocol::process::Process;

use crate::world::{SOON, Shim, launch, process};

#[tokio::test]
async fn a_container_reaches_neither_the_agent_s_channel_nor_init() {
    let lab = Lab::of_vms("confinement").unwrap();
    let mut launch = launch(&lab, &["sh", "-c", "exec sleep 1000"]);
    launch.start.process.input = false;
    let mut shim = Shim::start(&lab, &launch);
    shim.started().await;
    qemu_has_only_what_it_needs(&shim);
    devices(&shim).await;
    sockets(&shim).await;
    everything_else(&shim).await;
    shim.client().kill().await.unwrap();
    assert_eq!(shim.outcome().code, 137);
}

/// Its own node of a device that it may have opens; of the channels' devices none does, wherever it is made.
async fn devices(shim: &Shim) {
    let made = shim
        .sh("mknod /dev/own c 1 3 && echo x >/dev/own && echo opened")
        .await;
    assert_eq!(made.text(), "opened\n", "{made:?}");
    let ports = shim.sh("cat /sys/class/virtio-ports/*/dev").await.text();
    assert!(ports.lines().count() >= 2, "both channels' ports: {ports}");
    let ports = ports.lines().map(|port| port.replace(':', " "));
    let others = ["1 1", "1 2", "4 64", "5 3", "10 183", "254 0"].map(str::to_owned);
    for numbers in ports.chain(others) {
        for dir in ["/dev", "/dev/shm", "/tmp", "/root"] {
            let node = format!("{dir}/node");
            let tried = shim
                .sh(&format!(
                    "mknod {node} c {numbers}; head -c 1 <{node} && echo opened; rm -f {node}"
                ))
                .await;
            assert!(
                !tried.text().contains("opened"),
                "{dir} {numbers}: {tried:?}"
            );
            let why = tried.errors();
            let refused = ["not permitted", "denied", "No such device"]
                .iter()
                .any(|word| why.contains(word));
            assert!(refused, "{dir} {numbers}: {why}");
        }
    }
    let disks = shim
        .sh("mknod /dev/disk b 254 16; head -c 1 /dev/disk && echo opened")
        .await;
    assert!(!disks.text().contains("opened"), "{disks:?}");
    let there = shim.sh("ls /dev").await.text();
    let expected = "core\nfd\nfull\nmqueue\nnull\nown\nptmx\npts\nrandom\nshm\nstderr\nstdin\nstdout\ntty\nurandom\nzero\n";
    assert_eq!(there.replace("disk\n", ""), expected);
}

/// No vsock socket is made, for whatever CID; other sockets are.
async fn sockets(shim: &Shim) {
    for words in ["connect 2 1021", "connect 1 1023", "bind 1023", "echo 1023"] {
        let tried = shim.sh(&format!("vsock-probe {words}")).await;
        assert_eq!(tried.text(), "EPERM\n", "{words}: {tried:?}");
    }
    let inet = shim.sh("nc -z -w 1 127.0.0.1 9; echo $?").await;
    assert_eq!(
        inet.text(),
        "1\n",
        "a socket was made, and nobody listens: {inet:?}"
    );
}

async fn everything_else(shim: &Shim) {
    let capabilities = shim
        .sh("grep -E 'Cap(Eff|Bnd|Inh|Amb)' /proc/self/status")
        .await
        .text();
    let expected = "CapInh:\t0000000000000000\nCapEff:\t00000000a80425fb\nCapBnd:\t00000000a80425fb\nCapAmb:\t0000000000000000\n";
    assert_eq!(capabilities, expected);
    // Only the container's own processes are there: none is init, nor the agent.
    let processes = shim.sh("cat /proc/[0-9]*/comm").await.text();
    assert!(processes.starts_with("sleep\n"), "{processes}");
    assert!(!processes.contains("init"), "{processes}");
    for (what, line) in [
        ("mount", "mount -t tmpfs none /mnt"),
        ("remount /sys", "mount -o remount,rw /sys"),
        ("namespaces", "unshare -m true"),
        ("a new user", "unshare -r true"),
        ("sysrq", "echo b >/proc/sysrq-trigger"),
        ("uevent_helper", "echo /x >/sys/kernel/uevent_helper"),
        ("core_pattern", "echo x >/proc/sys/kernel/core_pattern"),
        ("modprobe", "echo x >/proc/sys/kernel/modprobe"),
        ("cgroup", "mkdir /sys/fs/cgroup/own"),
        (
            "clock",
            "date -s 2001-01-01 >/dev/null; date +%Y | grep -q 2001",
        ),
        ("reboot", "reboot -f"),
        ("host name", "hostname other"),
        ("routes", "ip link set lo down"),
        ("swap", "swapoff -a; swapon /etc/passwd"),
        ("module", "insmod /etc/passwd"),
        ("kernel's memory", "head -c 1 /proc/kcore | grep -q ."),
        ("another root", "cd /; mkdir -p /tmp/x; pivot_root / /tmp/x"),
    ] {
        let tried = shim.sh(&format!("{line} && echo done")).await;
        assert!(!tried.text().contains("done"), "{what}: {tried:?}");
    }
    let locked = Process {
        no_new_privileges: true,
        ..process(&["sh", "-c", "grep NoNewPrivs /proc/self/status"])
    };
    let ran = shim.exec(locked).await.unwrap();
    assert_eq!(ran.text(), "NoNewPrivs:\t1\n");
    let plain = Process {
        user: "www".to_owned(),
        ..process(&[
            "sh",
            "-c",
            "grep CapEff /proc/self/status; cat /proc/1/environ",
        ])
    };
    let ran = shim.exec(plain).await.unwrap();
    assert_eq!(ran.text(), "CapEff:\t0000000000000000\n", "{ran:?}");
}

/// An ordinary user without rights, in a network namespace that is neither ours nor has any link but lo.
fn qemu_has_only_what_it_needs(shim: &Shim) {
    let shim_pid = shim.child.pid();
    let children = format!("/proc/{shim_pid}/task/{shim_pid}/children");
    let qemu = eventually_some(SOON, "QEMU runs", || {
        let text = fs::read_to_string(&children).ok()?;
        text.split_ascii_whitespace().next()?.parse::<u32>().ok()
    })
    .unwrap();
    let own = Path::new("/proc").join(qemu.to_string());
    let status = fs::read_to_string(own.join("status")).unwrap();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap().trim().to_owned()
    };
    assert_eq!(field("Uid:"), ["1234567"; 4].join("\t"));
    assert_eq!(field("Gid:"), ["1234567"; 4].join("\t"));
    assert_eq!(field("Groups:"), "");
    for set in ["CapEff:", "CapPrm:", "CapInh:", "CapAmb:"] {
        assert_eq!(field(set), "0".repeat(16), "{set}");
    }
    assert_eq!(field("NoNewPrivs:"), "1");
    assert_eq!(field("Seccomp:"), "2", "QEMU's own sandbox");
    let namespace = |who: &Path| fs::read_link(who.join("ns/net")).unwrap();
    assert_ne!(namespace(&own), namespace(Path::new("/proc/self")));
    let links = fs::read_to_string(own.join("net/dev")).unwrap();
    let links: Vec<&str> = links.lines().skip(2).collect();
    assert!(
        links.len() == 1 && links[0].trim_start().starts_with("lo:"),
        "{links:?}"
    );
    // Sockets, its disks, its memory; no directory, and no file of anybody else.
    for entry in fs::read_dir(own.join("fd")).unwrap() {
        let target = fs::read_link(entry.unwrap().path()).unwrap_or_default();
        let target = target.display().to_string();
        let known = [
            "socket:",
            "anon_inode:",
            "pipe:",
            "/dev/null",
            "/dev/urandom",
            "/memfd:",
        ];
        let lab = shim.lab.dir().display().to_string();
        let image = ["vmlinux", "lonely.cpio", "modules.squashfs"];
        let image = image.iter().any(|file| target.ends_with(file));
        let fine =
            image || target.starts_with(&lab) || known.iter().any(|one| target.starts_with(one));
        assert!(fine, "QEMU has {target} open");
    }
    let resident = fs::read_to_string(format!("/proc/{shim_pid}/status")).unwrap();
    let resident = resident
        .lines()
        .find(|line| line.starts_with("VmRSS"))
        .unwrap();
    println!("the shim: {resident}");
}
