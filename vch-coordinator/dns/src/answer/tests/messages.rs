//! Sizes, EDNS, and messages that are not valid queries.

use super::*;

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
