//! The options of networks, which only the Docker API reads, for the native API.

use control_api::NetworkOptions;
use docker_api::network_options;
use std::{collections::BTreeMap, sync::Arc};
use vch_ledger::{BridgeOptions, Network, Refusal};

/// Reads options as the Docker API does.
pub struct ByDockersNames;

impl NetworkOptions for ByDockersNames {
    fn parse(
        &self,
        options: BTreeMap<String, String>,
    ) -> Result<(BridgeOptions, Arc<str>), Refusal> {
        let options = network_options::NetworkOptions::from(options);
        Ok((options.bridge(), options.document()?))
    }

    fn of(&self, network: &Network) -> BTreeMap<String, String> {
        network_options::native(network)
    }
}
