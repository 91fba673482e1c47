//! Counters, gauges and histograms, and the text in which Prometheus reads them.
//!
//! ```text
//!   Description ──► Counter, Gauge, Histogram   each held, and moved, by the package that counts
//!                   Reading                     a number that a package has anyway, read when it is asked for
//!                        │ add
//!                        ▼
//!                   Registry ──► text           the Prometheus text format, version 0.0.4
//! ```
//!
//! The text format is that of <https://prometheus.io/docs/instrumenting/exposition_formats/>; names are as
//! <https://prometheus.io/docs/practices/naming/> wants them: base units, `_total` for what only grows.
//!
//! Architecture invariant: only this package names the library that counts and writes. To move a metric costs some atomic
//! operations: no lock is taken and nothing is allocated, so the store's writer may do it.
//!
//! Architecture invariant: the values of a label are few, and known when the program is built. No name of a container, a
//! network or an image is one.

mod description;
mod reading;
mod registry;

pub use description::Description;
pub use prometheus::{Histogram, IntCounter as Counter, IntGauge as Gauge, core::Collector};
pub use reading::Reading;
pub use registry::{CONTENT_TYPE, EncodeError, RegisterError, Registry};

#[cfg(test)]
mod tests;
