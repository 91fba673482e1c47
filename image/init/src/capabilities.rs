//! Sets the capabilities of the calling process (capabilities(7)).

#![expect(
    unsafe_code,
    reason = "capset(2) and PR_CAPBSET_DROP have no safe wrapper in nix"
)]

use nix::{errno::Errno, libc};

/// `_LINUX_CAPABILITY_VERSION_3` of linux/capability.h.
const VERSION: u32 = 0x2008_0522;
/// The highest number that a capability can have.
const MOST: u8 = 63;

#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

/// The header of a request about the calling process.
static HEADER: Header = Header {
    version: VERSION,
    pid: 0,
};

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Sets {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// Converts the numbers of capabilities to a set of bits, bit N for capability N.
pub fn bits(numbers: &[u8]) -> u64 {
    numbers
        .iter()
        .filter(|number| **number <= MOST)
        .fold(0, |bits, number| bits | 1 << number)
}

/// Removes all capabilities except these from the bounding set of the calling process: no later
/// exec can gain them.
///
/// # Errors
/// Returns EPERM if the process lacks CAP_SETPCAP.
pub fn bound(bits: u64) -> Result<(), Errno> {
    for number in 0..=MOST {
        if bits & 1 << number != 0 {
            continue;
        }
        // SAFETY: no pointers.
        let done =
            unsafe { libc::prctl(libc::PR_CAPBSET_DROP, libc::c_ulong::from(number), 0, 0, 0) };
        match Errno::result(done) {
            // The kernel has no such capability.
            Ok(_) | Err(Errno::EINVAL) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Returns the permitted capabilities of the calling process.
///
/// # Errors
/// Returns EINVAL if the kernel does not know version 3 of these sets.
pub fn permitted() -> Result<u64, Errno> {
    let mut header = Header { ..HEADER };
    let mut sets = [Sets::default(); 2];
    // SAFETY: both are laid out as the kernel writes them, two sets of version 3.
    let done = unsafe { libc::syscall(libc::SYS_capget, &raw mut header, sets.as_mut_ptr()) };
    Errno::result(done)?;
    let [low, high] = sets.map(|set| u64::from(set.permitted));
    Ok(high << 32 | low)
}

/// Makes exactly these the permitted and effective capabilities of the calling process.
///
/// # Errors
/// Returns EPERM if the process lacks one of them.
pub fn have(bits: u64) -> Result<(), Errno> {
    #[expect(clippy::cast_possible_truncation, reason = "halves of 64 bits")]
    let halves = [bits as u32, (bits >> 32) as u32];
    let sets = halves.map(|half| Sets {
        effective: half,
        permitted: half,
        inheritable: 0,
    });
    // SAFETY: both are laid out as the kernel reads them, two sets of version 3.
    let done = unsafe { libc::syscall(libc::SYS_capset, &raw const HEADER, sets.as_ptr()) };
    Errno::result(done).map(drop)
}

#[cfg(test)]
mod tests;
