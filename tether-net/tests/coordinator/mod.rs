//! A coordinator of one container, in its driver's smallest form.

use protocol::message::{Hello, LinkChange, LinkEvent, Report};
use protocol::session::coordinator::{Coordinator as Machine, CoordinatorInput, CoordinatorOutput};
use protocol::session::{DEFAULT_HEARTBEAT, seeded};
use protocol::spec::{NetSpec, SpecId};
use protocol::transport::coordinator::CoordinatorOpener;
use protocol::transport::{CoordinatorChannel, CoordinatorEnd, Received};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// Nothing that a test waits for takes so long.
const LIMIT: Duration = Duration::from_secs(10);

pub struct Coordinator {
    runtime: Runtime,
    machine: Machine,
    opener: CoordinatorOpener,
    channel: Option<CoordinatorEnd>,
    dir: tempfile::TempDir,
    hello: Option<Hello>,
    reports: Vec<Report>,
    links: Vec<LinkEvent>,
}

impl Coordinator {
    pub fn listen() -> Self {
        Self::over(tempfile::tempdir().unwrap())
    }

    fn over(dir: tempfile::TempDir) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let mut coordinator = Self {
            runtime: { runtime }.enable_all().build().unwrap(),
            machine: Machine::new(Instant::now(), DEFAULT_HEARTBEAT, seeded(1)),
            opener: CoordinatorOpener::new(CoordinatorChannel::Unix(dir.path().join("vm.sock"))),
            channel: None,
            dir,
            hello: None,
            reports: Vec::new(),
            links: Vec::new(),
        };
        // The socket is there before the agent looks for it.
        let opener = &mut coordinator.opener;
        let soon = Duration::from_millis(1);
        let opened = coordinator
            .runtime
            .block_on(async { tokio::time::timeout(soon, opener.open()).await });
        assert!(opened.is_err());
        coordinator
    }

    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("vm.sock")
    }

    /// Another coordinator in its place, which knows nothing of the session.
    pub fn restart(self) -> Self {
        let Self {
            dir,
            opener,
            channel,
            ..
        } = self;
        // The socket's file goes with who listens there: before the next one makes its own.
        drop((opener, channel));
        Self::over(dir)
    }

    /// The last hello.
    pub fn hello(&self) -> &Hello {
        self.hello.as_ref().unwrap()
    }

    pub fn desire(&mut self, spec: NetSpec) {
        self.machine
            .handle(Instant::now(), CoordinatorInput::Desired(spec));
    }

    /// Wants a spec, and waits for a report of it that is as it should be.
    pub fn converge(&mut self, spec: NetSpec, wanted: impl Fn(&Report) -> bool) -> Report {
        let id: SpecId = spec.id();
        self.desire(spec);
        self.wait_for_report(|report| report.spec == id && wanted(report))
    }

    pub fn wait_for_report(&mut self, wanted: impl Fn(&Report) -> bool) -> Report {
        self.wait(|this| this.reports.drain(..).find(|report| wanted(report)))
    }

    pub fn wait_for_link(&mut self, name: &str, change: LinkChange) {
        self.wait(|this| {
            let mut links = this.links.iter();
            let found = links.position(|l| l.name.as_str() == name && l.change == change)?;
            this.links.remove(found);
            Some(())
        });
    }

    fn wait<T>(&mut self, mut found: impl FnMut(&mut Self) -> Option<T>) -> T {
        let limit = Instant::now() + LIMIT;
        loop {
            if let Some(found) = found(self) {
                return found;
            }
            assert!(Instant::now() < limit, "it did not come within {LIMIT:?}");
            self.turn();
        }
    }

    fn turn(&mut self) {
        while let Some(output) = self.machine.poll() {
            match output {
                CoordinatorOutput::Send(envelope) => {
                    let Some(channel) = &mut self.channel else {
                        continue;
                    };
                    let sent = self.runtime.block_on(async {
                        tokio::time::timeout(LIMIT, channel.send(&envelope)).await
                    });
                    if sent.expect("the agent reads").is_err() {
                        self.channel = None;
                        self.machine
                            .handle(Instant::now(), CoordinatorInput::ChannelClosed);
                    }
                }
                CoordinatorOutput::CloseChannel => self.channel = None,
                CoordinatorOutput::Established(hello) => self.hello = Some(hello),
                CoordinatorOutput::Reported(report) => self.reports.push(report),
                CoordinatorOutput::Linked(link) => self.links.push(link),
                CoordinatorOutput::OpenChannel
                | CoordinatorOutput::Refused(_)
                | CoordinatorOutput::Logged(_)
                | CoordinatorOutput::Lost(_) => {}
            }
        }
        let until = self.machine.deadline().map(tokio::time::Instant::from);
        let limit = tokio::time::Instant::now() + LIMIT;
        let (opener, channel) = (&mut self.opener, &mut self.channel);
        let input = self.runtime.block_on(async {
            tokio::select! {
                biased;
                received = async { channel.as_mut().unwrap().recv().await }, if channel.is_some() => {
                    match received {
                        Ok(Received::Message(envelope)) => CoordinatorInput::Message(envelope),
                        Ok(Received::Skipped(skipped)) => panic!("{skipped}"),
                        Err(_) => CoordinatorInput::ChannelClosed,
                    }
                }
                stream = opener.open() => {
                    *channel = Some(CoordinatorEnd::new(stream.unwrap()));
                    CoordinatorInput::ChannelOpened
                }
                () = tokio::time::sleep_until(until.unwrap_or(limit)) => CoordinatorInput::Tick,
            }
        });
        if matches!(input, CoordinatorInput::ChannelClosed) {
            self.channel = None;
        }
        self.machine.handle(Instant::now(), input);
    }
}
