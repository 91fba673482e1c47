use super::*;
use serde::de::DeserializeOwned;

fn words<T: Serialize + DeserializeOwned + fmt::Display + PartialEq + fmt::Debug>(
    words: &[(T, &str)],
) {
    for (value, word) in words {
        let text = format!("\"{word}\"");
        assert_eq!(serde_json::to_string(value).unwrap(), text);
        assert_eq!(&serde_json::from_str::<T>(&text).unwrap(), value);
        assert_eq!(value.to_string(), *word);
    }
}

#[test]
fn each_word_is_written_as_in_every_release() {
    words(&[
        (Driver::Bridge, "bridge"),
        (Driver::External, "external"),
        (Driver::Null, "null"),
    ]);
    words(&[
        (Scope::Bridge, "bridge"),
        (Scope::External, "external"),
        (Scope::None, "none"),
        (Scope::Configuration, "configuration"),
    ]);
    words(&[
        (NetworkKind::Bridge, "bridge"),
        (NetworkKind::None, "none"),
        (NetworkKind::External, "external"),
        (NetworkKind::Configuration, "configuration"),
    ]);
    words(&[
        (Segment::Dedicated, "dedicated"),
        (Segment::Shared, "shared"),
    ]);
    words(&[(Addressing::Static, "static"), (Addressing::Dhcp, "dhcp")]);
    words(&[
        (Level::Published, "published"),
        (Level::Closed, "closed"),
        (Level::Outbound, "outbound"),
        (Level::Peers, "peers"),
        (Level::Open, "open"),
    ]);
    words(&[
        (Readiness::Ready, "ready"),
        (Readiness::Pending, "pending"),
        (Readiness::Failed, "failed"),
    ]);
    words(&[
        (EndpointState::Up, "up"),
        (EndpointState::Waiting, "waiting"),
        (EndpointState::Failed, "failed"),
        (EndpointState::Unsupported, "unsupported"),
        (EndpointState::Pending, "pending"),
    ]);
    words(&[(Attachment::Tap, "tap"), (Attachment::Veth, "veth")]);
    words(&[
        (Protocol::Tcp, "tcp"),
        (Protocol::Udp, "udp"),
        (Protocol::Sctp, "sctp"),
    ]);
    words(&[(Progress::Done, "done"), (Progress::Pending, "pending")]);
    words(&[
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
    words(&[(Driver::Other("overlay".to_owned()), "overlay")]);
    words(&[(Progress::Other("queued".to_owned()), "queued")]);
    assert!(serde_json::from_str::<Driver>("3").is_err());
}
