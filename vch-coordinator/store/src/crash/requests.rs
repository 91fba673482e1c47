//! Random commands on few names, so that they meet.

use super::dice::Dice;
use crate::sample::{add, report};
use protocol::{
    message::Report,
    spec::{FirewallLevel, Hostname},
};
use vch_ledger::{
    Command, Connect, ContainerId, ContainerName, ContainerPort, CreateNetwork, External,
    ExternalAddressing, ExternalNetwork, Id, Ledger, PortNumber, Protocol, Publish, Subnet,
};

const CONTAINERS: [&str; 8] = ["web", "db", "cache", "queue", "mail", "auth", "cron", "log"];
const NETWORKS: [&str; 6] = ["bridge", "app", "back", "front", "none", "outside"];
const NETS: [&str; 3] = ["10.9.8.0/29", "10.9.8.0/28", "fd00:9::/64"];
const ALIASES: [&str; 3] = ["www", "api", "old"];

/// A request to the writer.
#[derive(Debug)]
pub(super) enum StoreRequest {
    Command(Command),
    Report(ContainerId, Report),
}

/// Returns the next request; about half of them are possible.
pub(super) fn request(ledger: &Ledger, dice: &mut Dice) -> StoreRequest {
    let name = dice.pick(&CONTAINERS);
    let container = || name.into();
    StoreRequest::Command(match dice.below(25) {
        0..4 => added(name, dice),
        4 => Command::RemoveContainer {
            container: container(),
            force: true,
        },
        5..7 => Command::CreateNetwork(new_network(dice)),
        7 => Command::RemoveNetwork(dice.pick(&NETWORKS).into()),
        8..12 => Command::Connect(connection(name, dice)),
        12 => Command::Disconnect {
            container: container(),
            network: dice.pick(&NETWORKS).into(),
        },
        13..16 => Command::StartContainer(container()),
        16 => Command::StopContainer(container()),
        17 => Command::RenameContainer {
            container: container(),
            name: ContainerName::try_from(dice.pick(&CONTAINERS).to_owned()).unwrap(),
        },
        18 => Command::PublishPorts {
            container: container(),
            ports: ports(dice),
        },
        19 => Command::UnpublishPorts {
            container: container(),
            ports: ports(dice),
        },
        20 => Command::SetHealth {
            container: container(),
            unhealthy: dice.once_in(2),
        },
        21 => Command::SetAliases {
            container: container(),
            network: dice.pick(&NETWORKS).into(),
            aliases: vec![alias(dice)],
        },
        22 => Command::SetDnsTtl {
            network: dice.pick(&NETWORKS).into(),
            ttl: [None, 60.try_into().ok()][dice.below(2)],
        },
        23 => Command::Configure(configuration(dice)),
        _ => return reported(ledger, dice),
    })
}

fn reported(ledger: &Ledger, dice: &mut Dice) -> StoreRequest {
    let ids: Vec<_> = ledger.containers().map(|container| container.id).collect();
    // Also of a container that is not there.
    let other = ContainerId::from_bytes([9; 32]);
    let id = ids.get(dice.below(ids.len() + 1)).copied();
    StoreRequest::Report(id.unwrap_or(other), report(dice.roll()))
}

fn added(name: &str, dice: &mut Dice) -> Command {
    let mut command = add(name);
    if let Command::AddContainer(request) = &mut command {
        request.ports = ports(dice);
        request.publish_all = dice.once_in(3);
    }
    command
}

fn ports(dice: &mut Dice) -> Vec<ContainerPort> {
    let number = PortNumber {
        protocol: [Protocol::Tcp, Protocol::Udp][dice.below(2)],
        port: [80, 53][dice.below(2)],
    };
    let publish = (!dice.once_in(3)).then(|| Publish {
        address: None,
        port: [Some(8080), None][dice.below(2)],
        through: None,
        clients: Vec::new(),
    });
    vec![ContainerPort { number, publish }]
}

fn alias(dice: &mut Dice) -> Hostname {
    dice.pick(&ALIASES).to_owned().try_into().unwrap()
}

fn connection(name: &str, dice: &mut Dice) -> Connect {
    let mut request = Connect::tap(name, dice.pick(&NETWORKS));
    request.only_healthy = dice.once_in(4);
    if dice.once_in(4) {
        request.links = vec![(dice.pick(&CONTAINERS).into(), alias(dice))];
    }
    request
}

fn new_network(dice: &mut Dice) -> CreateNetwork {
    let name = dice.pick(&NETWORKS);
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

/// Returns no external network, or one.
fn configuration(dice: &mut Dice) -> Vec<ExternalNetwork> {
    let outside = ExternalNetwork {
        name: "outside".parse().unwrap(),
        subnets: vec![Subnet {
            net: "10.2.0.0/16".parse().unwrap(),
            gateway: "10.2.0.1".parse().ok(),
            vch: "10.2.0.2".parse().ok(),
            ranges: Vec::new(),
            auxiliary: std::collections::BTreeMap::new(),
        }],
        external: External {
            interface: "ext0".to_owned().try_into().unwrap(),
            dns: Vec::new(),
            addressing: ExternalAddressing::Static,
            level: [FirewallLevel::Published, FirewallLevel::Open][dice.below(2)],
            published: true,
        },
    };
    (!dice.once_in(4)).then_some(outside).into_iter().collect()
}
