//! The interfaces that the coordinator implements for the API.

use crate::ApiError;
use futures_util::future::BoxFuture;
use std::{collections::BTreeMap, sync::Arc};
use vch_engine::Outcome;
use vch_ledger::{BridgeOptions, Network, Refusal};

/// Parses and shows the named options of networks. The API passes them through without interpreting
/// them.
pub trait NetworkOptions: Send + Sync {
    /// Parses options into those that the ledger knows, and the document in which all of them are
    /// kept.
    ///
    /// # Errors
    /// Returns the ledger's refusal if there are too many options, or one is too long.
    fn parse(
        &self,
        options: BTreeMap<String, String>,
    ) -> Result<(BridgeOptions, Arc<str>), Refusal>;

    /// Returns the options of a network as they were given.
    fn of(&self, network: &Network) -> BTreeMap<String, String>;
}

/// Reloads the coordinator's configuration.
pub trait Reload: Send + Sync {
    /// Reloads the configuration file. The outcome lists the external networks that changed.
    ///
    /// # Errors
    /// Returns [`ApiError::configuration`] if the file can't be applied, or the error of the ledger's command. Nothing has changed then.
    fn reload(&self) -> BoxFuture<'_, Result<Outcome, ApiError>>;
}
