//! How far one container's agent has carried out the newest specification, for the metrics.

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

/// Counts one container's session in the metrics: in one gauge at a time, and in none once this value is dropped.
#[derive(Debug)]
pub(super) struct Progress {
    metrics: SessionMetrics,
    phase: Phase,
    spec: Option<SpecId>,
    publication: Option<Publication>,
}

impl Progress {
    /// Makes the progress of a container for which no specification was published yet.
    pub fn new(metrics: SessionMetrics) -> Self {
        Self {
            metrics,
            phase: Phase::Idle,
            spec: None,
            publication: None,
        }
    }

    /// Notes that the specification `spec` was published at `at`; `None` if the container does not run. Only the newest
    /// specification is measured, since the agent is no longer asked to carry out those before it.
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

    /// Notes the present state of the session: counts it in the gauge of that state, and measures the time when the
    /// agent has carried out the newest specification.
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
