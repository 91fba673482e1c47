//! Lets the native API read and show the options of networks as the Docker API does.

use control_api::NetworkOptions;
use docker_model::networks::options;
use std::{collections::BTreeMap, sync::Arc};
use vch_ledger::{BridgeOptions, Network, Refusal};

/// Parses network options by Docker's names.
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
