//! Tests of the filter, run by an interpreter of the part of classic BPF that it uses (the kernel's
//! `networking/filter`).

use super::{
    ALWAYS, BY_CAPABILITY, Filter, PERSONALITIES, SYS_ADMIN, Verdict, X86_64, last, refuse, verdict,
};
use nix::libc;

const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
/// Docker's default capabilities.
const DEFAULT: u64 = 0xa804_25fb;
/// Beyond the newest call of any kernel that is known.
const BEYOND: u32 = 600;
/// x32's calls have this bit (asm/unistd.h).
const X32: u32 = 0x4000_0000;
/// `AUDIT_ARCH_I386` of linux/audit.h.
const I386: u32 = 0x4000_0003;

/// Returns the filter's answer to a call with this first argument.
fn answer(filter: &Filter, architecture: u32, call: u32, argument: u64) -> u32 {
    let mut accumulator = 0;
    let mut at = 0;
    for _ in 0..filter.0.len() {
        let step = filter.0[at];
        at += 1;
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
            // BPF_JMP | BPF_JA
            0x05 => at += usize::try_from(step.k).unwrap(),
            code => {
                let holds = match code {
                    0x15 => accumulator == step.k,
                    0x35 => accumulator >= step.k,
                    0x45 => accumulator & step.k != 0,
                    other => panic!("code {other:#x}"),
                };
                at += usize::from(if holds { step.jt } else { step.jf });
            }
        }
    }
    panic!("it does not end");
}

fn of(filter: &Filter, call: libc::c_long, argument: u64) -> u32 {
    answer(filter, X86_64, u32::try_from(call).unwrap(), argument)
}

/// Returns sets of capabilities: none, Docker's default, each alone, all.
fn capability_sets() -> Vec<u64> {
    let mut sets = vec![0, DEFAULT, u64::MAX];
    sets.extend((0..=40).map(|capability| 1 << capability));
    sets
}

#[test]
fn the_program_answers_each_call_as_the_table_says() {
    for capabilities in capability_sets() {
        let filter = Filter::new(capabilities);
        assert!(filter.0.len() < 4096, "BPF_MAXINSNS of linux/bpf_common.h");
        for call in 0..BEYOND {
            let expected = match verdict(call, capabilities) {
                // Of an argument that no condition refuses.
                Verdict::Refuse(errno) => refuse(errno),
                _ => ALLOW,
            };
            let answered = answer(&filter, X86_64, call, 0);
            assert_eq!(
                answered, expected,
                "call {call}, capabilities {capabilities:#x}"
            );
        }
    }
}

#[test]
fn each_argument_is_answered_as_its_condition_says() {
    // Around each value that a condition knows, each single bit, and the high half, which the kernel does not look at.
    let known = PERSONALITIES.iter().copied().chain([40, 17, 0x7e02_0000]);
    let bits = (0..32).map(|bit| 1 << bit);
    let low: Vec<u32> = known
        .chain(bits)
        .flat_map(|value: u32| [value.wrapping_sub(1), value, value.wrapping_add(1)])
        .collect();
    let arguments: Vec<u64> = low
        .iter()
        .flat_map(|low| {
            [
                u64::from(*low),
                u64::from(*low) | 1 << 32,
                u64::from(*low) | 1 << 63,
            ]
        })
        .collect();
    for capabilities in capability_sets() {
        let filter = Filter::new(capabilities);
        for call in 0..BEYOND {
            let verdict = verdict(call, capabilities);
            let constant = matches!(verdict, Verdict::Allow | Verdict::Refuse(_));
            for argument in arguments.iter().take(if constant { 3 } else { usize::MAX }) {
                let low = u32::try_from(argument & 0xffff_ffff).unwrap();
                let refused = match verdict {
                    Verdict::Allow => None,
                    Verdict::Refuse(errno) => Some(errno),
                    Verdict::ByFamily => (low == 40).then_some(libc::EPERM),
                    Verdict::ByNamespaces => (low & 0x7e02_0000 != 0).then_some(libc::EPERM),
                    Verdict::ByPersonality => {
                        (!PERSONALITIES.contains(&low)).then_some(libc::EPERM)
                    }
                };
                let answered = answer(&filter, X86_64, call, *argument);
                let expected = refused.map_or(ALLOW, refuse);
                assert_eq!(answered, expected, "call {call} of {argument:#x}");
            }
        }
    }
}

#[test]
fn without_capabilities_calls_of_the_kernel_as_a_whole_are_refused() {
    let filter = Filter::new(DEFAULT);
    for call in [
        libc::SYS_acct,
        libc::SYS_add_key,
        libc::SYS_bpf,
        libc::SYS_clock_settime,
        libc::SYS_delete_module,
        libc::SYS_fanotify_init,
        libc::SYS_finit_module,
        libc::SYS_fsopen,
        libc::SYS_get_mempolicy,
        libc::SYS_init_module,
        libc::SYS_io_uring_setup,
        libc::SYS_ioperm,
        libc::SYS_iopl,
        libc::SYS_kcmp,
        libc::SYS_kexec_load,
        libc::SYS_keyctl,
        libc::SYS_lookup_dcookie,
        libc::SYS_mbind,
        libc::SYS_mount,
        libc::SYS_move_pages,
        libc::SYS_nfsservctl,
        libc::SYS_open_by_handle_at,
        libc::SYS_perf_event_open,
        libc::SYS_pidfd_getfd,
        libc::SYS_pivot_root,
        libc::SYS_process_madvise,
        libc::SYS_quotactl,
        libc::SYS_reboot,
        libc::SYS_request_key,
        libc::SYS_set_mempolicy,
        libc::SYS_setns,
        libc::SYS_settimeofday,
        libc::SYS_swapoff,
        libc::SYS_swapon,
        libc::SYS_sysfs,
        libc::SYS_syslog,
        libc::SYS_umount2,
        libc::SYS_unshare,
        libc::SYS_uselib,
        libc::SYS_userfaultfd,
        libc::SYS_ustat,
        libc::SYS_vhangup,
        libc::SYS__sysctl,
    ] {
        assert_eq!(of(&filter, call, 0), refuse(libc::EPERM), "call {call}");
    }
    for call in [
        libc::SYS_read,
        libc::SYS_execve,
        libc::SYS_setuid,
        libc::SYS_capset,
        libc::SYS_chroot,
        libc::SYS_ptrace,
        libc::SYS_process_vm_readv,
        libc::SYS_statx,
        libc::SYS_landlock_create_ruleset,
    ] {
        assert_eq!(of(&filter, call, 0), ALLOW, "call {call}");
    }
    for call in [libc::SYS_clone3, 467, 500] {
        assert_eq!(of(&filter, call, 0), refuse(libc::ENOSYS), "call {call}");
    }
}

#[test]
fn a_capability_brings_its_calls_and_no_others() {
    for (capability, calls) in BY_CAPABILITY {
        let filter = Filter::new(1 << capability);
        for (_, others) in BY_CAPABILITY {
            for call in *others {
                let expected = if calls.contains(call) {
                    ALLOW
                } else if *call == libc::SYS_clone3 {
                    refuse(libc::ENOSYS)
                } else {
                    refuse(libc::EPERM)
                };
                assert_eq!(
                    of(&filter, *call, 0),
                    expected,
                    "call {call} of {capability}"
                );
            }
        }
    }
    // Not even with all of them: nothing of the profile names it.
    let filter = Filter::new(u64::MAX);
    for call in [libc::SYS_kexec_load, libc::SYS_keyctl, libc::SYS_swapon] {
        assert_eq!(of(&filter, call, 0), refuse(libc::EPERM), "call {call}");
    }
}

#[test]
fn the_table_names_each_call_once() {
    let mut all = ALWAYS.to_vec();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), ALWAYS.len());
    for (capability, calls) in BY_CAPABILITY {
        for call in *calls {
            assert!(!ALWAYS.contains(call), "call {call} of {capability}");
        }
    }
    assert_eq!(last(), 466, "removexattrat");
}

#[test]
fn no_vsock_socket_is_made_whatever_the_capabilities() {
    for capabilities in capability_sets() {
        let filter = Filter::new(capabilities);
        for call in [libc::SYS_socket, libc::SYS_socketpair] {
            for family in 0..50 {
                let expected = if family == 40 {
                    refuse(libc::EPERM)
                } else {
                    ALLOW
                };
                assert_eq!(of(&filter, call, family), expected, "family {family}");
            }
            // The kernel looks at the low half alone.
            assert_eq!(of(&filter, call, 40 | 1 << 32), refuse(libc::EPERM));
        }
        assert_eq!(
            of(&filter, libc::SYS_io_uring_setup, 0),
            refuse(libc::EPERM),
            "it makes sockets that a filter does not see"
        );
    }
}

#[test]
fn calls_of_other_architectures_are_not_there() {
    for capabilities in capability_sets() {
        let filter = Filter::new(capabilities);
        for call in 0..BEYOND {
            let i386 = answer(&filter, I386, call, 0);
            assert_eq!(i386, refuse(libc::ENOSYS), "i386 {call}");
            let x32 = answer(&filter, X86_64, X32 | call, 0);
            assert_eq!(x32, refuse(libc::ENOSYS), "x32 {call}");
        }
    }
}

#[test]
fn namespaces_are_made_by_an_administrator_alone() {
    let (plain, administrator) = (Filter::new(DEFAULT), Filter::new(SYS_ADMIN));
    for flag in [
        0x2_0000,
        0x200_0000,
        0x400_0000,
        0x800_0000,
        0x1000_0000,
        0x2000_0000,
        0x4000_0000,
    ] {
        let clone = |filter| of(filter, libc::SYS_clone, flag | 17);
        assert_eq!(clone(&plain), refuse(libc::EPERM), "{flag:#x}");
        assert_eq!(clone(&administrator), ALLOW, "{flag:#x}");
    }
    // A thread, as the C library makes one; fork.
    for flags in [0x3d_0f00, 0x0120_0011] {
        assert_eq!(of(&plain, libc::SYS_clone, flags), ALLOW, "{flags:#x}");
    }
}

#[test]
fn a_process_may_be_linux_of_32_bits_and_nothing_else() {
    let filter = Filter::new(u64::MAX);
    for persona in PERSONALITIES {
        let asked = of(&filter, libc::SYS_personality, persona.into());
        assert_eq!(asked, ALLOW, "{persona:#x}");
    }
    // ADDR_NO_RANDOMIZE, READ_IMPLIES_EXEC, BSD.
    for persona in [0x4_0000, 0x40_0000, 0x6] {
        let asked = of(&filter, libc::SYS_personality, persona);
        assert_eq!(asked, refuse(libc::EPERM), "{persona:#x}");
    }
}
