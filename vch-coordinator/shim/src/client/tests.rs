mod old_shim;

use super::{Client, ClientError};
use crate::{
    sockets::SHIM,
    wire::{Reply, Request, receive, send},
};
use std::{os::unix::net::UnixListener as StdListener, time::Duration};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
    time::timeout,
};

const SOON: Duration = Duration::from_secs(20);

/// Makes a directory of sockets, and listens in it.
fn listening() -> (TempDir, UnixListener) {
    let dir = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(dir.path().join(SHIM)).unwrap();
    (dir, listener)
}

/// The greeting of both sides in version 2, byte for byte.
const GREETING: [u8; 4] = *b"\x02VCH";

/// Returns a client's connection, after the greetings.
async fn greeted(listener: &UnixListener, answer: [u8; 4]) -> UnixStream {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut greeting = [0; 4];
    stream.read_exact(&mut greeting).await.unwrap();
    assert_eq!(greeting, GREETING);
    stream.write_all(&answer).await.unwrap();
    stream
}

/// Returns the error that a client gets which watches a shim that takes its request and then does
/// `answer`.
async fn watched(answer: impl AsyncFnOnce(&mut UnixStream)) -> ClientError {
    let (dir, listener) = listening();
    let client = Client::at(dir.path());
    let shim = async {
        let mut stream = greeted(&listener, GREETING).await;
        let asked: Option<Request> = receive(&mut stream).await.unwrap();
        assert_eq!(asked, Some(Request::Watch));
        answer(&mut stream).await;
    };
    let watching = async { client.watch().await?.next().await };
    let (error, ()) = timeout(SOON, async { tokio::join!(watching, shim) })
        .await
        .unwrap();
    error.unwrap_err()
}

#[tokio::test]
async fn only_a_socket_that_nobody_listens_at_is_a_shim_that_is_gone() {
    let (dir, listener) = listening();
    let client = Client::at(dir.path());
    drop(listener);
    let refused = client.kill().await.unwrap_err();
    assert!(matches!(refused, ClientError::Gone(_)), "{refused:?}");
    std::fs::remove_file(dir.path().join(SHIM)).unwrap();
    let missing = client.watch().await.unwrap_err();
    assert!(matches!(missing, ClientError::Gone(_)), "{missing:?}");
    // Something else is there.
    std::fs::create_dir(dir.path().join(SHIM)).unwrap();
    std::fs::remove_dir(dir.path().join(SHIM)).unwrap();
    std::os::unix::fs::symlink(SHIM, dir.path().join(SHIM)).unwrap();
    let circle = client.list().await.unwrap_err();
    assert!(matches!(circle, ClientError::Unreachable(_)), "{circle:?}");
}

#[tokio::test]
async fn a_shim_whose_queue_is_full_is_not_gone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(SHIM);
    let listener = StdListener::bind(&path).unwrap();
    // As listen(2) does when it is called again: one connection may wait.
    nix::sys::socket::listen(&listener, nix::sys::socket::Backlog::new(0).unwrap()).unwrap();
    let _waiting = UnixStream::connect(&path).await.unwrap();
    let full = Client::at(dir.path()).kill().await.unwrap_err();
    assert!(matches!(full, ClientError::Unreachable(_)), "{full:?}");
}

#[tokio::test]
async fn a_shim_that_closes_in_mid_conversation_is_gone() {
    let closed = watched(async |_| {}).await;
    assert!(matches!(closed, ClientError::Gone(_)), "{closed:?}");
    let half = watched(async |stream| stream.write_all(&[9, 0, 0, 0, 1]).await.unwrap()).await;
    assert!(matches!(half, ClientError::Gone(_)), "{half:?}");
}

#[tokio::test]
async fn an_answer_that_can_t_be_read_is_no_end() {
    let nonsense = watched(async |stream| stream.write_all(&[1, 0, 0, 0, 99]).await.unwrap());
    let error = nonsense.await;
    assert!(matches!(error, ClientError::UnexpectedReply), "{error:?}");
    let too_long = watched(async |stream| stream.write_all(&[255; 4]).await.unwrap());
    let error = too_long.await;
    assert!(matches!(error, ClientError::UnexpectedReply), "{error:?}");
    let other = watched(async |stream| send(stream, &Reply::Done).await.unwrap()).await;
    assert!(matches!(other, ClientError::UnexpectedReply), "{other:?}");
}

#[tokio::test]
async fn a_request_that_is_too_long_is_refused_before_it_is_sent() {
    let (dir, listener) = listening();
    let process = protocol::process::Process {
        args: vec!["x".repeat(3 << 20)],
        ..Default::default()
    };
    let client = Client::at(dir.path());
    let (refused, _stream) = tokio::join!(client.exec(process), greeted(&listener, GREETING));
    let refused = refused.unwrap_err();
    assert!(
        matches!(&refused, ClientError::Refused { code, .. } if code == "too-long"),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_shim_of_a_later_release_is_told_from_one_that_is_gone() {
    let (dir, listener) = listening();
    let client = Client::at(dir.path());
    let (later, mut stream) = tokio::join!(client.kill(), greeted(&listener, *b"\x07VCH"));
    let later = later.unwrap_err();
    assert!(
        matches!(later, ClientError::OtherVersion { shim: 7, newest: 2 }),
        "{later:?}"
    );
    let words = later.to_string();
    assert!(
        words.contains("version 7") && words.contains("1 to 2"),
        "{words}"
    );
    // Nothing was asked of it.
    assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
    // One that says something else altogether is none of ours.
    let (strange, _stream) = tokio::join!(client.kill(), greeted(&listener, *b"HTTP"));
    assert!(
        matches!(strange, Err(ClientError::UnexpectedReply)),
        "{strange:?}"
    );
}
