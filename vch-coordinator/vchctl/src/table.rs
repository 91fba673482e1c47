//! Prints the coordinator's answers as aligned columns, for people.

use comfy_table::{Table, presets};
use control_api::shape;

/// The number of digits of an ID that are shown, as in Docker.
const SHORT_ID: usize = 12;

/// Prints networks, one line each.
pub fn networks(list: &[shape::Network]) {
    let rows = list.iter().map(|network| {
        [
            short(&network.id),
            network.name.clone(),
            network.driver.to_string(),
            network.scope.to_string(),
            join(network.subnets.iter().map(|subnet| subnet.subnet.clone())),
            network.endpoints.len().to_string(),
        ]
    });
    print(
        [
            "NETWORK ID",
            "NAME",
            "DRIVER",
            "SCOPE",
            "SUBNETS",
            "CONTAINERS",
        ],
        rows,
    );
}

/// Prints a network with its subnets, settings and endpoints.
pub fn network(one: &shape::Network) {
    let mut facts = vec![
        ["Name", &one.name].map(str::to_owned),
        ["ID", &one.id].map(str::to_owned),
        ["Driver".to_owned(), one.driver.to_string()],
        ["Scope".to_owned(), one.scope.to_string()],
    ];
    if let Some(link) = &one.link {
        facts.push(["Link", link].map(str::to_owned));
    }
    for subnet in &one.subnets {
        let mut text = subnet.subnet.clone();
        if let Some(gateway) = &subnet.gateway {
            text.push_str(&format!(" via {gateway}"));
        }
        if !subnet.ranges.is_empty() {
            text.push_str(&format!(", addresses from {}", subnet.ranges.join(", ")));
        }
        facts.push(["Subnet".to_owned(), text]);
    }
    if let Some(segment) = &one.segment {
        facts.push(["Segment".to_owned(), segment.to_string()]);
    }
    if let Some(external) = &one.external {
        facts.push(["Level".to_owned(), external.level.to_string()]);
        facts.push(["Addressing".to_owned(), external.addressing.to_string()]);
        facts.push(["DNS".to_owned(), join(external.dns.iter().cloned())]);
    }
    if let Some(mtu) = one.mtu {
        facts.push(["MTU".to_owned(), mtu.to_string()]);
    }
    if let Some(seconds) = one.dns_ttl {
        facts.push(["DNS TTL".to_owned(), format!("{seconds} s")]);
    }
    facts.push(["Internal".to_owned(), one.internal.to_string()]);
    for (key, value) in &one.labels {
        facts.push(["Label".to_owned(), format!("{key}={value}")]);
    }
    print_facts(facts);
    if !one.endpoints.is_empty() {
        println!();
        endpoints(one.endpoints.values());
    }
}

/// Prints containers, one line each.
pub fn containers(list: &[shape::Container]) {
    let rows = list.iter().map(|container| {
        let addresses = container.endpoints.iter().map(|(network, endpoint)| {
            format!("{network} {}", join(endpoint.addresses.iter().cloned()))
        });
        [
            short(&container.id),
            container.name.clone(),
            container.session.state.to_string(),
            if container.session.live { "live" } else { "-" }.to_owned(),
            container.channel.clone(),
            join(addresses),
        ]
    });
    print(
        [
            "CONTAINER ID",
            "NAME",
            "STATE",
            "SESSION",
            "CHANNEL",
            "ADDRESSES",
        ],
        rows,
    );
}

/// Prints a container with its ports, endpoints and the state of its agent.
pub fn container(one: &shape::Container) {
    let session = &one.session;
    let mut facts = vec![
        ["Name", &one.name].map(str::to_owned),
        ["ID", &one.id].map(str::to_owned),
        ["Host name", &one.hostname].map(str::to_owned),
        ["Channel", &one.channel].map(str::to_owned),
        [
            "Incarnation",
            one.incarnation
                .as_deref()
                .unwrap_or("- (type `vchctl container start`)"),
        ]
        .map(str::to_owned),
        ["Generation".to_owned(), one.generation.to_string()],
        ["State".to_owned(), session.state.to_string()],
        [
            "Agent",
            session.agent.as_deref().unwrap_or("- (no session)"),
        ]
        .map(str::to_owned),
    ];
    for failure in &session.failures {
        facts.push(["Failed", failure].map(str::to_owned));
    }
    for port in &one.ports {
        facts.push(["Port", port].map(str::to_owned));
    }
    if !one.healthy {
        facts.push(["Health", "unhealthy"].map(str::to_owned));
    }
    print_facts(facts);
    if !one.bindings.is_empty() {
        println!();
        bindings(&one.bindings);
    }
    if !one.endpoints.is_empty() {
        println!();
        endpoints(one.endpoints.values());
    }
}

/// Prints what the program that starts a container's VM needs: its new run's identity, its agent's channel and its
/// endpoints.
pub fn started(started: &shape::Started) {
    print_facts(vec![
        ["ID", &started.id].map(str::to_owned),
        ["Incarnation", &started.incarnation].map(str::to_owned),
        ["Channel", &started.channel].map(str::to_owned),
    ]);
    if !started.endpoints.is_empty() {
        println!();
        endpoints(&started.endpoints);
    }
}

/// Prints endpoints (containers' connections to networks), one line each.
pub fn endpoints<'a>(list: impl IntoIterator<Item = &'a shape::Endpoint>) {
    let rows = list.into_iter().map(|endpoint| {
        [
            endpoint.container.clone(),
            endpoint.network.clone(),
            join(endpoint.addresses.iter().cloned()),
            endpoint.mac.clone(),
            endpoint.interface.clone(),
            format!("{} {}", endpoint.attachment, endpoint.link),
            endpoint.rate.clone().unwrap_or_else(|| "-".to_owned()),
            endpoint.state.to_string(),
        ]
    });
    print(
        [
            "CONTAINER",
            "NETWORK",
            "ADDRESSES",
            "MAC",
            "INTERFACE",
            "ATTACHMENT",
            "RATE",
            "STATE",
        ],
        rows,
    );
}

/// Prints published ports that are in force, one line each.
pub fn bindings(list: &[shape::Binding]) {
    let rows = list.iter().map(|one| {
        let address = one.address.as_deref().unwrap_or("external");
        let address = match address.contains(':') {
            true => format!("[{address}]"),
            false => address.to_owned(),
        };
        [
            format!("{address}:{}/{}", one.host_port, one.protocol),
            one.container.clone(),
            one.container_port.to_string(),
            one.network.clone(),
            match one.clients.as_slice() {
                [] => "everywhere".to_owned(),
                clients => clients.join(", "),
            },
        ]
    });
    print(["VCH PORT", "CONTAINER", "PORT", "NETWORK", "FROM"], rows);
}

/// Prints the external networks that a reload of the configuration added, changed and removed.
pub fn reloaded(done: &shape::Reloaded) {
    let lines = [
        ("added", &done.added),
        ("changed", &done.changed),
        ("removed", &done.removed),
    ];
    let mut facts = Vec::new();
    for (what, networks) in lines {
        facts.extend(networks.iter().map(|one| [what.to_owned(), one.clone()]));
    }
    match facts.is_empty() {
        true => println!("nothing has changed"),
        false => print_facts(facts),
    }
}

/// Prints the phases of a container's last start, each with its duration in milliseconds.
pub fn trace(phases: &[shape::Phase]) {
    let first = phases.first().map_or(0, |phase| phase.at_us);
    let mut last = first;
    let milliseconds = |us: u64| format!("{}.{:01}", us / 1000, us % 1000 / 100);
    let rows = phases.iter().map(|phase| {
        let row = [
            phase.name.clone(),
            milliseconds(phase.at_us.saturating_sub(first)),
            milliseconds(phase.at_us.saturating_sub(last)),
            phase.uptime_us.map(milliseconds).unwrap_or_default(),
        ];
        last = phase.at_us;
        row
    });
    print(["PHASE", "AFTER MS", "TOOK MS", "GUEST'S CLOCK MS"], rows);
}

/// Prints the coordinator's state and its warnings.
pub fn status(status: &shape::Status) {
    let mut facts = vec![
        [
            "Coordinator".to_owned(),
            format!("{} (process {})", status.version, status.pid),
        ],
        ["VCH", &status.vch].map(str::to_owned),
        ["Revision".to_owned(), status.revision.to_string()],
        ["Networks".to_owned(), status.networks.to_string()],
        ["Containers".to_owned(), status.containers.to_string()],
        ["Endpoints".to_owned(), status.endpoints.to_string()],
        ["Ports".to_owned(), status.bindings.to_string()],
        ["Sessions".to_owned(), status.sessions.to_string()],
    ];
    for warning in &status.warnings {
        facts.push(["Warning", warning].map(str::to_owned));
    }
    if let Some(reason) = &status.vms_unlimited {
        facts.push(["VMs not limited", reason].map(str::to_owned));
    }
    for directory in &status.lost {
        facts.push(["Lost", directory].map(str::to_owned));
    }
    for effect in &status.drift {
        facts.push(["Unsettled", effect].map(str::to_owned));
    }
    print_facts(facts);
}

fn print_facts(facts: Vec<[String; 2]>) {
    let mut table = bare();
    table.add_rows(facts);
    println!("{}", table.trim_fmt());
}

fn print<const N: usize>(head: [&str; N], rows: impl Iterator<Item = [String; N]>) {
    let mut table = bare();
    table.set_header(head);
    table.add_rows(rows);
    println!("{}", table.trim_fmt());
}

/// Returns a table whose columns are separated only by spaces and never wrapped, as `awk` and
/// `column` expect.
fn bare() -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table
}

fn short(id: &str) -> String {
    id.chars().take(SHORT_ID).collect()
}

fn join(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}
