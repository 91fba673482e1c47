//! The frozen bytes of each version, in hexadecimal: `golden/v1.hex` was written by release 0.1.0.
//!
//! A line that differs says that a released shim, or a coordinator of the last release, will not be understood. Make a
//! new version then (see the head of `wire.rs`); a line of a released version never changes.

mod v1;
mod v2;

use super::{
    Incoming, NotInVersion1, Outgoing, Reply, Request, Version,
    v1::{Reply as Reply1, Request as Request1},
};
use serde::{Serialize, de::DeserializeOwned};
use std::{collections::BTreeMap, fmt::Debug, io};
use tokio::net::UnixStream;

const V1: &str = include_str!("golden/v1.hex");
const V2: &str = include_str!("golden/v2.hex");

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2);
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.map(byte).collect()
}

fn golden(text: &'static str) -> BTreeMap<&'static str, &'static str> {
    let lines = text.lines().map(|line| line.split_once(' ').unwrap());
    lines.collect()
}

/// Returns the names of the messages, after checking that each has its frozen bytes.
fn frozen<M: Serialize + DeserializeOwned + PartialEq + Debug>(
    text: &'static str,
    direction: &str,
    messages: Vec<(&str, M)>,
) -> Vec<String> {
    let golden = golden(text);
    let mut names = Vec::new();
    for (name, message) in messages {
        let name = format!("{direction}.{name}");
        let now = postcard::to_allocvec(&message).unwrap();
        let then = golden.get(&*name).copied().unwrap_or_default();
        assert_eq!(then, hex(&now), "frozen, and what is written now:\n{name}");
        let then = unhex(then);
        let (read, rest) = postcard::take_from_bytes::<M>(&then).unwrap();
        assert_eq!(read, message, "{name}");
        assert!(rest.is_empty(), "{name}");
        names.push(name);
    }
    names
}

fn assert_all_are_tested(text: &'static str, mut tested: Vec<String>) {
    tested.sort();
    let lines: Vec<_> = golden(text).into_keys().map(str::to_owned).collect();
    assert_eq!(lines, tested);
}

#[test]
fn version_1_has_the_bytes_of_release_0_1_0() {
    let mut tested = frozen(V1, "request", v1::requests());
    tested.extend(frozen(V1, "reply", v1::replies()));
    assert_all_are_tested(V1, tested);
}

#[test]
fn version_2_has_its_frozen_bytes() {
    let mut tested = frozen(V2, "request", v2::requests());
    tested.extend(frozen(V2, "reply", v2::replies()));
    assert_all_are_tested(V2, tested);
}

#[test]
fn what_version_1_says_is_carried_over_and_back_without_a_loss() {
    for (name, request) in v1::requests() {
        let ours = Request::from(request.clone());
        assert_eq!(Request1::try_from(ours), Ok(request), "{name}");
    }
    for (name, reply) in v1::replies() {
        let ours = Reply::from(reply.clone());
        assert_eq!(Reply1::try_from(ours), Ok(reply), "{name}");
    }
}

#[test]
fn what_version_1_does_not_know_is_told_and_not_left_out() {
    let mut unknown = Vec::new();
    for (name, request) in v2::requests() {
        match Request1::try_from(request) {
            Ok(_) => {}
            Err(NotInVersion1(what)) => unknown.push((name, what)),
        }
    }
    let expected = [
        ("exec", "a privileged process"),
        ("exec-unfiltered", "a process without a seccomp filter"),
        ("update", "other bounds while it runs"),
    ];
    assert_eq!(unknown, expected);
}

/// Returns a message that was sent by a pair of connected ends that speak a version.
async fn through(version: Version, request: Request) -> io::Result<Request> {
    let (here, there) = UnixStream::pair().unwrap();
    let (_, to) = here.into_split();
    let (from, _) = there.into_split();
    Outgoing::new(to, version).send(request).await?;
    let came = Incoming::new(from, version).next().await?;
    Ok(came.unwrap())
}

#[tokio::test]
async fn messages_come_out_as_they_went_in_whatever_version_is_spoken() {
    for (name, request) in v1::requests() {
        let request = Request::from(request);
        for version in [Version::V1, Version::V2] {
            let came = through(version, request.clone()).await.unwrap();
            assert_eq!(came, request, "{name}");
        }
    }
    let kind = through(Version::V1, v2::requests().pop().unwrap().1).await;
    assert_eq!(kind.unwrap_err().kind(), io::ErrorKind::Unsupported);
}
