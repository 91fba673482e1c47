//! The line over a socket pair in place of the virtserialport.

use super::{CHUNK, ENOUGH, Line};
use nix::poll::PollFlags;
use protocol::{
    frame::{self, Decoder},
    message::{Message, SessionNonce},
    process::{FromInit, MAX_CHUNK, Output, Phase, ProcessId, ToInit, VERSION},
};
use std::{
    io::{Read, Write},
    os::{fd::OwnedFd, unix::net::UnixStream},
};

const ONE: SessionNonce = SessionNonce(1);
const OTHER: SessionNonce = SessionNonce(2);

fn line() -> (Line, UnixStream) {
    let (own, its) = UnixStream::pair().unwrap();
    its.set_nonblocking(true).unwrap();
    own.set_nonblocking(true).unwrap();
    (Line::over(OwnedFd::from(its)), own)
}

fn frame(nonce: SessionNonce, message: &ToInit) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame::encode(nonce, &message.encode().unwrap(), &mut bytes).unwrap();
    bytes
}

fn hello() -> ToInit {
    ToInit::Hello {
        version: VERSION,
        now_ms: 1,
        seed: [0; 32],
    }
}

#[test]
fn messages_come_whole_however_they_were_cut() {
    let (mut line, mut shim) = line();
    let list = ToInit::List { request: 7 };
    let bytes = [frame(ONE, &hello()), frame(ONE, &list)].concat();
    let mut received = Vec::new();
    for byte in bytes {
        shim.write_all(&[byte]).unwrap();
        received.extend(line.receive().unwrap());
    }
    assert_eq!(received, [hello(), list]);
    assert!(line.receive().unwrap().is_empty());
}

#[test]
fn what_is_no_frame_is_skipped() {
    let (mut line, mut shim) = line();
    let list = ToInit::List { request: 7 };
    shim.write_all(&frame(ONE, &hello())).unwrap();
    let mut damaged = frame(ONE, &list);
    damaged[5] ^= 1;
    shim.write_all(&damaged).unwrap();
    shim.write_all(b"\0noise of an earlier reader\0").unwrap();
    shim.write_all(&frame(ONE, &list)).unwrap();
    assert_eq!(line.receive().unwrap(), [hello(), list]);
}

#[test]
fn messages_of_an_earlier_life_are_dropped() {
    let (mut line, mut shim) = line();
    let list = |request| ToInit::List { request };
    // Before the first run there is no run but a template's.
    shim.write_all(&frame(ONE, &list(1))).unwrap();
    shim.write_all(&frame(SessionNonce::NONE, &list(2)))
        .unwrap();
    shim.write_all(&frame(ONE, &hello())).unwrap();
    shim.write_all(&frame(OTHER, &list(3))).unwrap();
    shim.write_all(&frame(ONE, &list(4))).unwrap();
    shim.write_all(&frame(OTHER, &hello())).unwrap();
    shim.write_all(&frame(ONE, &list(5))).unwrap();
    shim.write_all(&frame(OTHER, &list(6))).unwrap();
    let expected = [list(2), hello(), list(4), hello(), list(6)];
    assert_eq!(line.receive().unwrap(), expected);
}

#[test]
fn what_is_told_bears_the_life_s_nonce() {
    let (mut line, mut shim) = line();
    line.tell(&FromInit::Ready { version: VERSION });
    shim.write_all(&frame(ONE, &hello())).unwrap();
    line.receive().unwrap();
    line.tell_phase(Phase::Mounted);
    line.flush().unwrap();
    let mut bytes = vec![0; 4096];
    let count = shim.read(&mut bytes).unwrap();
    let (mut decoder, mut input) = (Decoder::new(), &bytes[..count]);
    let mut told = Vec::new();
    while let Some(frame) = decoder.next(&mut input) {
        let frame = frame.unwrap();
        told.push((frame.nonce, FromInit::decode(&frame.payload).unwrap()));
    }
    assert_eq!(told.len(), 2);
    let ready = FromInit::Ready { version: VERSION };
    assert_eq!(told[0], (SessionNonce::NONE, ready));
    let (nonce, FromInit::Phase { phase, uptime_us }) = &told[1] else {
        panic!("{told:?}");
    };
    assert_eq!((*nonce, *phase), (ONE, Phase::Mounted));
    assert!(*uptime_us > 0);
}

#[test]
fn output_waits_while_the_line_is_full_and_leaves_no_memory_behind() {
    let (mut line, mut shim) = line();
    let output = FromInit::Output {
        id: ProcessId::MAIN,
        stream: Output::Stdout,
        bytes: vec![7; MAX_CHUNK],
    };
    assert!(!line.is_full());
    assert_eq!(line.poll().events(), PollFlags::POLLIN);
    let mut queued = 0;
    while !line.is_full() {
        line.tell(&output);
        queued += 1;
    }
    assert!(queued * MAX_CHUNK <= ENOUGH + MAX_CHUNK, "{queued}");
    assert!(line.poll().events().contains(PollFlags::POLLOUT));
    // The other side takes it bit by bit.
    let mut taken = Vec::new();
    let mut buffer = vec![0; CHUNK];
    loop {
        line.flush().unwrap();
        match shim.read(&mut buffer) {
            Ok(count) => taken.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
            Err(error) => panic!("{error}"),
        }
    }
    let (mut decoder, mut input) = (Decoder::new(), &taken[..]);
    let mut whole = 0;
    while let Some(frame) = decoder.next(&mut input) {
        assert_eq!(FromInit::decode(&frame.unwrap().payload).unwrap(), output);
        whole += 1;
    }
    assert_eq!(whole, queued);
    assert!(line.out.is_empty() && line.out.capacity() <= CHUNK);
}

#[test]
fn a_line_whose_other_side_is_gone_is_broken_for_what_is_sent() {
    let (mut line, shim) = line();
    drop(shim);
    assert!(line.receive().unwrap().is_empty(), "a shim may come again");
    line.tell_phase(Phase::Init);
    assert!(line.flush().is_err());
}
