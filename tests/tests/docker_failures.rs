//! Containers that cannot run: the docker CLI says why and what to do, and nothing is left of them.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use image::bootstrap::{Recipe, Variant};
use lab::{Coordinator, Lab, RootFs, SmallDisk, Topology, VmHost, eventually, paths};

const SOON: Duration = Duration::from_secs(60);
/// Room for a store, some images and a saved VM, and soon full.
const DISK_MIB: u32 = 320;
/// How long an agent that says nothing is waited for; all others have to be there in time, on a busy machine, too.
const NETWORK_SECONDS: u32 = 15;
const RUN: &str = "docker run --rm -p 8080:80 busybox true";
/// The head of an ELF file for another machine: 64 bits, executable, `EM_AARCH64` (elf(5)).
const FOREIGN: [u8; 20] = [
    0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 183, 0,
];

/// A VCH whose kernel and image can be changed under it.
struct Testbed<'a> {
    lab: &'a Lab,
    host: VmHost<'a>,
    kernel: Link,
    initramfs: Link,
}

/// A symbolic link that points where it should, or elsewhere for a while.
struct Link {
    path: PathBuf,
    target: PathBuf,
}

impl Link {
    fn to(lab: &Lab, name: &str, target: &Path) -> Self {
        let (path, target) = (lab.path(name), target.canonicalize().unwrap());
        symlink(&target, &path).unwrap();
        Self { path, target }
    }

    fn elsewhere(&self, target: &Path, meanwhile: impl FnOnce()) {
        let point = |target: &Path| {
            fs::remove_file(&self.path).unwrap();
            symlink(target, &self.path).unwrap();
        };
        point(target);
        meanwhile();
        point(&self.target);
    }
}

impl<'a> Testbed<'a> {
    fn build(lab: &'a Lab, topology: &'a Topology) -> Self {
        let image = paths::vm_image().unwrap();
        let kernel = Link::to(lab, "vmlinux", &image.kernel);
        let initramfs = Link::to(lab, "vm.cpio", &image.initramfs);
        let runtime = Coordinator::runtime_table_of(&kernel.path, &initramfs.path);
        let runtime = format!("{runtime}network_seconds = {NETWORK_SECONDS}\n");
        let host = VmHost::start_with(lab, topology, &runtime).unwrap();
        host.import_busybox(lab).unwrap();
        Self {
            lab,
            host,
            kernel,
            initramfs,
        }
    }

    fn run(&self, line: &str) -> String {
        self.host.run(line).unwrap()
    }

    /// A command that must fail with this code and say this.
    fn refused(&self, line: &str, code: i32, says: &str) {
        let said = self.host.docker.run(line).unwrap();
        println!("$ {line}\n{}", said.stderr.trim());
        let stderr = &said.stderr;
        assert_eq!(said.code, code, "{line}: {said:?}\n{}", self.host.vch.log());
        assert!(stderr.contains(says), "{line}: {stderr}");
        let reset = ["os error 104", "does not answer"];
        let told = reset.iter().all(|words| !stderr.contains(words));
        assert!(told, "{line}: not the cause: {stderr}");
    }
}

#[test]
fn a_container_that_cannot_run_says_why_and_leaves_nothing_behind() {
    let lab = Lab::of_vms("failures").unwrap();
    let topology = lab.topology().unwrap();
    let disk = SmallDisk::mount(&lab, "vch/state", DISK_MIB).unwrap();
    let testbed = Testbed::build(&lab, &topology);
    let nothing = testbed.host.left().unwrap();
    let nothing_is_left = || {
        let gone = || testbed.host.left().unwrap() == nothing;
        eventually(SOON, "nothing is left", gone).unwrap();
    };

    testbed.run(RUN);
    broken_images(&testbed);
    testbed.refused(
        "docker run --rm -m 4m busybox true",
        125,
        "Minimum memory limit allowed is 6MB",
    );
    testbed.refused(
        "docker run --rm -w /etc/passwd busybox true",
        125,
        "Cannot mkdir: /etc/passwd is not a directory",
    );
    testbed.refused(
        "docker run --rm -m 1t busybox true",
        125,
        "Cannot allocate memory",
    );
    broken_vms(&testbed);
    broken_template(&testbed);
    nothing_is_left();
    full_disk(&testbed, &disk);
    testbed.run(RUN);
    nothing_is_left();
}

fn broken_images(testbed: &Testbed<'_>) {
    let junk = testbed.lab.path("junk");
    fs::write(&junk, vec![0x55; 10_240]).unwrap();
    let junk = junk.display();
    testbed.refused(
        &format!("docker import {junk} junk"),
        1,
        "no tar header at byte 0",
    );
    testbed.refused(
        &format!("docker load -i {junk}"),
        1,
        "no tar header at byte 0",
    );
    let odd = RootFs::busybox(testbed.lab, "odd").unwrap();
    let odd = odd.file("/bin/text", "words").unwrap();
    let foreign = testbed.lab.path("odd/bin/foreign");
    fs::write(&foreign, FOREIGN).unwrap();
    fs::set_permissions(&foreign, Permissions::from_mode(0o755)).unwrap();
    testbed.host.docker.import(&odd, "odd").unwrap();
    for (program, code, says) in [
        ("foreign", 125, "exec /bin/foreign: exec format error"),
        ("text", 126, "exec: \"/bin/text\": permission denied"),
        ("/bin", 126, "exec: \"/bin\": is a directory"),
        (
            "absent",
            127,
            "exec: \"absent\": executable file not found in $PATH",
        ),
    ] {
        testbed.refused(&format!("docker run --rm odd {program}"), code, says);
    }
}

fn broken_vms(testbed: &Testbed<'_>) {
    let absent = testbed.lab.path("absent");
    testbed.kernel.elsewhere(&absent, || {
        let says = format!("cannot open {}", testbed.kernel.path.display());
        testbed.refused(RUN, 125, &says);
    });
    // A kernel that finds no init dies at boot.
    let empty = testbed.lab.path("empty.cpio");
    fs::write(&empty, [0; 512]).unwrap();
    testbed
        .initramfs
        .elsewhere(&empty, || testbed.refused(RUN, 125, "Kernel panic"));
    // The probe is a program that has nothing to say to a coordinator.
    let mute = Recipe::new("mute").variant(Variant::Workload);
    let mute = paths::build(&mute.init(paths::init()).agent(paths::probe())).unwrap();
    testbed.initramfs.elsewhere(&mute.initramfs, || {
        testbed.refused(
            RUN,
            125,
            "the network was not there after 15000 ms: the agent's last word: it has said nothing",
        );
    });
}

/// A clone of a broken template boots in its place.
fn broken_template(testbed: &Testbed<'_>) {
    let templates = testbed.host.vch.dir().join("state/templates");
    let states = || -> Vec<PathBuf> {
        let all = fs::read_dir(&templates).unwrap();
        let states = all.map(|one| one.unwrap().path().join("state"));
        states.filter(|state| state.exists()).collect()
    };
    eventually(SOON, "there are templates", || !states().is_empty()).unwrap();
    for state in states() {
        fs::write(state, "nothing").unwrap();
    }
    testbed.run(RUN);
    let log = testbed.host.vch.log();
    assert!(log.contains("its template is removed"), "{log}");
}

/// On a full disk nothing new runs, what runs waits with what it has to say, and all of it can be removed.
fn full_disk(testbed: &Testbed<'_>, disk: &SmallDisk) {
    testbed.run("docker run -d --name counts busybox sh -c 'i=0; while :; do i=$((i+1)); echo $i; sleep 0.1; done'");
    testbed.run(
        "docker run -d --name ends busybox sh -c 'trap \"exit 7\" TERM; echo ready; while :; do sleep 0.1; done'",
    );
    let ready = || testbed.run("docker logs ends") == "ready";
    eventually(SOON, "it hears signals", ready).unwrap();
    disk.fill().unwrap();
    testbed.refused(RUN, 125, "o space left on");
    let again = testbed.lab.path("busybox.tar");
    let again = format!("docker import {} again", again.display());
    testbed.refused(&again, 1, "too little room");
    let writes = "docker exec counts dd if=/dev/zero of=/big bs=1M count=8 conv=fsync";
    let said = testbed.host.docker.run(writes).unwrap();
    let told = ["Input/output error", "Read-only file system"];
    let told = told.iter().any(|words| said.stderr.contains(words));
    assert!(said.code == 1 && told, "{said:?}");
    testbed.run("docker stop ends");
    assert_eq!(
        testbed.run("docker wait ends"),
        "7",
        "{}",
        testbed.run("docker inspect ends")
    );
    testbed.run("docker rm ends");

    disk.free().unwrap();
    let count = || -> usize { testbed.run("docker logs counts").lines().count() };
    let before = count();
    eventually(SOON, "it counts on", || count() > before + 10).unwrap();
    let numbers = testbed.run("docker logs counts");
    let numbers: Vec<usize> = numbers.lines().map(|line| line.parse().unwrap()).collect();
    let expected: Vec<usize> = (1..=numbers.len()).collect();
    assert_eq!(numbers, expected, "nothing is lost");
    testbed.run("docker rm -f counts");
}
