//! Root file systems that were made to hold a VM's init up: each start ends within seconds, with a reason or by running.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use lab::rootfs::empty_disk;
use lab::{Lab, RootFs};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use vch_shim::{Launch, Outcome};

use crate::world::{Shim, launch};

/// Beyond a boot: a child that waits for a file is given up after 30 s.
const WITHIN: Duration = Duration::from_secs(75);

/// What is put in a file's place.
#[derive(Clone, Copy, Debug)]
enum Trap {
    Pipe,
    Loop,
    Dir,
    File,
    Elsewhere,
}

fn set(trap: Trap, path: &Path) {
    let _ = fs::remove_file(path);
    let _ = fs::remove_dir_all(path);
    match trap {
        Trap::Pipe => mkfifo(path, Mode::S_IRWXU).unwrap(),
        Trap::Loop => symlink(path.file_name().unwrap(), path).unwrap(),
        Trap::Dir => fs::create_dir_all(path).unwrap(),
        Trap::File => fs::write(path, "x").unwrap(),
        Trap::Elsewhere => symlink("/../../../../etc", path).unwrap(),
    }
}

/// How a start of `sh -c "echo ran"` as `user` goes in a root with a trap.
fn start(sound: &Launch, lab: &Lab, at: &str, trap: Trap, user: &str) -> Outcome {
    let name = format!("{}-{trap:?}", at.replace('/', "-"));
    let disk: PathBuf = {
        let rootfs = RootFs::busybox(lab, &name).unwrap();
        set(trap, &lab.path(&name).join(at));
        rootfs.squashfs().unwrap()
    };
    let mut launch = sound.clone();
    launch.image_disk = disk;
    launch.writable_disk = lab.path(&format!("{name}.ext4"));
    empty_disk(&launch.writable_disk).unwrap();
    launch.dir = lab.path(&format!("{name}-container"));
    launch.start.process.user = user.to_owned();
    let began = Instant::now();
    let mut shim = Shim::start(lab, &launch);
    let outcome = shim.outcome();
    assert!(began.elapsed() < WITHIN, "{name}: {:?}", began.elapsed());
    println!("{name} {user:?}: {:?} {:?}", outcome.code, outcome.failure);
    if let Some(failure) = &outcome.failure {
        assert!(
            !["boot-timeout", "vm-died"].contains(&&*failure.code),
            "{name}: init does not answer any more: {failure:?}"
        );
    }
    outcome
}

#[test]
fn a_hostile_root_ends_its_own_start_and_never_holds_init_up() {
    let lab = Lab::of_vms("hostile-roots").unwrap();
    let sound = launch(&lab, &["/bin/sh", "-c", "echo ran"]);
    let start = |at, trap, user| start(&sound, &lab, at, trap, user);
    for trap in [Trap::Pipe, Trap::Loop, Trap::Dir] {
        // Names are unknown, numbers are what they are.
        let outcome = start("etc/passwd", trap, "www");
        let failure = outcome.failure.unwrap();
        assert_eq!((outcome.code, &*failure.code), (125, "user"), "{failure:?}");
    }
    let outcome = start("etc/group", Trap::Pipe, "33:34");
    assert_eq!((outcome.code, outcome.failure), (0, None));
    for (at, trap) in [
        ("dev", Trap::Pipe),
        ("dev", Trap::Loop),
        ("proc", Trap::File),
        ("sys", Trap::Pipe),
    ] {
        let outcome = start(at, trap, "");
        let failure = outcome.failure.unwrap();
        assert_eq!(outcome.code, 125, "{at} {trap:?}");
        assert!(failure.text.contains(&format!("/{at}")), "{failure:?}");
    }
    for trap in [Trap::Pipe, Trap::Dir] {
        let outcome = start("bin/sh", trap, "");
        let failure = outcome.failure.unwrap();
        assert_eq!(
            (outcome.code, &*failure.code),
            (126, "not-executable"),
            "{failure:?}"
        );
    }
    let outcome = start("bin/sh", Trap::Loop, "");
    assert!(matches!(outcome.code, 126 | 127), "{outcome:?}");
    // Within the container's own root it leads where it leads.
    start("dev", Trap::Elsewhere, "");
}
