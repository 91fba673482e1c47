use super::{ChildMessage, FAULTS, MAX_REASON, Received, ended, pair, receive, send, wait};
use crate::start_error::StartError;
use protocol::process::Fault;
use std::{
    fs::File,
    io::{Read, Write},
    os::fd::AsRawFd,
};

fn all() -> Vec<ChildMessage> {
    let mut all = vec![
        ChildMessage::Terminal,
        ChildMessage::InPlace,
        ChildMessage::Executes(0x0102_0304),
    ];
    let failed = |fault| ChildMessage::Failed(StartError::new(fault, format!("of {fault:?}")));
    all.extend(FAULTS.map(failed));
    all
}

#[test]
fn each_message_is_what_it_was_behind_the_socket() {
    for message in all() {
        let decoded = ChildMessage::decode(&message.encode());
        assert_eq!(decoded, Some(message));
    }
    assert_eq!(ChildMessage::decode(&[]), None);
}

#[test]
fn a_message_of_no_known_kind_is_a_fault() {
    let unknown = ChildMessage::decode(b"\x63why\xff");
    let expected = StartError::other("why\u{fffd}".to_owned());
    assert_eq!(unknown, Some(ChildMessage::Failed(expected)));
    // Its number is cut short.
    let short = ChildMessage::decode(&[super::EXECUTES, 1]);
    assert_eq!(short, Some(ChildMessage::Executes(0)));
}

#[test]
fn a_reason_is_bounded() {
    let long = StartError::other("x".repeat(2 * MAX_REASON));
    let encoded = ChildMessage::Failed(long).encode();
    assert_eq!(encoded.len(), 1 + MAX_REASON);
    let Some(ChildMessage::Failed(error)) = ChildMessage::decode(&encoded) else {
        panic!("no fault");
    };
    assert_eq!(error.fault, Fault::Other);
    assert_eq!(error.reason.len(), MAX_REASON);
}

#[test]
fn messages_and_descriptors_come_in_their_order_and_then_the_end() {
    let (init, child) = pair().unwrap();
    assert!(matches!(receive(&init), Ok(Received::Nothing)));
    let (mut reader, writer) = std::io::pipe().unwrap();
    send(&child, &ChildMessage::Terminal, Some(writer.as_raw_fd())).unwrap();
    send(&child, &ChildMessage::Executes(3), None).unwrap();
    drop((child, writer));
    let Ok(Received::Message(ChildMessage::Terminal, Some(passed))) = receive(&init) else {
        panic!("no descriptor");
    };
    let mut passed = File::from(passed);
    passed.write_all(b"through").unwrap();
    drop(passed);
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(text, "through");
    let second = wait(&init);
    assert!(
        matches!(
            second,
            Ok(Received::Message(ChildMessage::Executes(3), None))
        ),
        "{second:?}"
    );
    assert!(matches!(wait(&init), Ok(Received::End)));
    assert!(matches!(receive(&init), Ok(Received::End)));
    assert!(send(&init, &ChildMessage::InPlace, None).is_err());
    assert_eq!(ended().fault, Fault::Other);
}
