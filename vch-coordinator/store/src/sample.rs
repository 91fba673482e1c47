//! Commands and reports for tests.

#![expect(clippy::unwrap_used, reason = "for tests")]

use protocol::{
    message::Report,
    spec::{Generation, Incarnation, SpecId},
};
use std::collections::BTreeMap;
use vch_ledger::{AddContainer, Channel, Command, Dns};

/// Returns a command that adds a container with this name, whose channel is a Unix socket.
pub fn add(name: &str) -> Command {
    Command::AddContainer(AddContainer {
        name: name.parse().unwrap(),
        hostname: None,
        domain: None,
        sysctls: BTreeMap::new(),
        channel: Channel::Unix { path: None },
        dns: Dns::default(),
        extra_hosts: Vec::new(),
        ports: Vec::new(),
        publish_all: false,
    })
}

/// Returns a report of an agent with this number, about a VM without interfaces.
pub fn report(sequence: u64) -> Report {
    Report {
        sequence,
        spec: SpecId {
            incarnation: Incarnation([1; 16]),
            generation: Generation(1),
        },
        interfaces: Vec::new(),
        failures: Vec::new(),
    }
}
