use super::*;
use proptest::prelude::*;

/// Walks every level that the bytes may be read as.
fn walk(attributes: Attributes<'_>, depth: usize) {
    for attribute in attributes.iter().map_while(Result::ok) {
        let _ = (attribute.u32(), attribute.u64(), attribute.text());
        if depth > 0 {
            walk(attribute.nested(), depth - 1);
        }
    }
}

proptest! {
    #[test]
    fn no_datagram_panics(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        for message in messages(&bytes).map_while(Result::ok) {
            let _ = (message.refusal(), message.nf_tables());
            if let Ok((_, attributes)) = message.generic("a thing") {
                walk(attributes, 4);
            }
        }
        walk(Attributes::new("a thing", &bytes), 4);
    }

    #[test]
    fn every_attribute_written_is_read(values in prop::collection::vec(
        (1u16..1000, prop::collection::vec(any::<u8>(), 0..40)), 0..20,
    )) {
        let mut writer = Writer::default();
        writer.message(Header::nf_tables(0, 0, 7, 1), |w| {
            w.nested(1, |w| values.iter().for_each(|(kind, value)| w.raw(*kind, value)));
        });
        let message = messages(writer.bytes()).next().unwrap().unwrap();
        prop_assert_eq!((message.sequence, message.nf_tables()), (7, Some(0)));
        let (family, attributes) = message.generic("a thing").unwrap();
        prop_assert_eq!(family, 1);
        let nested = attributes.find(1).unwrap().unwrap().nested();
        let read: Vec<_> = nested
            .iter()
            .map(|one| one.map(|one| (one.kind, one.value.to_vec())).unwrap())
            .collect();
        prop_assert_eq!(read, values);
    }
}

#[test]
fn an_attribute_of_64_kib_is_remembered_as_too_long() {
    let mut writer = Writer::default();
    writer.raw(1, &[0; 65_531]);
    assert!(!writer.is_too_long());
    writer.raw(1, &[0; 65_532]);
    assert!(writer.is_too_long());
}

#[test]
fn a_refusal_carries_errno_and_the_kernels_words() {
    let mut bytes = (-17i32).to_ne_bytes().to_vec();
    bytes.extend_from_slice(&[0; 16]);
    let mut words = Writer::default();
    words.text(netlink::ERROR_MESSAGE, "no such thing");
    bytes.extend_from_slice(words.bytes());
    let message = Received {
        kind: netlink::ERROR,
        flags: netlink::F_CAPPED | netlink::F_ACK_TLVS,
        sequence: 1,
        port: 0,
        payload: &bytes,
    };
    let refusal = message.refusal().unwrap().unwrap();
    assert_eq!(refusal.errno, Errno::EEXIST);
    assert_eq!(refusal.reason.as_deref(), Some("no such thing"));
}

#[test]
fn the_lowest_error_code_is_no_overflow() {
    let payload = i32::MIN.to_ne_bytes();
    let message = Received {
        kind: netlink::ERROR,
        flags: 0,
        sequence: 1,
        port: 0,
        payload: &payload,
    };
    assert!(message.refusal().unwrap().is_some());
}
