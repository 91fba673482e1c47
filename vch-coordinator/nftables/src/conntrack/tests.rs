use super::*;
use std::net::{Ipv4Addr, Ipv6Addr};

fn flow(original: Ends, reply: Ends) -> Flow {
    Flow {
        protocol: 17,
        original,
        reply,
        id: [1, 2, 3, 4],
        zone: Some([0, 9]),
    }
}

fn v4() -> Flow {
    let (client, vch, container) = (
        (IpAddr::from(Ipv4Addr::new(10, 2, 0, 99)), 4000),
        (IpAddr::from(Ipv4Addr::new(10, 2, 0, 1)), 8080),
        (IpAddr::from(Ipv4Addr::new(172, 18, 0, 2)), 80),
    );
    let ends = |source, destination| Ends {
        source,
        destination,
    };
    flow(ends(client, vch), ends(container, client))
}

fn message(flow: &Flow, with_id: bool) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.message(Header::conntrack(ct::NEW, 0, 1, 2), |w| {
        w.nested(ct::TUPLE_ORIGINAL, |w| {
            write_ends(w, flow.protocol, &flow.original);
        });
        w.nested(ct::TUPLE_REPLY, |w| {
            write_ends(w, flow.protocol, &flow.reply);
        });
        if with_id {
            w.raw(ct::ID, &flow.id);
        }
        if let Some(zone) = &flow.zone {
            w.raw(ct::ZONE, zone);
        }
    });
    writer.bytes().to_vec()
}

fn decoded(bytes: &[u8]) -> Result<Option<Flow>, DecodeError> {
    decode(messages(bytes).next().unwrap().unwrap())
}

#[test]
fn a_flow_that_was_encoded_is_decoded() {
    let mut six = v4();
    six.original.source.0 = Ipv6Addr::LOCALHOST.into();
    six.original.destination.0 = Ipv6Addr::UNSPECIFIED.into();
    six.zone = None;
    for flow in [v4(), six] {
        assert_eq!(decoded(&message(&flow, true)).unwrap(), Some(flow));
    }
}

#[test]
fn a_flow_without_an_id_is_an_error_that_says_so() {
    let error = decoded(&message(&v4(), false)).unwrap_err();
    assert!(error.to_string().contains("it has no ID"), "{error}");
}

#[test]
fn what_is_cut_short_is_an_error_or_nothing_and_never_a_panic() {
    let whole = message(&v4(), true);
    // Its last two bytes fill the last attribute up.
    for length in 20..whole.len() - 2 {
        let mut bytes = whole[..length].to_vec();
        let claimed = u32::try_from(length).unwrap().to_ne_bytes();
        bytes[..4].copy_from_slice(&claimed);
        assert_ne!(decoded(&bytes).ok().flatten(), Some(v4()), "{length} bytes");
    }
}

#[test]
fn a_filter_lets_pass_what_an_older_kernel_would_not_have_left_out() {
    let flow = v4();
    let asked = |port| FlowFilter::AskedFor {
        version: IpVersion::V4,
        protocol: 17,
        port,
    };
    assert!(FlowFilter::TranslatedTo(flow.reply.source.0).lets_pass(&flow));
    assert!(!FlowFilter::TranslatedTo(flow.original.destination.0).lets_pass(&flow));
    assert!(
        asked(Some(8080)).lets_pass(&flow)
            && asked(None).lets_pass(&flow)
            && !asked(Some(80)).lets_pass(&flow)
    );
    assert!(FlowFilter::Translated(IpVersion::V4).lets_pass(&flow));
    let mut own = v4();
    own.reply.source = own.original.destination;
    assert!(!FlowFilter::Translated(IpVersion::V4).lets_pass(&own));
}
