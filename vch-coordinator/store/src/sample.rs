//! Commands and reports that several tests begin with.

#![expect(clippy::unwrap_used, reason = "for tests")]

use protocol::{
    message::Report,
    spec::{Generation, Incarnation, SpecId},
};
use std::collections::BTreeMap;
use vch_ledger::{AddContainer, Channel, Command, Dns};

/// Returns the command that adds a container on a Unix channel.
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

/// Returns a report of a VM without interfaces.
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
