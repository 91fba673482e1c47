//! Holds a session (a conversation over one connection) with the agent in each container's VM: sends it the newest
//! network specification, and receives its reports.
//!
//! ```text
//!   follow(delta) ─desired──► driver task ◄══ channel ══► agent
//!                               │
//!                               ├── ReportStore: each report is durable before it is acknowledged
//!                               └── state (watch): live?, newest report ──► requests, api
//! ```

mod channel;
mod driver;
mod guest_log;
mod metrics;
mod progress;
mod report_store;
mod reports;
mod state;

pub use channel::{ChannelError, Channels};
pub use report_store::{ReportStore, ReportStoreError};
pub use state::{EndpointState, Readiness, SessionState, failures};

use driver::{Intake, Wanted};
use guest_log::GuestLog;
use metrics::SessionMetrics;
use parking_lot::Mutex;
use progress::Progress;
use protocol::message::Report;
use reports::Reports;
use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use vch_ledger::desired::Delta;
use vch_ledger::{Channel, ContainerId, SocketPath};
use vch_metrics::{RegisterError, Registry};

/// The sessions with the agents of all containers of this VCH: one task for each container, which connects again
/// whenever its connection ends.
pub struct Tether {
    sessions: Mutex<BTreeMap<ContainerId, Session>>,
    channels: Channels,
    report_store: Arc<dyn ReportStore>,
    heartbeat: Duration,
    metrics: SessionMetrics,
    stop: CancellationToken,
    tasks: TaskTracker,
}

struct Session {
    channel: Channel,
    desired: watch::Sender<Wanted>,
    state: watch::Receiver<SessionState>,
    stop: CancellationToken,
}

impl Tether {
    /// Makes a [`Tether`] without sessions. The sessions use `channels` to connect and `report_store` to store the
    /// agents' reports. After `heartbeat` without another message, the coordinator and an agent send a heartbeat; a
    /// session in which nothing arrives for five of them is lost.
    pub fn new(
        channels: Channels,
        report_store: Arc<dyn ReportStore>,
        heartbeat: Duration,
    ) -> Self {
        Self {
            sessions: Mutex::default(),
            channels,
            report_store,
            heartbeat,
            metrics: SessionMetrics::new(),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        }
    }

    /// Starts, changes and ends sessions as the delta (the changes that one transaction makes) states. `at` is the time
    /// at which the delta was published, for the metrics. `reports` contains the last stored reports of agents; the
    /// report of each container in the delta is removed from it, and a session that starts begins with it.
    ///
    /// # Errors
    /// Returns [`ChannelError`] if a container's channel can't be opened. The sessions of the containers after it in
    /// the delta are not changed then.
    pub fn follow(
        &self,
        delta: &Delta,
        at: Instant,
        reports: &mut BTreeMap<ContainerId, Report>,
    ) -> Result<(), ChannelError> {
        for (id, target) in &delta.containers {
            match target {
                Some(target) => {
                    let target = target.clone();
                    self.keep(*id, Wanted { target, at }, reports.remove(id))?;
                }
                None => self.end(*id),
            }
        }
        Ok(())
    }

    fn keep(
        &self,
        id: ContainerId,
        wanted: Wanted,
        report: Option<Report>,
    ) -> Result<(), ChannelError> {
        let channel = wanted.target.channel.clone();
        let mut sessions = self.sessions();
        if let Some(session) = sessions.get(&id)
            && session.channel == channel
        {
            session.desired.send_if_modified(|desired| {
                let changed = desired.target != wanted.target;
                if changed {
                    *desired = wanted;
                }
                changed
            });
            return Ok(());
        }
        if let Some(before) = sessions.remove(&id) {
            before.stop.cancel();
            self.channels.forget(id, &before.channel);
        }
        let opener = self.channels.opener(id, &channel)?;
        let (desired, wanted) = watch::channel(wanted);
        let (publish, state) = watch::channel(SessionState {
            report,
            ..SessionState::default()
        });
        let stop = self.stop.child_token();
        let driver = driver::Driver {
            container: id,
            opener,
            wanted,
            state: publish,
            report_store: Arc::clone(&self.report_store),
            heartbeat: self.heartbeat,
            progress: Progress::new(self.metrics.clone()),
            log: GuestLog::new(),
            reports: Reports::new(),
            intake: Intake::new(),
        };
        self.tasks
            .spawn(stop.clone().run_until_cancelled_owned(driver.run()));
        sessions.insert(
            id,
            Session {
                channel,
                desired,
                state,
                stop,
            },
        );
        Ok(())
    }

    fn end(&self, id: ContainerId) {
        if let Some(session) = self.sessions().remove(&id) {
            session.stop.cancel();
            self.channels.forget(id, &session.channel);
        }
    }

    /// Returns the path of the Unix socket on which the coordinator listens for a container's agent: `path`, if the
    /// container was added with one, else the path that the coordinator chooses. Creates no socket.
    pub fn unix_path(&self, id: ContainerId, path: Option<&SocketPath>) -> PathBuf {
        self.channels.unix_path(id, path)
    }

    /// Returns a watch of the state of a container's session, whether its agent is connected or not; `None` if no delta
    /// has added the container, or one has removed it.
    pub fn state(&self, id: ContainerId) -> Option<watch::Receiver<SessionState>> {
        self.sessions()
            .get(&id)
            .map(|session| session.state.clone())
    }

    /// Returns the number of sessions with connected agents.
    pub fn live(&self) -> usize {
        self.metrics.open()
    }

    /// Adds the metrics of the sessions to the registry: their number by state, and how long agents take to carry out a
    /// specification.
    ///
    /// # Errors
    /// Returns [`RegisterError`] if the registry has a metric of the same name already.
    pub fn register_metrics(&self, registry: &Registry) -> Result<(), RegisterError> {
        self.metrics.register(registry)
    }

    /// Ends all sessions and waits for their tasks. The agents leave the networks of their VMs as they are.
    pub async fn close(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn sessions(&self) -> parking_lot::MutexGuard<'_, BTreeMap<ContainerId, Session>> {
        self.sessions.lock()
    }
}
