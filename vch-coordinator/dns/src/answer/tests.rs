mod messages;
mod property;

use domain::base::iana::{Class, Opcode, Rcode};
use domain::base::{Message, MessageBuilder};
use domain::rdata::AllRecordData;

use super::*;
use crate::names::{Network, Policy, View};
use crate::{Name, NamesError};

const A_NET: NetworkId = NetworkId(1);
const B_NET: NetworkId = NetworkId(2);

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn table() -> Names {
    let names = Names::new(Policy::default()).unwrap();
    for (address, ptr) in [("172.18.0.2", "web.a"), ("fd00:a::2", "web.a")] {
        names.publish(A_NET, &name("web"), ip(address), Some(&name(ptr)));
    }
    names.publish(A_NET, &name("db"), ip("172.18.0.3"), None);
    names.publish(B_NET, &name("web"), ip("172.19.0.2"), None);
    for (id, subnet) in [(A_NET, "172.18.0.0/16"), (B_NET, "172.19.0.0/16")] {
        declare(&names, id, &[subnet, "fd00::/16"], false).unwrap();
    }
    names
}

fn declare(
    names: &Names,
    id: NetworkId,
    subnets: &[&str],
    internal: bool,
) -> Result<(), NamesError> {
    let subnets = subnets.iter().map(|net| net.parse().unwrap()).collect();
    let network = Network {
        internal,
        subnets,
        ttl: None,
    };
    names.declare_network(id, network)
}

fn asker(network: NetworkId, source: &str) -> Asker {
    Asker {
        network,
        source: ip(source),
        transport: Transport::Udp,
    }
}

fn on_a() -> Asker {
    asker(A_NET, "172.18.0.9")
}

fn by_tcp(asker: Asker) -> Asker {
    Asker {
        transport: Transport::Tcp,
        ..asker
    }
}

/// Returns a query with recursion desired; `edns` is the size that the client takes.
fn query(id: u16, qname: &str, qtype: Rtype, edns: Option<u16>) -> Vec<u8> {
    let mut builder = MessageBuilder::new_vec();
    builder.header_mut().set_id(id);
    builder.header_mut().set_rd(true);
    let mut questions = builder.question();
    let wire: WireName<Vec<u8>> = qname.parse().unwrap();
    questions.push((&wire, qtype)).unwrap();
    let mut additional = questions.additional();
    if let Some(size) = edns {
        additional
            .opt(|opt| {
                opt.set_udp_payload_size(size);
                Ok(())
            })
            .unwrap();
    }
    additional.finish()
}

fn decide(names: &Names, asker: &Asker, qname: &str, qtype: Rtype) -> Decision {
    answer(&query(77, qname, qtype, None), asker, names)
}

fn reply_to(names: &Names, asker: &Asker, message: &[u8]) -> Message<Vec<u8>> {
    let Decision::Reply(reply) = answer(message, asker, names) else {
        panic!("no reply");
    };
    Message::from_octets(reply).unwrap()
}

fn reply(names: &Names, asker: &Asker, qname: &str, qtype: Rtype) -> Message<Vec<u8>> {
    reply_to(names, asker, &query(77, qname, qtype, None))
}

/// Returns the data of all answers, as text.
fn data(reply: &Message<Vec<u8>>) -> Vec<String> {
    let answers = reply.answer().unwrap();
    answers
        .limit_to::<AllRecordData<_, _>>()
        .map(|record| record.unwrap().data().to_string())
        .map(|text| text.trim_end_matches('.').to_owned())
        .collect()
}

fn rcode(reply: &Message<Vec<u8>>) -> Rcode {
    reply.header().rcode()
}

#[test]
fn a_name_answers_with_its_addresses_of_the_type_asked_for() {
    let names = table();
    let v4 = reply(&names, &on_a(), "web", Rtype::A);
    assert_eq!(data(&v4), ["172.18.0.2"]);
    assert_eq!(rcode(&v4), Rcode::NOERROR);
    let header = v4.header();
    assert!(header.qr() && header.aa() && header.ra() && header.rd() && !header.tc());
    assert_eq!(header.id(), 77);
    let v6 = reply(&names, &on_a(), "web", Rtype::AAAA);
    assert_eq!(data(&v6), ["fd00:a::2"]);
    let any = reply(&names, &on_a(), "web", Rtype::ANY);
    assert_eq!(data(&any), ["172.18.0.2", "fd00:a::2"]);
}

#[test]
fn a_reverse_name_answers_for_both_families() {
    let names = table();
    let v4 = reply(&names, &on_a(), "2.0.18.172.in-addr.arpa", Rtype::PTR);
    assert_eq!(data(&v4), ["web.a"]);
    let nibbles = "2.".to_owned() + &"0.".repeat(23) + "a.0.0.0.0.0.d.f.ip6.arpa";
    assert_eq!(
        data(&reply(&names, &on_a(), &nibbles, Rtype::PTR)),
        ["web.a"]
    );
    let unnamed = reply(&names, &on_a(), "3.0.18.172.in-addr.arpa", Rtype::PTR);
    assert_eq!(data(&unnamed), ["db"]);
}

#[test]
fn a_known_name_without_the_type_is_no_error_and_no_answer() {
    let names = table();
    for (qname, qtype) in [
        ("db", Rtype::AAAA),
        ("db", Rtype::MX),
        ("3.0.18.172.in-addr.arpa", Rtype::A),
        ("18.172.in-addr.arpa", Rtype::SOA),
    ] {
        let reply = reply(&names, &on_a(), qname, qtype);
        assert_eq!(rcode(&reply), Rcode::NOERROR, "{qname}");
        let counts = reply.header_counts();
        assert_eq!((counts.ancount(), counts.nscount()), (0, 0), "{qname}");
    }
}

#[test]
fn names_that_can_only_be_ours_do_not_exist_and_are_not_asked_abroad() {
    let names = table();
    for (qname, qtype) in [
        ("unknown", Rtype::A),
        ("unknown", Rtype::AAAA),
        ("9.9.18.172.in-addr.arpa", Rtype::PTR),
        ("x.9.18.172.in-addr.arpa", Rtype::PTR),
        ("2.0.19.172.in-addr.arpa", Rtype::PTR),
        ("hidden.onion", Rtype::A),
    ] {
        let reply = reply(&names, &on_a(), qname, qtype);
        assert_eq!(rcode(&reply), Rcode::NXDOMAIN, "{qname}");
    }
}

#[test]
fn other_names_are_asked_upstream() {
    let names = table();
    for (qname, qtype) in [
        ("example.org", Rtype::A),
        ("web.example.org", Rtype::A),
        ("org", Rtype::DS),
        (".", Rtype::NS),
        ("8.8.8.8.in-addr.arpa", Rtype::PTR),
        ("172.in-addr.arpa", Rtype::SOA),
    ] {
        let decision = decide(&names, &on_a(), qname, qtype);
        assert!(matches!(decision, Decision::Forward(_)), "{qname}");
    }
}

#[test]
fn single_labels_are_asked_upstream_where_the_policy_says_so() {
    let policy = Policy {
        forward_single_labels: true,
        ..Policy::default()
    };
    let names = Names::new(policy).unwrap();
    let decision = decide(&names, &on_a(), "printer", Rtype::A);
    assert!(matches!(decision, Decision::Forward(_)));
}

#[test]
fn who_asks_without_recursion_is_told_only_what_is_ours() {
    let names = table();
    let mut abroad = query(1, "example.org", Rtype::A, None);
    abroad[2] = 0;
    assert_eq!(rcode(&reply_to(&names, &on_a(), &abroad)), Rcode::REFUSED);
    let mut ours = query(1, "web", Rtype::A, None);
    ours[2] = 0;
    assert_eq!(data(&reply_to(&names, &on_a(), &ours)), ["172.18.0.2"]);
}

#[test]
fn an_asker_sees_the_names_of_its_networks_and_no_others() {
    let names = table();
    let b = asker(B_NET, "172.19.0.9");
    assert_eq!(data(&reply(&names, &b, "web", Rtype::A)), ["172.19.0.2"]);
    assert_eq!(rcode(&reply(&names, &b, "db", Rtype::A)), Rcode::NXDOMAIN);
    names
        .set_asker(B_NET, b.source, &View::of(&[B_NET, A_NET]))
        .unwrap();
    assert_eq!(data(&reply(&names, &b, "web", Rtype::A)), ["172.19.0.2"]);
    assert_eq!(data(&reply(&names, &b, "db", Rtype::A)), ["172.18.0.3"]);
    let ptr = reply(&names, &b, "3.0.18.172.in-addr.arpa", Rtype::PTR);
    assert_eq!(data(&ptr), ["db"]);
    names
        .set_asker(B_NET, b.source, &View::of(&[A_NET, B_NET]))
        .unwrap();
    assert_eq!(data(&reply(&names, &b, "web", Rtype::A)), ["172.18.0.2"]);
    assert!(names.forget_asker(B_NET, b.source));
    assert_eq!(rcode(&reply(&names, &b, "db", Rtype::A)), Rcode::NXDOMAIN);
}

#[test]
fn a_source_from_outside_of_the_networks_subnets_is_refused() {
    let names = table();
    let stranger = asker(B_NET, "172.18.0.9");
    assert_eq!(
        rcode(&reply(&names, &stranger, "web", Rtype::A)),
        Rcode::REFUSED
    );
    names
        .set_asker(B_NET, stranger.source, &View::of(&[B_NET]))
        .unwrap();
    assert_eq!(
        rcode(&reply(&names, &stranger, "web", Rtype::A)),
        Rcode::NOERROR
    );
}

#[test]
fn who_is_on_internal_networks_alone_finds_nothing_outside() {
    let names = table();
    declare(&names, B_NET, &["172.19.0.0/16"], true).unwrap();
    let b = asker(B_NET, "172.19.0.9");
    assert_eq!(
        rcode(&reply(&names, &b, "example.org", Rtype::A)),
        Rcode::NXDOMAIN
    );
    assert_eq!(data(&reply(&names, &b, "web", Rtype::A)), ["172.19.0.2"]);
    names
        .set_asker(B_NET, b.source, &View::of(&[B_NET, A_NET]))
        .unwrap();
    let decision = decide(&names, &b, "example.org", Rtype::A);
    assert!(matches!(decision, Decision::Forward(_)));
}

#[test]
fn case_tells_no_names_apart_and_the_question_comes_back_as_it_was_asked() {
    let names = table();
    let reply = reply(&names, &on_a(), "wEb", Rtype::A);
    assert_eq!(data(&reply), ["172.18.0.2"]);
    let asked = reply.sole_question().unwrap();
    assert_eq!(asked.qname().to_string(), "wEb");
}

#[test]
fn many_addresses_are_rotated_and_each_comes_first_for_some_id() {
    let names = table();
    for last in 10..20 {
        names.publish(A_NET, &name("alias"), ip(&format!("172.18.1.{last}")), None);
    }
    let mut first = std::collections::BTreeSet::new();
    for id in 0..10 {
        let message = query(id, "alias", Rtype::A, None);
        let answers = data(&reply_to(&names, &on_a(), &message));
        assert_eq!(answers.len(), 10);
        first.insert(answers[0].clone());
    }
    assert_eq!(first.len(), 10);
}

#[test]
fn localhost_is_answered_here() {
    let names = table();
    let v4 = reply(&names, &on_a(), "localhost", Rtype::A);
    assert_eq!(data(&v4), ["127.0.0.1"]);
    let v6 = reply(&names, &on_a(), "db.localhost", Rtype::AAAA);
    assert_eq!(data(&v6), ["::1"]);
}

#[test]
fn a_withdrawn_name_is_gone_at_once_and_so_is_its_reverse() {
    let names = table();
    assert!(names.withdraw(A_NET, &name("DB"), ip("172.18.0.3")));
    assert_eq!(
        rcode(&reply(&names, &on_a(), "db", Rtype::A)),
        Rcode::NXDOMAIN
    );
    let ptr = reply(&names, &on_a(), "3.0.18.172.in-addr.arpa", Rtype::PTR);
    assert_eq!(rcode(&ptr), Rcode::NXDOMAIN);
}

fn ttl_of(names: &Names, asked: &str, rtype: Rtype) -> Ttl {
    let reply = reply(names, &on_a(), asked, rtype);
    reply.answer().unwrap().next().unwrap().unwrap().ttl()
}

#[test]
fn a_network_s_own_ttl_stands_before_the_policys_for_names_and_reverse_names() {
    let policy = Policy {
        ttl: Duration::from_secs(7),
        ..Policy::default()
    };
    let names = Names::new(policy).unwrap();
    names.publish(A_NET, &name("web"), ip("172.18.0.2"), None);
    names.publish(B_NET, &name("far"), ip("172.19.0.2"), None);
    let view = View::of(&[A_NET, B_NET]);
    names.set_asker(A_NET, on_a().source, &view).unwrap();
    let declare = |seconds: Option<u64>| {
        let network = Network {
            ttl: seconds.map(Duration::from_secs),
            ..Network::default()
        };
        names.declare_network(A_NET, network).unwrap();
    };
    for (seconds, expected) in [
        (Some(300), 300),
        (Some(0), 0),
        (Some(86_400), 86_400),
        (None, 7),
    ] {
        declare(seconds);
        let expected = Ttl::from_secs(expected);
        assert_eq!(ttl_of(&names, "web", Rtype::A), expected);
        let reverse = ttl_of(&names, "2.0.18.172.in-addr.arpa", Rtype::PTR);
        assert_eq!(reverse, expected);
        // Another network's name is answered as that network has it.
        assert_eq!(ttl_of(&names, "far", Rtype::A), Ttl::from_secs(7));
    }
}

#[test]
fn the_ttl_is_the_policys() {
    let policy = Policy {
        ttl: Duration::from_secs(7),
        ..Policy::default()
    };
    let names = Names::new(policy).unwrap();
    names.publish(A_NET, &name("web"), ip("172.18.0.2"), None);
    let reply = reply(&names, &on_a(), "web", Rtype::A);
    let record = reply.answer().unwrap().next().unwrap().unwrap();
    assert_eq!(record.ttl(), Ttl::from_secs(7));
}
