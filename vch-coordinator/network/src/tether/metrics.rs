//! What is counted of sessions.

use vch_metrics::{Counter, Description, Gauge, Histogram, RegisterError, Registry};

/// Upper bounds of buckets, in seconds: an agent that is there agrees within milliseconds, one whose VM boots first within
/// seconds, or minutes where instructions are emulated.
const BOUNDS: [f64; 15] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0,
];

/// The metrics of all sessions with agents; clones share them.
#[derive(Clone, Debug)]
pub(super) struct SessionMetrics {
    /// The number of running containers whose agents have no session.
    pub awaited: Gauge,
    /// The number of open sessions whose agents have not reported the newest specification, or wait for a NIC.
    pub pending: Gauge,
    /// The number of open sessions whose agents have carried out the newest specification.
    pub ready: Gauge,
    /// The number of open sessions whose agents could not carry out something.
    pub failed: Gauge,
    /// The number of sessions that have begun since the coordinator started.
    pub begun: Counter,
    /// The seconds from a specification's publication until the agent has carried it out, if a session was open at the
    /// publication.
    pub convergence: Histogram,
    /// The seconds from a specification's publication until the agent has carried it out, if no session was open at the
    /// publication.
    pub convergence_awaited: Histogram,
}

impl SessionMetrics {
    /// Makes the metrics; all of them are 0.
    pub fn new() -> Self {
        let awaited = Description::new(
            "vch_agent_sessions_awaited",
            "Started containers whose agents have no session.",
        );
        let sessions = Description::new(
            "vch_agent_sessions",
            "Open agent sessions, by what the agent last reported of the newest spec.",
        );
        let begun = Description::new(
            "vch_agent_sessions_begun_total",
            "Agent sessions that were begun.",
        );
        let convergence = Description::new(
            "vch_convergence_seconds",
            "From a spec's publication to the agent's agreement, by whether a session was open then.",
        );
        Self {
            awaited: awaited.gauge(),
            pending: sessions.of("state", "pending").gauge(),
            ready: sessions.of("state", "ready").gauge(),
            failed: sessions.of("state", "failed").gauge(),
            begun: begun.counter(),
            convergence: convergence.of("session", "open").histogram(&BOUNDS),
            convergence_awaited: convergence.of("session", "awaited").histogram(&BOUNDS),
        }
    }

    /// Returns the number of open sessions.
    pub fn open(&self) -> usize {
        let open = [&self.pending, &self.ready, &self.failed].map(Gauge::get);
        // A session that changes its state meanwhile may be counted twice.
        usize::try_from(open.iter().sum::<i64>()).unwrap_or(0)
    }

    /// Adds the metrics to the registry.
    ///
    /// # Errors
    /// Returns [`RegisterError`] if the registry has a metric of the same name already.
    pub fn register(&self, registry: &Registry) -> Result<(), RegisterError> {
        for gauge in [&self.awaited, &self.pending, &self.ready, &self.failed] {
            registry.add(gauge.clone())?;
        }
        registry.add(self.begun.clone())?;
        registry.add(self.convergence.clone())?;
        registry.add(self.convergence_awaited.clone())
    }
}
