//! The endpoints that a container's body requests: the networks to connect the container to.

use crate::{
    DockerError, Version,
    containers::body::Body,
    gates,
    networks::endpoint::{EndpointSettings, linked, mac_address},
};
use std::collections::BTreeMap;
use vch_ledger::Connect;

/// The name of Docker's default bridge, the network of containers that name no network. Requests may write `default` or
/// an empty name instead.
pub const DEFAULT: &str = "bridge";

/// Returns the container's endpoints, with that of its network mode first. `labels` are the container's own and its
/// image's.
///
/// # Errors
/// Returns dockerd's error if an endpoint is not valid.
pub fn wanted(
    body: &Body,
    labels: &BTreeMap<String, String>,
    version: Version,
) -> Result<Vec<Connect>, DockerError> {
    let settings = settings(body)?;
    if settings.len() > 1 && !gates::SEVERAL_ENDPOINTS.is_open(version) {
        let names: Vec<&str> = settings.keys().map(String::as_str).collect();
        let names = names.join(", ");
        return Err(DockerError::invalid(format!(
            "Container cannot be connected to network endpoints: {names}"
        )));
    }
    let main = network(&body.host_config.network_mode);
    if body.network_disabled || main == "none" {
        return match settings.keys().find(|name| *name != "none") {
            None => Ok(Vec::new()),
            Some(_) if body.network_disabled => Ok(Vec::new()),
            Some(name) => Err(DockerError::invalid(format!(
                "conflicting options: network mode none and network {name}: leave one of them out"
            ))),
        };
    }
    let alone = EndpointSettings::default();
    let mut names: Vec<(&str, &EndpointSettings)> = Vec::new();
    let named = settings.get(main);
    // The default network is added only if no other network is requested.
    if named.is_some() || settings.is_empty() || main != DEFAULT {
        names.push((main, named.unwrap_or(&alone)));
    }
    let others = settings.iter().filter(|(name, _)| name.as_str() != main);
    names.extend(others.map(|(name, settings)| (name.as_str(), settings)));
    let mut endpoints = Vec::new();
    for (index, (name, settings)) in names.into_iter().enumerate() {
        let mut endpoint = endpoint(name, settings, labels, version)?;
        if index == 0 {
            first(body, &mut endpoint)?;
        }
        endpoints.push(endpoint);
    }
    Ok(endpoints)
}

/// Returns the endpoint settings by network name, with `default` under the default network's name.
///
/// # Errors
/// Returns 400 if the settings are not valid.
fn settings(body: &Body) -> Result<BTreeMap<String, EndpointSettings>, DockerError> {
    let all = &body.networking_config.endpoints_config;
    let one = |(name, value): (&String, &serde_json::Value)| {
        let read = serde_json::from_value(value.clone());
        let read = read.map_err(|error| {
            DockerError::invalid(format!("invalid JSON: EndpointsConfig of {name}: {error}"))
        })?;
        Ok((network(name).to_owned(), read))
    };
    all.iter().map(one).collect()
}

/// Returns a network's name or ID in a request as the ledger knows it: [`DEFAULT`] for `default` or an empty text,
/// otherwise the text itself. Does not check whether such a network exists.
pub fn network(name: &str) -> &str {
    match name {
        "" | "default" => DEFAULT,
        name => name,
    }
}

/// Applies the settings of the container as a whole to its first endpoint.
///
/// # Errors
/// Returns 400 if a setting is not valid or contradicts the endpoint's.
fn first(body: &Body, endpoint: &mut Connect) -> Result<(), DockerError> {
    if !body.mac_address.is_empty() {
        let mac = mac_address(&body.mac_address)?;
        if endpoint.mac.is_some_and(|own| own != mac) {
            return Err(DockerError::invalid(
                "the container-wide MAC address must match the endpoint-specific MAC address for the main network, or be left empty",
            ));
        }
        endpoint.mac = Some(mac);
    }
    for link in &body.host_config.links {
        endpoint.links.push(linked(link)?);
    }
    Ok(())
}

/// Returns the request to connect the container to a network.
///
/// # Errors
/// Returns 400 if a setting is not valid.
fn endpoint(
    name: &str,
    settings: &EndpointSettings,
    labels: &BTreeMap<String, String>,
    version: Version,
) -> Result<Connect, DockerError> {
    let aliased = settings.aliases().next().is_some();
    if name == DEFAULT && aliased {
        return Err(DockerError::invalid(
            "network-scoped alias is supported only for containers in user defined networks",
        ));
    }
    let mut endpoint = settings.connect("".into(), name.into(), labels, version)?;
    // Before version 1.44, a new container had a MAC address, and its endpoints had none.
    if !gates::SEVERAL_ENDPOINTS.is_open(version) {
        endpoint.mac = None;
    }
    Ok(endpoint)
}
