//! Confines a child process before it executes the container's program: user, limits, capabilities, system calls,
//! working directory.

use crate::{
    capabilities,
    seccomp::Filter,
    start_error::{StartError, failed},
    user,
};
use nix::{
    errno::Errno,
    sys::{
        prctl,
        resource::{RLIM_INFINITY, Resource, setrlimit},
        signal::{SigHandler, SigSet, Signal, signal},
        stat::{fstat, makedev},
    },
    unistd::{AccessFlags, Gid, Uid, access, chdir, execve, fchown, setgid, setgroups, setuid},
};
use protocol::process::{Fault, Process};
use std::{
    ffi::CString,
    fs,
    io::{stderr, stdin, stdout},
    os::fd::AsFd,
    path::Path,
};

/// The `PATH` of a process whose environment has none, as Docker has it.
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The limits that dockerd's service gives each process that asks for no others: resource, soft, hard.
const LIMITS: [(Resource, u64, u64); 3] = [
    (Resource::RLIMIT_NOFILE, 1 << 20, 1 << 20),
    (Resource::RLIMIT_NPROC, RLIM_INFINITY, RLIM_INFINITY),
    (Resource::RLIMIT_CORE, RLIM_INFINITY, RLIM_INFINITY),
];

/// A program that was found, with its arguments and environment, ready to be executed.
pub struct Program {
    path: CString,
    args: Vec<CString>,
    environment: Vec<CString>,
}

/// Gives the calling process the user, limits, capabilities, system call filter and working directory of a container's
/// process, and finds its program. The caller is already in the container's namespaces. Streams must be set before.
///
/// # Errors
/// Returns [`Fault::User`] if the container has no such user or group, [`Fault::NotFound`] or [`Fault::NotExecutable`]
/// if the program can't be run, [`Fault::Other`] if a limit, a capability or the directory can't be set.
pub fn confine(process: &Process) -> Result<Program, StartError> {
    let who = user::resolve(&process.user, &process.groups)
        .map_err(|error| StartError::new(Fault::User, error.to_string()))?;
    give_streams(who.uid).map_err(failed("give the streams to the user"))?;
    for (resource, soft, hard) in LIMITS {
        setrlimit(resource, soft, hard).map_err(failed("set a limit"))?;
    }
    for (resource, soft, hard) in &process.limits {
        let resource = limit(*resource).ok_or_else(|| {
            StartError::other(format!("no resource has number {resource} (setrlimit(2))"))
        })?;
        setrlimit(resource, *soft, *hard).map_err(failed("set a limit"))?;
    }
    if process.oom_score != 0 {
        let score = process.oom_score.to_string();
        fs::write("/proc/self/oom_score_adj", score).map_err(failed("set the OOM score"))?;
    }
    let mut environment = process.environment.clone();
    let has = |environment: &[String], name: &str| {
        environment
            .iter()
            .any(|variable| variable.starts_with(name))
    };
    if !has(&environment, "PATH=") {
        environment.push(PATH.to_owned());
    }
    if !has(&environment, "HOME=") {
        environment.push(format!("HOME={}", who.home));
    }

    let groups: Vec<Gid> = who.groups.iter().copied().map(Gid::from_raw).collect();
    setgroups(&groups).map_err(failed("set the groups"))?;
    setgid(Gid::from_raw(who.gid)).map_err(failed("set the group"))?;
    let bits = if process.privileged {
        capabilities::permitted().map_err(failed("see the capabilities"))?
    } else {
        capabilities::bits(&process.capabilities)
    };
    capabilities::bound(bits).map_err(failed("give capabilities up"))?;
    if process.no_new_privileges {
        prctl::set_no_new_privs().map_err(failed("give privileges up"))?;
    }
    // While it may: without PR_SET_NO_NEW_PRIVS only an administrator can.
    if !process.privileged && !process.unfiltered {
        let mut filter = Filter::new(bits);
        filter.install().map_err(failed("filter system calls"))?;
    }
    setuid(Uid::from_raw(who.uid)).map_err(failed("set the user"))?;
    if who.uid == 0 {
        capabilities::have(bits).map_err(failed("set the capabilities"))?;
    }
    // As the user: what it can't enter is no place for it.
    let dir = match &*process.dir {
        "" => "/",
        dir => dir,
    };
    chdir(dir).map_err(|errno| {
        let why = errno.desc().to_lowercase();
        StartError::other(format!("chdir to cwd ({dir:?}) failed: {why}"))
    })?;
    find(&process.args, environment)
}

/// Gives standard input, output and error to the process's user, so that it opens `/dev/stdout` anew as any other file.
/// /dev/null stays as it is.
fn give_streams(uid: u32) -> Result<(), Errno> {
    let null = makedev(1, 3);
    for stream in [stdin().as_fd(), stdout().as_fd(), stderr().as_fd()] {
        if fstat(stream)?.st_rdev != null {
            fchown(stream, Some(Uid::from_raw(uid)), None)?;
        }
    }
    Ok(())
}

/// Finds the program of a command line as execvp(3) does: by its path, or in the `PATH` of `environment`.
///
/// # Errors
/// Returns [`Fault::NotFound`] if the file does not exist, [`Fault::NotExecutable`] if it is not a program or the user
/// may not run it, [`Fault::Other`] if an argument contains a zero byte.
pub fn find(args: &[String], environment: Vec<String>) -> Result<Program, StartError> {
    let Some(name) = args.first().filter(|name| !name.is_empty()) else {
        let reason = "no command specified".to_owned();
        return Err(StartError::new(Fault::NotFound, reason));
    };
    let path = if name.contains('/') {
        check(name).map(|()| name.clone())
    } else {
        let mut variables = environment.iter();
        let path = variables.find_map(|variable| variable.strip_prefix("PATH="));
        let path = path.unwrap_or_default().split(':');
        let candidates = path.map(|directory| {
            let directory = if directory.is_empty() { "." } else { directory };
            format!("{directory}/{name}")
        });
        let mut unfit = None;
        let found = candidates.into_iter().find(|path| match check(path) {
            Ok(()) => true,
            Err(error) => {
                if error.fault == Fault::NotExecutable {
                    unfit.get_or_insert(error);
                }
                false
            }
        });
        found.ok_or_else(|| {
            let nowhere = format!("exec: {name:?}: executable file not found in $PATH");
            unfit.unwrap_or(StartError::new(Fault::NotFound, nowhere))
        })
    }?;
    Ok(Program {
        path: text(path)?,
        args: args.iter().cloned().map(text).collect::<Result<_, _>>()?,
        environment: environment
            .into_iter()
            .map(text)
            .collect::<Result<_, _>>()?,
    })
}

fn text(text: String) -> Result<CString, StartError> {
    CString::new(text).map_err(|_| StartError::other("a word holds a zero byte".to_owned()))
}

fn check(path: &str) -> Result<(), StartError> {
    let unfit = |why| StartError::new(Fault::NotExecutable, format!("exec: {path:?}: {why}"));
    let denied = || unfit("permission denied");
    match fs::metadata(Path::new(path)) {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Err(denied()),
        Err(_) => {
            let reason = format!("exec: {path:?}: stat {path}: no such file or directory");
            Err(StartError::new(Fault::NotFound, reason))
        }
        Ok(found) if found.is_dir() => Err(unfit("is a directory")),
        // A pipe or a device is no program either, and is not opened to learn it.
        Ok(found) if !found.is_file() => Err(denied()),
        Ok(_) => access(path, AccessFlags::X_OK).map_err(|_| denied()),
    }
}

impl Program {
    /// Returns the program at `path`, with the arguments `called` followed by the arguments of this program. It is to
    /// run this program as its child.
    ///
    /// # Errors
    /// Returns [`Fault::Other`] if the path contains a zero byte.
    pub fn below(&self, path: &str, called: [String; 2]) -> Result<Self, StartError> {
        let mut args: Vec<CString> = called
            .into_iter()
            .map(text)
            .collect::<Result<_, StartError>>()?;
        args.extend(self.args.iter().cloned());
        Ok(Self {
            path: text(path.to_owned())?,
            args,
            environment: self.environment.clone(),
        })
    }

    /// Replaces the calling process by this program. Returns only if that fails, with the reason.
    #[expect(
        unsafe_code,
        reason = "the disposition of a signal is the process's own, which is about to be another's"
    )]
    pub fn exec(&self) -> StartError {
        // init ignores it, and blocks what it waits for.
        // SAFETY: the default action is no handler of this program.
        let _ = unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) };
        let _ = SigSet::empty().thread_set_mask();
        let error = match execve(&self.path, &self.args, &self.environment) {
            Err(error) => error,
            Ok(never) => match never {},
        };
        let path = self.path.to_string_lossy();
        let fault = match error {
            Errno::ENOENT => Fault::NotFound,
            _ => Fault::NotExecutable,
        };
        StartError::new(fault, format!("exec {path}: {}", described(error)))
    }
}

/// Describes an error of execve(2) as Docker's runtime does.
fn described(error: Errno) -> String {
    let text = error.desc().to_lowercase();
    match error {
        Errno::ENOEXEC => "exec format error".to_owned(),
        _ => text,
    }
}

/// Names a resource by its number of asm-generic/resource.h.
fn limit(number: u8) -> Option<Resource> {
    Some(match number {
        0 => Resource::RLIMIT_CPU,
        1 => Resource::RLIMIT_FSIZE,
        2 => Resource::RLIMIT_DATA,
        3 => Resource::RLIMIT_STACK,
        4 => Resource::RLIMIT_CORE,
        5 => Resource::RLIMIT_RSS,
        6 => Resource::RLIMIT_NPROC,
        7 => Resource::RLIMIT_NOFILE,
        8 => Resource::RLIMIT_MEMLOCK,
        9 => Resource::RLIMIT_AS,
        10 => Resource::RLIMIT_LOCKS,
        11 => Resource::RLIMIT_SIGPENDING,
        12 => Resource::RLIMIT_MSGQUEUE,
        13 => Resource::RLIMIT_NICE,
        14 => Resource::RLIMIT_RTPRIO,
        15 => Resource::RLIMIT_RTTIME,
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
