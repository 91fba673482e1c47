//! Capabilities of a process (capabilities(7)).

#![expect(
    unsafe_code,
    reason = "capset(2) and PR_CAPBSET_DROP have no safe wrapper in nix"
)]

use nix::{errno::Errno, libc};

/// `_LINUX_CAPABILITY_VERSION_3` of linux/capability.h.
const VERSION: u32 = 0x2008_0522;
/// No kernel knows more.
const MOST: u8 = 63;
/// Every capability that the kernel has.
pub const ALL: u64 = u64::MAX;

#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Sets {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// Capabilities as bits.
pub fn bits(numbers: &[u8]) -> u64 {
    numbers
        .iter()
        .filter(|number| **number <= MOST)
        .fold(0, |bits, number| bits | 1 << number)
}

/// Nothing beyond these can ever be gained by an exec.
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

/// Has these, and no others.
pub fn have(bits: u64) -> Result<(), Errno> {
    let header = Header {
        version: VERSION,
        pid: 0,
    };
    #[expect(clippy::cast_possible_truncation, reason = "halves of 64 bits")]
    let halves = [bits as u32, (bits >> 32) as u32];
    let sets = halves.map(|half| Sets {
        effective: half,
        permitted: half,
        inheritable: 0,
    });
    // SAFETY: both are laid out as the kernel reads them, two sets of version 3.
    let done = unsafe { libc::syscall(libc::SYS_capset, &raw const header, sets.as_ptr()) };
    Errno::result(done).map(drop)
}
