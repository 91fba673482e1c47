//! The options of a network by their names in Docker's API, what they mean for the ledger, and the JSON text (the
//! network's *document*) in which the ledger stores them.

use std::{collections::BTreeMap, net::Ipv4Addr, sync::Arc};
use vch_ledger::{BridgeOptions, Network, Refusal, bounded_texts};

/// The option that tells whether containers on the network reach each other by their own addresses. The value is a text
/// for [`go_bool`], by default true; if false, they reach each other only by published ports.
pub const ICC: &str = "com.docker.network.bridge.enable_icc";
/// The option that tells whether packets that leave the network get an address of the VCH as their source. The value is
/// a text for [`go_bool`], by default true; if false, they keep the container's address.
pub const MASQUERADE: &str = "com.docker.network.bridge.enable_ip_masquerade";
/// The option with the IPv4 address of the VCH at which ports are published whose request names no address. If it is
/// missing, empty or `0.0.0.0`, they are published at the VCH's default addresses.
pub const HOST_BINDING: &str = "com.docker.network.bridge.host_binding_ipv4";
/// The option with the prefix of interface names in containers on the network, by default `eth`. A number follows the
/// prefix, as in `eth0`.
pub const INTERFACE_PREFIX: &str = "com.docker.network.container_iface_prefix";
/// The option with the MTU of the network's interfaces, 68 to 65,535 bytes; 0 for the kernel's default.
pub const MTU: &str = "com.docker.network.driver.mtu";
/// The option with the time that DNS clients may cache answers about containers on the network, 0 to 86,400 seconds; by
/// default that of the VCH's configuration. Only a VCH has this option.
pub const DNS_TTL: &str = "vch.dns-ttl";
/// The prefix of options that clients of Docker's API cannot set. Under these names the VCH stores settings of a
/// request to create a network that are not options; Docker's API does not show them as options.
pub const KEPT: &str = "vch.docker.";
/// The name under which [`NetworkOptions`] stores that the request set `Attachable`, with the value `true`. Absent if
/// the request did not set it.
pub const ATTACHABLE: &str = "vch.docker.attachable";
/// The name under which [`NetworkOptions`] stores the request's `IPAM.Options`, as the text of a JSON object.
pub const IPAM_OPTIONS: &str = "vch.docker.ipam-options";
/// The name under which the native API shows the ID of the configuration-only network (`docker network create
/// --config-only`) that a network takes its configuration from.
pub const CONFIG_FROM: &str = "vch.config-from";

/// The options of a network by name: the client's, and settings whose names begin with [`KEPT`]. As a JSON object
/// they are the network's document, a text that the ledger stores and does not read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkOptions(BTreeMap<String, String>);

impl From<BTreeMap<String, String>> for NetworkOptions {
    fn from(options: BTreeMap<String, String>) -> Self {
        Self(options)
    }
}

impl NetworkOptions {
    /// Parses the options in a network's document. Returns an empty map if the network has no
    /// document, or one that cannot be parsed.
    pub fn of(network: &Network) -> Self {
        Self(serde_json::from_str(&network.document).unwrap_or_default())
    }

    /// Returns the value of an option; `None` if the network does not have it.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// Adds an option, or replaces its value. Checks neither name nor value.
    pub fn insert(&mut self, key: &str, value: String) {
        self.0.insert(key.to_owned(), value);
    }

    /// Returns the options that the client set, as pairs of name and value, ordered by name.
    pub fn given(&self) -> impl Iterator<Item = (&String, &String)> {
        self.0.iter().filter(|(key, _)| !key.starts_with(KEPT))
    }

    /// Returns the options that the ledger carries out: [`ICC`], [`MASQUERADE`], [`HOST_BINDING`] and
    /// [`INTERFACE_PREFIX`]. For one that is missing or not valid, the default holds.
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

    /// Returns the options as the document to store with the network; an empty text without options.
    ///
    /// # Errors
    /// Returns the ledger's refusal if the network has too many options, or a name or value is too long.
    pub fn document(&self) -> Result<Arc<str>, Refusal> {
        bounded_texts("options", &self.0)?;
        if self.0.is_empty() {
            return Ok(Arc::default());
        }
        Ok(serde_json::json!(self.0).to_string().into())
    }
}

/// Returns the options of a network as the native API shows them: all stored ones, including those under [`KEPT`], and
/// [`CONFIG_FROM`] for a network that takes its configuration from another one.
pub fn native(network: &Network) -> BTreeMap<String, String> {
    let NetworkOptions(mut options) = NetworkOptions::of(network);
    if let Some(configuration) = network.configuration {
        options.insert(CONFIG_FROM.to_owned(), configuration.to_string());
    }
    options
}

/// Parses a truth value as Go's `strconv.ParseBool` does: `1`, `t`, `T`, `TRUE`, `true` and `True` are true; `0`, `f`,
/// `F`, `FALSE`, `false` and `False` are false. Returns `None` for any other text.
pub fn go_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
