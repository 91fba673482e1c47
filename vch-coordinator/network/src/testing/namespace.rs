//! Network namespaces for tests: threads that each have one, and functions that change the kernel as another program
//! would.

use nix::{
    sched::{CloneFlags, unshare},
    unistd::gettid,
};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Command,
    sync::mpsc,
    thread,
};
use tokio::{
    runtime,
    time::{Duration, Instant, sleep},
};

/// No test waits longer than this.
const DEADLINE: Duration = Duration::from_secs(60);

/// The network namespace that a test runs in; see [`in_namespace`].
pub struct Room;

impl Room {
    /// Creates another network namespace for the same test.
    pub fn neighbour(&self) -> Neighbour {
        Neighbour::open()
    }
}

/// Runs a test in a network namespace of its own, on a thread of its own. Panics if the test panics or takes longer
/// than 60 s.
pub fn in_namespace(test: impl AsyncFnOnce(Room) + Send + 'static) {
    let work = move || {
        enter_new();
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let test = async { tokio::time::timeout(DEADLINE, test(Room)).await };
        runtime.block_on(test).expect("the test meets its deadline");
    };
    if let Err(panic) = thread::spawn(work).join() {
        std::panic::resume_unwind(panic);
    }
}

fn enter_new() {
    unshare(CloneFlags::CLONE_NEWNET).expect("these tests need root, for network namespaces");
    ip("link set lo up");
}

type Job = Box<dyn FnOnce() + Send>;

/// A network namespace that a thread keeps alive. It ends when this value is dropped.
pub struct Neighbour {
    path: PathBuf,
    work: Option<mpsc::Sender<Job>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Neighbour {
    fn open() -> Self {
        let (work, requests) = mpsc::channel::<Job>();
        let (tell, told) = mpsc::channel();
        let thread = thread::spawn(move || {
            enter_new();
            tell.send(gettid()).unwrap();
            requests.into_iter().for_each(|work| work());
        });
        let tid = told.recv().unwrap();
        Self {
            path: format!("/proc/self/task/{tid}/ns/net").into(),
            work: Some(work),
            thread: Some(thread),
        }
    }

    /// Returns the path of the namespace's file, by which other processes find it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Runs `work` on the namespace's thread, and returns its result.
    pub fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let (answer, answered) = mpsc::channel();
        let work: Job = Box::new(move || answer.send(work()).unwrap());
        self.work.as_ref().unwrap().send(work).unwrap();
        answered.recv().expect("the work in the neighbour succeeds")
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        drop(self.work.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Runs `ip` with these arguments in the calling thread's namespace. Returns its standard output; panics if it fails.
pub fn ip(arguments: &str) -> String {
    run("ip", arguments)
}

/// Runs `tc` with these arguments in the calling thread's namespace. Returns its standard output; panics if it fails.
pub fn tc(arguments: &str) -> String {
    run("tc", arguments)
}

fn run(program: &str, arguments: &str) -> String {
    let output = Command::new(program)
        .args(arguments.split_whitespace())
        .output()
        .expect("these tests need `ip` and `tc`: install the package iproute2");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{program} {arguments}: {complaint}"
    );
    String::from_utf8(output.stdout).unwrap()
}

/// Returns the names of the links in the calling thread's namespace.
pub fn links() -> BTreeSet<String> {
    let told = ip("-o link show");
    let names = told.lines().filter_map(|line| line.split(": ").nth(1));
    names
        .filter_map(|name| name.split('@').next())
        .map(ToOwned::to_owned)
        .collect()
}

/// Waits until `is_so` returns true. Panics with the text `what` if that takes longer than 10 s.
pub async fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !is_so() {
        assert!(Instant::now() < deadline, "it never came about that {what}");
        sleep(Duration::from_millis(5)).await;
    }
}
