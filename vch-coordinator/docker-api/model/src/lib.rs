//! The requests and responses of Docker's API as values, without I/O. Requests are parsed into commands of the
//! ledger (`vch-ledger`, which decides about networks and addresses) and of the runtime (`vch-runtime`, which runs
//! containers), or refused with dockerd's messages. Responses are types that serialize as dockerd's JSON.
//!
//! Source: the Docker Engine API, versions 1.24 to 1.51, as dockerd answers it.
//!
//! Architecture invariant: only this package and `docker-api`, which serves it, know Docker.

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
