//! A metric whose value is read when the metrics are requested.

use prometheus::{
    core::{Collector, Desc},
    proto::{Counter, Gauge, Metric, MetricFamily, MetricType},
};
use std::fmt;

/// What a number may do from one reading to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
}

/// A counter or gauge whose value a function returns each time the metrics are requested, instead of being updated by
/// the package that counts. It is for numbers that a package has anyway, such as the length of a queue.
/// [`Description::read_gauge`](crate::Description::read_gauge) and
/// [`Description::read_counter`](crate::Description::read_counter) make one.
pub struct Reading {
    desc: Desc,
    kind: Kind,
    read: Box<dyn Fn() -> u64 + Send + Sync>,
}

impl Reading {
    pub(crate) fn new(desc: Desc, kind: Kind, read: Box<dyn Fn() -> u64 + Send + Sync>) -> Self {
        Self { desc, kind, read }
    }
}

impl fmt::Debug for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Reading");
        shown.field("name", &self.desc.fq_name);
        shown.field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl Collector for Reading {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.desc]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        // Exact below 2^53, as every number of the text format.
        #[expect(
            clippy::cast_precision_loss,
            reason = "the text format has doubles alone"
        )]
        let value = (self.read)() as f64;
        let mut metric = Metric::from_label(self.desc.const_label_pairs.clone());
        let mut family = MetricFamily::default();
        family.set_name(self.desc.fq_name.clone());
        family.set_help(self.desc.help.clone());
        match self.kind {
            Kind::Counter => {
                let mut counter = Counter::default();
                counter.set_value(value);
                metric.set_counter(counter);
                family.set_field_type(MetricType::COUNTER);
            }
            Kind::Gauge => {
                let mut gauge = Gauge::default();
                gauge.set_value(value);
                metric.set_gauge(gauge);
                family.set_field_type(MetricType::GAUGE);
            }
        }
        family.set_metric(vec![metric]);
        vec![family]
    }
}
