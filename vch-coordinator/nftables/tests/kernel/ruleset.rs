//! A ruleset of the same shape as a VCH's.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use vch_nftables::*;

/// Tables, sets and maps of a small VCH.
pub struct Vch {
    pub inet: Table,
    pub bridge: Table,
    pub bridges: Set,
    pub published: Set,
    pub services: Set,
    pub clients: Set,
    pub anti_spoof: Set,
}

impl Vch {
    pub fn new() -> Self {
        let endpoint = [DataType::Ipv4, DataType::Service];
        let key = [DataType::Ipv4, DataType::Protocol, DataType::Service];
        Self {
            inet: Table::new(Family::Inet, name!("vch")),
            bridge: Table::new(Family::Bridge, name!("vch")),
            bridges: Set::new(name!("bridges"), [DataType::Interface]),
            published: Set::map(name!("published"), key, endpoint),
            services: Set::verdict_map(name!("services"), [DataType::Service]),
            clients: Set::new(name!("clients"), [DataType::Ipv4]).with_intervals(),
            anti_spoof: Set::verdict_map(
                name!("anti_spoof"),
                [DataType::Interface, DataType::Ether, DataType::Ipv4],
            ),
        }
    }

    pub fn inet_chains(&self) -> Vec<Chain> {
        vec![
            Chain::nat(name!("prerouting"), Hook::Prerouting, -100),
            Chain::filter(name!("forward"), Hook::Forward, 0, Policy::Accept),
            Chain::nat(name!("postrouting"), Hook::Postrouting, 100),
        ]
    }

    pub fn inet_rules(&self) -> Vec<(Name, Rule)> {
        let key = [Field::IpDestination, Field::L4Proto, Field::DestinationPort];
        let comment = Comment::new("published ports").unwrap();
        let map = self.published.name.clone();
        let dnat = Rule::new().dnat_map(IpVersion::V4, key, map);
        let bridges = || self.bridges.name.clone();
        vec![
            (name!("prerouting"), dnat.comment(comment)),
            (
                name!("forward"),
                Rule::new()
                    .ct_state(CtState::ESTABLISHED | CtState::RELATED)
                    .accept(),
            ),
            (
                name!("forward"),
                Rule::new()
                    .is(Field::L4Proto, Datum::TCP)
                    .verdict_map([Field::DestinationPort], self.services.name.clone()),
            ),
            (
                name!("postrouting"),
                Rule::new()
                    .is_in([Field::IpSource], self.clients.name.clone())
                    .is_not_in([Field::OutputInterface], bridges())
                    .counter()
                    .masquerade(),
            ),
        ]
    }

    pub fn published_elements(&self) -> Vec<Element> {
        let element = |protocol, from, last, to| {
            let address = Ipv4Addr::new(10, 2, 0, 1);
            let container = Ipv4Addr::new(172, 18, 0, last);
            Element::new([address.into(), protocol, Datum::Service(from)])
                .to_values([container.into(), Datum::Service(to)])
        };
        vec![
            element(Datum::TCP, 8080, 2, 80),
            element(Datum::TCP, 5000, 3, 5000),
            element(Datum::UDP, 53, 4, 5353),
        ]
    }

    pub fn client_elements(&self) -> Vec<Element> {
        let range = |first: [u8; 4], last: [u8; 4]| {
            Element::range(
                [Ipv4Addr::from(first).into()],
                [Ipv4Addr::from(last).into()],
            )
        };
        vec![
            Element::subnet(Ipv4Addr::new(172, 18, 0, 0).into(), 16),
            Element::subnet(Ipv4Addr::new(172, 19, 0, 0).into(), 16),
            range([10, 0, 0, 7], [10, 0, 0, 9]),
            range([10, 0, 0, 11], [10, 0, 0, 11]),
            Element::subnet(Ipv4Addr::new(255, 255, 255, 0).into(), 24),
        ]
    }

    pub fn anti_spoof_elements(&self) -> Vec<Element> {
        let tap = |n: u8| InterfaceName::new(&format!("tap{n}")).unwrap();
        let element = |n: u8, verdict| {
            Element::new([
                tap(n).into(),
                Datum::Ether([2, 0, 0, 0, 0, n]),
                Ipv4Addr::new(172, 18, 0, n).into(),
            ])
            .to_verdict(verdict)
        };
        vec![
            element(2, Verdict::Accept),
            element(3, Verdict::Goto(name!("known"))),
        ]
    }

    pub fn batch(&self) -> Batch {
        let mut batch = Batch::new();
        let (inet, bridge) = (&self.inet, &self.bridge);
        batch.replace_table(inet);
        for set in [
            &self.bridges,
            &self.published,
            &self.services,
            &self.clients,
        ] {
            batch.add_set(inet, set);
        }
        for chain in self.inet_chains() {
            batch.add_chain(inet, chain);
        }
        let names = ["br-a", "br-b"].map(|name| InterfaceName::new(name).unwrap());
        let names = names.map(|name| Element::new([Datum::from(name)])).to_vec();
        batch.add_elements(inet, &self.bridges, names);
        batch.add_elements(inet, &self.published, self.published_elements());
        batch.add_elements(inet, &self.clients, self.client_elements());
        let open = Element::new([Datum::Service(80)]).to_verdict(Verdict::Accept);
        batch.add_elements(inet, &self.services, vec![open]);
        for (chain, rule) in self.inet_rules() {
            batch.add_rule(inet, &chain, rule);
        }

        batch.replace_table(bridge);
        batch.add_chain(bridge, Chain::regular(name!("known")));
        let guard = Chain::filter(name!("prerouting"), Hook::Prerouting, -300, Policy::Accept);
        batch.add_set(bridge, &self.anti_spoof);
        batch.add_chain(bridge, guard);
        batch.add_elements(bridge, &self.anti_spoof, self.anti_spoof_elements());
        let key = [Field::InputInterface, Field::EtherSource];
        let mut ip = key.to_vec();
        ip.push(Field::IpSource);
        let mut arp = key.to_vec();
        arp.push(Field::ArpSenderIp);
        for key in [ip, arp] {
            let rule = Rule::new().verdict_map(key, self.anti_spoof.name.clone());
            batch.add_rule(bridge, &name!("prerouting"), rule);
        }
        batch
    }
}

/// One of many published ports.
pub fn numbered(n: u32) -> Element {
    let [_, a, b, c] = n.to_be_bytes();
    let port = u16::try_from(n % 60_000).unwrap() + 1024;
    Element::new([
        Ipv4Addr::new(10, a, b, c).into(),
        Datum::TCP,
        Datum::Service(port),
    ])
    .to_values([Ipv4Addr::new(172, a, b, c).into(), Datum::Service(80)])
}

/// Rules that together have every statement and field.
pub fn every_statement() -> Vec<(Family, Rule)> {
    let all = [
        (Family::Inet, inet_statements()),
        (Family::Bridge, bridge_statements()),
        (Family::Arp, arp_statements()),
        (Family::Ip, ip_statements()),
        (Family::Ip6, ip6_statements()),
    ];
    all.into_iter()
        .flat_map(|(family, rules)| rules.into_iter().map(move |rule| (family, rule)))
        .collect()
}

fn arp_statements() -> Vec<Rule> {
    let address = Ipv4Addr::new(192, 0, 2, 1);
    let mac = Datum::Ether([2, 0, 0, 0, 0, 1]);
    vec![
        Rule::new().is(Field::ArpOperation, Datum::ArpOperation(2)),
        Rule::new()
            .is(Field::ArpSenderIp, address)
            .is(Field::ArpTargetIp, address),
        Rule::new()
            .is(Field::ArpSenderEther, mac)
            .is_not(Field::ArpTargetEther, mac)
            .drop(),
    ]
}

fn bridge_statements() -> Vec<Rule> {
    let address = Ipv4Addr::new(192, 0, 2, 1);
    let mac = Datum::Ether([2, 0, 0, 0, 0, 1]);
    let mut rules = arp_statements();
    rules.extend([
        Rule::new()
            .is(Field::EtherSource, mac)
            .is_not(Field::EtherDestination, mac),
        Rule::new()
            .is(Field::EtherType, Datum::EtherType(0x0806))
            .accept(),
        Rule::new()
            .is(Field::EtherType, Datum::EtherType(0x8100))
            .drop(),
        Rule::new()
            .begins(Field::InputInterface, InterfacePrefix::new("vt-").unwrap())
            .drop(),
        Rule::new().then(Statement::CompareBits {
            field: Field::IpFragment,
            mask: Datum::Number(0x1fff),
            operator: Operator::NotEqual,
            value: Datum::Number(0),
        }),
        Rule::new().then(Statement::CompareBits {
            field: Field::Ip6Fragment,
            mask: Datum::Number(0xfff8),
            operator: Operator::NotEqual,
            value: Datum::Number(0),
        }),
        Rule::new().tcp_flags(TcpFlags::FIN | TcpFlags::RST).drop(),
        Rule::new()
            .is(Field::L4Proto, Datum::UDP)
            .then(Statement::Between(
                Field::SourcePort,
                Datum::Service(0),
                Datum::Service(u16::MAX),
            ))
            .drop(),
        Rule::new()
            .is(Field::Protocol, Datum::EtherType(0x0806))
            .accept(),
        Rule::new().is(Field::IpSource, address).drop(),
        Rule::new()
            .in_subnet(Field::Ip6Source, Ipv6Addr::LOCALHOST.into(), 64)
            .drop(),
        Rule::new()
            .is(Field::Icmpv6Type, Datum::Icmpv6Type(134))
            .drop(),
        Rule::new().set_mark(1, 1),
    ]);
    rules
}

fn ip_statements() -> Vec<Rule> {
    let address = Ipv4Addr::new(192, 0, 2, 1);
    vec![
        Rule::new().is(Field::IpSource, address).counter().drop(),
        Rule::new().is(Field::IcmpType, Datum::IcmpType(8)).accept(),
    ]
}

fn ip6_statements() -> Vec<Rule> {
    let address = Ipv6Addr::LOCALHOST;
    vec![
        Rule::new()
            .is(Field::Ip6Destination, address)
            .counter()
            .drop(),
        Rule::new()
            .is(Field::Icmpv6Type, Datum::Icmpv6Type(135))
            .accept(),
    ]
}

fn inet_statements() -> Vec<Rule> {
    let new = Rule::new;
    let v4: IpAddr = Ipv4Addr::new(192, 0, 2, 0).into();
    let v6: IpAddr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0).into();
    let tcp = || new().is(Field::L4Proto, Datum::TCP);
    vec![
        new().is(Field::InputInterface, InterfaceName::new("eth0").unwrap()),
        new().is_not(Field::OutputInterface, InterfaceName::new("eth0").unwrap()),
        new()
            .is(Field::NfProto, Datum::NfProto(IpVersion::V6))
            .drop(),
        new()
            .is(Field::IpSource, v4)
            .is(Field::IpDestination, v4)
            .accept(),
        new()
            .is(Field::Ip6Source, v6)
            .is_not(Field::Ip6Destination, v6)
            .accept(),
        new().in_subnet(Field::IpSource, v4, 24).returns(),
        new()
            .in_subnet(Field::Ip6Source, v6, 32)
            .jump(name!("other")),
        tcp()
            .is(Field::DestinationPort, Datum::Service(80))
            .goto(name!("other")),
        tcp()
            .is(Field::SourcePort, Datum::Service(80))
            .reject(Reject::TcpReset),
        tcp().then(Statement::Between(
            Field::DestinationPort,
            Datum::Service(8000),
            Datum::Service(8099),
        )),
        new().is(Field::IcmpType, Datum::IcmpType(8)).accept(),
        new().is(Field::Icmpv6Type, Datum::Icmpv6Type(135)).accept(),
        new()
            .is(Field::EtherSource, Datum::Ether([2, 0, 0, 0, 0, 1]))
            .drop(),
        new().mark_is(0x10, 0x10).counter(),
        new().set_mark(u32::MAX, 7),
        new().set_mark(0x10, 0x10),
        new().set_mark(0x10, 0),
        new().is(Field::CtMark, Datum::Mark(3)),
        new().ct_state(CtState::NEW | CtState::INVALID).drop(),
        new().is(Field::CtState, Datum::CtState(CtState::NEW)),
        new().ct_status(CtStatus::DNAT).accept(),
        new().is(Field::CtDirection, Datum::CtReply(true)).accept(),
        new().is(Field::CtOriginalIpDestination, v4),
        new().is(Field::CtOriginalIpSource, v4),
        new().is(Field::CtOriginalIp6Destination, v6),
        new().is(Field::CtOriginalIp6Source, v6),
        tcp().is(Field::CtOriginalDestinationPort, Datum::Service(8080)),
        new().is(
            Field::FibDestinationType,
            Datum::AddressType(AddressType::Local),
        ),
        new().is(
            Field::FibSourceType,
            Datum::AddressType(AddressType::Unicast),
        ),
        new()
            .then(Statement::Log(Comment::new("spoofed: ").unwrap()))
            .drop(),
        new().then(Statement::Verdict(Verdict::Continue)),
    ]
}
