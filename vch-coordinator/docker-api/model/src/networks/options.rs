//! The options of a network by Docker's names: their meaning for the ledger, and the document in
//! which they are stored.

use std::{collections::BTreeMap, net::Ipv4Addr, sync::Arc};
use vch_ledger::{BridgeOptions, Network, Refusal, bounded_texts};

/// Whether containers of the network can reach each other.
pub const ICC: &str = "com.docker.network.bridge.enable_icc";
/// Whether packets that leave the network get an address of the VCH.
pub const MASQUERADE: &str = "com.docker.network.bridge.enable_ip_masquerade";
/// The address of the VCH for published ports without an address.
pub const HOST_BINDING: &str = "com.docker.network.bridge.host_binding_ipv4";
/// The prefix of the containers' interface names, which a number follows.
pub const INTERFACE_PREFIX: &str = "com.docker.network.container_iface_prefix";
/// The MTU of the network's interfaces.
pub const MTU: &str = "com.docker.network.driver.mtu";
/// The DNS TTL of the network's names, in seconds: an option of the VCH's own.
pub const DNS_TTL: &str = "vch.dns-ttl";
/// The prefix of options that the VCH stores beside the caller's and does not show as options.
pub const KEPT: &str = "vch.docker.";
/// `Attachable`.
pub const ATTACHABLE: &str = "vch.docker.attachable";
/// `IPAM.Options`, as JSON.
pub const IPAM_OPTIONS: &str = "vch.docker.ipam-options";
/// The ID of the network's template, as the native API shows it.
pub const CONFIG_FROM: &str = "vch.config-from";

/// The options of a network as they were given, and those that begin with [`KEPT`]. As a JSON
/// object they are the network's document in the ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkOptions(BTreeMap<String, String>);

impl From<BTreeMap<String, String>> for NetworkOptions {
    fn from(options: BTreeMap<String, String>) -> Self {
        Self(options)
    }
}

impl NetworkOptions {
    /// Parses a network's document. An unreadable document has no options.
    pub fn of(network: &Network) -> Self {
        Self(serde_json::from_str(&network.document).unwrap_or_default())
    }

    /// Returns the text of an option.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// Stores an option.
    pub fn insert(&mut self, key: &str, value: String) {
        self.0.insert(key.to_owned(), value);
    }

    /// Returns the options that the caller gave.
    pub fn given(&self) -> impl Iterator<Item = (&String, &String)> {
        self.0.iter().filter(|(key, _)| !key.starts_with(KEPT))
    }

    /// Returns the options that the ledger interprets. An option whose value is not valid is
    /// ignored.
    pub fn bridge(&self) -> BridgeOptions {
        let usual = BridgeOptions::default();
        let truth = |key| self.get(key).and_then(go_bool);
        let prefix = self.get(INTERFACE_PREFIX);
        let binding = self.get(HOST_BINDING);
        BridgeOptions {
            icc: truth(ICC).unwrap_or(usual.icc),
            masquerade: truth(MASQUERADE).unwrap_or(usual.masquerade),
            host_binding: binding.and_then(|text| text.parse::<Ipv4Addr>().ok()),
            interface_prefix: prefix
                .filter(|text| !text.is_empty())
                .and_then(|text| text.parse().ok()),
        }
    }

    /// Returns the network's document; empty without options.
    ///
    /// # Errors
    /// Returns the ledger's refusal if there are too many options, or one is too long.
    pub fn document(&self) -> Result<Arc<str>, Refusal> {
        bounded_texts("options", &self.0)?;
        if self.0.is_empty() {
            return Ok(Arc::default());
        }
        Ok(serde_json::json!(self.0).to_string().into())
    }
}

/// Returns the options of a network as the native API shows them.
pub fn native(network: &Network) -> BTreeMap<String, String> {
    let NetworkOptions(mut options) = NetworkOptions::of(network);
    if let Some(configuration) = network.configuration {
        options.insert(CONFIG_FROM.to_owned(), configuration.to_string());
    }
    options
}

/// Parses a truth value as Go's `strconv.ParseBool` and so Docker does; `None` if it is not valid.
pub fn go_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
