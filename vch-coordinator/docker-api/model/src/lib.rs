//! What Docker's clients ask for and are told, as values: requests are parsed into the ledger's and the runtime's own
//! parameters, or refused in dockerd's words; nothing here does I/O.
//!
//! Source: the Docker Engine API, versions 1.24 to 1.51, as dockerd answers it.
//!
//! Architecture invariant: this package and `docker-api`, which serves it, are the only ones that know Docker.

pub mod containers;
pub mod error;
pub mod execs;
pub mod filters;
pub mod gates;
pub mod images;
pub mod json;
pub mod names;
pub mod networks;
pub mod prune;
pub mod registry;
pub mod system;
pub mod time;
pub mod version;
pub mod volumes;

pub use error::DockerError;
pub use version::Version;

#[cfg(test)]
mod tests;
