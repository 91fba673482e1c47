//! A network namespace for one test, and nft in it.

use std::io::Write;
use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread::JoinHandle;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, unshare};

/// Runs `body` on a thread in a network namespace of its own, which ends with the thread.
pub fn space<T: Send>(body: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).unwrap_or_else(|errno| {
                panic!("a new network namespace: {errno}; run this test as root")
            });
            body()
        });
        match thread.join() {
            Ok(value) => value,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

type Job = Box<dyn FnOnce() + Send>;

/// A thread in a network namespace of its own, which does what it is told until it is dropped.
pub struct Space {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    /// By what `ip link set ... netns` finds it.
    pub id: String,
}

impl Space {
    pub fn new() -> Self {
        let (jobs, todo) = mpsc::channel::<Job>();
        let (id, born) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            space(|| {
                id.send(nix::unistd::gettid().to_string()).unwrap();
                todo.into_iter().for_each(|job| job());
            });
        });
        let id = born.recv().unwrap();
        Self {
            jobs: Some(jobs),
            thread: Some(thread),
            id,
        }
    }

    pub fn run<T: Send + 'static>(&self, body: impl FnOnce() -> T + Send + 'static) -> T {
        let (answer, answered) = mpsc::channel();
        let job: Job = Box::new(move || answer.send(body()).unwrap());
        self.jobs.as_ref().unwrap().send(job).unwrap();
        answered.recv().expect("what ran in the namespace failed")
    }

    /// Runs lines of `ip -batch`.
    pub fn ip(&self, lines: &str) {
        let lines = lines.to_owned();
        self.run(move || {
            program("ip", "iproute2", &["-batch", "-"], &lines);
        });
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking(), "a job failed");
        }
    }
}

/// Runs `nft` in the calling thread's namespace; returns its output.
pub fn nft(arguments: &[&str], input: &str) -> String {
    program("nft", "nftables", arguments, input)
}

pub fn program(name: &str, package: &str, arguments: &[&str], input: &str) -> String {
    let mut child = Command::new(name)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{name}: {error}; apt-get install {package}"));
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{name} {arguments:?}: {errors}\n{input}"
    );
    String::from_utf8(output.stdout).unwrap()
}

/// Waits up to 5 s until the descriptor has something.
pub fn readable(fd: &impl AsFd) {
    let mut fds = [PollFd::new(fd.as_fd(), PollFlags::POLLIN)];
    let ready = poll(&mut fds, PollTimeout::from(5000u16)).unwrap();
    assert_eq!(ready, 1, "nothing was heard for 5 s");
}
