//! Reloads the configuration file of a running coordinator.

use crate::config::{self, Config};
use control_api::ApiError;
use futures_util::{FutureExt, future::BoxFuture};
use std::path::PathBuf;
use thiserror::Error;
use tokio::sync::Mutex;
use vch_engine::{Outcome, RequestError, Requests};
use vch_http::{Certificates, TlsError};
use vch_ledger::Command;

/// Why the configuration could not be reloaded.
#[derive(Debug, Error)]
pub enum ReloadError {
    /// The file is not valid, changes a field that needs a restart, or does not match the VCH's interfaces.
    #[error(transparent)]
    File(#[from] config::RereadError),
    /// The TLS certificates of the Docker API cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The ledger refused the new external networks, or the VCH could not make them.
    #[error(transparent)]
    Request(#[from] RequestError),
}

/// The operation by which a running coordinator reads its configuration file again: at SIGHUP, and by
/// `POST /v1/reload`. It knows the configuration that is in force. Concurrent reloads are made one after the other.
pub struct Reload {
    file: PathBuf,
    current: Mutex<Config>,
    requests: Requests,
    certificates: Option<Certificates>,
}

impl Reload {
    /// Returns a [`Reload`] of the file at `file`. `current` is the configuration that was read from it at the start;
    /// `requests` carries out the changes of external networks.
    pub fn new(file: PathBuf, current: Config, requests: Requests) -> Self {
        Self {
            file,
            current: Mutex::new(current),
            requests,
            certificates: None,
        }
    }

    /// Sets the TLS certificates of the Docker API, whose files each reload reads again; `None` (the default) if the
    /// Docker API is not served by TCP.
    #[must_use]
    pub fn with_certificates(self, certificates: Option<Certificates>) -> Self {
        Self {
            certificates,
            ..self
        }
    }

    /// Reads the file again, and applies the changes of external networks and the Docker API's certificates. Returns
    /// the result of changing the external networks.
    ///
    /// # Errors
    /// - [`ReloadError::File`] if the file is not valid, changes a field that needs a restart, or names an interface or
    ///   address that the VCH does not have. Nothing has changed then.
    /// - [`ReloadError::Tls`] if a certificate cannot be used. Nothing has changed then.
    /// - [`ReloadError::Request`] if the external networks are refused. The certificates are reloaded nevertheless.
    pub async fn take_over(&self) -> Result<Outcome, ReloadError> {
        let mut current = self.current.lock().await;
        let newer = current.reread(&self.file)?;
        if let Some(certificates) = &self.certificates {
            certificates.reload()?;
        }
        let command = Command::Configure(newer.externals.clone());
        let outcome = self.requests.carry_out(command).await?;
        *current = newer;
        Ok(outcome)
    }
}

impl control_api::Reload for Reload {
    fn reload(&self) -> BoxFuture<'_, Result<Outcome, ApiError>> {
        async {
            self.take_over().await.map_err(|error| match error {
                ReloadError::File(error) => ApiError::configuration(&error),
                ReloadError::Tls(error) => ApiError::configuration(&error),
                ReloadError::Request(error) => error.into(),
            })
        }
        .boxed()
    }
}
