//! System calls that a process of the container can't make (seccomp(2)).
//!
//! The first reason is the agent's channel: no AF_VSOCK socket, by no way of making one. The others are
//! Docker's: what is not confined by namespaces, and what no container needs. Each answers EPERM, or
//! ENOSYS where programs have another way then.

use nix::{errno::Errno, libc};

/// `AUDIT_ARCH_X86_64` of linux/audit.h.
const X86_64: u32 = 0xc000_003e;
/// x32's calls have this bit (asm/unistd.h).
const X32: u32 = 0x4000_0000;
/// `CLONE_NEW*` of linux/sched.h: mount, cgroup, uts, ipc, user, pid, net.
const NAMESPACES: u32 = 0x7e02_0000;
/// capabilities(7).
const SYS_ADMIN: u64 = 1 << 21;

/// Where in `struct seccomp_data` (linux/seccomp.h) the low halves are.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const FIRST_ARGUMENT: u32 = 16;

/// What nobody may.
const REFUSED: &[libc::c_long] = &[
    libc::SYS_acct,
    libc::SYS_add_key,
    libc::SYS_delete_module,
    libc::SYS_finit_module,
    libc::SYS_init_module,
    libc::SYS_ioperm,
    libc::SYS_iopl,
    libc::SYS_kexec_file_load,
    libc::SYS_kexec_load,
    libc::SYS_keyctl,
    libc::SYS_open_by_handle_at,
    libc::SYS_quotactl,
    libc::SYS_reboot,
    libc::SYS_request_key,
    libc::SYS_swapoff,
    libc::SYS_swapon,
    libc::SYS_userfaultfd,
];
/// What only CAP_SYS_ADMIN may.
const ADMINISTRATION: &[libc::c_long] = &[
    libc::SYS_bpf,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fsopen,
    libc::SYS_fspick,
    libc::SYS_mount,
    libc::SYS_mount_setattr,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_perf_event_open,
    libc::SYS_pivot_root,
    libc::SYS_setns,
    libc::SYS_umount2,
    libc::SYS_unshare,
];
/// What programs do without where it is not there. io_uring makes sockets that this filter does not see;
/// clone3's arguments are out of its sight.
const ABSENT: &[libc::c_long] = &[
    libc::SYS_clone3,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_io_uring_setup,
];

/// A filter for a process with these capabilities.
pub struct Filter(Vec<libc::sock_filter>);

#[expect(
    clippy::cast_possible_truncation,
    reason = "BPF's codes have 16 bits, its calls 32"
)]
#[expect(
    clippy::cast_sign_loss,
    reason = "numbers of calls and errors are positive"
)]
impl Filter {
    pub fn new(capabilities: u64) -> Self {
        let mut filter = Self(Vec::new());
        filter.load(ARCHITECTURE);
        filter.unless(X86_64, refuse(libc::ENOSYS));
        filter.load(NUMBER);
        filter.jump(libc::BPF_JGE, X32, (0, 1));
        filter.answer(refuse(libc::ENOSYS));
        for call in REFUSED {
            filter.when(*call as u32, refuse(libc::EPERM));
        }
        for call in ABSENT {
            filter.when(*call as u32, refuse(libc::ENOSYS));
        }
        for call in [libc::SYS_socket, libc::SYS_socketpair] {
            // Skips what follows, the number's reload included, for any other call.
            filter.jump(libc::BPF_JEQ, call as u32, (0, 4));
            filter.load(FIRST_ARGUMENT);
            filter.jump(libc::BPF_JEQ, libc::AF_VSOCK as u32, (0, 1));
            filter.answer(refuse(libc::EPERM));
            filter.answer(libc::SECCOMP_RET_ALLOW);
        }
        if capabilities & SYS_ADMIN == 0 {
            for call in ADMINISTRATION {
                filter.when(*call as u32, refuse(libc::EPERM));
            }
            filter.jump(libc::BPF_JEQ, libc::SYS_clone as u32, (0, 4));
            filter.load(FIRST_ARGUMENT);
            filter.jump(libc::BPF_JSET, NAMESPACES, (0, 1));
            filter.answer(refuse(libc::EPERM));
            filter.answer(libc::SECCOMP_RET_ALLOW);
        }
        filter.answer(libc::SECCOMP_RET_ALLOW);
        filter
    }

    /// From now on, for this process and all that come of it.
    #[expect(unsafe_code, reason = "PR_SET_SECCOMP has no safe wrapper in nix")]
    pub fn install(&mut self) -> Result<(), Errno> {
        let program = libc::sock_fprog {
            len: self.0.len() as u16,
            filter: self.0.as_mut_ptr(),
        };
        // SAFETY: the program lives through the call.
        let done = unsafe {
            libc::prctl(
                libc::PR_SET_SECCOMP,
                libc::SECCOMP_MODE_FILTER,
                &raw const program,
            )
        };
        Errno::result(done).map(drop)
    }

    fn load(&mut self, offset: u32) {
        self.push(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset, (0, 0));
    }

    fn jump(&mut self, test: u32, value: u32, (then, otherwise): (u8, u8)) {
        self.push(libc::BPF_JMP | test | libc::BPF_K, value, (then, otherwise));
    }

    fn answer(&mut self, value: u32) {
        self.push(libc::BPF_RET | libc::BPF_K, value, (0, 0));
    }

    fn when(&mut self, value: u32, answer: u32) {
        self.jump(libc::BPF_JEQ, value, (0, 1));
        self.answer(answer);
    }

    fn unless(&mut self, value: u32, answer: u32) {
        self.jump(libc::BPF_JEQ, value, (1, 0));
        self.answer(answer);
    }

    fn push(&mut self, code: u32, k: u32, (jt, jf): (u8, u8)) {
        self.0.push(libc::sock_filter {
            code: code as u16,
            jt,
            jf,
            k,
        });
    }
}

#[expect(clippy::cast_sign_loss, reason = "errors are positive")]
fn refuse(errno: i32) -> u32 {
    libc::SECCOMP_RET_ERRNO | errno as u32
}

#[cfg(test)]
mod tests;
