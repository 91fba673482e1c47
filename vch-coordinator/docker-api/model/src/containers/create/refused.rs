//! Refusals of requests that a VCH does not support, with field and value.

use crate::DockerError;

/// The maximum number of characters of a value that an error repeats.
const SHOWN: usize = 300;

/// Returns 501 for a field that a VCH does not support, with its value and a remedy.
pub fn refuse(field: &str, value: impl std::fmt::Debug, remedy: &str) -> DockerError {
    let value: String = format!("{value:?}").chars().take(SHOWN).collect();
    DockerError::unsupported(&format!("{field} {value}"), remedy)
}
