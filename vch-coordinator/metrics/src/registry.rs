//! All metrics of the coordinator, and their text.

use prometheus::{TEXT_FORMAT, TextEncoder, core::Collector};
use thiserror::Error;

/// The media type (HTTP's `Content-Type`) of the text that [`Registry::text`] returns.
pub const CONTENT_TYPE: &str = TEXT_FORMAT;

/// The error for a metric that can't be added to a [`Registry`]. The registry already has a metric with this name and
/// label, or one with this name but another help text or label name.
#[derive(Debug, Error)]
#[error("a metric is registered twice, or two of one name differ in label or help")]
pub struct RegisterError(#[from] prometheus::Error);

/// The error of [`Registry::text`]: the metrics can't be written as text.
#[derive(Debug, Error)]
#[error("the metrics cannot be written as text")]
pub struct EncodeError(#[from] prometheus::Error);

/// All metrics of the coordinator, which it serves to Prometheus. Clones share the metrics.
#[derive(Clone, Debug, Default)]
pub struct Registry(prometheus::Registry);

impl Registry {
    /// Adds a metric to the registry. Of a counter, gauge or histogram the caller adds a clone, which shares the value,
    /// and updates its own. Of a [`Reading`](crate::Reading) the registry calls the function.
    ///
    /// # Errors
    /// Returns [`RegisterError`] if the registry already has a metric with this name and label, or one with this name
    /// but another help text or label name.
    pub fn add(&self, metric: impl Collector + 'static) -> Result<(), RegisterError> {
        Ok(self.0.register(Box::new(metric))?)
    }

    /// Returns all metrics in the Prometheus text format, version 0.0.4, in the order of their names.
    ///
    /// # Errors
    /// Returns [`EncodeError`] if a metric can't be written as text.
    pub fn text(&self) -> Result<String, EncodeError> {
        Ok(TextEncoder::new().encode_to_string(&self.0.gather())?)
    }
}
