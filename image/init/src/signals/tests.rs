use super::{end_after, send};
use crate::{
    fork::{fork, leave},
    guest_lab::in_guest,
};
use nix::{
    errno::Errno,
    sys::{
        signal::Signal,
        wait::{WaitStatus, waitpid},
    },
    unistd::{Pid, pause},
};

#[test]
fn a_signal_that_is_none_is_not_sent() {
    let own = Pid::this();
    for number in [-1, 0, 65, 255] {
        assert_eq!(send(own, number), Err(Errno::EINVAL), "{number}");
    }
    assert_eq!(send(Pid::from_raw(i32::MAX), 1), Err(Errno::ESRCH));
}

#[test]
fn a_process_that_takes_too_long_ends() {
    in_guest("signals::tests::a_process_that_takes_too_long_ends", || {
        let Some(child) = fork(0).unwrap() else {
            end_after(1);
            pause();
            leave(0)
        };
        let ended = WaitStatus::Signaled(child, Signal::SIGALRM, false);
        assert_eq!(waitpid(child, None), Ok(ended));
    });
}
