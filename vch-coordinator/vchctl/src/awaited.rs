//! Explains why a container is not ready, for `vchctl container wait`.

use control_api::shape::{Container, Endpoint, EndpointState};

/// Returns one line for each reason that a container is not ready: what it still lacks or what failed, with a
/// remedy.
pub fn lines(container: &Container) -> Vec<String> {
    if container.incarnation.is_none() {
        let name = &container.name;
        return vec![format!(
            "it does not run: type `vchctl container start {name}`, then start its VM"
        )];
    }
    let mut lines = container.session.failures.clone();
    if !container.session.live {
        lines.push(format!(
            "no agent is there: is its VM running, with the other end of {}?",
            container.channel
        ));
    }
    lines.extend(container.endpoints.values().filter_map(of_endpoint));
    if lines.is_empty() {
        lines.push("its agent has not reported its newest network yet: wait longer".to_owned());
    }
    lines
}

fn of_endpoint(endpoint: &Endpoint) -> Option<String> {
    let Endpoint {
        interface,
        network,
        mac,
        link,
        ..
    } = endpoint;
    (endpoint.state == EndpointState::Waiting).then(|| {
        format!(
            "{interface} on network {network}: no such NIC in the VM yet: plug one with MAC {mac} into link {link}"
        )
    })
}

#[cfg(test)]
mod tests;
