use super::change;
use crate::{NetworkOptions, parse, shape};
use ipnet::IpNet;
use protocol::spec::FirewallLevel;
use std::{collections::BTreeMap, sync::Arc};
use vch_ledger::{
    BridgeOptions, Change, Command, DocumentKind, Environment, External, ExternalAddressing,
    ExternalNetwork, Ledger, Network, Refusal, Settings, Subnet, VchId,
};

/// The serialized rows of each kind, new, changed and removed: one line for each transaction.
const GOLDEN: &str = include_str!("golden.jsonl");

/// Returns the same options for each network.
struct Options;

impl NetworkOptions for Options {
    fn parse(&self, _: BTreeMap<String, String>) -> Result<(BridgeOptions, Arc<str>), Refusal> {
        Ok((BridgeOptions::default(), "".into()))
    }

    fn of(&self, _: &Network) -> BTreeMap<String, String> {
        BTreeMap::from([("a".to_owned(), "b".to_owned())])
    }
}

/// A ledger, and the lines of the transactions that it decided.
struct Followed {
    ledger: Ledger,
    count: u64,
    lines: String,
}

impl Followed {
    fn environment(
        &mut self,
        decide: impl FnOnce(&mut Ledger, &mut Environment<'_>) -> Vec<Change>,
    ) {
        let count = &mut self.count;
        let mut random = |bytes: &mut [u8]| {
            for byte in bytes {
                *count = count
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                *byte = count.to_be_bytes()[0];
            }
        };
        let mut environment = Environment {
            random: &mut random,
            now_ms: 1_700_000_000_123,
            host_overlap: &|_| None,
            listener: &|_| None,
        };
        let changes = decide(&mut self.ledger, &mut environment);
        let transaction = shape::Transaction {
            revision: self.ledger.revision().0,
            at_ms: 1_700_000_000_123,
            changes: changes.iter().map(|one| change(one, &Options)).collect(),
        };
        self.lines
            .push_str(&serde_json::to_string(&transaction).unwrap());
        self.lines.push('\n');
    }

    fn decide(&mut self, command: Command) {
        self.environment(|ledger, environment| {
            ledger.decide(command, environment).unwrap().changes
        });
    }
}

fn external() -> ExternalNetwork {
    ExternalNetwork {
        name: "lan".parse().unwrap(),
        subnets: vec![Subnet {
            net: "192.0.2.0/24".parse().unwrap(),
            gateway: Some("192.0.2.1".parse().unwrap()),
            vch: Some("192.0.2.2".parse().unwrap()),
            ranges: vec!["192.0.2.64/26".parse::<IpNet>().unwrap().into()],
            auxiliary: BTreeMap::new(),
        }],
        external: External {
            interface: "br-lan".parse().unwrap(),
            dns: vec!["192.0.2.53".parse().unwrap()],
            addressing: ExternalAddressing::Static,
            level: FirewallLevel::Published,
            published: true,
        },
    }
}

/// Returns commands that create, change and remove a row of each kind.
fn commands() -> Vec<Command> {
    let network = shape::CreateNetwork {
        name: "web".to_owned(),
        ipv6: true,
        segment: Some("shared".to_owned()),
        mtu: Some(1_400),
        dns_ttl: Some(9),
        labels: BTreeMap::from([("tier".to_owned(), "front".to_owned())]),
        subnets: vec![shape::SubnetRequest {
            subnet: "10.9.0.0/24".to_owned(),
            range: Some("10.9.0.128/25".to_owned()),
            auxiliary: BTreeMap::from([("printer".to_owned(), "10.9.0.130".to_owned())]),
            ..shape::SubnetRequest::default()
        }],
        ..shape::CreateNetwork::default()
    };
    let container = |name: &str| shape::AddContainer {
        name: name.to_owned(),
        channel: "vsock:9".to_owned(),
        dns: vec!["9.9.9.9".to_owned()],
        dns_search: vec!["example.org".to_owned()],
        dns_options: vec!["ndots:1".to_owned()],
        extra_hosts: vec!["db:10.0.0.1".to_owned(), "db:10.0.0.2".to_owned()],
        publish: vec!["8080:80".to_owned(), "127.0.0.1:53:53/udp".to_owned()],
        expose: vec!["9/tcp".to_owned()],
        ..shape::AddContainer::default()
    };
    let connect = shape::Connect {
        network: "web".to_owned(),
        mac: Some("02:00:00:00:00:09".to_owned()),
        aliases: vec!["www".to_owned()],
        gateway_priority: -1,
        links: vec!["two:other".to_owned()],
        ..shape::Connect::default()
    };
    let bare = shape::AddContainer {
        name: "two".to_owned(),
        channel: "unix".to_owned(),
        ..shape::AddContainer::default()
    };
    let veth = shape::Connect {
        network: "web".to_owned(),
        attachment: Some("veth:/run/netns/two".to_owned()),
        only_healthy: true,
        ..shape::Connect::default()
    };
    vec![
        Command::Configure(vec![external()]),
        Command::CreateNetwork(parse::create_network(network).unwrap()),
        Command::AddContainer(parse::add_container(&bare).unwrap()),
        Command::Connect(parse::connect("two", &veth).unwrap()),
        Command::AddContainer(parse::add_container(&container("one")).unwrap()),
        Command::Connect(parse::connect("one", &connect).unwrap()),
        Command::Document {
            container: "one".into(),
            kind: DocumentKind::Workload,
            text: "{}".to_owned(),
        },
        Command::StartContainer("one".into()),
        Command::StopContainer("one".into()),
        Command::Disconnect {
            container: "one".into(),
            network: "web".into(),
        },
        Command::RemoveContainer {
            container: "one".into(),
            force: true,
        },
    ]
}

#[test]
fn each_sort_of_row_has_the_same_bytes_as_ever() {
    let mut followed = Followed {
        ledger: Ledger::new(Settings::of(VchId([7; 16]))),
        count: 0,
        lines: String::new(),
    };
    followed
        .environment(|ledger, environment| ledger.bootstrap(environment).unwrap().unwrap().changes);
    for command in commands() {
        followed.decide(command);
    }
    for (line, golden) in followed.lines.lines().zip(GOLDEN.lines()) {
        assert_eq!(line, golden);
    }
    assert_eq!(followed.lines, GOLDEN);
}
