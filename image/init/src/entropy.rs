//! Seeds the kernel's random numbers (random(4)).

use nix::libc;
use std::{fs::File, os::fd::AsRawFd};

/// `struct rand_pool_info` of linux/random.h, with its bytes.
#[repr(C)]
struct Entropy {
    bits: libc::c_int,
    bytes: libc::c_int,
    seed: [u8; 32],
}

/// Mixes random bytes from the host into the guest kernel's random numbers, and makes the kernel use them at once.
/// Clones of one saved VM then differ. A failure is logged.
#[expect(
    unsafe_code,
    reason = "RNDADDENTROPY and RNDRESEEDCRNG (linux/random.h) have no safe wrapper"
)]
pub fn reseed(seed: &[u8; 32]) {
    nix::ioctl_write_ptr_bad!(
        add_entropy,
        nix::request_code_write!(b'R', 0x03, 2 * size_of::<libc::c_int>()),
        Entropy
    );
    nix::ioctl_none_bad!(reseed_crng, nix::request_code_none!(b'R', 0x07));
    let done = File::options()
        .write(true)
        .open("/dev/random")
        .and_then(|random| {
            let entropy = Entropy {
                bits: 256,
                bytes: 32,
                seed: *seed,
            };
            // SAFETY: the kernel reads the two counts, and as many bytes behind them as the second says.
            unsafe { add_entropy(random.as_raw_fd(), &raw const entropy) }?;
            // SAFETY: no argument.
            unsafe { reseed_crng(random.as_raw_fd()) }?;
            Ok(())
        });
    if let Err(error) = done {
        eprintln!("init: random numbers are not seeded: {error}");
    }
}
