//! Forks children into other namespaces.

#![expect(
    unsafe_code,
    reason = "fork is unsafe in general; this program has one thread"
)]

use nix::{errno::Errno, libc, unistd::Pid};

/// Forks. The child is in new namespaces of these kinds (`CLONE_NEW*` of linux/sched.h; 0 for none); with a new PID
/// namespace, it is the first process there. Returns the child's process ID, and `None` in the child.
///
/// # Errors
/// Returns EAGAIN if no process is left, ENOMEM if the PID namespace that children enter has ended.
pub fn fork(namespaces: i32) -> Result<Option<Pid>, Errno> {
    let flags = i64::from(namespaces | libc::SIGCHLD);
    // SAFETY: without a stack of its own the child goes on with a copy of this one, as after fork(2). There is
    // one thread, so no lock is held by another one.
    let child = unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) };
    let child = i32::try_from(Errno::result(child)?).unwrap_or(i32::MAX);
    Ok((child != 0).then(|| Pid::from_raw(child)))
}

/// Ends the calling child at once, without running exit handlers.
pub fn leave(code: i32) -> ! {
    // SAFETY: it does not come back.
    unsafe { libc::_exit(code) }
}
