//! The filter, run by a small machine for what it uses of classic BPF (the kernel's `networking/filter`).

use super::{ABSENT, ADMINISTRATION, Filter, REFUSED, SYS_ADMIN, X32, X86_64, refuse};
use nix::libc;

/// What the filter answers to a call with this first argument.
fn answer(filter: &Filter, architecture: u32, call: u32, argument: u64) -> u32 {
    let mut accumulator = 0;
    let mut place = 0;
    for _ in 0..10_000 {
        let step = filter.0[place];
        place += 1;
        match u32::from(step.code) {
            // BPF_LD | BPF_W | BPF_ABS
            0x20 => {
                accumulator = match step.k {
                    0 => call,
                    4 => architecture,
                    16 => u32::try_from(argument & 0xffff_ffff).unwrap(),
                    other => panic!("offset {other}"),
                };
            }
            // BPF_RET | BPF_K
            0x06 => return step.k,
            code => {
                let holds = match code {
                    0x15 => accumulator == step.k,
                    0x35 => accumulator >= step.k,
                    0x45 => accumulator & step.k != 0,
                    other => panic!("code {other:#x}"),
                };
                place += usize::from(if holds { step.jt } else { step.jf });
            }
        }
    }
    panic!("it does not end");
}

fn of(filter: &Filter, call: libc::c_long, argument: u64) -> u32 {
    answer(filter, X86_64, u32::try_from(call).unwrap(), argument)
}

#[test]
fn no_vsock_socket_is_made_whatever_the_capabilities() {
    for capabilities in [0, SYS_ADMIN, u64::MAX] {
        let filter = Filter::new(capabilities);
        for call in [libc::SYS_socket, libc::SYS_socketpair] {
            for family in 0..46 {
                let expected = if family == 40 {
                    refuse(libc::EPERM)
                } else {
                    libc::SECCOMP_RET_ALLOW
                };
                assert_eq!(of(&filter, call, family), expected, "family {family}");
            }
            // The kernel looks at the low half alone.
            assert_eq!(of(&filter, call, 40 | 1 << 32), refuse(libc::EPERM));
        }
        for call in ABSENT {
            assert_eq!(of(&filter, *call, 0), refuse(libc::ENOSYS), "call {call}");
        }
        for call in REFUSED {
            assert_eq!(of(&filter, *call, 0), refuse(libc::EPERM), "call {call}");
        }
    }
}

#[test]
fn other_ways_into_the_kernel_are_shut() {
    let filter = Filter::new(u64::MAX);
    // i386 (AUDIT_ARCH_I386) and x32 number their calls otherwise.
    for call in 0..500 {
        let i386 = answer(&filter, 0x4000_0003, call, 0);
        assert_eq!(i386, refuse(libc::ENOSYS), "i386 {call}");
        let x32 = answer(&filter, X86_64, X32 | call, 0);
        assert_eq!(x32, refuse(libc::ENOSYS), "x32 {call}");
    }
}

#[test]
fn namespaces_and_mounts_are_an_administrator_s() {
    let (plain, administrator) = (Filter::new(0), Filter::new(SYS_ADMIN));
    for call in ADMINISTRATION {
        assert_eq!(of(&plain, *call, 0), refuse(libc::EPERM), "call {call}");
        assert_eq!(
            of(&administrator, *call, 0),
            libc::SECCOMP_RET_ALLOW,
            "call {call}"
        );
    }
    for flag in [
        0x2_0000,
        0x200_0000,
        0x400_0000,
        0x800_0000,
        0x1000_0000,
        0x2000_0000,
        0x4000_0000,
    ] {
        assert_eq!(
            of(&plain, libc::SYS_clone, flag | 17),
            refuse(libc::EPERM),
            "{flag:#x}"
        );
        assert_eq!(
            of(&administrator, libc::SYS_clone, flag | 17),
            libc::SECCOMP_RET_ALLOW
        );
    }
    // A thread, as the C library makes one; fork.
    for flags in [0x3d_0f00, 0x0120_0011] {
        assert_eq!(
            of(&plain, libc::SYS_clone, flags),
            libc::SECCOMP_RET_ALLOW,
            "{flags:#x}"
        );
    }
    for call in [
        libc::SYS_read,
        libc::SYS_execve,
        libc::SYS_setuid,
        libc::SYS_capset,
        libc::SYS_ptrace,
    ] {
        assert_eq!(of(&plain, call, 0), libc::SECCOMP_RET_ALLOW, "call {call}");
    }
}
