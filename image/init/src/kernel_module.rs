//! Inserts kernel modules.

use nix::libc;
use std::{ffi::CString, fs::File, io, os::fd::AsRawFd};

/// Inserts a kernel module into the kernel. Does nothing if the kernel has it already.
///
/// # Errors
/// Returns the kernel's error if the file is not a module of this kernel, or if a module that it
/// needs is missing.
#[expect(
    unsafe_code,
    reason = "finit_module(2) has no safe wrapper in nix's version"
)]
pub fn insert(module: &File) -> io::Result<()> {
    let parameters = CString::default();
    // SAFETY: the descriptor is open, and the parameters end with a zero.
    let done = unsafe {
        libc::syscall(
            libc::SYS_finit_module,
            module.as_raw_fd(),
            parameters.as_ptr(),
            0,
        )
    };
    match done {
        0 => Ok(()),
        _ => match io::Error::last_os_error() {
            error if error.raw_os_error() == Some(libc::EEXIST) => Ok(()),
            error => Err(error),
        },
    }
}
