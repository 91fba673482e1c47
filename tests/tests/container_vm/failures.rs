//! Containers that do not run: each has its reason, and leaves nothing behind.

use std::fs;

use lab::Lab;
use vch_shim::{Launch, Outcome};

use crate::world::{Shim, launch};

fn failed(lab: &Lab, launch: &Launch) -> (Outcome, String, String) {
    let mut shim = Shim::start(lab, launch);
    let outcome = shim.outcome();
    let failure = outcome.failure.clone().unwrap();
    println!("{}: {}", failure.code, failure.text);
    assert_eq!(outcome.started_ms, 0);
    (outcome, failure.code, failure.text)
}

#[test]
fn what_can_t_be_started_says_why() {
    let lab = Lab::of_vms("failures").unwrap();
    let sound = launch(&lab, &["true"]);
    let with = |change: &dyn Fn(&mut Launch)| {
        let mut launch = sound.clone();
        change(&mut launch);
        failed(&lab, &launch)
    };

    let (_, code, text) = with(&|launch| launch.kernel = "/nowhere/vmlinux".into());
    assert_eq!(code, "vm-not-started");
    assert!(text.contains("cannot open /nowhere/vmlinux"), "{text}");

    let (_, code, text) = with(&|launch| launch.program = "/nowhere/qemu".into());
    assert_eq!(code, "vm-not-started");
    assert!(
        text.contains("install the Debian package qemu-system-x86"),
        "{text}"
    );

    let (_, code, text) = with(&|launch| launch.memory_mib = 1 << 20);
    assert!(
        code == "vm-died" && text.contains("memory"),
        "{code}: {text}"
    );

    // A kernel that finds no init dies at boot.
    let nothing = lab.path("empty.cpio");
    fs::write(&nothing, [0; 512]).unwrap();
    let (_, code, text) = with(&|launch| launch.initramfs.clone_from(&nothing));
    assert_eq!(code, "vm-died");
    assert!(text.contains("panic"), "{text}");

    let (outcome, code, _) = with(&|launch| launch.start.process.args = vec!["nosuch".to_owned()]);
    assert_eq!((outcome.code, &*code), (127, "not-found"));

    // An image that is none.
    let broken = lab.path("broken.squashfs");
    fs::write(&broken, vec![0x55; 1 << 16]).unwrap();
    let (_, code, text) = with(&|launch| launch.image_disk.clone_from(&broken));
    assert_eq!(code, "root-file-system");
    assert!(text.contains("cannot mount the image"), "{text}");
}

#[test]
fn an_agent_that_never_has_a_network_and_a_vm_that_never_answers_are_told() {
    let lab = Lab::of_vms("silent").unwrap();
    let mut launch = launch(&lab, &["true"]);
    launch.initramfs = lab::paths::vm_image().unwrap().initramfs;
    launch.start.network_deadline_ms = 1_000;
    let (_, code, text) = failed(&lab, &launch);
    assert_eq!(code, "network");
    assert!(text.contains("after 1000 ms"), "{text}");

    launch.boot_deadline_ms = 500;
    let (_, code, text) = failed(&lab, &launch);
    assert_eq!(code, "boot-timeout");
    assert!(text.contains("within 500ms"), "{text}");
}
