use super::*;
use serde::de::DeserializeOwned;

fn assert_texts<T: Serialize + DeserializeOwned + fmt::Display + PartialEq + fmt::Debug>(
    texts: &[(T, &str)],
) {
    for (value, word) in texts {
        let text = format!("\"{word}\"");
        assert_eq!(serde_json::to_string(value).unwrap(), text);
        assert_eq!(&serde_json::from_str::<T>(&text).unwrap(), value);
        assert_eq!(value.to_string(), *word);
    }
}

#[test]
fn each_word_is_written_as_in_every_release() {
    assert_texts(&[
        (Driver::Bridge, "bridge"),
        (Driver::External, "external"),
        (Driver::Null, "null"),
    ]);
    assert_texts(&[
        (Scope::Bridge, "bridge"),
        (Scope::External, "external"),
        (Scope::None, "none"),
        (Scope::Configuration, "configuration"),
    ]);
    assert_texts(&[
        (NetworkKind::Bridge, "bridge"),
        (NetworkKind::None, "none"),
        (NetworkKind::External, "external"),
        (NetworkKind::Configuration, "configuration"),
    ]);
    assert_texts(&[
        (Segment::Dedicated, "dedicated"),
        (Segment::Shared, "shared"),
    ]);
    assert_texts(&[(Addressing::Static, "static"), (Addressing::Dhcp, "dhcp")]);
    assert_texts(&[
        (Level::Published, "published"),
        (Level::Closed, "closed"),
        (Level::Outbound, "outbound"),
        (Level::Peers, "peers"),
        (Level::Open, "open"),
    ]);
    assert_texts(&[
        (Readiness::Ready, "ready"),
        (Readiness::Pending, "pending"),
        (Readiness::Failed, "failed"),
    ]);
    assert_texts(&[
        (EndpointState::Up, "up"),
        (EndpointState::Waiting, "waiting"),
        (EndpointState::Failed, "failed"),
        (EndpointState::Unsupported, "unsupported"),
        (EndpointState::Pending, "pending"),
    ]);
    assert_texts(&[(Attachment::Tap, "tap"), (Attachment::Veth, "veth")]);
    assert_texts(&[
        (Protocol::Tcp, "tcp"),
        (Protocol::Udp, "udp"),
        (Protocol::Sctp, "sctp"),
    ]);
    assert_texts(&[(Progress::Done, "done"), (Progress::Pending, "pending")]);
    assert_texts(&[
        (RowKind::Network, "network"),
        (RowKind::Container, "container"),
        (RowKind::Endpoint, "endpoint"),
        (RowKind::RestingAddress, "resting-address"),
        (RowKind::AddressCursor, "address-cursor"),
        (RowKind::PortBinding, "port-binding"),
        (RowKind::Document, "document"),
    ]);
}

#[test]
fn a_newer_coordinators_word_is_kept_and_shown_as_it_is() {
    assert_texts(&[(Driver::Other("overlay".to_owned()), "overlay")]);
    assert_texts(&[(Progress::Other("queued".to_owned()), "queued")]);
    assert!(serde_json::from_str::<Driver>("3").is_err());
}
