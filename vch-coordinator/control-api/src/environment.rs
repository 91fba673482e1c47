//! What the API is given by the coordinator that serves it.

use crate::ApiError;
use futures_util::future::BoxFuture;
use std::{collections::BTreeMap, sync::Arc};
use vch_engine::Outcome;
use vch_ledger::{BridgeOptions, Network, Refusal};

/// Reads and shows the options that networks are given by name. This API passes them on and does not read them.
pub trait NetworkOptions: Send + Sync {
    /// Returns what options mean to the ledger, and the document in which they are kept.
    ///
    /// # Errors
    /// Returns the ledger's refusal if there are too many options, or one is too long.
    fn parse(
        &self,
        options: BTreeMap<String, String>,
    ) -> Result<(BridgeOptions, Arc<str>), Refusal>;

    /// Returns the options of a network, as they were given.
    fn of(&self, network: &Network) -> BTreeMap<String, String>;
}

/// Reads the coordinator's configuration again.
pub trait Reload: Send + Sync {
    /// Takes over what the file says now; the answer lists the external networks that changed.
    ///
    /// # Errors
    /// Returns [`ApiError::configuration`] if the file can't be taken over, or the error of the ledger's command;
    /// nothing has changed then.
    fn reload(&self) -> BoxFuture<'_, Result<Outcome, ApiError>>;
}
