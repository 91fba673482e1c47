//! How a request that a VCH does not carry out is refused: by its field and value.

use crate::DockerError;

/// Most characters of a value that are said again.
const SHOWN: usize = 300;

/// Refuses a request by its field.
pub fn refuse(field: &str, value: impl std::fmt::Debug, remedy: &str) -> DockerError {
    let value: String = format!("{value:?}").chars().take(SHOWN).collect();
    DockerError::unsupported(&format!("{field} {value}"), remedy)
}
