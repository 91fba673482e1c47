use super::*;
use axum::routing::get;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
    sync::Notify,
};

const SOON: Duration = Duration::from_secs(10);
const HEAD: Head = Head {
    bytes: 8 << 10,
    headers: 10,
    title_case: false,
};
const PING: &[u8] = b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n";
const OK: &[u8] = b"HTTP/1.1 200 OK\r\n";

/// Starts a server with at most two connections, at a socket in its own directory.
fn served(app: Router) -> (tempfile::TempDir, CancellationToken, JoinSet<()>) {
    let dir = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(dir.path().join("socket")).unwrap();
    let stop = CancellationToken::new();
    let server = Server::<Unchanged>::new("test", app, HEAD, 2, stop.clone());
    let mut serving = JoinSet::new();
    serving.spawn(async move { server.serve_unix(listener).await });
    (dir, stop, serving)
}

async fn client(dir: &tempfile::TempDir) -> UnixStream {
    let mut stream = UnixStream::connect(dir.path().join("socket"))
        .await
        .unwrap();
    stream.write_all(PING).await.unwrap();
    stream
}

async fn answered(stream: &mut UnixStream) -> bool {
    let mut first = [0; OK.len()];
    let read = timeout(SOON, stream.read_exact(&mut first)).await.unwrap();
    read.is_ok() && first == OK
}

#[tokio::test]
async fn a_client_beyond_the_limit_waits_until_another_has_gone() {
    let (dir, stop, mut serving) = served(Router::new().route("/ping", get(async || "pong")));
    let (mut first, mut second) = (client(&dir).await, client(&dir).await);
    assert!(answered(&mut first).await && answered(&mut second).await);
    // Both connections stay open and have been answered, so that a server without a limit would
    // answer the third.
    let mut third = client(&dir).await;
    let early = timeout(Duration::from_millis(300), third.readable()).await;
    assert!(early.is_err(), "a third client was answered");
    drop(first);
    assert!(answered(&mut third).await);
    stop.cancel();
    timeout(SOON, serving.join_next()).await.unwrap();
}

#[tokio::test]
async fn an_answer_under_way_at_the_stop_is_sent() {
    let (asked, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (told, awaited) = (Arc::clone(&asked), Arc::clone(&go_on));
    let slow = async move || {
        told.notify_one();
        awaited.notified().await;
        "pong"
    };
    let (dir, stop, mut serving) = served(Router::new().route("/ping", get(slow)));
    let mut under_way = client(&dir).await;
    asked.notified().await;
    stop.cancel();
    go_on.notify_one();
    assert!(answered(&mut under_way).await);
    timeout(SOON, serving.join_next()).await.unwrap();
}

#[tokio::test]
async fn a_head_beyond_its_bounds_is_refused() {
    let (dir, stop, mut serving) = served(Router::new().route("/ping", get(async || "pong")));
    let long = format!("GET /ping HTTP/1.1\r\nX: {}\r\n\r\n", "a".repeat(64 << 10));
    let many = "X: y\r\n".repeat(20);
    let many = format!("GET /ping HTTP/1.1\r\n{many}\r\n");
    for head in [long, many] {
        let mut stream = UnixStream::connect(dir.path().join("socket"))
            .await
            .unwrap();
        // The server may close the connection before it has read everything.
        let _ = stream.write_all(head.as_bytes()).await;
        let mut first = [0; 12];
        timeout(SOON, stream.read_exact(&mut first))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(&first, b"HTTP/1.1 431");
    }
    stop.cancel();
    timeout(SOON, serving.join_next()).await.unwrap();
}
