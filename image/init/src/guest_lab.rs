//! A guest's environment for a test: a process of one test, in namespaces of its own, whose root is a copy of the
//! machine's that is dropped at the end.
//!
//! The test may mount, fork, reap, name devices and set kernel parameters of the namespaces as init does. The machine's
//! clock and modules are out of its reach: a filter refuses those system calls.

mod disks;
mod eventually;
mod shim;

pub use disks::Disks;
pub use eventually::eventually;
pub use shim::Shim;

use crate::fork::leave;
use nix::{
    errno::Errno,
    libc,
    mount::{MntFlags, MsFlags, mount, umount2},
    sched::{CloneFlags, unshare},
    sys::wait::{WaitStatus, waitpid},
    unistd::{ForkResult, chdir, fork, pivot_root},
};
use std::{
    env, fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

/// Set in the process of one test: the directory that its root is made in.
const ROOT: &str = "CONTAINER_INIT_TEST_ROOT";
/// Set there, too: the cgroup that becomes the root of its cgroup namespace.
const CGROUP: &str = "CONTAINER_INIT_TEST_CGROUP";
/// Seconds after which a test is killed.
const SECONDS: &str = "120";
const SOON: Duration = Duration::from_secs(20);

/// Runs a test as if it were in a guest: starts this test's own program anew, in new namespaces and with a root of its
/// own, and runs `test` there in a child with one thread. Must be called first in a test function, which then runs in
/// both processes; the outer one only waits. Panics with the inner output if the test fails there or takes more than
/// 120 s.
pub fn in_guest(test: impl FnOnce()) {
    if let (Some(root), Some(cgroup)) = (env::var_os(ROOT), env::var_os(CGROUP)) {
        enter(Path::new(&root), Path::new(&cgroup));
        return alone(test);
    }
    // The harness names each test's thread by the test.
    let thread = std::thread::current();
    let name = thread.name().unwrap();
    let root = tempfile::tempdir().unwrap();
    let cgroup = Cgroup::new(root.path());
    let output = Command::new("timeout")
        .args([
            "--kill-after=1",
            SECONDS,
            "unshare",
            "--mount",
            "--net",
            "--uts",
            "--ipc",
        ])
        .args(["--pid", "--fork", "--kill-child"])
        .arg(env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env(ROOT, root.path())
        .env(CGROUP, &cgroup.0)
        .output()
        .unwrap();
    let [told, complained] =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(
        output.status.success() && told.contains("1 passed"),
        "{name}: {}\n{told}\n{complained}",
        output.status
    );
}

/// Runs a test in a child that has one thread, as init has; the harness runs tests in threads beside its own.
#[expect(unsafe_code, reason = "fork is unsafe in general")]
fn alone(test: impl FnOnce()) {
    // SAFETY: the harness's other thread waits for this one, and holds no lock of what the child uses.
    match unsafe { fork() }.unwrap() {
        ForkResult::Child => {
            let passed = catch_unwind(AssertUnwindSafe(test)).is_ok();
            leave(i32::from(!passed))
        }
        ForkResult::Parent { child } => {
            assert_eq!(waitpid(child, None), Ok(WaitStatus::Exited(child, 0)));
        }
    }
}

/// A cgroup for a test, removed at its end.
struct Cgroup(PathBuf);

impl Cgroup {
    fn new(root: &Path) -> Self {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        let mut mounts = mounts.lines().map(|line| line.split(' '));
        let mounted = mounts.find_map(|mut fields| {
            let path = fields.nth(1)?;
            (fields.next()? == "cgroup2").then(|| PathBuf::from(path))
        });
        let mounted = mounted.expect("no cgroup2 is mounted: mount -t cgroup2 none /sys/fs/cgroup");
        let name = root.file_name().unwrap().to_string_lossy().into_owned();
        let dir = mounted.join(format!("container-init-test{name}"));
        fs::create_dir(&dir).unwrap();
        Self(dir)
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let end = Instant::now() + SOON;
        // Its processes were killed with their namespace, and take a moment to be gone.
        while let Err(error) = remove(&self.0) {
            if Instant::now() > end {
                eprintln!("{}: {error}", self.0.display());
                return;
            }
            std::thread::yield_now();
        }
    }
}

fn remove(dir: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove(&entry.path())?;
        }
    }
    fs::remove_dir(dir)
}

/// Makes the root and enters it.
fn enter(dir: &Path, cgroup: &Path) {
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
    mount_new("tmpfs", dir, "");
    let [above, work, root] = ["above", "work", "root"].map(|name| dir.join(name));
    for dir in [&above, &work, &root] {
        fs::create_dir(dir).unwrap();
    }
    let layers = format!(
        "lowerdir=/,upperdir={},workdir={}",
        above.display(),
        work.display()
    );
    mount_new("overlay", &root, &layers);
    mount_new("proc", &root.join("proc"), "");
    mount_new("sysfs", &root.join("sys"), "");
    let bind = MsFlags::MS_BIND | MsFlags::MS_REC;
    mount(Some("/dev"), &root.join("dev"), none, bind, none).unwrap();
    for dir in ["run", "tmp"] {
        mount_new("tmpfs", &root.join(dir), "mode=755");
    }
    // The block devices that a test gives itself, by their serial numbers.
    mount_new("tmpfs", &root.join("sys/block"), "");
    fs::write(cgroup.join("cgroup.procs"), "0").unwrap();
    unshare(CloneFlags::CLONE_NEWCGROUP).unwrap();
    mount_new("cgroup2", &root.join("sys/fs/cgroup"), "");
    chdir(&root).unwrap();
    // The namespace's own root, not just this process's: setns(2) leads there.
    pivot_root(".", ".").unwrap();
    umount2(".", MntFlags::MNT_DETACH).unwrap();
    chdir("/").unwrap();
    protect_the_machine();
}

/// Mounts a new file system of the type `kind`, such as `tmpfs`, at `target`, with the mount options `options`. `kind`
/// is also given as the source. Panics if mount(2) fails.
pub fn mount_new(kind: &str, target: &Path, options: &str) {
    let done = mount(
        Some(kind),
        target,
        Some(kind),
        MsFlags::empty(),
        Some(options),
    );
    assert_eq!(done, Ok(()), "{kind} on {}", target.display());
}

/// Refuses, with EPERM, the system calls that reach the machine through all namespaces: its clock and its modules.
fn protect_the_machine() {
    let refused = [
        libc::SYS_clock_settime,
        libc::SYS_settimeofday,
        libc::SYS_adjtimex,
        libc::SYS_clock_adjtime,
        libc::SYS_init_module,
        libc::SYS_finit_module,
        libc::SYS_delete_module,
        libc::SYS_kexec_load,
        libc::SYS_swapoff,
    ];
    let step = |code: u32, k: u32, jt: u8| libc::sock_filter {
        code: u16::try_from(code).unwrap(),
        jt,
        jf: 0,
        k,
    };
    let number = u32::try_from(std::mem::offset_of!(libc::seccomp_data, nr)).unwrap();
    let mut program = vec![step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, number, 0)];
    for (index, call) in refused.into_iter().enumerate() {
        let behind = u8::try_from(refused.len() - index).unwrap();
        let call = u32::try_from(call).unwrap();
        program.push(step(
            libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K,
            call,
            behind,
        ));
    }
    let answer = |value| step(libc::BPF_RET | libc::BPF_K, value, 0);
    program.push(answer(libc::SECCOMP_RET_ALLOW));
    let errno = u32::try_from(libc::EPERM).unwrap();
    program.push(answer(libc::SECCOMP_RET_ERRNO | errno));
    install(&mut program);
    if may_raise_limits() {
        return;
    }
    // A machine whose root may not raise limits would start no container: limits stay there as they are, and setting
    // one succeeds. prlimit64(2) sets one where its third argument is not null.
    let load = |offset| step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset, 0);
    let equals = |value, jt| step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, value, jt);
    let arguments = std::mem::offset_of!(libc::seccomp_data, args);
    let new_limit = u32::try_from(arguments + 2 * size_of::<u64>()).unwrap();
    install(&mut [
        load(number),
        equals(u32::try_from(libc::SYS_prlimit64).unwrap(), 1),
        answer(libc::SECCOMP_RET_ALLOW),
        load(new_limit),
        equals(0, 1),
        answer(libc::SECCOMP_RET_ERRNO),
        answer(libc::SECCOMP_RET_ALLOW),
    ]);
}

/// Returns whether this process may raise resource limits (has CAP_SYS_RESOURCE in effect), which root has unless a
/// container that the tests run in takes it away.
pub fn may_raise_limits() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let mut lines = status.lines();
    let bits = lines.find_map(|line| line.strip_prefix("CapEff:")).unwrap();
    u64::from_str_radix(bits.trim(), 16).unwrap() & 1 << 24 != 0
}

#[expect(unsafe_code, reason = "PR_SET_SECCOMP has no safe wrapper in nix")]
fn install(program: &mut [libc::sock_filter]) {
    let program = libc::sock_fprog {
        len: u16::try_from(program.len()).unwrap(),
        filter: program.as_mut_ptr(),
    };
    // SAFETY: the program lives through the call.
    let done = unsafe {
        libc::prctl(
            libc::PR_SET_SECCOMP,
            libc::SECCOMP_MODE_FILTER,
            &raw const program,
        )
    };
    assert_eq!(Errno::result(done), Ok(0));
}
