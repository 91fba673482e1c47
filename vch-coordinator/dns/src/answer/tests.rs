use std::sync::LazyLock;

use domain::base::iana::{Class, Opcode, Rcode};
use domain::base::{Message, MessageBuilder};
use domain::rdata::AllRecordData;
use proptest::prelude::*;

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
    names.declare_network(id, Network { internal, subnets })
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

/// A query with recursion desired; `edns` is the size that the client takes.
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

/// The data of all answers, as text.
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
fn an_answer_too_large_for_the_clients_size_is_cut_and_says_so() {
    let names = table();
    for last in 0..100 {
        names.publish(A_NET, &name("many"), ip(&format!("172.18.2.{last}")), None);
    }
    let count = |asker: &Asker, edns| {
        let message = query(5, "many", Rtype::A, edns);
        let reply = reply_to(&names, asker, &message);
        let limit = usize::from(edns.unwrap_or(512)).clamp(512, 1232);
        if asker.transport == Transport::Udp {
            assert!(reply.as_slice().len() <= limit);
        }
        assert_eq!(reply.opt().is_some(), edns.is_some());
        (reply.header().tc(), reply.header_counts().ancount())
    };
    // 12 octets of header, 10 of question, 16 for each record, 11 for the OPT record.
    assert_eq!(count(&on_a(), None), (true, 30));
    assert_eq!(count(&on_a(), Some(100)), (true, 29));
    assert_eq!(count(&on_a(), Some(800)), (true, 47));
    assert_eq!(count(&on_a(), Some(65_535)), (true, 74));
    assert_eq!(count(&by_tcp(on_a()), None), (false, 100));
    assert_eq!(count(&by_tcp(on_a()), Some(1232)), (false, 100));
}

#[test]
fn an_answer_that_fits_exactly_is_not_cut() {
    let names = table();
    for last in 0..30 {
        names.publish(A_NET, &name("full"), ip(&format!("172.18.2.{last}")), None);
    }
    let fits = reply(&names, &on_a(), "full", Rtype::A);
    assert!(!fits.header().tc());
    assert_eq!(fits.as_slice().len(), 502);
    // "full" with ten more characters fills the 512 octets to the last one.
    for last in 0..30 {
        let address = ip(&format!("172.18.2.{last}"));
        names.publish(A_NET, &name("full0123456789"), address, None);
    }
    let exact = reply(&names, &on_a(), "full0123456789", Rtype::A);
    assert_eq!((exact.as_slice().len(), exact.header().tc()), (512, false));
}

#[test]
fn edns_is_answered_with_our_size_and_the_clients_do_bit() {
    let names = table();
    let mut message = query(5, "web", Rtype::A, Some(4096));
    let flags = message.len() - 4;
    message[flags] |= 0x80;
    let reply = reply_to(&names, &on_a(), &message);
    let opt = reply.opt().unwrap();
    assert_eq!((opt.udp_payload_size(), opt.version()), (1232, 0));
    assert!(opt.dnssec_ok());
}

#[test]
fn a_later_version_of_edns_is_answered_with_ours() {
    let names = table();
    let mut message = query(5, "web", Rtype::A, Some(4096));
    let version = message.len() - 5;
    message[version] = 1;
    let reply = reply_to(&names, &on_a(), &message);
    assert_eq!(reply.opt_rcode(), OptRcode::BADVERS);
    assert_eq!(reply.header_counts().ancount(), 0);
}

#[test]
fn malformed_queries_get_format_errors_that_bear_their_id() {
    let names = table();
    let good = query(0x1234, "web", Rtype::A, Some(1232));
    let none = [good[..4].to_vec(), vec![0; 8]].concat();
    let mut two = good.clone();
    two[5] = 2;
    let mut answers = good.clone();
    answers[7] = 1;
    let mut opts = good.clone();
    opts[11] = 2;
    opts.extend_from_slice(&good[good.len() - 11..]);
    let cut = &good[..good.len() - 3];
    for bad in [&none, &two, &answers, &opts, cut, &good[..3], &good[..11]] {
        let Decision::Reply(reply) = answer(bad, &on_a(), &names) else {
            panic!("no reply to {bad:?}");
        };
        let reply = Message::from_octets(reply).unwrap();
        assert_eq!(rcode(&reply), Rcode::FORMERR, "{bad:?}");
        assert_eq!(reply.header().id(), 0x1234);
        assert!(reply.header().qr());
    }
}

#[test]
fn answers_and_fragments_are_dropped() {
    let names = table();
    let mut reply = query(5, "web", Rtype::A, None);
    reply[2] |= 0x80;
    for message in [&reply[..], &reply[..3], &reply[..2], &[]] {
        assert_eq!(answer(message, &on_a(), &names), Decision::Drop);
    }
}

#[test]
fn other_opcodes_classes_and_zone_transfers_are_declined() {
    let names = table();
    let mut notify = query(5, "web", Rtype::SOA, None);
    notify[2] = Opcode::NOTIFY.to_int() << 3;
    let declined = reply_to(&names, &on_a(), &notify);
    assert_eq!(rcode(&declined), Rcode::NOTIMP);
    assert_eq!(declined.header().opcode(), Opcode::NOTIFY);
    let with_class = |class: Class| {
        let mut message = query(5, "web", Rtype::A, None);
        let at = message.len() - 2;
        message[at..].copy_from_slice(&class.to_int().to_be_bytes());
        reply_to(&names, &on_a(), &message)
    };
    assert_eq!(rcode(&with_class(Class::CH)), Rcode::REFUSED);
    assert_eq!(data(&with_class(Class::ANY)), ["172.18.0.2"]);
    for qtype in [Rtype::AXFR, Rtype::IXFR, Rtype::TKEY, Rtype::OPT] {
        let declined = reply(&names, &on_a(), "example.org", qtype);
        assert_eq!(rcode(&declined), Rcode::REFUSED);
    }
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

#[test]
fn the_ttl_is_the_policys() {
    let policy = Policy {
        ttl: std::time::Duration::from_secs(7),
        ..Policy::default()
    };
    let names = Names::new(policy).unwrap();
    names.publish(A_NET, &name("web"), ip("172.18.0.2"), None);
    let reply = reply(&names, &on_a(), "web", Rtype::A);
    let record = reply.answer().unwrap().next().unwrap().unwrap();
    assert_eq!(record.ttl(), Ttl::from_secs(7));
}

/// Queries that are nearly right find more than noise does.
fn nearly_a_query() -> impl Strategy<Value = Vec<u8>> {
    let qname = prop::sample::select(vec!["web", "db", "a.example", "2.0.18.172.in-addr.arpa"]);
    let edits = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6);
    (qname, any::<u16>(), any::<Option<u16>>(), edits).prop_map(|(qname, id, edns, edits)| {
        let mut message = query(id, qname, Rtype::ANY, edns);
        for (at, octet) in edits {
            let at = at.index(message.len());
            message[at] = octet;
        }
        message
    })
}

/// What holds for any message at all.
fn check(message: &[u8], asker: &Asker) {
    static NAMES: LazyLock<Names> = LazyLock::new(table);
    match answer(message, asker, &NAMES) {
        Decision::Reply(reply) => {
            assert_eq!(reply[..2], message[..2]);
            assert!(reply[2] & 0x80 != 0 && reply.len() >= 12);
            assert!(asker.transport == Transport::Tcp || reply.len() <= 1232);
            assert_eq!(answer(&reply, asker, &NAMES), Decision::Drop);
        }
        Decision::Forward(forward) => {
            assert_eq!(forward.failure()[..2], message[..2]);
            let mut from_upstream = message.to_vec();
            from_upstream[2] |= 0x80;
            let id = u16::from_be_bytes([message[0], message[1]]);
            let _any_verdict_will_do = forward.judge(id, &from_upstream);
        }
        Decision::Drop => assert!(message.len() < 3 || message[2] & 0x80 != 0),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn any_bytes_are_decided_on_and_a_reply_bears_their_id(
        message in prop_oneof![prop::collection::vec(any::<u8>(), 0..600), nearly_a_query()],
        tcp in any::<bool>(),
    ) {
        check(&message, &if tcp { by_tcp(on_a()) } else { on_a() });
    }
}

#[test]
fn everything_that_the_fuzzer_has_kept_is_decided_on() {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/answer");
    let mut replayed = 0;
    for file in std::fs::read_dir(corpus).unwrap() {
        let input = std::fs::read(file.unwrap().path()).unwrap();
        // As in the fuzz target: the first octet chooses the asker.
        if let Some((chosen, message)) = input.split_first() {
            let at = if chosen & 1 == 0 { A_NET } else { B_NET };
            let source = format!("172.{}.0.9", 18 + (chosen >> 1 & 1));
            let asker = asker(at, &source);
            let tcp = chosen & 4 != 0;
            check(message, &if tcp { by_tcp(asker) } else { asker });
            replayed += 1;
        }
    }
    assert!(replayed >= 20, "the corpus has only {replayed} files");
}
