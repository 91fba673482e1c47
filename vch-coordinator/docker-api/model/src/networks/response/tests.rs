use crate::networks::{options::NetworkOptions, response::*};
use vch_ledger::{Command, CreateNetwork, Environment, Settings, VchId};

fn decide(ledger: &mut Ledger, command: Command) {
    let mut environment = Environment {
        random: &mut |bytes| bytes.fill(7),
        now_ms: 1,
        host_overlap: &|_| None,
        listener: &|_| None,
    };
    ledger.decide(command, &mut environment).unwrap();
}

fn options_of(ledger: &Ledger) -> BTreeMap<String, String> {
    let network = ledger.network(&"web".into()).unwrap();
    NetworkSummary::bare(ledger, network, Version::NEWEST).options
}

#[test]
fn options_are_shown_as_they_were_given_and_the_dns_ttl_as_it_is_in_force() {
    let mut ledger = Ledger::new(Settings::of(VchId([7; 16])));
    let given = [
        (ICC, "f"),
        (DNS_TTL, "0300"),
        ("vch.docker.attachable", "true"),
    ];
    let given = given.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let options = NetworkOptions::from(BTreeMap::from(given));
    decide(
        &mut ledger,
        Command::CreateNetwork(CreateNetwork {
            bridge: options.bridge(),
            document: options.document().unwrap(),
            dns_ttl: 300.try_into().ok(),
            ..CreateNetwork::named("web".parse().unwrap())
        }),
    );
    let icc = (ICC.to_owned(), "f".to_owned());
    let ttl = |seconds: &str| (DNS_TTL.to_owned(), seconds.to_owned());
    assert_eq!(
        options_of(&ledger),
        BTreeMap::from([icc.clone(), ttl("300")])
    );
    for (seconds, expected) in [(Some(60), Some("60")), (None, None)] {
        let command = Command::SetDnsTtl {
            network: "web".into(),
            ttl: seconds.map(|seconds: u32| seconds.try_into().unwrap()),
        };
        decide(&mut ledger, command);
        let expected = [icc.clone()].into_iter().chain(expected.map(ttl));
        assert_eq!(options_of(&ledger), expected.collect());
    }
}
