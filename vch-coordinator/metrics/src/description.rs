//! What a metric is called, and what it says.

use crate::{Counter, Gauge, Histogram, Reading, reading::Kind};
use prometheus::{HistogramOpts, Opts, core::Desc};
use std::collections::HashMap;

/// The name of a metric, its help text, and the one label by which several of the same name are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Description {
    name: &'static str,
    help: &'static str,
    label: Option<(&'static str, &'static str)>,
}

impl Description {
    /// Describes a metric without a label.
    #[must_use]
    pub const fn new(name: &'static str, help: &'static str) -> Self {
        Self {
            name,
            help,
            label: None,
        }
    }

    /// Describes one of several metrics of this name: the one whose `label` has this value.
    #[must_use]
    pub const fn of(self, label: &'static str, value: &'static str) -> Self {
        Self {
            label: Some((label, value)),
            ..self
        }
    }

    /// Makes a number that only grows, at 0.
    #[must_use]
    pub fn counter(self) -> Counter {
        valid(Counter::with_opts(self.opts()))
    }

    /// Makes a number that goes up and down, at 0.
    #[must_use]
    pub fn gauge(self) -> Gauge {
        valid(Gauge::with_opts(self.opts()))
    }

    /// Makes a histogram without an observation; `bounds` are the upper ones of its buckets, in ascending order, in the
    /// unit of its name. One more bucket has no bound.
    #[must_use]
    pub fn histogram(self, bounds: &[f64]) -> Histogram {
        let opts = HistogramOpts::from(self.opts()).buckets(bounds.to_vec());
        valid(Histogram::with_opts(opts))
    }

    /// Makes a number that goes up and down and is read when it is asked for.
    #[must_use]
    pub fn read_gauge(self, read: impl Fn() -> u64 + Send + Sync + 'static) -> Reading {
        Reading::new(self.desc(), Kind::Gauge, Box::new(read))
    }

    /// Makes a number that only grows and is read when it is asked for.
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
