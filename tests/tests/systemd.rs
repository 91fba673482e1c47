//! The coordinator as a unit of systemd, in a VM with Debian's kernel, whose cgroup v2 has controllers: whatever
//! becomes of the coordinator, its VMs run on, within their bounds.
//!
//! systemd is process 1 of a PID namespace of the VM, so that the lab's shell can look on. The VMs are stand-ins
//! (`tests/examples/stand-in.rs`): QEMU by emulation in an emulated VM would take minutes. Shims, the coordinator, systemd
//! and the kernel are the real ones.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use lab::{Coordinator, Lab, Need, Topology, Vm, eventually, paths, prerequisites};

const SOON: Duration = Duration::from_secs(120);
const MEMORY_MIB: u32 = 1024;
const DISK: &str = "2G";
const SOCKET: &str = "/run/docker.sock";
const EXTERNAL: &str = "[[external]]
name = \"default-external\"
interface = \"external\"
subnets = [{ subnet = \"10.2.0.0/24\", address = \"10.2.0.2\" }]
";
/// Makes systemd process 1 of a PID namespace, with the disk as its root.
const BEGIN: &str = "mkdir -p /mnt && mount -t ext4 /dev/vda /mnt
for link in management:192.0.2.2 endpoint:198.51.100.2 external:10.2.0.2; do
    ip link add ${link%%:*} type bridge && ip address add ${link#*:}/24 dev ${link%%:*}
done
cat >/run/begin <<'END'
cd /mnt
mount -t proc proc proc && mount -t sysfs sys sys && mount -t devtmpfs dev dev && mount -t tmpfs run run
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -o move . / || exit 1
exec env -i container=lab PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot . /lib/systemd/systemd --unit=vch-coordinator.service
END
unshare -m -p -f sh /run/begin >/run/systemd.log 2>&1 3<&- &";

fn run(command: &mut Command) -> Result<()> {
    let said = command.output().with_context(|| format!("{command:?}"))?;
    ensure!(said.status.success(), "{command:?}: {said:?}");
    Ok(())
}

/// A Debian 12 root with systemd, made once.
fn debian() -> Result<PathBuf> {
    let dir = paths::workspace().join("target/systemd");
    let tar = dir.join("bookworm.tar");
    if !tar.exists() {
        fs::create_dir_all(&dir)?;
        let partial = dir.join("partial.tar");
        let mut command = Command::new("mmdebstrap");
        command
            .args(["--variant=essential", "bookworm"])
            .arg(&partial);
        command.arg("--include=systemd,dbus,squashfs-tools,e2fsprogs");
        run(&mut command).context("make a root of Debian 12: install mmdebstrap")?;
        fs::rename(partial, &tar)?;
    }
    Ok(tar)
}

/// The disk of the VM: Debian's root, and what a VCH consists of.
fn disk(lab: &Lab) -> Result<PathBuf> {
    let root = lab.path("root");
    fs::create_dir(&root)?;
    let mut unpacking = Command::new("tar");
    run(unpacking.arg("-xf").arg(debian()?).arg("-C").arg(&root))?;
    let sbin = root.join("usr/local/sbin");
    for name in ["vch-coordinator", "vchctl", "vch-image"] {
        fs::copy(paths::built(name)?, sbin.join(name))?;
    }
    let stand_in = root.join("usr/local/lib/stand-in");
    fs::create_dir_all(&stand_in)?;
    fs::copy(paths::built("vch-shim")?, stand_in.join("vch-shim"))?;
    fs::copy(
        paths::built("examples/stand-in")?,
        stand_in.join("stand-in"),
    )?;
    symlink("stand-in", stand_in.join("idle"))?;
    fs::copy(
        lab::docker_packages::clients()?.docker,
        root.join("usr/local/bin/docker"),
    )?;

    let unit = paths::workspace().join("vch-coordinator/vch-coordinator.service");
    let units = root.join("etc/systemd/system");
    fs::copy(unit, units.join("vch-coordinator.service"))?;
    // As in the unit, but sooner: a missed watchdog is awaited here.
    let sooner = units.join("vch-coordinator.service.d");
    fs::create_dir(&sooner)?;
    let quick = "[Service]\nWatchdogSec=15s\nTimeoutAbortSec=2s\n";
    fs::write(sooner.join("quick.conf"), quick)?;
    fs::create_dir_all(root.join("etc/vch"))?;
    fs::write(root.join("etc/vch/vch.toml"), configuration())?;
    fs::create_dir(lab.path("empty"))?;
    fs::write(lab.path("empty/file"), "")?;
    let mut packing = Command::new("tar");
    run(packing
        .arg("-cf")
        .arg(root.join("empty.tar"))
        .arg("-C")
        .arg(lab.path("empty"))
        .arg("."))?;

    let disk = lab.path("root.ext4");
    let mut making = Command::new("mke2fs");
    making.args(["-q", "-F", "-t", "ext4", "-d"]).arg(&root);
    run(making.arg(&disk).arg(DISK))?;
    fs::remove_dir_all(root)?;
    Ok(disk)
}

fn configuration() -> String {
    let docker = Coordinator::docker_table(Path::new(SOCKET));
    // Files that are there: nothing boots from them.
    let kernel = Path::new("/etc/passwd");
    let runtime = Coordinator::runtime_table_of(kernel, kernel);
    let shim = "shim = \"/usr/local/lib/stand-in/stand-in\"\nboot = \"cold\"\n";
    let tables = format!("{docker}{runtime}{shim}{EXTERNAL}");
    let vch = "[vch]\nstate_dir = \"/var/lib/vch\"\nrun_dir = \"/run/vch\"\n";
    format!("{vch}{tables}{}", Topology::tables(&tables))
}

/// A VM in which systemd is process 1.
struct World(Vm);

impl World {
    /// Runs a script where systemd is; its standard output.
    fn succeed(&mut self, script: &str) -> Result<String> {
        let quoted = script.replace('\'', "'\\''");
        let paths = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        let script = format!(
            "set -- $(pidof systemd); nsenter -t $1 -m -p -r env -i {paths} DOCKER_HOST=unix://{SOCKET} sh -c '{quoted}'"
        );
        let output = self.0.run_within(SOON, &script)?;
        ensure!(output.status == 0, "{script}: {output:?}");
        Ok(output.stdout.trim_end().to_owned())
    }

    fn log(&mut self) -> String {
        let log = "systemctl status vch-coordinator; journalctl --no-pager -n 60";
        let log = self.succeed(&format!("{log} 2>&1; true"));
        let began = self.0.succeed("cat /run/systemd.log");
        format!("{log:?}\n{began:?}\n{}", self.0.console())
    }

    /// Waits until another coordinator than this one serves; gives its process.
    fn serves(&mut self, other_than: &str) -> String {
        let mut found = String::new();
        let serves = || {
            let asked = "docker ps -q >/dev/null && systemctl show -P MainPID vch-coordinator";
            found = self.succeed(asked).unwrap_or_default();
            !found.is_empty() && found != "0" && found != other_than
        };
        let done = eventually(SOON, "another coordinator serves", serves);
        assert!(done.is_ok(), "{}", self.log());
        found
    }

    /// Returns the marks that a container keeps as long as it is the same run.
    fn run_state(&mut self) -> String {
        let format = "{{.State.Status}} {{.State.Pid}} {{.State.StartedAt}} {{.RestartCount}}";
        let run_state = self.succeed(&format!("docker inspect -f '{format}' one"));
        run_state.unwrap_or_else(|error| panic!("{error:#}\n{}", self.log()))
    }
}

#[test]
fn vms_outlive_restart_sigkill_and_a_missed_watchdog_of_the_unit_and_have_their_bounds() {
    prerequisites::check(&[Need::Root, Need::Agent, Need::Squashfs]).unwrap();
    let lab = Lab::of_vms("systemd").unwrap();
    let disk = disk(&lab).unwrap();
    let vm = lab
        .vm("host")
        .image(&paths::host_image(&[]).unwrap())
        .memory_mib(MEMORY_MIB)
        .disk("root", disk);
    let mut world = World(vm.boot().unwrap());
    world.0.succeed(BEGIN).unwrap();
    let first = world.serves("");
    world.succeed("docker import /empty.tar empty").unwrap();
    world
        .succeed("docker run -d --name one --cpus 0.5 empty idle")
        .unwrap_or_else(|error| panic!("{error:#}\n{}", world.log()));
    let run_state = world.run_state();
    assert!(run_state.starts_with("running "), "{run_state}");

    bounds(&mut world);

    world.succeed("systemctl restart vch-coordinator").unwrap();
    let second = world.serves(&first);
    assert_eq!(world.run_state(), run_state, "after a restart");

    world.succeed(&format!("kill -KILL {second}")).unwrap();
    let third = world.serves(&second);
    assert_eq!(world.run_state(), run_state, "after SIGKILL");

    world.succeed(&format!("kill -STOP {third}")).unwrap();
    let fourth = world.serves(&third);
    assert_eq!(world.run_state(), run_state, "after a missed watchdog");
    let said = world
        .succeed("journalctl --no-pager -u vch-coordinator")
        .unwrap();
    assert!(said.contains("Watchdog timeout"), "{said}");

    world.succeed("systemctl stop vch-coordinator").unwrap();
    let pid = run_state.split(' ').nth(1).unwrap();
    world.succeed(&format!("kill -0 {pid}")).unwrap();
    world.succeed("systemctl start vch-coordinator").unwrap();
    world.serves(&fourth);
    assert_eq!(world.run_state(), run_state, "after a stop and a start");

    world.succeed("docker rm -f one").unwrap();
    let gone = || world.succeed("ls -d /sys/fs/cgroup/vch/*/").is_err();
    eventually(SOON, "its cgroup goes with it", gone).unwrap();
    let ends = world.succeed(&format!("kill -0 {pid}"));
    assert!(ends.is_err(), "its shim has ended");
}

/// Its cgroup has what its container asked for, and shim and QEMU in it.
fn bounds(world: &mut World) {
    let cgroup = world.succeed("ls -d /sys/fs/cgroup/vch/*/").unwrap();
    let mut read = |file: &str| world.succeed(&format!("cat {cgroup}/{file}")).unwrap();
    assert_eq!(read("cpu.max"), "50000 100000");
    let memory: u64 = read("memory.max").parse().unwrap();
    assert_eq!(memory, (160 + 256 + 1024) << 20);
    assert_eq!(read("pids.max"), "129");
    let processes = read("cgroup.procs");
    assert_eq!(processes.lines().count(), 2, "{processes}");
    let names = world.succeed(&format!(
        "for pid in $(cat {cgroup}/cgroup.procs); do cat /proc/$pid/comm /proc/$pid/oom_score_adj; done"
    ));
    assert_eq!(names.unwrap(), "vch-shim\n-500\nidle\n500");
    let status = world.succeed("vchctl status").unwrap();
    assert!(!status.contains("not limited"), "{status}");
    let main = "systemctl show -P MainPID vch-coordinator";
    let score = world.succeed(&format!("cat /proc/$({main})/oom_score_adj"));
    assert_eq!(score.unwrap(), "-900");
}
