//! Counters, gauges and histograms, and the text in which Prometheus reads them.
//!
//! ```text
//!   Description ──► Counter, Gauge, Histogram   each owned, and updated, by the package that counts
//!                   Reading                     a number that a package has anyway, read for each scrape
//!                        │ add
//!                        ▼
//!                   Registry ──► text           the Prometheus text format, version 0.0.4
//! ```
//!
//! The text format is described in <https://prometheus.io/docs/instrumenting/exposition_formats/>. Names follow
//! <https://prometheus.io/docs/practices/naming/>: base units, and `_total` for numbers that only grow.
//!
//! Architecture invariant: only this package names the library that counts and formats. Updating a metric takes some
//! atomic operations, without lock or allocation, so the store's writer may do it.
//!
//! Architecture invariant: a label has few values, all known when the program is built. The names of containers,
//! networks and images are never values of labels.

mod description;
mod reading;
mod registry;

pub use description::Description;
pub use prometheus::{Histogram, IntCounter as Counter, IntGauge as Gauge, core::Collector};
pub use reading::Reading;
pub use registry::{CONTENT_TYPE, EncodeError, RegisterError, Registry};

#[cfg(test)]
mod tests;
