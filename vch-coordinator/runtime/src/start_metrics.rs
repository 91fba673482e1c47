//! What is counted of starts of VMs.

use super::RuntimeError;
use std::time::Instant;
use vch_metrics::{Counter, Description, Histogram, RegisterError, Registry};

/// Upper bounds of buckets, in seconds: a clone is there within a second, a boot within seconds, and where instructions
/// are emulated on a busy host within minutes.
const BOUNDS: [f64; 12] = [
    0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0,
];

/// What is counted of the starts that this coordinator began.
#[derive(Debug)]
pub(super) struct StartMetrics {
    running: Counter,
    refused: Counter,
    failed: Counter,
    killed: Counter,
    seconds: Histogram,
}

impl StartMetrics {
    /// Nothing was started yet.
    pub fn new() -> Self {
        let starts = Description::new(
            "vch_vm_starts_total",
            "Starts of containers' VMs, by what became of them.",
        );
        let seconds = Description::new(
            "vch_vm_start_seconds",
            "From a container's start until its process runs in its VM, with the wait for its turn to boot.",
        );
        let of = |outcome| starts.of("outcome", outcome).counter();
        Self {
            running: of("running"),
            refused: of("refused"),
            failed: of("failed"),
            killed: of("killed"),
            seconds: seconds.histogram(&BOUNDS),
        }
    }

    /// Counts what became of the preparation: one that fails is a start without a VM.
    pub fn prepared<T>(&self, prepared: &Result<T, RuntimeError>) {
        if prepared.is_err() {
            self.refused.inc();
        }
    }

    /// Counts what became of the launch of a start that was begun `began`.
    pub fn launched<T>(&self, began: Instant, launched: &Result<T, RuntimeError>, aborted: bool) {
        match launched {
            Ok(_) => {
                self.running.inc();
                self.seconds.observe(began.elapsed().as_secs_f64());
            }
            Err(_) if aborted => self.killed.inc(),
            Err(_) => self.failed.inc(),
        }
    }

    /// Adds all of it.
    pub fn register(&self, registry: &Registry) -> Result<(), RegisterError> {
        for counter in [&self.running, &self.refused, &self.failed, &self.killed] {
            registry.add(counter.clone())?;
        }
        registry.add(self.seconds.clone())
    }
}

#[cfg(test)]
mod tests;
