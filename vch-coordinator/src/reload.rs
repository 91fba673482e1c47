//! Reloads the configuration of a running coordinator.

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
    /// The file is not valid, or it changes a field that needs a restart.
    #[error(transparent)]
    File(#[from] config::RereadError),
    /// The certificates cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The ledger refused the external networks, or they could not be set up.
    #[error(transparent)]
    Request(#[from] RequestError),
}

/// Reloads the configuration on request, one reload at a time.
pub struct Reload {
    file: PathBuf,
    current: Mutex<Config>,
    requests: Requests,
    certificates: Option<Certificates>,
}

impl Reload {
    /// Returns the reload of `file`, from which `current` was read at the start.
    pub fn new(file: PathBuf, current: Config, requests: Requests) -> Self {
        Self {
            file,
            current: Mutex::new(current),
            requests,
            certificates: None,
        }
    }

    /// Adds certificates to reload.
    #[must_use]
    pub fn with_certificates(self, certificates: Option<Certificates>) -> Self {
        Self {
            certificates,
            ..self
        }
    }

    /// Reads the file, and applies its external networks and the Docker API's certificates.
    ///
    /// # Errors
    /// - [`ReloadError::File`] if the file is not valid or changes a field that needs a restart. Nothing has changed then.
    /// - [`ReloadError::Tls`] if a certificate cannot be used. Nothing has changed then.
    /// - [`ReloadError::Request`] if the ledger refuses the external networks. The certificates are reloaded nevertheless.
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
