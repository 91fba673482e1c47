//! The system calls that `vch-image` makes (seccomp(2)); all others answer EPERM.

use super::Needs;
use nix::errno::Errno;
use nix::libc;

/// `AUDIT_ARCH_X86_64` of linux/audit.h.
const X86_64: u32 = 0xc000_003e;
/// x32's calls have this bit (asm/unistd.h).
const X32: u32 = 0x4000_0000;
/// `CLONE_NEW*` of linux/sched.h: time, mount, cgroup, uts, ipc, user, pid, net.
const NAMESPACES: u32 = 0x7e02_0080;
/// The offsets of the low halves in `struct seccomp_data` (linux/seccomp.h).
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const FIRST_ARGUMENT: u32 = 16;
const SECOND_ARGUMENT: u32 = 24;

/// Memory, files, time, threads: what every job needs.
const ALL: &[libc::c_long] = &[
    libc::SYS_access,
    libc::SYS_arch_prctl,
    libc::SYS_brk,
    libc::SYS_chdir,
    libc::SYS_chmod,
    libc::SYS_clock_getres,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_close,
    libc::SYS_close_range,
    libc::SYS_copy_file_range,
    libc::SYS_dup,
    libc::SYS_dup2,
    libc::SYS_dup3,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_fadvise64,
    libc::SYS_fallocate,
    libc::SYS_fchmod,
    libc::SYS_fcntl,
    libc::SYS_fdatasync,
    libc::SYS_flock,
    libc::SYS_fstat,
    libc::SYS_fstatfs,
    libc::SYS_fsync,
    libc::SYS_ftruncate,
    libc::SYS_futex,
    libc::SYS_getcwd,
    libc::SYS_getdents64,
    libc::SYS_getegid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_getpriority,
    libc::SYS_getrandom,
    libc::SYS_getrlimit,
    libc::SYS_getrusage,
    libc::SYS_gettid,
    libc::SYS_gettimeofday,
    libc::SYS_getuid,
    libc::SYS_lseek,
    libc::SYS_lstat,
    libc::SYS_madvise,
    libc::SYS_membarrier,
    libc::SYS_mkdir,
    libc::SYS_mkdirat,
    libc::SYS_mmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_munmap,
    libc::SYS_nanosleep,
    libc::SYS_newfstatat,
    libc::SYS_open,
    libc::SYS_openat,
    libc::SYS_pipe,
    libc::SYS_pipe2,
    libc::SYS_poll,
    libc::SYS_ppoll,
    libc::SYS_prctl,
    libc::SYS_pread64,
    libc::SYS_preadv,
    libc::SYS_prlimit64,
    libc::SYS_pselect6,
    libc::SYS_pwrite64,
    libc::SYS_pwritev,
    libc::SYS_read,
    libc::SYS_readlink,
    libc::SYS_readlinkat,
    libc::SYS_readv,
    libc::SYS_rename,
    libc::SYS_renameat,
    libc::SYS_restart_syscall,
    libc::SYS_rmdir,
    libc::SYS_rseq,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigpending,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigsuspend,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_getparam,
    libc::SYS_sched_getscheduler,
    libc::SYS_sched_setaffinity,
    libc::SYS_sched_yield,
    libc::SYS_select,
    libc::SYS_sendfile,
    libc::SYS_set_robust_list,
    libc::SYS_set_tid_address,
    libc::SYS_setitimer,
    libc::SYS_sigaltstack,
    libc::SYS_splice,
    libc::SYS_stat,
    libc::SYS_statfs,
    libc::SYS_statx,
    libc::SYS_sysinfo,
    libc::SYS_tgkill,
    libc::SYS_times,
    libc::SYS_tkill,
    libc::SYS_umask,
    libc::SYS_uname,
    libc::SYS_unlink,
    libc::SYS_unlinkat,
    libc::SYS_write,
    libc::SYS_writev,
];
/// Starting `sqfstar`, and waiting for it.
const PROGRAMS: &[libc::c_long] = &[
    libc::SYS_execve,
    libc::SYS_fork,
    libc::SYS_kill,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_send_signal,
    libc::SYS_vfork,
    libc::SYS_wait4,
    libc::SYS_waitid,
];
/// Outgoing connections; no call that listens or accepts.
const NETWORK: &[libc::c_long] = &[
    libc::SYS_connect,
    libc::SYS_getpeername,
    libc::SYS_getsockname,
    libc::SYS_getsockopt,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_recvmmsg,
    libc::SYS_sendmmsg,
    libc::SYS_sendmsg,
    libc::SYS_sendto,
    libc::SYS_setsockopt,
    libc::SYS_shutdown,
];
/// The ioctls of files and sockets that are allowed (asm-generic/ioctls.h): FIONBIO, FIOCLEX, and the query whether
/// it is a terminal.
const CONTROLS: &[u32] = &[0x5401, 0x5413, 0x5421, 0x5451];

/// Installs the filter for this process and all of its later children.
///
/// # Errors
/// Returns the kernel's error if it refuses the filter.
pub(super) fn install(needs: Needs) -> Result<(), Errno> {
    Filter::new(needs).install()
}

struct Filter(Vec<libc::sock_filter>);

#[expect(
    clippy::cast_possible_truncation,
    reason = "BPF's codes have 16 bits, its calls 32"
)]
#[expect(
    clippy::cast_sign_loss,
    reason = "numbers of calls and errors are positive"
)]
impl Filter {
    fn new(needs: Needs) -> Self {
        let mut filter = Self(Vec::new());
        filter.load(ARCHITECTURE);
        filter.jump(libc::BPF_JEQ, X86_64, (1, 0));
        filter.answer(refuse(libc::EPERM));
        filter.load(NUMBER);
        filter.jump(libc::BPF_JGE, X32, (0, 1));
        filter.answer(refuse(libc::ENOSYS));
        for call in ALL {
            filter.when(*call as u32, libc::SECCOMP_RET_ALLOW);
        }
        // Its flags are out of sight; programs do with clone then.
        filter.when(libc::SYS_clone3 as u32, refuse(libc::ENOSYS));
        let more = match needs {
            Needs::Nothing => &[],
            Needs::Network => NETWORK,
            Needs::Programs => PROGRAMS,
        };
        for call in more {
            filter.when(*call as u32, libc::SECCOMP_RET_ALLOW);
        }
        filter.only(libc::SYS_ioctl, SECOND_ARGUMENT, CONTROLS, libc::ENOTTY);
        if needs == Needs::Network {
            let families = [libc::AF_INET as u32, libc::AF_INET6 as u32];
            filter.only(libc::SYS_socket, FIRST_ARGUMENT, &families, libc::EPERM);
        }
        filter.jump(libc::BPF_JEQ, libc::SYS_clone as u32, (0, 4));
        filter.load(FIRST_ARGUMENT);
        filter.jump(libc::BPF_JSET, NAMESPACES, (0, 1));
        filter.answer(refuse(libc::EPERM));
        filter.answer(libc::SECCOMP_RET_ALLOW);
        filter.answer(refuse(libc::EPERM));
        filter
    }

    /// Adds a call that is allowed with these values of an argument only.
    fn only(&mut self, call: libc::c_long, argument: u32, values: &[u32], errno: i32) {
        // Over the load, two instructions for each value, and the last answer.
        let rest = 2 * values.len() + 2;
        self.jump(libc::BPF_JEQ, call as u32, (0, rest as u8));
        self.load(argument);
        for value in values {
            self.when(*value, libc::SECCOMP_RET_ALLOW);
        }
        self.answer(refuse(errno));
    }

    #[expect(unsafe_code, reason = "PR_SET_SECCOMP has no safe wrapper in nix")]
    fn install(&mut self) -> Result<(), Errno> {
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
