//! Containers that cannot run: the docker CLI says why and what to do, and nothing is left of them.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use image::bootstrap::{Recipe, Variant};
use lab::{Coordinator, Docker, Lab, Need, RootFs, SmallDisk, Topology, places, prerequisites};

/// Bytes of the disk that is soon full: room for a store and an image.
const DISK_MIB: u32 = 96;

struct House<'a> {
    topology: &'a Topology,
    vch: Coordinator<'a>,
    docker: Docker,
    kernel: PathBuf,
    initramfs: PathBuf,
}

impl<'a> House<'a> {
    fn build(lab: &'a Lab, topology: &'a Topology) -> Self {
        prerequisites::check(&[Need::Agent, Need::Init, Need::Squashfs]).unwrap();
        let image = places::vm_image().unwrap();
        let (kernel, initramfs) = (lab.path("vmlinux"), lab.path("vm.cpio"));
        symlink(image.kernel.canonicalize().unwrap(), &kernel).unwrap();
        symlink(image.initramfs.canonicalize().unwrap(), &initramfs).unwrap();
        let socket = lab.path("docker.sock");
        let tables = format!(
            "{}[runtime]\nkind = \"qemu\"\nkernel = \"{}\"\ninitramfs = \"{}\"\nmemory_mib = 160\nnetwork_seconds = 5\n",
            Coordinator::docker_table(&socket),
            kernel.display(),
            initramfs.display()
        );
        let vch = Coordinator::start_with(lab, &topology.vch, &tables).unwrap();
        let docker = Docker::new(lab, &socket).unwrap();
        let files = RootFs::busybox(lab, "files").unwrap();
        docker.import(&files, "busybox").unwrap();
        Self {
            topology,
            vch,
            docker,
            kernel,
            initramfs,
        }
    }
    fn show(&self, line: &str) {
        println!("$ {line}\n{:?}", self.docker.run(line).unwrap());
    }
}

fn instead(link: &Path, of: &Path) {
    fs::remove_file(link).unwrap();
    symlink(of, link).unwrap();
}

#[test]
fn what_cannot_run_says_why() {
    let lab = Lab::of_vms("cannot").unwrap();
    let topology = lab.topology().unwrap();
    let disk = SmallDisk::mount(&lab, "vch/state", DISK_MIB).unwrap();
    let house = House::build(&lab, &topology);
    let (kernel, initramfs) = (
        fs::read_link(&house.kernel).unwrap(),
        fs::read_link(&house.initramfs).unwrap(),
    );
    let run = "docker run --rm -p 8080:80 busybox true";
    house.show(run);
    for line in [
        "docker run --rm -m 4m busybox true",
        "docker run --rm -m 6m busybox true",
        "docker run --rm -m 1t busybox true",
        "docker run --rm --cpus 1000 busybox true",
    ] {
        house.show(line);
    }
    let junk = lab.path("junk");
    fs::write(&junk, vec![0x55; 10240]).unwrap();
    house.show(&format!("docker import {} junk", junk.display()));
    house.show(&format!("docker load -i {}", junk.display()));
    let foreign = RootFs::busybox(&lab, "foreign")
        .unwrap()
        .script("/bin/odd", "x")
        .unwrap();
    let foreign = foreign.file("/bin/none", "text").unwrap();
    fs::write(
        lab.path("foreign/bin/arm"),
        [
            0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 183, 0, 1, 0, 0, 0,
        ],
    )
    .unwrap();
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(
        lab.path("foreign/bin/arm"),
        fs::Permissions::from_mode(0o755),
    )
    .unwrap();
    house.docker.import(&foreign, "foreign").unwrap();
    house.show("docker run --rm foreign arm");
    house.show("docker run --rm foreign none");
    house.show("docker run --rm foreign /bin");
    instead(&house.kernel, &lab.path("nothing"));
    house.show(run);
    instead(&house.kernel, &junk);
    house.show(run);
    instead(&house.kernel, &kernel);
    let empty = lab.path("empty.cpio");
    fs::write(&empty, [0; 512]).unwrap();
    instead(&house.initramfs, &empty);
    house.show(run);
    let mute = Recipe::new("mute")
        .variant(Variant::Workload)
        .init(places::init())
        .agent(places::probe());
    let mute = places::build(&mute).unwrap();
    instead(&house.initramfs, &mute.initramfs.canonicalize().unwrap());
    house.show(run);
    instead(&house.initramfs, &initramfs);
    house.show("docker ps -a");
    house.show("docker run -d --name writer busybox sh -c 'while :; do dd if=/dev/zero of=/big bs=1M count=4 conv=fsync; sleep 1; done'");
    disk.fill().unwrap();
    house.show("df -h");
    house.show(run);
    house.show("docker create --name nope busybox true");
    house.show("docker network create nope");
    house.show(&format!(
        "docker import {} again",
        lab.path("files.tar").display()
    ));
    house.show("docker exec writer true");
    lab::eventually(Duration::from_secs(20), "error", || house.docker.run("docker logs writer").unwrap().stderr.contains("rror")).unwrap();
    house.show("docker logs writer");
    house.show("docker rm -f writer");
    disk.free().unwrap();
    house.show("docker ps -a");
    house.show(run);
    house.show("docker rm -f $(docker ps -aq)");
    house.show(run);
    println!("{}", house.vch.log());
    let _ = &house.topology;
}
