//! Network namespaces for tests: threads that have one of their own, and functions that change the
//! kernel behind the coordinator's back.

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

/// The namespace that a test runs in.
pub struct Room;

impl Room {
    /// Makes another namespace beside this one.
    pub fn neighbour(&self) -> Neighbour {
        Neighbour::open()
    }
}

/// Runs a test in a namespace of its own, under a deadline.
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

type Work = Box<dyn FnOnce() + Send>;

/// A namespace held by a thread; it goes when this is dropped.
pub struct Neighbour {
    path: PathBuf,
    work: Option<mpsc::Sender<Work>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Neighbour {
    fn open() -> Self {
        let (work, requests) = mpsc::channel::<Work>();
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

    /// Returns the path by which other processes find the namespace.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Runs `work` in the namespace, and returns its result.
    pub fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let (answer, answered) = mpsc::channel();
        let work: Work = Box::new(move || answer.send(work()).unwrap());
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

/// Runs `ip` in the calling thread's namespace, as an administrator would; returns its standard
/// output.
pub fn ip(arguments: &str) -> String {
    let output = Command::new("ip")
        .args(arguments.split_whitespace())
        .output()
        .expect("these tests need `ip`: install the package iproute2");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {arguments}: {complaint}");
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

/// Waits until `is_so` returns true; panics with `what` at the deadline.
pub async fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !is_so() {
        assert!(Instant::now() < deadline, "it never came about that {what}");
        sleep(Duration::from_millis(5)).await;
    }
}
