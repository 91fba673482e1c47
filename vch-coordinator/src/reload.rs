//! The configuration is read again while the coordinator runs.

use crate::config::{self, Config};
use control_api::ApiError;
use futures_util::{FutureExt, future::BoxFuture};
use std::path::PathBuf;
use thiserror::Error;
use tokio::sync::Mutex;
use vch_engine::{Outcome, RequestError, Requests};
use vch_http::{Certificates, TlsError};
use vch_ledger::Command;

/// Why the configuration stays as it was.
#[derive(Debug, Error)]
pub enum ReloadError {
    /// The file is not one that a running coordinator can take over.
    #[error(transparent)]
    File(#[from] config::RereadError),
    /// The certificates that it names can't be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// What it says is refused.
    #[error(transparent)]
    Request(#[from] RequestError),
}

/// Takes the file over again, as often as it is asked to, one time after the other.
pub struct Reload {
    file: PathBuf,
    current: Mutex<Config>,
    requests: Requests,
    certificates: Option<Certificates>,
}

impl Reload {
    /// `current` is what was read from `file` at the start.
    pub fn new(file: PathBuf, current: Config, requests: Requests) -> Self {
        Self {
            file,
            current: Mutex::new(current),
            requests,
            certificates: None,
        }
    }

    /// Reads these certificates again, too.
    #[must_use]
    pub fn with_certificates(self, certificates: Option<Certificates>) -> Self {
        Self {
            certificates,
            ..self
        }
    }

    /// Reads the file and lets the external networks be as it says, and the Docker API's certificates as they
    /// are.
    ///
    /// # Errors
    /// Says why it changes nothing.
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
