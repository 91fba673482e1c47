//! How far one container's agent has come, as it is counted.

use super::{
    metrics::SessionMetrics,
    state::{Readiness, SessionState},
};
use protocol::spec::SpecId;
use std::time::Instant;
use vch_metrics::Gauge;

/// Where a session counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The container does not run, and there is no session.
    Idle,
    /// The container runs, and its agent has no session.
    Awaited,
    Pending,
    Ready,
    Failed,
}

impl Phase {
    fn is_open(self) -> bool {
        matches!(self, Self::Pending | Self::Ready | Self::Failed)
    }
}

/// A spec to which the agent has not agreed yet.
#[derive(Debug)]
struct Publication {
    at: Instant,
    /// Whether a session was open then.
    open: bool,
}

/// Counts one container's session: it counts in one gauge at a time, and in none once this is dropped.
#[derive(Debug)]
pub(super) struct Progress {
    metrics: SessionMetrics,
    phase: Phase,
    spec: Option<SpecId>,
    publication: Option<Publication>,
}

impl Progress {
    /// Returns the progress of a container of which nothing is published yet.
    pub fn new(metrics: SessionMetrics) -> Self {
        Self {
            metrics,
            phase: Phase::Idle,
            spec: None,
            publication: None,
        }
    }

    /// Takes note of the spec that is wanted, published at `at`; `None` where the container does not run. The newest
    /// counts: an agent that never agreed to the one before is asked for it no more.
    pub fn published(&mut self, spec: Option<SpecId>, at: Instant, state: &SessionState) {
        if spec == self.spec {
            return;
        }
        self.spec = spec;
        // After a restart of the coordinator the agent may have agreed long ago.
        let disagrees = spec.is_some_and(|spec| state.readiness(spec) != Readiness::Ready);
        let open = state.agent.is_some();
        self.publication = disagrees.then_some(Publication { at, open });
    }

    /// Takes note of what is known of the agent by now.
    pub fn follow(&mut self, state: &SessionState, now: Instant) {
        let phase = self.phase_of(state);
        if phase == Phase::Ready
            && let Some(Publication { at, open }) = self.publication.take()
        {
            let histogram = match open {
                true => &self.metrics.convergence,
                false => &self.metrics.convergence_awaited,
            };
            histogram.observe(now.saturating_duration_since(at).as_secs_f64());
        }
        self.enter(phase);
    }

    fn phase_of(&self, state: &SessionState) -> Phase {
        match (&state.agent, self.spec) {
            (None, None) => Phase::Idle,
            (None, Some(_)) => Phase::Awaited,
            // Its container was stopped, and the VM has not ended yet.
            (Some(_), None) => Phase::Pending,
            (Some(_), Some(spec)) => match state.readiness(spec) {
                Readiness::Ready => Phase::Ready,
                Readiness::Pending => Phase::Pending,
                Readiness::Failed(_) => Phase::Failed,
            },
        }
    }

    fn enter(&mut self, phase: Phase) {
        if phase == self.phase {
            return;
        }
        if phase.is_open() && !self.phase.is_open() {
            self.metrics.begun.inc();
        }
        if let Some(gauge) = self.gauge(phase) {
            gauge.inc();
        }
        if let Some(gauge) = self.gauge(self.phase) {
            gauge.dec();
        }
        self.phase = phase;
    }

    fn gauge(&self, phase: Phase) -> Option<&Gauge> {
        match phase {
            Phase::Idle => None,
            Phase::Awaited => Some(&self.metrics.awaited),
            Phase::Pending => Some(&self.metrics.pending),
            Phase::Ready => Some(&self.metrics.ready),
            Phase::Failed => Some(&self.metrics.failed),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.enter(Phase::Idle);
    }
}

#[cfg(test)]
mod tests;
