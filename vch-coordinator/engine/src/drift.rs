//! The drift: what does not agree with the ledger at present.

use crate::error::DataplaneError;
use parking_lot::Mutex;
use std::sync::Arc;
use vch_log::error_chain;
use vch_metrics::{Description, Gauge, RegisterError, Registry};

/// A part of the data plane.
#[derive(Clone, Copy, Debug)]
enum Part {
    Segments,
    Nat,
    Dns,
    Tether,
    Runtime,
}

impl Part {
    /// Their names in metrics, in their order.
    const NAMES: [&str; 5] = ["segments", "nat", "dns", "tether", "runtime"];

    /// The part that failed.
    fn of(error: &DataplaneError) -> Self {
        match error {
            DataplaneError::Segments(_) => Self::Segments,
            DataplaneError::Nat(_) => Self::Nat,
            DataplaneError::Dns(_) => Self::Dns,
            DataplaneError::Tether(_) => Self::Tether,
            // What may panic goes on beside the reconciler: changes of running VMs.
            DataplaneError::Runtime(_) | DataplaneError::Panicked => Self::Runtime,
        }
    }
}

/// The failures that keep the VCH from agreeing with the ledger at present, and that are being retried: as messages
/// (`vchctl status` shows them) and as metrics. Empty if everything agrees. Clones share it.
#[derive(Clone, Debug)]
pub struct Drift {
    messages: Arc<Mutex<Vec<String>>>,
    /// In the order of [`Part`].
    counts: [Gauge; Part::NAMES.len()],
}

impl Default for Drift {
    fn default() -> Self {
        let drift = Description::new(
            "vch_drift",
            "What does not agree with the ledger and is retried, by part of the data plane.",
        );
        Self {
            messages: Arc::default(),
            counts: Part::NAMES.map(|part| drift.of("part", part).gauge()),
        }
    }
}

impl Drift {
    /// Returns a message for each failure that is being retried; empty if everything agrees with the ledger.
    pub fn messages(&self) -> Vec<String> {
        self.messages.lock().clone()
    }

    /// Replaces all messages and numbers: by those of the errors `failed`, and by the messages `waiting`, one for each
    /// failed change of a running VM's NIC. Both are empty if everything agrees with the ledger.
    pub fn report(&self, failed: &[DataplaneError], waiting: Vec<String>) {
        let mut counts = [0_i64; Part::NAMES.len()];
        for error in failed {
            counts[Part::of(error) as usize] += 1;
        }
        // What is waited for is in running VMs.
        counts[Part::Runtime as usize] += i64::try_from(waiting.len()).unwrap_or(i64::MAX);
        for (gauge, count) in self.counts.iter().zip(counts) {
            gauge.set(count);
        }
        let mut messages: Vec<String> = failed.iter().map(|error| error_chain(error)).collect();
        messages.extend(waiting);
        *self.messages.lock() = messages;
    }

    /// Adds the metrics to the registry: the number of failures that are being retried, by part of the data plane.
    ///
    /// # Errors
    /// Returns [`RegisterError`] if the registry has a metric of the same name already.
    pub fn register_metrics(&self, registry: &Registry) -> Result<(), RegisterError> {
        let mut gauges = self.counts.iter();
        gauges.try_for_each(|gauge| registry.add(gauge.clone()))
    }
}
