use domain::base::Name as WireName;
use domain::base::iana::{Class, Rtype};

use super::*;

const CLIENT_ID: u16 = 0x1111;
const OUR_ID: u16 = 0x2222;

fn forward(transport: Transport, edns: Option<u16>) -> Forward {
    let mut builder = MessageBuilder::new_vec();
    builder.header_mut().set_id(CLIENT_ID);
    builder.header_mut().set_rd(true);
    let mut questions = builder.question();
    let name: WireName<Vec<u8>> = "Example.ORG".parse().unwrap();
    questions.push((&name, Rtype::A)).unwrap();
    let mut additional = questions.additional();
    if let Some(size) = edns {
        additional
            .opt(|opt| {
                opt.set_udp_payload_size(size);
                Ok(())
            })
            .unwrap();
    }
    let message = additional.finish();
    Forward::new(&Query::parse(&message).unwrap(), transport)
}

/// Returns a server's answer: the question with the header changed, and padding behind it.
fn answered(forward: &Forward, rcode: Rcode, tc: bool, length: usize) -> Vec<u8> {
    let mut message = forward.question(OUR_ID);
    message[2] |= 0x80 | (u8::from(tc) << 1);
    message[3] |= rcode.to_int();
    message.resize(length.max(message.len()), 0);
    message
}

#[test]
fn the_question_is_asked_under_our_id_with_no_more_than_the_clients_size() {
    let forward = forward(Transport::Udp, Some(4096));
    let asked = Message::from_octets(forward.question(OUR_ID)).unwrap();
    assert_eq!(asked.header().id(), OUR_ID);
    assert!(asked.header().rd() && !asked.header().qr());
    let question = asked.sole_question().unwrap();
    assert_eq!(question.qname().to_string(), "Example.ORG");
    assert_eq!((question.qtype(), question.qclass()), (Rtype::A, Class::IN));
    assert_eq!(asked.opt().unwrap().udp_payload_size(), 1232);
}

#[test]
fn the_answer_goes_back_under_the_clients_id() {
    let forward = forward(Transport::Udp, None);
    for rcode in [Rcode::NOERROR, Rcode::NXDOMAIN] {
        let reply = answered(&forward, rcode, false, 0);
        let Verdict::Reply(passed) = forward.judge(OUR_ID, &reply) else {
            panic!("not passed");
        };
        assert_eq!(passed[..2], CLIENT_ID.to_be_bytes());
        assert_eq!(passed[2..], reply[2..]);
    }
}

#[test]
fn what_does_not_answer_the_question_is_ignored() {
    let forward = forward(Transport::Udp, None);
    let good = answered(&forward, Rcode::NOERROR, false, 0);
    let mut other_name = good.clone();
    other_name[13] = b'x';
    let mut other_type = good.clone();
    let at = other_type.len() - 3;
    other_type[at] = 28;
    let mut no_question = good.clone();
    no_question[5] = 0;
    let mut no_reply = good.clone();
    no_reply[2] &= 0x7f;
    for bad in [&other_name, &other_type, &no_question, &no_reply] {
        assert_eq!(forward.judge(OUR_ID, bad), Verdict::Ignore);
    }
    assert_eq!(forward.judge(OUR_ID + 1, &good), Verdict::Ignore);
    assert_eq!(forward.judge(OUR_ID, &good[..11]), Verdict::Ignore);
    assert_eq!(forward.judge(OUR_ID, &[]), Verdict::Ignore);
}

#[test]
fn a_server_that_fails_or_refuses_is_passed_over() {
    let forward = forward(Transport::Udp, None);
    for rcode in [Rcode::SERVFAIL, Rcode::REFUSED] {
        let reply = answered(&forward, rcode, false, 0);
        assert_eq!(forward.judge(OUR_ID, &reply), Verdict::AskNext);
    }
}

#[test]
fn a_cut_answer_is_asked_for_by_tcp_only_where_the_client_came_by_tcp() {
    let by_tcp = forward(Transport::Tcp, None);
    let cut = answered(&by_tcp, Rcode::NOERROR, true, 0);
    assert_eq!(by_tcp.judge(OUR_ID, &cut), Verdict::AskByTcp);
    let by_udp = forward(Transport::Udp, None);
    let Verdict::Reply(passed) = by_udp.judge(OUR_ID, &cut) else {
        panic!("not passed");
    };
    assert!(Message::from_octets(passed).unwrap().header().tc());
}

#[test]
fn an_answer_larger_than_the_client_takes_is_cut_here() {
    let forward = forward(Transport::Udp, Some(600));
    let reply = answered(&forward, Rcode::NXDOMAIN, false, 601);
    let Verdict::Reply(passed) = forward.judge(OUR_ID, &reply) else {
        panic!("not passed");
    };
    assert!(passed.len() <= 600);
    let passed = Message::from_octets(passed).unwrap();
    assert!(passed.header().tc());
    assert_eq!(passed.header().rcode(), Rcode::NXDOMAIN);
    assert_eq!(passed.header().id(), CLIENT_ID);
}

#[test]
fn a_failure_bears_the_clients_id_and_question() {
    let failure = forward(Transport::Udp, Some(1232)).failure();
    let failure = Message::from_octets(failure).unwrap();
    assert_eq!(failure.header().id(), CLIENT_ID);
    assert_eq!(failure.header().rcode(), Rcode::SERVFAIL);
    assert!(failure.sole_question().is_ok() && failure.opt().is_some());
}
