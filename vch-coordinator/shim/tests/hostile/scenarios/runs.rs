//! Whether a shim is alive, as another process sees it.

use crate::{
    wait::{SOON, run},
    world::World,
};
use std::{fs, path::Path};
use tokio::time::timeout;
use vch_shim::{Client, Liveness, Outcome, ShimProcess};

fn alive(world: &World) -> Option<u32> {
    match world.liveness() {
        Liveness::Alive(pid) => Some(pid),
        Liveness::Dead => None,
        Liveness::Unknown(error) => panic!("{error}"),
    }
}

/// The stand-in for QEMU: the shim's only child.
fn qemu(world: &World) -> u32 {
    let pid = world.pid();
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    children.trim().parse().unwrap()
}

fn runs(pid: u32) -> bool {
    // One that nobody has waited for yet is a zombie, and runs no more.
    let status = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !status.is_empty() && !status.contains(") Z ")
}

pub fn second() {
    let world = World::start("idle");
    run(async {
        world.started().await;
        assert_eq!(alive(&world), Some(world.pid()));
        let files = || {
            let entries = fs::read_dir(world.dir.path()).unwrap();
            let mut names: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
            names.sort();
            names
        };
        let before = (files(), fs::read(world.sockets().join("shim.pid")).unwrap());
        let (well, words) = world.again();
        assert!(!well);
        let number = format!("process {}", world.pid());
        assert!(words.contains(&number), "{words}");
        let after = (files(), fs::read(world.sockets().join("shim.pid")).unwrap());
        assert_eq!(before, after);
        assert!(runs(qemu(&world)));
        let stage = world.client().watch().await.unwrap().next().await.unwrap();
        assert_eq!(stage.ended, None);
        assert_eq!(alive(&world), Some(world.pid()));
    });
}

pub fn told() {
    let mut world = World::start("idle");
    run(async {
        world.started().await;
        let mut stages = world.client().watch().await.unwrap();
        world.client().kill().await.unwrap();
        let told = async {
            loop {
                if let Some(outcome) = stages.next().await.unwrap().ended {
                    return outcome;
                }
            }
        };
        let told = timeout(SOON, told).await.unwrap();
        // The process lives on for those that read; the container's next shim need not wait for it.
        assert_eq!(alive(&world), None);
        assert!(!world.sockets().exists());
        assert_eq!(Outcome::read(world.dir.path()).unwrap(), Some(told));
    });
    world.end();
    assert_eq!(alive(&world), None);
}

pub fn killed() {
    let mut world = World::start("idle");
    run(async {
        world.started().await;
        let qemu = qemu(&world);
        let process = world.process();
        assert_eq!(process.pid(), world.pid());
        process.kill().unwrap();
        timeout(SOON, process.ended()).await.unwrap().unwrap();
        assert!(!runs(qemu), "QEMU goes with its shim");
        assert_eq!(alive(&world), None);
        // It left its sockets, and no outcome.
        assert!(world.sockets().join("shim.pid").exists());
        assert_eq!(Outcome::read(world.dir.path()).unwrap(), None);
        // What has ended can't be killed again, nor opened.
        process.kill().unwrap();
        let opened = ShimProcess::open(world.dir.path(), &world.sockets());
        assert!(opened.unwrap().is_none());
    });
    world.end();
}

pub fn without_a_lock() {
    let mut world = World::start("idle");
    run(async {
        world.started().await;
        // As a shim of 0.1.0 runs: after one that had a lock, and after none.
        let lock = world.dir.path().join("shim.lock");
        for change in [replace, remove] {
            change(&lock);
            assert_eq!(alive(&world), Some(world.pid()));
            assert!(Client::at(world.sockets()).watch().await.is_ok());
            let (well, words) = world.again();
            assert!(!well, "it is found by the next shim: {words}");
        }
        let process = world.process();
        process.kill().unwrap();
        timeout(SOON, process.ended()).await.unwrap().unwrap();
        assert_eq!(alive(&world), None);
    });
    world.end();
}

/// A file that is not the one that is locked.
fn replace(lock: &Path) {
    remove(lock);
    fs::File::create(lock).unwrap();
}

fn remove(lock: &Path) {
    fs::remove_file(lock).unwrap();
}
