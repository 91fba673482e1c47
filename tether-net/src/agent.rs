//! The whole agent: its tasks, and the channels between them.

use crate::converge::Converger;
use crate::hold::Hold;
use crate::netlink::NetlinkError;
use crate::notify::Notify;
use crate::observe::Sysfs;
use crate::reseed::Reseeder;
use crate::resolver::Files;
use crate::session::{AgentEvent, Ends, Session, at, open_channels, with_sources};
use crate::watch::Watch;
use protocol::message::LogLine;
use protocol::session::agent::Applied;
use protocol::spec::NetSpec;
use protocol::transport::ChannelAddress;
use protocol::transport::agent::AgentOpener;
use std::io;
use std::time::{Duration, Instant};
use thiserror::Error;
use tokio::sync::{mpsc, watch};

/// One change makes several events, and a NIC that comes a dozen: they are heard out for so long.
const DEBOUNCE: Duration = Duration::from_millis(20);
/// Most agents have their spec by then. One that has none tells what NICs there are.
const FIRST_LOOK: Duration = Duration::from_secs(1);
/// Pause after the kernel could not be observed.
const OBSERVE_AGAIN: Duration = Duration::from_secs(1);
/// One converging tells one report and a few link events: room for several, beyond which the loop
/// waits for the session.
const EVENTS: usize = 64;

/// The reason why the agent can't start, or has to end.
#[derive(Debug, Error)]
pub enum AgentError {
    /// A netlink socket to the kernel's network can't be opened.
    #[error("the kernel's network can't be reached")]
    Netlink(#[source] NetlinkError),
    /// The kernel's notifications about network changes can't be received any more.
    #[error("the kernel's events can't be heard any more")]
    Watch(#[source] io::Error),
    /// Standard input, which has to tell a held agent when to begin (`--hold`), is not a pipe or can't be read.
    #[error("standard input, which `--hold` waits for, can't be read")]
    Hold(#[source] io::Error),
}

/// The configured agent, ready to [`run`](Self::run). Making one has no effect on the network.
pub struct Agent {
    /// The address of the channel to the coordinator (`--channel`).
    pub channel: ChannelAddress,
    /// The writer of /etc/hosts, /etc/resolv.conf and /etc/hostname, which also sets the kernel's host name if it is so
    /// configured.
    pub files: Files,
    /// The receiving end of the agent's own log lines, as [`Log::open`](crate::log::Log::open) returns it; the agent
    /// sends them to the coordinator.
    pub logs: mpsc::Receiver<LogLine>,
    /// Whether to begin only after a byte on standard input, and to write files only after its end (`--hold`); see
    /// [`Hold`]. If `false`, the agent begins at once and does not read standard input.
    pub hold: bool,
}

impl Agent {
    /// Runs the agent until the returned future is dropped, which leaves the network as it is. Configures the calling
    /// thread's network namespace. Needs a single-threaded tokio runtime.
    ///
    /// # Errors
    /// Returns [`AgentError::Netlink`] or [`AgentError::Watch`] if the kernel's network can't be observed,
    /// [`AgentError::Hold`] if standard input is not a pipe or can't be read (with `hold` only). A channel that can't
    /// be opened is not an error: the agent tries again without end.
    pub async fn run(self) -> Result<(), AgentError> {
        let converger =
            Converger::open(self.files, Sysfs::default()).map_err(AgentError::Netlink)?;
        let watch = Watch::open().map_err(AgentError::Netlink)?;
        let notify = Notify::from_environment();
        let mut hold = None;
        if self.hold {
            let mut held = Hold::open().map_err(AgentError::Hold)?;
            notify.tell_held();
            held.begun().await.map_err(AgentError::Hold)?;
            hold = Some(held);
        }
        // A request lies there or not; a channel waits for its taker.
        let (requests, requested) = mpsc::channel(1);
        let (opening, opened) = mpsc::channel(1);
        let (desired, wanted) = watch::channel(None);
        let (tell, events) = mpsc::channel(EVENTS);
        let ends = Ends {
            requests,
            opened,
            desired,
            events,
            logs: self.logs,
        };
        let session = Session::new(ends, Box::new(random));
        tokio::select! {
            () = open_channels(AgentOpener::new(self.channel), requested, opening) => Ok(()),
            () = session.run() => Ok(()),
            ended = keep(converger, &watch, wanted, tell, notify, hold) => ended,
        }
    }
}

/// Returns a random number of the kernel's, so that a clone of a VM does not go on with its
/// template's numbers.
fn random() -> u64 {
    // The kernel refuses only while it has no entropy yet, early at boot; the clock will do then.
    getrandom::u64().unwrap_or_else(|_| {
        let since = std::time::SystemTime::UNIX_EPOCH.elapsed();
        since.map_or(1, |since| u64::from(since.subsec_nanos()) ^ since.as_secs())
    })
}

/// Keeps the network what the newest spec says, one spec at a time: each is done in milliseconds.
async fn keep(
    mut converger: Converger,
    watch: &Watch,
    mut wanted: watch::Receiver<Option<NetSpec>>,
    tell: mpsc::Sender<AgentEvent>,
    mut notify: Notify,
    mut hold: Option<Hold>,
) -> Result<(), AgentError> {
    let mut told: Option<Applied> = None;
    let mut reseeder = Reseeder::default();
    // A look before the first spec would be in its way.
    let _ = tokio::time::timeout(FIRST_LOOK, wanted.changed()).await;
    loop {
        let spec = wanted.borrow_and_update().clone();
        let life = spec.as_ref().map(|spec| spec.id().incarnation);
        if let Some(refused) = life.and_then(|life| reseeder.live(life)) {
            tracing::warn!("{}", with_sources(&refused));
        }
        let begun = Instant::now();
        let forget = || {
            watch.forget();
        };
        let seen = match &spec {
            Some(spec) => {
                let rooted = hold.is_none();
                converger
                    .converge(spec, begun, rooted, forget)
                    .await
                    .map(Some)
            }
            None => converger.look().await.map(|()| None),
        };
        let mut retry = converger.retry();
        let mut events: Vec<AgentEvent> = converger
            .link_events()
            .into_iter()
            .map(AgentEvent::Link)
            .collect();
        match seen {
            // Without its files it is not as the spec says.
            Ok(Some(applied)) if hold.is_none() && told.as_ref() != Some(&applied) => {
                tracing::debug!("converged in {} µs", begun.elapsed().as_micros());
                notify.tell(&applied);
                told = Some(applied.clone());
                events.push(AgentEvent::Applied(applied));
            }
            Ok(_) => {}
            Err(error) => {
                tracing::error!("{}", with_sources(&error));
                retry = Some(Instant::now() + OBSERVE_AGAIN);
            }
        }
        for one in events {
            if tell.send(one).await.is_err() {
                return Ok(());
            }
        }
        converger.announce();
        tokio::select! {
            biased;
            changed = wanted.changed() => if changed.is_err() {
                return Ok(());
            },
            heard = watch.changed() => {
                heard.map_err(AgentError::Watch)?;
                // A spec that comes meanwhile looks at all of it; whether there is another is asked above.
                let _ = tokio::time::timeout(DEBOUNCE, wanted.changed()).await;
            }
            ended = Hold::ended(&mut hold) => {
                ended.map_err(AgentError::Hold)?;
                hold = None;
            }
            () = at(retry) => {}
        }
    }
}
