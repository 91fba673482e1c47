//! Confines `vch-image` before it reads anything: without root, the network, the host's files, other processes and
//! needless system calls, and with bounds of memory and time.
//!
//! ```text
//!  vch-image (root)          new mount, pid, ipc, uts and network namespaces; waits
//!    └─ vch-image (pid 1)    private root: the staging directory, and what its job needs, read-only
//!         user of its own, no capabilities, bounds, a list of system calls; then it reads its order
//! ```
//! The first process ends with the coordinator, the second with the first, and all else with the second.

mod filter;
mod private_root;

use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::Signal;
use nix::unistd::{Gid, Uid, chdir, geteuid, setgroups, setresgid, setresuid};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::str::FromStr;
use thiserror::Error;

/// Address space: decoders take some 100 MiB, a million names some 500, `sqfstar` its queues and its threads'
/// heaps.
const MEMORY_BYTES: u64 = 4 << 30;
const FILES: u64 = 1_024;
/// Threads, `sqfstar`'s included: some three for each of [`PROCESSORS`], and a few.
const PROCESSES: u64 = 64;
/// A decoder that goes round in a circle ends: 64 GiB at 10 MB/s take less.
const CPU_SECONDS: u64 = 2 * 3_600;
/// The helper's `oom_score_adj` (proc(5)), by which the kernel chooses what to kill when the host has no memory left:
/// a job is killed before any VM, and can be started again.
const OOM_SCORE: &str = "800";
/// The most processors that `sqfstar` uses.
pub(crate) const PROCESSORS: usize = 8;
/// The last word of the command line of the process within.
const WITHIN: &str = "within";

/// The resources that a helper process needs beside its staging directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// The job needs no further resource.
    Nothing,
    /// The job needs TCP and UDP, name resolution and the host's CA certificates, since it talks to a registry.
    Network,
    /// The job needs to start programs of /usr (`sqfstar`, which makes root file systems).
    Programs,
}

impl Needs {
    /// Returns the argument by which the helper's command line states the need: `nothing`, `network` or `programs`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Network => "network",
            Self::Programs => "programs",
        }
    }
}

impl FromStr for Needs {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        let all = [Self::Nothing, Self::Network, Self::Programs];
        all.into_iter().find(|one| one.word() == word).ok_or(())
    }
}

/// How a helper process (`vch-image`) confines itself before it reads anything from outside. The store passes it on the
/// helper's command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confinement {
    /// The helper's staging directory, the only one that it can write to: where it leaves the files of its job for the
    /// store.
    pub dir: PathBuf,
    /// The user ID and group ID that the helper runs as. Has an effect only if the helper is started as root.
    pub user: u32,
    /// The maximum size of each file that the helper writes, in bytes.
    pub file_bytes: u64,
    /// The resources that the helper needs beside its staging directory.
    pub needs: Needs,
}

/// The step of the helper's confinement that the kernel refused, with the kernel's error as its source.
#[derive(Debug, Error)]
#[error("can't {step}")]
pub struct SandboxError {
    step: &'static str,
    #[source]
    source: io::Error,
}

fn failed<E: Into<io::Error>>(step: &'static str) -> impl FnOnce(E) -> SandboxError {
    move |source| SandboxError {
        step,
        source: source.into(),
    }
}

/// The result of [`Confinement::enter`]: what the calling process has to do next.
#[derive(Debug)]
pub enum Entered {
    /// This process is confined. It does the job: it reads its order (what to do) from standard input.
    Within,
    /// A child process was confined, did the job, and ended with this status. This process has nothing more to do than
    /// to end.
    Ended(ExitStatus),
}

impl Confinement {
    /// Returns the confinement as arguments of a command line, which [`parse`](Self::parse) reads.
    pub fn args(&self) -> [OsString; 4] {
        [
            self.dir.clone().into(),
            self.user.to_string().into(),
            self.file_bytes.to_string().into(),
            self.needs.word().into(),
        ]
    }

    /// Parses the arguments of a helper's command line, without the program. The flag is true if this is the inner
    /// process, a child that [`enter`](Self::enter) started, and false in the process that the store started. Returns
    /// `None` if the arguments are not valid.
    pub fn parse(args: impl IntoIterator<Item = OsString>) -> Option<(Self, bool)> {
        let mut args = args.into_iter();
        let dir = args.next()?.into();
        let user = args.next()?.to_str()?.parse().ok()?;
        let file_bytes = args.next()?.to_str()?.parse().ok()?;
        let needs = args.next()?.to_str()?.parse().ok()?;
        let within = match args.next() {
            None => false,
            Some(word) if word == WITHIN => true,
            Some(_) => return None,
        };
        let confinement = Self {
            dir,
            user,
            file_bytes,
            needs,
        };
        Some((confinement, within))
    }

    /// Confines the calling process, or a child of it. As root and with `within` false, it starts the same program
    /// again in new namespaces, as the inner process, and waits for its end ([`Entered::Ended`]). In the inner process
    /// (`within` is true), and without root, it confines this process for good and returns [`Entered::Within`].
    ///
    /// # Errors
    /// Returns the step that the kernel refused. Nothing of the order (the job to do) was read then.
    pub fn enter(&self, within: bool) -> Result<Entered, SandboxError> {
        prctl::set_pdeathsig(Signal::SIGKILL).map_err(failed("end with the coordinator"))?;
        let root = geteuid().is_root();
        if root && !within {
            // Inherited by all that a job starts: the coordinator's own score would spare them.
            std::fs::write("/proc/self/oom_score_adj", OOM_SCORE)
                .map_err(failed("be the first to go for memory"))?;
            return self.start_within().map(Entered::Ended);
        }
        if root {
            if self.user == 0 {
                return Err(failed("work as root")(Errno::EPERM));
            }
            private_root::enter(&self.dir, self.needs)?;
            let (uid, gid) = (Uid::from_raw(self.user), Gid::from_raw(self.user));
            setgroups(&[]).map_err(failed("leave root's groups"))?;
            setresgid(gid, gid, gid).map_err(failed("change the group"))?;
            setresuid(uid, uid, uid).map_err(failed("change the user"))?;
        } else {
            chdir(&self.dir).map_err(failed("enter the staging folder"))?;
        }
        prctl::set_no_new_privs().map_err(failed("give up privileges"))?;
        // A change of user takes back what was said before of the parent's death.
        prctl::set_pdeathsig(Signal::SIGKILL).map_err(failed("end with the coordinator"))?;
        self.limit()?;
        filter::install(self.needs).map_err(failed("give up system calls"))?;
        Ok(Entered::Within)
    }

    fn start_within(&self) -> Result<ExitStatus, SandboxError> {
        let mut apart = CloneFlags::CLONE_NEWNS
            | CloneFlags::CLONE_NEWPID
            | CloneFlags::CLONE_NEWIPC
            | CloneFlags::CLONE_NEWUTS;
        if self.needs != Needs::Network {
            apart |= CloneFlags::CLONE_NEWNET;
        }
        unshare(apart).map_err(failed("leave the host's namespaces"))?;
        // This very program, whatever lies by its name now.
        let mut child = Command::new(Path::new("/proc/self/exe"));
        child.args(self.args()).arg(WITHIN);
        child.status().map_err(failed("start the process within"))
    }

    fn limit(&self) -> Result<(), SandboxError> {
        for (resource, most) in [
            (Resource::RLIMIT_AS, MEMORY_BYTES),
            (Resource::RLIMIT_FSIZE, self.file_bytes),
            (Resource::RLIMIT_NOFILE, FILES),
            (Resource::RLIMIT_NPROC, PROCESSES),
            (Resource::RLIMIT_CPU, CPU_SECONDS),
            (Resource::RLIMIT_CORE, 0),
        ] {
            setrlimit(resource, most, most).map_err(failed("set a limit"))?;
        }
        Ok(())
    }
}
