mod hostile;

use super::*;
use crate::{
    answer,
    streams::{Hijack, close},
};
use axum::{
    extract::Request,
    http::HeaderValue,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use docker_model::DockerError;
use std::{os::unix::fs::PermissionsExt, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    sync::Notify,
    task::JoinHandle,
    time::timeout,
};
use vch_runtime::Tasks;

const DEADLINE: Duration = Duration::from_secs(10);

/// A server at a socket in its own directory, until it is dropped.
struct Served {
    dir: tempfile::TempDir,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

impl Served {
    fn of(app: Router) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("docker.sock");
        // The socket that a crashed coordinator left.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let listeners = Listeners {
            tcp: None,
            unix: Some(listen_unix(&path).unwrap()),
        };
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o660);
        let app = Router::new().fallback(move |request: Request| answer(app.clone(), request));
        let stop = CancellationToken::new();
        let serving = tokio::spawn(listeners.serve(app, stop.clone()));
        Self { dir, stop, serving }
    }

    async fn client(&self) -> UnixStream {
        let path = self.dir.path().join("docker.sock");
        UnixStream::connect(path).await.unwrap()
    }

    async fn end(self) {
        self.stop.cancel();
        timeout(DEADLINE, self.serving).await.unwrap().unwrap();
    }
}

/// Reverses four bytes of input.
async fn reversed(hijack: Hijack) -> Response {
    let answer = hijack.answer(HeaderValue::from_static("x/y"));
    tokio::spawn(async move {
        let (mut from_client, mut to_client) = hijack.taken().await.unwrap().halves();
        let mut word = [0; 4];
        from_client.read_exact(&mut word).await.unwrap();
        word.reverse();
        to_client.write_all(&word).await.unwrap();
        to_client.shutdown().await.unwrap();
    });
    answer
}

async fn heard(mut client: UnixStream, said: &str) -> String {
    client.write_all(said.as_bytes()).await.unwrap();
    let mut heard = Vec::new();
    let read = client.read_to_end(&mut heard);
    timeout(DEADLINE, read).await.unwrap().unwrap();
    String::from_utf8(heard).unwrap()
}

#[tokio::test]
async fn a_connection_can_be_taken_over_and_the_server_ends_at_its_stop() {
    let served = Served::of(Router::new().route("/exec/{exec}/start", post(reversed)));
    let head = "POST /v1.41/exec/1/start HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nabcd";
    let heard = heard(served.client().await, head).await;
    assert!(heard.starts_with("HTTP/1.1 101 "), "{heard}");
    assert!(heard.contains("Content-Type: x/y\r\n"), "{heard}");
    assert!(heard.ends_with("\r\n\r\ndcba"), "{heard}");
    served.end().await;
}

#[tokio::test]
async fn a_client_that_asks_for_no_upgrade_has_its_raw_stream_all_the_same() {
    let app = Router::new()
        .route("/exec/{exec}/start", post(reversed))
        .route("/containers/{container}/attach", post(reversed))
        .route("/_ping", get(async || "OK"));
    let served = Served::of(app);
    for request in [
        "POST /exec/1/start HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\nabcd",
        "POST /v1.24/containers/c/attach?stream=1 HTTP/1.1\r\nHost: x\r\n\r\nabcd",
        "POST /containers/c/attach HTTP/1.0\r\n\r\nabcd",
        // The connection is kept after another request.
        "GET /_ping HTTP/1.1\r\nHost: x\r\n\r\nPOST /exec/1/start HTTP/1.1\r\nHost: x\r\n\r\nabcd",
    ] {
        let heard = heard(served.client().await, request).await;
        assert!(heard.starts_with("HTTP/1."), "{heard}");
        let (_, last) = heard.rsplit_once("HTTP/1.").unwrap();
        assert!(last[1..].starts_with(" 200 OK\r\n"), "{heard}");
        let kind = "Content-Type: application/vnd.docker.raw-stream\r\n";
        assert!(last.contains(kind), "{heard}");
        assert!(
            !last.contains("Content-Length") && !last.contains("Transfer-Encoding"),
            "{heard}"
        );
        assert!(last.ends_with("\r\n\r\ndcba"), "{heard}");
    }
    served.end().await;
}

/// Reproduces the lost output of an exec: a Python client reads the answer's head through a buffer
/// of 8 KiB and then continues with the socket, so that output that was read with the head is lost.
/// Here the output is ready before the client reads at all.
#[tokio::test]
async fn output_comes_only_when_the_client_has_read_the_answer_s_head() {
    let written = Arc::new(Notify::new());
    let told = Arc::clone(&written);
    let started = async move |hijack: Hijack| {
        let answer = hijack.answer(HeaderValue::from_static("x/y"));
        tokio::spawn(async move {
            let (_, mut to_client) = hijack.taken().await.unwrap().halves();
            to_client.write_all(b"output").await.unwrap();
            told.notify_one();
            to_client.shutdown().await.unwrap();
        });
        answer
    };
    let served = Served::of(Router::new().route("/exec/{exec}/start", post(started)));
    let mut client = served.client().await;
    let head =
        "POST /exec/1/start HTTP/1.1\r\nHost: x\r\nUpgrade: tcp\r\nConnection: Upgrade\r\n\r\n";
    client.write_all(head.as_bytes()).await.unwrap();
    let early = timeout(Duration::from_millis(300), written.notified()).await;
    assert!(
        early.is_err(),
        "output was written behind a head that was not read"
    );
    let mut buffer = vec![0; 8 << 10];
    let count = client.read(&mut buffer).await.unwrap();
    let first = String::from_utf8(buffer[..count].to_vec()).unwrap();
    assert!(
        first.starts_with("HTTP/1.1 101 ") && first.ends_with("\r\n\r\n"),
        "{first}"
    );
    assert_eq!(heard(client, "").await, "output");
    served.end().await;
}

/// A process may end before it has read what its client typed. A socket that is closed with bytes in it answers by a
/// reset.
#[tokio::test]
async fn a_client_whose_input_nothing_read_sees_the_end_and_no_reset() {
    let (typed, told) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let awaited = Arc::clone(&typed);
    let closed = Arc::clone(&told);
    let started = async move |hijack: Hijack| {
        let answer = hijack.answer(HeaderValue::from_static("x/y"));
        tokio::spawn(async move {
            let (from_client, mut to_client) = hijack.taken().await.unwrap().parts();
            awaited.notified().await;
            to_client.write_all(b"output").await.unwrap();
            close(from_client, to_client).await;
            closed.notify_one();
        });
        answer
    };
    let served = Served::of(Router::new().route("/exec/{exec}/start", post(started)));
    let mut client = served.client().await;
    let head =
        "POST /exec/1/start HTTP/1.1\r\nHost: x\r\nUpgrade: tcp\r\nConnection: Upgrade\r\n\r\n";
    client.write_all(head.as_bytes()).await.unwrap();
    let mut read = Vec::new();
    while !read.ends_with(b"\r\n\r\n") {
        let more = timeout(DEADLINE, client.read_buf(&mut read)).await.unwrap();
        assert_ne!(more.unwrap(), 0, "it is open");
    }
    client.write_all(b"typed\n").await.unwrap();
    typed.notify_one();
    // To its end, which is an error where the server resets.
    assert_eq!(heard(client, "").await, "output");
    timeout(DEADLINE, told.notified()).await.unwrap();
    served.end().await;
}

#[tokio::test]
async fn a_stream_whose_client_has_gone_is_told() {
    let gone = Arc::new(Notify::new());
    let told = Arc::clone(&gone);
    let started = async move |hijack: Hijack| {
        let answer = hijack.answer(HeaderValue::from_static("x/y"));
        tokio::spawn(async move {
            let (from_client, _to_client) = hijack.taken().await.unwrap().parts();
            from_client.presence().gone().await;
            told.notify_one();
        });
        answer
    };
    let served = Served::of(Router::new().route("/exec/{exec}/start", post(started)));
    let mut client = served.client().await;
    client
        .write_all(b"POST /exec/1/start HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let mut first = [0; 15];
    client.read_exact(&mut first).await.unwrap();
    // A client that has closed its writing side has not gone.
    client.shutdown().await.unwrap();
    let early = timeout(Duration::from_millis(300), gone.notified()).await;
    assert!(early.is_err(), "it still listens");
    drop(client);
    timeout(DEADLINE, gone.notified()).await.unwrap();
    served.end().await;
}

/// Checks a refused image, of which the client has sent only the head.
#[tokio::test]
async fn a_client_that_is_refused_before_its_body_is_there_hears_why() {
    let refuses = async || DockerError::failed("too little room").into_response();
    let served = Served::of(Router::new().route("/images/load", post(refuses)));
    let body = vec![0; 4 << 20];
    let length = format!("Content-Length: {}", body.len());
    let chunk = format!("{:x}", body.len());
    for (header, before) in [
        (&*length, String::new()),
        ("Transfer-Encoding: chunked", format!("{chunk}\r\n")),
    ] {
        let mut client = served.client().await;
        let head = format!("POST /images/load HTTP/1.1\r\nHost: x\r\n{header}\r\n\r\n{before}");
        client.write_all(head.as_bytes()).await.unwrap();
        let mut first = [0; 13];
        timeout(DEADLINE, client.read_exact(&mut first))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(&first, b"HTTP/1.1 500 ");
        // Go's client writes while it reads, and fails if it cannot write.
        let written = timeout(DEADLINE, client.write_all(&body)).await;
        written.unwrap().unwrap();
        let rest = heard(client, "").await;
        assert!(rest.contains("too little room"), "{rest}");
    }
    served.end().await;
}

#[tokio::test]
async fn a_failure_ends_a_connection_that_was_to_become_raw() {
    let app = Router::new().route(
        "/exec/{exec}/start",
        post(async || DockerError::not_found("no such exec").into_response()),
    );
    let served = Served::of(app);
    let request = "POST /exec/1/start HTTP/1.1\r\nHost: x\r\n\r\n";
    let heard = heard(served.client().await, request).await;
    assert!(heard.starts_with("HTTP/1.1 404 "), "{heard}");
    assert!(
        heard.ends_with("{\"message\":\"no such exec\"}\n"),
        "{heard}"
    );
    served.end().await;
}

#[tokio::test]
async fn a_connection_that_was_taken_over_ends_with_its_tasks() {
    let tasks = Tasks::default();
    let carried = tasks.clone();
    let started = async move |hijack: Hijack| {
        let answer = hijack.answer(HeaderValue::from_static("x/y"));
        carried.spawn(async move {
            let (_from_client, mut to_client) = hijack.taken().await.unwrap().halves();
            to_client.write_all(b"output").await.unwrap();
            std::future::pending::<()>().await;
        });
        answer
    };
    let served = Served::of(Router::new().route("/exec/{exec}/start", post(started)));
    let mut client = served.client().await;
    let head =
        "POST /exec/1/start HTTP/1.1\r\nHost: x\r\nUpgrade: tcp\r\nConnection: Upgrade\r\n\r\n";
    client.write_all(head.as_bytes()).await.unwrap();
    let mut read = Vec::new();
    while !read.ends_with(b"output") {
        let more = timeout(DEADLINE, client.read_buf(&mut read)).await.unwrap();
        assert_ne!(more.unwrap(), 0, "it is open");
    }
    // The owner of the task waits for it, not the server.
    served.end().await;
    timeout(DEADLINE, tasks.close()).await.unwrap();
    assert_eq!(heard(client, "").await, "");
}
