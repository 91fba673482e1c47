//! Metrics of the starts of containers' VMs.

use super::RuntimeError;
use std::time::Instant;
use vch_metrics::{Counter, Description, Histogram, RegisterError, Registry};

/// Upper bounds of buckets, in seconds: a clone is there within a second, a boot within seconds, and where instructions
/// are emulated on a busy host within minutes.
const BOUNDS: [f64; 12] = [
    0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0,
];

/// The metrics of the VM starts that this coordinator began: how many, by outcome, and how long
/// they took.
#[derive(Debug)]
pub(super) struct StartMetrics {
    running: Counter,
    refused: Counter,
    failed: Counter,
    killed: Counter,
    seconds: Histogram,
}

impl StartMetrics {
    /// Returns metrics of which every count is 0.
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

    /// Counts a start as `refused` if its preparation (disks, ledger) failed, so that there was no
    /// VM.
    pub fn prepared<T>(&self, prepared: &Result<T, RuntimeError>) {
        if prepared.is_err() {
            self.refused.inc();
        }
    }

    /// Counts a start as `running`, as `killed` if it was aborted, or as `failed`. If it runs,
    /// records the time since `began`.
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

    /// Adds all of these metrics to a registry.
    ///
    /// # Errors
    /// Returns [`RegisterError`] if one of them is registered already.
    pub fn register(&self, registry: &Registry) -> Result<(), RegisterError> {
        for counter in [&self.running, &self.refused, &self.failed, &self.killed] {
            registry.add(counter.clone())?;
        }
        registry.add(self.seconds.clone())
    }
}

#[cfg(test)]
mod tests;
