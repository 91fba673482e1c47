//! The options of networks, which only the Docker API reads, for the native API.

use control_api::NetworkOptions;
use docker_model::networks::options;
use std::{collections::BTreeMap, sync::Arc};
use vch_ledger::{BridgeOptions, Network, Refusal};

/// Reads options as the Docker API does.
pub struct ByDockersNames;

impl NetworkOptions for ByDockersNames {
    fn parse(
        &self,
        options: BTreeMap<String, String>,
    ) -> Result<(BridgeOptions, Arc<str>), Refusal> {
        let options = options::NetworkOptions::from(options);
        Ok((options.bridge(), options.document()?))
    }

    fn of(&self, network: &Network) -> BTreeMap<String, String> {
        options::native(network)
    }
}
