//! The interfaces that the coordinator implements for the API, so that this package need not know Docker's names of
//! options or the configuration file.

use crate::ApiError;
use futures_util::future::BoxFuture;
use std::{collections::BTreeMap, sync::Arc};
use vch_engine::Outcome;
use vch_ledger::{BridgeOptions, Network, Refusal};

/// Parses and shows the options of networks by name, such as `com.docker.network.bridge.enable_icc`. The API passes
/// options through without interpreting them.
pub trait NetworkOptions: Send + Sync {
    /// Parses the options of a new network. Returns the options that the ledger carries out, and the text in which
    /// all options are stored with the network.
    ///
    /// # Errors
    /// Returns the ledger's refusal if the network has too many options, or one is too long.
    fn parse(
        &self,
        options: BTreeMap<String, String>,
    ) -> Result<(BridgeOptions, Arc<str>), Refusal>;

    /// Returns the options that a network was created with, by name.
    fn of(&self, network: &Network) -> BTreeMap<String, String>;
}

/// Reloads the coordinator's configuration, for `POST /v1/reload` (`vchctl reload`).
pub trait Reload: Send + Sync {
    /// Reloads the configuration file and applies it. The outcome lists the external networks that were added,
    /// changed and removed.
    ///
    /// # Errors
    /// Returns [`ApiError::configuration`] if the file cannot be applied, or the error of the ledger's command.
    /// Nothing has changed then.
    fn reload(&self) -> BoxFuture<'_, Result<Outcome, ApiError>>;
}
