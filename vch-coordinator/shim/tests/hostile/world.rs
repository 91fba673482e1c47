//! A shim that was started with a stand-in for QEMU.

use crate::wait::{SOON, run, within};
use protocol::process::Start;
use std::{
    fs::{self, File},
    os::unix::fs::{PermissionsExt, symlink},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::OnceLock,
};
use tempfile::TempDir;
use vch_shim::{Client, Launch, Liveness, Outcome, ShimProcess, liveness};

/// The copy of this program that shims start.
static STAND_IN: OnceLock<PathBuf> = OnceLock::new();

/// Copies this program to where an ordinary user finds it: before any thread starts a process, which would inherit the
/// file while it is written, and so keep it from being run. Removed when dropped.
pub fn prepare() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let path = dir.path().join("stand-in");
    fs::copy(std::env::current_exe().unwrap(), &path).unwrap();
    STAND_IN.set(path).unwrap();
    dir
}

/// A shim and its directory; ended and removed when dropped, and with it its stand-in for QEMU.
pub struct World {
    pub dir: TempDir,
    child: Child,
}

impl World {
    /// Starts a shim whose VM behaves so.
    pub fn start(behaviour: &str) -> Self {
        Self::start_with(behaviour, |_| {})
    }

    /// The same, with another launch.
    pub fn start_with(behaviour: &str, change: impl FnOnce(&mut Launch)) -> Self {
        Self::start_as(behaviour, &[], change)
    }

    /// Starts a shim that is to save such a VM as a template, in the directory `template` beside its own files.
    pub fn save(behaviour: &str) -> Self {
        Self::start_as(behaviour, &["template", "template"], |_| {})
    }

    fn start_as(behaviour: &str, words: &[&str], change: impl FnOnce(&mut Launch)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        // QEMU is an ordinary user, who must get there.
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let at = |name: &str| dir.path().join(name);
        symlink(STAND_IN.get().unwrap(), at(behaviour)).unwrap();
        for file in ["kernel", "initramfs", "image", "upper"] {
            File::create(at(file)).unwrap();
        }
        let mut launch = launch(&dir, behaviour);
        change(&mut launch);
        fs::write(at("launch.json"), serde_json::to_vec(&launch).unwrap()).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_vch-shim"))
            .args(words)
            .current_dir(dir.path())
            .stdin(File::open(at("launch.json")).unwrap())
            .stdout(Stdio::null())
            .stderr(File::create(at("shim.log")).unwrap())
            .spawn()
            .unwrap();
        Self { dir, child }
    }

    /// Starts another shim for the same container, and waits for its end: whether it was well, and its words.
    pub fn again(&self) -> (bool, String) {
        let launch = File::open(self.dir.path().join("launch.json")).unwrap();
        let ended = Command::new(env!("CARGO_BIN_EXE_vch-shim"))
            .stdin(launch)
            .output()
            .unwrap();
        let words = String::from_utf8_lossy(&ended.stderr).into_owned();
        (ended.status.success(), words)
    }

    pub fn sockets(&self) -> PathBuf {
        self.dir.path().join("sockets")
    }

    pub fn client(&self) -> Client {
        Client::at(self.sockets())
    }

    /// The shim's process number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Returns the shim's liveness, as the kernel tells it.
    pub fn liveness(&self) -> Liveness {
        liveness(self.dir.path(), &self.sockets())
    }

    /// The shim's process.
    pub fn process(&self) -> ShimProcess {
        let opened = ShimProcess::open(self.dir.path(), &self.sockets());
        opened.unwrap().unwrap()
    }

    /// Waits until the process runs.
    pub async fn started(&self) {
        // The socket's name is there a moment before it is listened on (bind(2), then listen(2)).
        let mut watched = None;
        let listened = within(SOON, async || {
            watched = self.client().watch().await.ok();
            watched.is_some()
        });
        assert!(listened.await, "{}", self.log());
        let mut stages = watched.unwrap();
        let waiting = async { while stages.next().await.unwrap().started_ms.is_none() {} };
        let waited = tokio::time::timeout(SOON, waiting).await;
        assert!(waited.is_ok(), "{}", self.log());
    }

    /// The most memory that the shim ever had, KiB (proc(5), VmHWM).
    pub fn peak_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:"));
        let number = line.and_then(|line| line.split_whitespace().nth(1));
        number.unwrap().parse().unwrap()
    }

    /// How many bytes its guest has written, by all of its lines (proc(5), `wchar` of /proc/PID/io).
    pub fn guest_said(&self) -> u64 {
        let threads = fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let children = threads.flatten().flat_map(|thread| {
            let children = fs::read_to_string(thread.path().join("children"));
            let children = children.unwrap_or_default();
            children
                .split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        });
        let written = children.map(|child| {
            let io = fs::read_to_string(format!("/proc/{child}/io")).unwrap_or_default();
            let line = io.lines().find_map(|line| line.strip_prefix("wchar:"));
            line.and_then(|number| number.trim().parse().ok())
        });
        written.map(Option::<u64>::unwrap_or_default).sum()
    }

    /// The shim's `oom_score_adj`.
    pub fn score(&self) -> String {
        fs::read_to_string(format!("/proc/{}/oom_score_adj", self.child.id())).unwrap()
    }

    /// How many descriptors the shim has open.
    pub fn descriptors(&self) -> usize {
        let open = fs::read_dir(format!("/proc/{}/fd", self.child.id()));
        open.unwrap().count()
    }

    /// How it ended, once it has.
    pub fn outcome(&mut self) -> Outcome {
        self.end();
        Outcome::read(self.dir.path()).unwrap().unwrap()
    }

    /// Waits until the shim has ended.
    pub fn end(&mut self) {
        let ended = within(SOON, async || self.child.try_wait().unwrap().is_some());
        assert!(run(ended), "it ends: {}", self.log());
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("shim.log")).unwrap_or_default()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn launch(dir: &TempDir, behaviour: &str) -> Launch {
    let at = |name: &str| -> PathBuf { dir.path().join(name) };
    Launch {
        container: "c".repeat(64),
        dir: dir.path().to_owned(),
        sockets: at("sockets"),
        program: at(behaviour),
        kernel: at("kernel"),
        initramfs: at("initramfs"),
        modules_disk: None,
        kvm: false,
        memory_mib: 64,
        cpus: 1,
        image_disk: at("image"),
        writable_disk: at("upper"),
        template: None,
        nics: Vec::new(),
        uid: 1_234_567,
        cgroup: None,
        start: Start {
            image_disk: "image".to_owned(),
            writable_disk: "upper".to_owned(),
            network_deadline_ms: 5_000,
            ..Start::default()
        },
        log_bytes: 1 << 20,
        log_files: 2,
        boot_deadline_ms: 20_000,
    }
}
