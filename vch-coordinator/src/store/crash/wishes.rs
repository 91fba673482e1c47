//! Random commands on few names, so that they meet.

use super::dice::Dice;
use crate::sample::{add, report};
use protocol::message::Report;
use vch_ledger::{Command, Connect, ContainerId, ContainerName, CreateNetwork, Id, Ledger};

const CONTAINERS: [&str; 8] = ["web", "db", "cache", "queue", "mail", "auth", "cron", "log"];
const NETWORKS: [&str; 5] = ["bridge", "app", "back", "front", "none"];
const NETS: [&str; 3] = ["10.9.8.0/29", "10.9.8.0/28", "fd00:9::/64"];

/// What is asked of the keeper.
#[derive(Debug)]
pub(super) enum Wish {
    Command(Command),
    Report(ContainerId, Report),
}

/// The next wish; about half of them are possible.
pub(super) fn wish(ledger: &Ledger, dice: &mut Dice) -> Wish {
    let container = dice.pick(&CONTAINERS);
    let network = dice.pick(&NETWORKS);
    Wish::Command(match dice.below(20) {
        0..4 => add(container),
        4 => Command::RemoveContainer {
            container: container.into(),
            force: true,
        },
        5..7 => Command::CreateNetwork(new_network(network, dice)),
        7 => Command::RemoveNetwork(network.into()),
        8..13 => Command::Connect(Connect::tap(container, network)),
        13..15 => Command::Disconnect {
            container: container.into(),
            network: network.into(),
        },
        15..17 => Command::StartContainer(container.into()),
        17 => Command::RenameContainer {
            container: container.into(),
            name: ContainerName::try_from(dice.pick(&CONTAINERS).to_owned()).unwrap(),
        },
        _ => {
            let ids: Vec<_> = ledger.containers().map(|container| container.id).collect();
            // Also of a container that is not there.
            let other = ContainerId::from_bytes([9; 32]);
            let id = ids.get(dice.below(ids.len() + 1)).copied();
            return Wish::Report(id.unwrap_or(other), report(dice.roll()));
        }
    })
}

fn new_network(name: &str, dice: &mut Dice) -> CreateNetwork {
    let mut network = CreateNetwork::named(name.parse().unwrap());
    network.ipv6 = dice.once_in(2);
    if dice.once_in(3) {
        let net: ipnet::IpNet = dice.pick(&NETS).parse().unwrap();
        network.subnets = vec![net.into()];
    }
    // Now and then a row of many pages.
    if dice.once_in(3) {
        for label in 0..dice.below(12) {
            let value = "x".repeat(dice.below(4_000));
            network.labels.insert(format!("label{label}"), value);
        }
    }
    network
}
