//! The system calls that a process of the container may make (seccomp(2)): those of dockerd's default profile
//! (moby 28), by the container's capabilities as there. All others answer EPERM, and those that are newer than the
//! profile ENOSYS, as dockerd's runtime answers.
//!
//! Two answers are this project's own. An AF_VSOCK socket is refused in every way of making one. Calls of other
//! architectures (i386, x32) answer ENOSYS: i386's socketcall(2) hides its arguments from a filter, so that a
//! container could make such a socket by it.
//!
//! The program is made here and not by the crate `seccompiler` (0.5), which cannot make the same decisions. It knows one
//! answer for the calls that match and one for the others, where this profile has three (allow, EPERM, ENOSYS), and kills
//! a process that makes a call of another architecture. It compares a call with every number in turn, too: for Docker's
//! default capabilities 1,579 instructions, of which one call runs up to 626, where the search here has 159 and 12.

mod calls;

use calls::{ALWAYS, BY_CAPABILITY};
use nix::{errno::Errno, libc};

/// `AUDIT_ARCH_X86_64` of linux/audit.h.
const X86_64: u32 = 0xc000_003e;
/// `CLONE_NEW*` of linux/sched.h: mount, cgroup, uts, ipc, user, pid, net.
const NAMESPACES: u32 = 0x7e02_0000;
/// capabilities(7).
const SYS_ADMIN: u64 = 1 << 21;
/// The arguments that personality(2) may have: Linux, Linux of 32 bits, both with UNAME26, and what is set now.
const PERSONALITIES: [u32; 5] = [0, 0x8, 0x2_0000, 0x2_0008, 0xffff_ffff];

/// Offsets of the low halves in `struct seccomp_data` (linux/seccomp.h).
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const FIRST_ARGUMENT: u32 = 16;

/// The decision about a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Allow,
    Refuse(i32),
    /// But for AF_VSOCK.
    ByFamily,
    /// Unless it makes namespaces.
    ByNamespaces,
    ByPersonality,
}

/// Decides a call by its number, for a process of a container with these capabilities.
fn verdict(call: u32, capabilities: u64) -> Verdict {
    let number = libc::c_long::from(call);
    match number {
        libc::SYS_socket | libc::SYS_socketpair => return Verdict::ByFamily,
        libc::SYS_personality => return Verdict::ByPersonality,
        libc::SYS_clone if capabilities & SYS_ADMIN == 0 => return Verdict::ByNamespaces,
        libc::SYS_clone => return Verdict::Allow,
        _ => {}
    }
    let by_capability = BY_CAPABILITY
        .iter()
        .any(|(capability, calls)| capabilities & 1 << capability != 0 && calls.contains(&number));
    if by_capability || ALWAYS.contains(&number) {
        return Verdict::Allow;
    }
    // Programs that use clone3 do without it where it is not there; its arguments are out of a filter's sight.
    if number == libc::SYS_clone3 || call > last() {
        return Verdict::Refuse(libc::ENOSYS);
    }
    Verdict::Refuse(libc::EPERM)
}

/// Returns the newest call of the profile.
fn last() -> u32 {
    let by_capability = BY_CAPABILITY.iter().flat_map(|(_, calls)| *calls);
    let last = ALWAYS.iter().chain(by_capability).max();
    last.and_then(|last| u32::try_from(*last).ok()).unwrap_or(0)
}

/// A run of calls with one verdict: where it begins, and the verdict. It ends where the next one begins.
type Run = (u32, Verdict);

/// Returns the runs of all calls, in their order.
fn runs(capabilities: u64) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    // One beyond the last stands for all that are newer.
    for call in 0..=last() + 1 {
        let verdict = verdict(call, capabilities);
        if runs.last().is_none_or(|(_, before)| *before != verdict) {
            runs.push((call, verdict));
        }
    }
    runs
}

/// Instructions of classic BPF.
type Instructions = Vec<libc::sock_filter>;

/// A filter of the system calls of a process (seccomp(2)), with Docker's default profile.
pub struct Filter(Instructions);

impl Filter {
    /// Returns the filter for a process of a container with these capabilities, bit N for capability N.
    pub fn new(capabilities: u64) -> Self {
        let by_number = loaded(NUMBER, tree(&runs(capabilities)));
        let others = vec![answer(refuse(libc::ENOSYS))];
        let by_architecture = branch(libc::BPF_JEQ, X86_64, by_number, others);
        Self(loaded(ARCHITECTURE, by_architecture))
    }

    /// Installs the filter for the calling process and all of its later descendants.
    ///
    /// # Errors
    /// Returns EACCES if the process has neither PR_SET_NO_NEW_PRIVS nor CAP_SYS_ADMIN.
    #[expect(unsafe_code, reason = "PR_SET_SECCOMP has no safe wrapper in nix")]
    pub fn install(&mut self) -> Result<(), Errno> {
        let program = libc::sock_fprog {
            len: u16::try_from(self.0.len()).map_err(|_| Errno::E2BIG)?,
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
}

/// Returns a binary search for the run that a call is in.
fn tree(runs: &[Run]) -> Instructions {
    let [_, _, ..] = runs else {
        return runs
            .first()
            .map_or_else(Vec::new, |(_, verdict)| leaf(*verdict));
    };
    let (below, from) = runs.split_at(runs.len() / 2);
    let first = from.first().map_or(0, |(first, _)| *first);
    branch(libc::BPF_JGE, first, tree(from), tree(below))
}

/// Returns what answers a call with this verdict.
fn leaf(verdict: Verdict) -> Instructions {
    let allow = || vec![answer(libc::SECCOMP_RET_ALLOW)];
    let refused = || vec![answer(refuse(libc::EPERM))];
    let family = u32::try_from(libc::AF_VSOCK).unwrap_or(u32::MAX);
    let by_argument = |instructions| loaded(FIRST_ARGUMENT, instructions);
    match verdict {
        Verdict::Allow => allow(),
        Verdict::Refuse(errno) => vec![answer(refuse(errno))],
        Verdict::ByFamily => by_argument(branch(libc::BPF_JEQ, family, refused(), allow())),
        Verdict::ByNamespaces => {
            by_argument(branch(libc::BPF_JSET, NAMESPACES, refused(), allow()))
        }
        Verdict::ByPersonality => {
            let any = PERSONALITIES.iter().rev();
            by_argument(any.fold(refused(), |otherwise, persona| {
                branch(libc::BPF_JEQ, *persona, allow(), otherwise)
            }))
        }
    }
}

/// Returns a test of the loaded value, with `then` behind it where the test holds, and `otherwise` where not. Both end in
/// answers.
fn branch(test: u32, value: u32, mut then: Instructions, otherwise: Instructions) -> Instructions {
    let length = then.len();
    match u8::try_from(length) {
        Ok(distance) => then.insert(0, jump(test, value, 0, distance)),
        // A conditional jump goes 255 instructions far, an unconditional one any way.
        Err(_) => {
            then.insert(0, always(length));
            then.insert(0, jump(test, value, 1, 0));
        }
    }
    then.extend(otherwise);
    then
}

/// Returns the load of a word, with what looks at it behind it.
fn loaded(offset: u32, mut instructions: Instructions) -> Instructions {
    instructions.insert(0, load(offset));
    instructions
}

fn load(offset: u32) -> libc::sock_filter {
    instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset, 0, 0)
}

fn jump(test: u32, value: u32, then: u8, otherwise: u8) -> libc::sock_filter {
    instruction(libc::BPF_JMP | test | libc::BPF_K, value, then, otherwise)
}

fn always(distance: usize) -> libc::sock_filter {
    let distance = u32::try_from(distance).unwrap_or(u32::MAX);
    instruction(libc::BPF_JMP | libc::BPF_JA, distance, 0, 0)
}

fn answer(value: u32) -> libc::sock_filter {
    instruction(libc::BPF_RET | libc::BPF_K, value, 0, 0)
}

#[expect(clippy::cast_possible_truncation, reason = "BPF's codes have 16 bits")]
fn instruction(code: u32, k: u32, jt: u8, jf: u8) -> libc::sock_filter {
    libc::sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    }
}

#[expect(clippy::cast_sign_loss, reason = "errors are positive")]
fn refuse(errno: i32) -> u32 {
    libc::SECCOMP_RET_ERRNO | errno as u32
}

#[cfg(test)]
mod tests;
