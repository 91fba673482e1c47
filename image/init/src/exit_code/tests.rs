use super::exit_code;
use nix::{
    sys::{signal::Signal, wait::WaitStatus},
    unistd::Pid,
};

#[test]
fn a_status_is_a_number_as_shells_have_it() {
    let pid = Pid::from_raw(7);
    for (status, code) in [
        (WaitStatus::Exited(pid, 0), 0),
        (WaitStatus::Exited(pid, 3), 3),
        (WaitStatus::Exited(pid, 256), 255),
        (WaitStatus::Signaled(pid, Signal::SIGKILL, false), 137),
        (WaitStatus::Signaled(pid, Signal::SIGSEGV, true), 139),
        (WaitStatus::StillAlive, 0),
    ] {
        assert_eq!(exit_code(status), code, "{status:?}");
    }
}
