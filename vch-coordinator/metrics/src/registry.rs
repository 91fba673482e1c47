//! All metrics of a program, and their text.

use prometheus::{TEXT_FORMAT, TextEncoder, core::Collector};
use thiserror::Error;

/// The media type of [`Registry::text`].
pub const CONTENT_TYPE: &str = TEXT_FORMAT;

/// A metric can't be registered: one of the same name and label is there already, or one of the same name says something
/// else.
#[derive(Debug, Error)]
#[error("a metric is registered twice, or two of one name differ in label or help")]
pub struct RegisterError(#[from] prometheus::Error);

/// The metrics can't be written as text.
#[derive(Debug, Error)]
#[error("the metrics cannot be written as text")]
pub struct EncodeError(#[from] prometheus::Error);

/// The metrics of one coordinator; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Registry(prometheus::Registry);

impl Registry {
    /// Adds a metric: the registry holds a clone, which its owner goes on moving.
    ///
    /// # Errors
    /// [`RegisterError`].
    pub fn add(&self, metric: impl Collector + 'static) -> Result<(), RegisterError> {
        Ok(self.0.register(Box::new(metric))?)
    }

    /// Returns all metrics in the Prometheus text format, version 0.0.4, in the order of their names.
    ///
    /// # Errors
    /// [`EncodeError`].
    pub fn text(&self) -> Result<String, EncodeError> {
        Ok(TextEncoder::new().encode_to_string(&self.0.gather())?)
    }
}
