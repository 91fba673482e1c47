//! Any message, to a small table. The first octet chooses the asker; the rest is the message, for
//! `answer` and, where that forwards, for `Forward::judge` as if it came from upstream.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use vch_dns::{Asker, Decision, Names, Network, NetworkId, Policy, Transport, answer};

static NAMES: LazyLock<Names> = LazyLock::new(|| {
    let names = Names::new(Policy::default()).expect("the default policy is possible");
    let web = "web".parse().expect("a name");
    let many = "many".parse().expect("a name");
    for (network, subnet) in [(1, "172.18.0.0/16"), (2, "172.19.0.0/16")] {
        let network = NetworkId(network);
        let subnets = vec![subnet.parse().expect("a subnet")];
        let internal = network == NetworkId(2);
        names
            .declare_network(network, Network { internal, subnets, ttl: None })
            .expect("one subnet is possible");
        names.publish(network, &web, "172.18.0.2".parse().expect("IPv4"), None);
        names.publish(network, &web, "fd00::2".parse().expect("IPv6"), Some(&many));
        for last in 0..200 {
            names.publish(network, &many, [172, 18, 1, last].into(), None);
        }
    }
    names
});

fuzz_target!(|input: &[u8]| {
    let Some((&chosen, message)) = input.split_first() else {
        return;
    };
    let asker = Asker {
        network: NetworkId(u128::from(chosen & 1) + 1),
        source: [172, 18 + (chosen >> 1 & 1), 0, 9].into(),
        transport: if chosen & 4 == 0 {
            Transport::Udp
        } else {
            Transport::Tcp
        },
    };
    match answer(message, &asker, &NAMES) {
        Decision::Reply(reply) => {
            assert_eq!(reply[..2], message[..2], "a reply bears its query's id");
            assert!(asker.transport == Transport::Tcp || reply.len() <= 1232);
            assert_eq!(answer(&reply, &asker, &NAMES), Decision::Drop);
        }
        Decision::Forward(forward) => {
            assert_eq!(forward.failure()[..2], message[..2]);
            let mut from_upstream = message.to_vec();
            from_upstream[2] |= 0x80;
            let id = u16::from_be_bytes([message[0], message[1]]);
            let _verdict = forward.judge(id, &from_upstream);
        }
        Decision::Drop => {}
    }
});
