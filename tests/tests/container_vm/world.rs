//! A shim with a VM, and what is asked of it.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use lab::rootfs::empty_disk;
use lab::{Lab, Namespace, Need, Process as Child, RootFs, eventually_some, paths, prerequisites};
use protocol::process::{COVERED, Exit, Output, Process, READ_ONLY, Start, TerminalSize};
use tokio::time::timeout;
use vch_shim::{Client, ClientError, Launch, Outcome, StreamItem, Streams};

pub const SOON: Duration = Duration::from_secs(20);
pub const BOOTED: Duration = Duration::from_secs(60);
/// Docker's default capabilities (capabilities(7)).
pub const DEFAULT: [u8; 14] = [0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31];

/// A shim that was started.
pub struct Shim {
    pub lab: Lab,
    pub dir: PathBuf,
    pub sockets: PathBuf,
    pub child: Child,
}

/// Returns the launch of tests that need no other: the container's own process is `args`.
pub fn launch(lab: &Lab, args: &[&str]) -> Launch {
    let needs = [Need::Init, Need::Probe, Need::Squashfs];
    prerequisites::check(&needs).unwrap();
    let image = paths::lonely_image().unwrap();
    let rootfs = RootFs::busybox(lab, "root").unwrap();
    let rootfs = rootfs.program(&paths::probe(), "/bin/vsock-probe").unwrap();
    let writable_disk = lab.path("upper.ext4");
    empty_disk(&writable_disk).unwrap();
    Launch {
        container: "c".repeat(64),
        dir: lab.path("container"),
        sockets: lab.path("sockets"),
        program: vch_qemu::PROGRAM.into(),
        kernel: image.kernel,
        initramfs: image.initramfs,
        modules_disk: image.modules,
        kvm: false,
        memory_mib: 192,
        cpus: 1,
        image_disk: rootfs.squashfs().unwrap(),
        writable_disk,
        template: None,
        nics: Vec::new(),
        uid: 1_234_567,
        cgroup: None,
        start: Start {
            image_disk: "image".to_owned(),
            writable_disk: "upper".to_owned(),
            shm_bytes: 1 << 20,
            network_deadline_ms: 5_000,
            process: process(args),
            masked_paths: paths(COVERED),
            read_only_paths: paths(READ_ONLY),
            ..Start::default()
        },
        log_bytes: 8 << 20,
        log_files: 2,
        boot_deadline_ms: 60_000,
    }
}

fn paths(all: &[&str]) -> Vec<String> {
    all.iter().map(|&path| path.to_owned()).collect()
}

pub fn process(args: &[&str]) -> Process {
    Process {
        args: args.iter().map(|&word| word.to_owned()).collect(),
        capabilities: DEFAULT.to_vec(),
        ..Process::default()
    }
}

pub fn terminal(args: &[&str], rows: u16, columns: u16) -> Process {
    Process {
        terminal: Some(TerminalSize { rows, columns }),
        input: true,
        ..process(args)
    }
}

impl Shim {
    pub fn start(lab: &Lab, launch: &Launch) -> Self {
        Self::start_by(lab, launch, |command| Child::spawn("the shim", command))
    }

    /// The same in a namespace, whose taps its VM's NICs hang on.
    pub fn start_in(lab: &Lab, namespace: &Namespace, launch: &Launch) -> Self {
        Self::start_by(lab, launch, |command| namespace.spawn("the shim", command))
    }

    fn start_by(
        lab: &Lab,
        launch: &Launch,
        spawn: impl FnOnce(Command) -> anyhow::Result<Child>,
    ) -> Self {
        let text = lab.path("launch.json");
        fs::write(&text, serde_json::to_vec(launch).unwrap()).unwrap();
        let mut command = Command::new(paths::built("vch-shim").unwrap());
        command
            .stdin(fs::File::open(text).unwrap())
            .stdout(Stdio::null());
        command.stderr(fs::File::create(lab.path("shim.log")).unwrap());
        let child = spawn(command).unwrap();
        Self {
            lab: lab.clone(),
            dir: launch.dir.clone(),
            sockets: launch.sockets.clone(),
            child,
        }
    }

    pub fn client(&self) -> Client {
        Client::at(&self.sockets)
    }

    /// Waits until the container's process runs; with the shim's clock of each phase.
    pub async fn started(&self) {
        let listens = || self.sockets.join("shim.sock").exists().then_some(());
        eventually_some(SOON, "the shim listens", listens).unwrap();
        let mut stages = self.client().watch().await.unwrap();
        let started = async {
            loop {
                let stage = stages.next().await.unwrap();
                if let Some(outcome) = stage.ended {
                    panic!("it ended: {outcome:?}");
                }
                if stage.started_ms.is_some() {
                    return stage;
                }
            }
        };
        let stage = timeout(BOOTED, started).await.unwrap();
        let first = stage.phases[0].at_us;
        for phase in stage.phases {
            let (name, after) = (phase.name, (phase.at_us - first) / 1000);
            let uptime = phase.uptime_us.map(|us| us / 1000);
            println!("{name:<10} {after:>6} ms, guest {uptime:?} ms");
        }
    }

    /// Waits for the end of all.
    pub fn outcome(&mut self) -> Outcome {
        self.child.wait_within(BOOTED).unwrap();
        assert!(!self.sockets.exists(), "its sockets are gone");
        Outcome::read(&self.dir).unwrap().unwrap()
    }

    /// Runs a process; returns its output and how it ended.
    pub async fn exec(&self, process: Process) -> Result<Ran, ClientError> {
        let running = self.client().exec(process).await?;
        Ok(Ran::of(running.streams).await)
    }

    /// The same of a line for the shell, as root.
    pub async fn sh(&self, line: &str) -> Ran {
        self.exec(process(&["sh", "-c", line])).await.unwrap()
    }
}

/// What a process wrote, and how it ended.
#[derive(Debug, Default)]
pub struct Ran {
    pub output: Vec<u8>,
    pub error: Vec<u8>,
    pub exit: Option<Exit>,
}

impl Ran {
    pub async fn of(mut streams: Streams) -> Self {
        let mut ran = Self::default();
        let end = async {
            loop {
                match streams.reader.next().await.unwrap() {
                    StreamItem::Output(Output::Stdout, bytes) => ran.output.extend(bytes),
                    StreamItem::Output(Output::Stderr, bytes) => ran.error.extend(bytes),
                    StreamItem::Ended(exit) => return exit,
                }
            }
        };
        let exit = timeout(BOOTED, end).await.unwrap();
        Self { exit, ..ran }
    }

    pub fn code(&self) -> u8 {
        self.exit.unwrap().code
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.output).into_owned()
    }

    pub fn errors(&self) -> String {
        String::from_utf8_lossy(&self.error).into_owned()
    }
}
