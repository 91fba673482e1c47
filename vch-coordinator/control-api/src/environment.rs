//! The interfaces that the coordinator implements for the API, so that this package need not know Docker's names of
//! options or the configuration file.

use crate::ApiError;
use futures_util::future::BoxFuture;
use std::{collections::BTreeMap, sync::Arc};
use vch_engine::Outcome;
use vch_ledger::{BridgeOptions, Network, Refusal};

/// Converts the options of bridge networks, which have Docker's names such as `com.docker.network.bridge.enable_icc`,
/// for the native API. The coordinator implements it, so that this package need not know these names. The handlers call
/// [`parse`](Self::parse) when a network is created, and [`of`](Self::of) when one is shown.
pub trait NetworkOptions: Send + Sync {
    /// Parses the options of a new network, by name. Returns the settings that the ledger carries out, and a text with
    /// all options, which is stored with the network. An option that is not known is stored and has no effect; one
    /// whose value is not valid likewise.
    ///
    /// # Errors
    /// Returns the ledger's refusal if the network has too many options, or a name or value is too long.
    fn parse(
        &self,
        options: BTreeMap<String, String>,
    ) -> Result<(BridgeOptions, Arc<str>), Refusal>;

    /// Returns the options of a network by name: those with which it was created, read back from the text that
    /// [`parse`](Self::parse) made, and settings that the implementation stores there under names of its own. Empty if
    /// the text cannot be read.
    fn of(&self, network: &Network) -> BTreeMap<String, String>;
}

/// Reloads the coordinator's configuration file, for `POST /v1/reload` (`vchctl reload`). The coordinator implements
/// it, so that this package need not know the file.
pub trait Reload: Send + Sync {
    /// Reads the configuration file again and applies its changes of external networks, and the Docker API's
    /// certificates. The answer in the outcome lists the external networks that were added, changed and removed.
    ///
    /// # Errors
    /// Returns [`ApiError::configuration`] if the file or a certificate cannot be used; nothing has changed then.
    /// Returns the error of the ledger's command if the networks are refused; the certificates are reloaded
    /// nevertheless.
    fn reload(&self) -> BoxFuture<'_, Result<Outcome, ApiError>>;
}
