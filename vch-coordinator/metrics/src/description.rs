//! The name, help text and label of a metric.

use crate::{Counter, Gauge, Histogram, Reading, reading::Kind};
use prometheus::{HistogramOpts, Opts, core::Desc};
use std::collections::HashMap;

/// The name and help text of a metric, with at most one label that distinguishes several metrics of the same name. Its
/// methods make the metric, which [`Registry::add`](crate::Registry::add) then adds to those that Prometheus gets. They
/// panic if Prometheus does not allow the name or the label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Description {
    name: &'static str,
    help: &'static str,
    label: Option<(&'static str, &'static str)>,
}

impl Description {
    /// Returns a description without a label. `name` is the metric's whole name with unit and suffix, such as
    /// `vch_vm_starts_total`; `help` is the sentence that Prometheus shows with it.
    #[must_use]
    pub const fn new(name: &'static str, help: &'static str) -> Self {
        Self {
            name,
            help,
            label: None,
        }
    }

    /// Returns the same description with the label named `label` and its `value`, in place of any earlier label.
    /// Several metrics can have the same name, if the values of their label differ.
    #[must_use]
    pub const fn of(self, label: &'static str, value: &'static str) -> Self {
        Self {
            label: Some((label, value)),
            ..self
        }
    }

    /// Creates a counter: a number that only grows, from 0. The caller adds it to a [`Registry`](crate::Registry), and
    /// increments it.
    #[must_use]
    pub fn counter(self) -> Counter {
        valid(Counter::with_opts(self.opts()))
    }

    /// Creates a gauge: a number that goes up and down, from 0. The caller adds it to a [`Registry`](crate::Registry),
    /// and sets it.
    #[must_use]
    pub fn gauge(self) -> Gauge {
        valid(Gauge::with_opts(self.opts()))
    }

    /// Creates an empty histogram, which the caller adds to a [`Registry`](crate::Registry). `bounds` are the upper
    /// bounds of its buckets in ascending order, in the unit that the metric's name has. One more bucket has no upper
    /// bound.
    #[must_use]
    pub fn histogram(self, bounds: &[f64]) -> Histogram {
        let opts = HistogramOpts::from(self.opts()).buckets(bounds.to_vec());
        valid(Histogram::with_opts(opts))
    }

    /// Creates a gauge whose value `read` returns each time the metrics are requested. The caller adds it to a
    /// [`Registry`](crate::Registry), which calls `read`.
    #[must_use]
    pub fn read_gauge(self, read: impl Fn() -> u64 + Send + Sync + 'static) -> Reading {
        Reading::new(self.desc(), Kind::Gauge, Box::new(read))
    }

    /// Creates a counter whose value `read` returns each time the metrics are requested; the value must only grow. The
    /// caller adds it to a [`Registry`](crate::Registry), which calls `read`.
    #[must_use]
    pub fn read_counter(self, read: impl Fn() -> u64 + Send + Sync + 'static) -> Reading {
        Reading::new(self.desc(), Kind::Counter, Box::new(read))
    }

    fn opts(self) -> Opts {
        let opts = Opts::new(self.name, self.help);
        match self.label {
            Some((label, value)) => opts.const_label(label, value),
            None => opts,
        }
    }

    fn desc(self) -> Desc {
        let label = self.label.into_iter();
        let labels: HashMap<_, _> = label.map(|(l, v)| (l.to_owned(), v.to_owned())).collect();
        let (name, help) = (self.name.to_owned(), self.help.to_owned());
        valid(Desc::new(name, help, Vec::new(), labels))
    }
}

#[expect(
    clippy::expect_used,
    reason = "names, labels and bounds are constants, and a test makes each metric"
)]
fn valid<T>(made: prometheus::Result<T>) -> T {
    made.expect("a name, a label and ascending bounds as Prometheus takes them")
}
