//! Lets the native API accept and show the options of networks by their Docker names.

use control_api::NetworkOptions;
use docker_model::networks::options;
use std::{collections::BTreeMap, sync::Arc};
use vch_ledger::{BridgeOptions, Network, Refusal};

/// The options of networks by their Docker names, as `com.docker.network.driver.mtu`: parses and shows them for the
/// native API.
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
