use super::close_at_exec;
use std::{os::fd::AsRawFd, process::Command};

#[test]
fn a_descriptor_that_was_left_open_is_not_passed_on() {
    let (leaked, _other) = nix::unistd::pipe().unwrap();
    let file = format!("/proc/self/fd/{}", leaked.as_raw_fd());
    let passed_on = || {
        let mut test = Command::new("test");
        test.args(["-e", &file]).status().unwrap().success()
    };
    assert!(passed_on());
    close_at_exec().unwrap();
    assert!(!passed_on());
}
