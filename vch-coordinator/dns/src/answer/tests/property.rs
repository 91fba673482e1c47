//! Properties that hold for any message.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;

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

/// Checks the properties that hold for any message.
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
