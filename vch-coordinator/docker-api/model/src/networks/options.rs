//! Options of a network by Docker's names: what they mean to the ledger, and the document in which they are kept.

use std::{collections::BTreeMap, net::Ipv4Addr, sync::Arc};
use vch_ledger::{BridgeOptions, Network, Refusal, bounded_texts};

/// Whether containers of the network reach one another.
pub const ICC: &str = "com.docker.network.bridge.enable_icc";
/// Whether what leaves the network bears an address of the VCH.
pub const MASQUERADE: &str = "com.docker.network.bridge.enable_ip_masquerade";
/// At which address of the VCH ports are published that name none.
pub const HOST_BINDING: &str = "com.docker.network.bridge.host_binding_ipv4";
/// What its containers' interfaces are called, with a number behind it.
pub const INTERFACE_PREFIX: &str = "com.docker.network.container_iface_prefix";
/// The MTU of its interfaces.
pub const MTU: &str = "com.docker.network.driver.mtu";
/// How long answers about its names may be kept, in seconds: the VCH's own.
pub const DNS_TTL: &str = "vch.dns-ttl";
/// Options that the VCH itself keeps beside the caller's; shown nowhere as options.
pub const KEPT: &str = "vch.docker.";
/// `Attachable`.
pub const ATTACHABLE: &str = "vch.docker.attachable";
/// `IPAM.Options`, as JSON.
pub const IPAM_OPTIONS: &str = "vch.docker.ipam-options";
/// The network's configuration by ID: as the native API shows it.
pub const CONFIG_FROM: &str = "vch.config-from";

/// The options of a network as they were given, with those that begin with [`KEPT`]. As a JSON object they are the
/// network's document in the ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkOptions(BTreeMap<String, String>);

impl From<BTreeMap<String, String>> for NetworkOptions {
    fn from(options: BTreeMap<String, String>) -> Self {
        Self(options)
    }
}

impl NetworkOptions {
    /// Reads a network's document; one that is not readable has no options.
    pub fn of(network: &Network) -> Self {
        Self(serde_json::from_str(&network.document).unwrap_or_default())
    }

    /// Returns the text of an option.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// Keeps a text.
    pub fn insert(&mut self, key: &str, value: String) {
        self.0.insert(key.to_owned(), value);
    }

    /// Returns the options that the caller gave.
    pub fn given(&self) -> impl Iterator<Item = (&String, &String)> {
        self.0.iter().filter(|(key, _)| !key.starts_with(KEPT))
    }

    /// Returns what the ledger reads of them: an option without a readable value is as if it were not given.
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

/// A truth value as Go's `strconv.ParseBool` reads it, and so Docker.
pub fn go_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
