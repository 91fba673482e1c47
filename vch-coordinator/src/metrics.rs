//! The metrics that the parts of the coordinator count, for Prometheus.
//!
//! Architecture invariant: reading the metrics takes no lock for which the store's writer waits, asks no task, and
//! visits no single container: the cost does not grow with the number of containers.

mod server;

pub use server::{MAX_CONNECTIONS, MetricsListenError};

use crate::{config::Config, parts::Parts};
use server::MetricsListener;
use std::convert::Infallible;
use thiserror::Error;
use tokio_util::sync::CancellationToken;
use vch_engine::Reconciler;
use vch_metrics::{Description, RegisterError, Registry};
use vch_runtime::Runtime;

/// Why the metrics are not served.
#[derive(Debug, Error)]
pub enum MetricsError {
    /// The listener cannot be opened at the configured address or Unix socket.
    #[error(transparent)]
    Listen(#[from] MetricsListenError),
    /// Two parts of the coordinator have a metric of the same name.
    #[error(transparent)]
    Register(#[from] RegisterError),
}

/// Opens the listener at the configured address or Unix socket, and spawns the task that serves the metrics there into
/// `parts`, the coordinator's tasks; it ends when `stop` is cancelled. `counting` are the components whose metrics are
/// served. Does nothing if no address is configured.
///
/// # Errors
/// Returns [`MetricsError::Listen`] if the listener cannot be opened, and [`MetricsError::Register`] if two parts have
/// a metric of the same name.
pub fn serve(
    config: &Config,
    counting: (&Reconciler, &Runtime),
    (parts, stop): (&mut Parts, &CancellationToken),
) -> Result<(), MetricsError> {
    let Some(endpoint) = &config.metrics else {
        return Ok(());
    };
    let listener = MetricsListener::open(endpoint)?;
    let registry = registry(counting)?;
    let stop = stop.clone();
    parts.spawn_stopping("metrics", async {
        listener.serve(registry, stop).await;
        Ok::<(), Infallible>(())
    });
    Ok(())
}

/// Returns all that is counted, and the version of this coordinator.
fn registry((reconciler, runtime): (&Reconciler, &Runtime)) -> Result<Registry, RegisterError> {
    let registry = Registry::default();
    let build = Description::new("vch_build_info", "1, with the coordinator's version.");
    let build = build.of("version", env!("CARGO_PKG_VERSION")).gauge();
    build.set(1);
    registry.add(build)?;
    reconciler.ledger_handle.register_metrics(&registry)?;
    reconciler.dataplane.register_metrics(&registry)?;
    reconciler.drift.register_metrics(&registry)?;
    runtime.register_metrics(&registry)?;
    Ok(registry)
}
