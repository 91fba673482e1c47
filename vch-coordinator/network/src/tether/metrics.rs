//! What is counted of sessions.

use vch_metrics::{Counter, Description, Gauge, Histogram, RegisterError, Registry};

/// Upper bounds of buckets, in seconds: an agent that is there agrees within milliseconds, one whose VM boots first within
/// seconds, or minutes where instructions are emulated.
const BOUNDS: [f64; 15] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0,
];

/// What is counted of all sessions; clones share it.
#[derive(Clone, Debug)]
pub(super) struct SessionMetrics {
    /// Containers that run, and whose agents have no session.
    pub awaited: Gauge,
    /// Open sessions whose agents have not reported the newest spec, or await a NIC.
    pub pending: Gauge,
    /// Open sessions whose agents agree.
    pub ready: Gauge,
    /// Open sessions whose agents could not do something.
    pub failed: Gauge,
    /// Sessions that were begun.
    pub begun: Counter,
    /// From a spec's publication to the agent's agreement, where a session was open when it was published.
    pub convergence: Histogram,
    /// The same where none was.
    pub convergence_awaited: Histogram,
}

impl SessionMetrics {
    /// There is no session yet.
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

    /// How many sessions are open.
    pub fn open(&self) -> usize {
        let open = [&self.pending, &self.ready, &self.failed].map(Gauge::get);
        // A session that changes its state meanwhile may be counted twice.
        usize::try_from(open.iter().sum::<i64>()).unwrap_or(0)
    }

    pub fn register(&self, registry: &Registry) -> Result<(), RegisterError> {
        for gauge in [&self.awaited, &self.pending, &self.ready, &self.failed] {
            registry.add(gauge.clone())?;
        }
        registry.add(self.begun.clone())?;
        registry.add(self.convergence.clone())?;
        registry.add(self.convergence_awaited.clone())
    }
}
