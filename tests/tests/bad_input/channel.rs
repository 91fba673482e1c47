//! What an agent's channel brings that no agent says.

use crate::{SOON, shape};
use lab::{Coordinator, Lab, Member, Need, eventually, prerequisites};
use protocol::frame::{Decoder, MAX_PAYLOAD, encode};
use protocol::message::{Hello, Message, Refusal, SessionNonce, ToAgent, ToCoordinator};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

fn framed(message: &ToCoordinator) -> Vec<u8> {
    let mut line = Vec::new();
    encode(SessionNonce(77), &message.encode().unwrap(), &mut line).unwrap();
    line
}

fn hello(oldest: u16, newest: u16) -> ToCoordinator {
    ToCoordinator::Hello(Hello {
        oldest,
        newest,
        nonce: SessionNonce(77),
        agent: "a test".to_owned(),
        capabilities: Vec::new(),
        held: None,
    })
}

/// The refusal that comes for a hello.
fn refusal(channel: &Path, hello: &ToCoordinator) -> Refusal {
    let mut stream = UnixStream::connect(channel).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream.write_all(&framed(hello)).unwrap();
    let mut decoder = Decoder::new();
    let mut bytes = [0; 4096];
    loop {
        let count = stream.read(&mut bytes).unwrap();
        assert_ne!(count, 0, "closed without a refusal");
        let mut rest = &bytes[..count];
        while let Some(frame) = decoder.next(&mut rest) {
            if let ToAgent::Refuse(refusal) = ToAgent::decode(&frame.unwrap().payload).unwrap() {
                return refusal;
            }
        }
    }
}

/// The channel of a container, as `vchctl` shows it: `unix:PATH`.
fn channel(vch: &Coordinator<'_>, container: &str) -> String {
    let shown = vch.ask(&format!("container inspect {container}")).unwrap();
    let channel = shown["channel"].as_str().unwrap();
    channel.strip_prefix("unix:").unwrap().to_owned()
}

/// Noise of many sorts: zeros, ones, a frame over the limit, and half a frame.
fn noise() -> Vec<Vec<u8>> {
    let whole = framed(&hello(1, 1));
    let mut flipped = whole.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0x55;
    vec![
        vec![0; 4096],
        vec![0xff; 3 * MAX_PAYLOAD],
        (0..=255).cycle().take(8192).collect(),
        whole[..whole.len() / 2].to_vec(),
        flipped,
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
    ]
}

#[test]
fn a_second_agent_is_refused_and_an_unknown_version_is_told_ours() {
    prerequisites::check(Need::MEMBERS).unwrap();
    let lab = Lab::of_namespaces("second").unwrap();
    let topology = lab.topology().unwrap();
    let vch = Coordinator::start(&lab, &topology.vch).unwrap();
    vch.vchctl("network create web").unwrap();
    let one = Member::start(&lab, &vch, "one", &["web"]).unwrap();
    vch.ready("one", SOON).unwrap();
    let path = channel(&vch, "one");
    let before = shape(&vch);
    assert_eq!(refusal(Path::new(&path), &hello(1, 1)), Refusal::Occupied);
    assert_eq!(shape(&vch), before);
    assert!(
        vch.log().contains("a second agent connected: refused"),
        "{}",
        vch.log()
    );
    assert!(!vch.log().contains("session is over"), "{}", vch.log());

    vch.vchctl("container add later").unwrap();
    vch.vchctl("container start later").unwrap();
    let path = channel(&vch, "later");
    let told = refusal(Path::new(&path), &hello(7, 9));
    assert!(
        matches!(
            told,
            Refusal::Version {
                oldest: 1,
                newest: 1
            }
        ),
        "{told:?}"
    );
    drop(one);
}

#[test]
fn noise_on_a_channel_hurts_neither_side_nor_any_other_session() {
    prerequisites::check(Need::MEMBERS).unwrap();
    let lab = Lab::of_namespaces("noise").unwrap();
    let topology = lab.topology().unwrap();
    let vch = Coordinator::start(&lab, &topology.vch).unwrap();
    vch.vchctl("network create web").unwrap();
    let _other = Member::start(&lab, &vch, "other", &["web"]).unwrap();
    let mut one = Member::start(&lab, &vch, "one", &["web"]).unwrap();
    for name in ["other", "one"] {
        vch.ready(name, SOON).unwrap();
    }
    // Alone on the channel, then the agent again.
    one.kill_agent().unwrap();
    let path = channel(&vch, "one");
    for bytes in noise() {
        let mut stream = UnixStream::connect(&path).unwrap();
        // The coordinator may close in the middle of it.
        if let Err(error) = stream.write_all(&bytes) {
            assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        }
    }
    one.restart_agent().unwrap();
    let live = || {
        let shown = vch.ask("container inspect one").unwrap();
        shown["session"]["live"] == true && shown["session"]["state"] == "ready"
    };
    eventually(SOON, "the session is live again", live).unwrap();
    // Beside the agent.
    for bytes in noise() {
        let mut stream = UnixStream::connect(&path).unwrap();
        if let Err(error) = stream.write_all(&bytes) {
            assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        }
    }
    assert!(live(), "{}", vch.log());
    let ended = vch.log().matches("session is over").count();
    assert_eq!(
        ended,
        1,
        "only that of the agent that was killed: {}",
        vch.log()
    );
    assert_eq!(vch.ask("status").unwrap()["sessions"], 2);
}
