//! Tests with real taps, in a network namespace of each test's own. They need root, as the shim
//! does.

use super::Tap;
use nix::{
    errno::Errno,
    sched::{CloneFlags, unshare},
};
use std::process::Command;

/// Moves the calling test's thread, and the processes that it starts, to a new network namespace that has these taps.
pub fn own_namespace_with(taps: &[&str]) {
    unshare(CloneFlags::CLONE_NEWNET).unwrap();
    for tap in taps {
        ip(&["tuntap", "add", "dev", tap, "mode", "tap", "vnet_hdr"]);
    }
}

fn ip(args: &[&str]) {
    let done = Command::new("ip").args(args).status().unwrap();
    assert!(done.success(), "ip {args:?}");
}

fn errno(error: &std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap())
}

#[test]
fn only_a_tap_that_is_there_and_free_is_opened() {
    own_namespace_with(&["vt-1"]);
    let missing = Tap::open("vt-2").unwrap_err();
    assert_eq!(errno(&missing), Errno::ENODEV);
    let too_long = Tap::open("vt-123456789012345").unwrap_err();
    assert!(
        matches!(errno(&too_long), Errno::ENODEV | Errno::EINVAL),
        "{too_long}"
    );
    let tap = Tap::open("vt-1").unwrap();
    let busy = Tap::open("vt-1").unwrap_err();
    assert_eq!(errno(&busy), Errno::EBUSY);
    // The duplicate holds it, too.
    let duplicate = tap.duplicate().unwrap();
    drop(tap);
    assert_eq!(errno(&Tap::open("vt-1").unwrap_err()), Errno::EBUSY);
    drop(duplicate);
    Tap::open("vt-1").unwrap();
}

#[test]
fn a_tap_that_was_made_anew_is_attached_again() {
    own_namespace_with(&["vt-1"]);
    let tap = Tap::open("vt-1").unwrap();
    tap.attach_again("vt-1").unwrap();
    ip(&["link", "delete", "vt-1"]);
    let gone = tap.attach_again("vt-1").unwrap_err();
    assert_eq!(errno(&gone), Errno::ENODEV);
    ip(&["tuntap", "add", "dev", "vt-1", "mode", "tap", "vnet_hdr"]);
    tap.attach_again("vt-1").unwrap();
    assert!(tap.stands("vt-1"));
    assert_eq!(errno(&Tap::open("vt-1").unwrap_err()), Errno::EBUSY);
    assert!(!tap.stands("vt-2"));
}
