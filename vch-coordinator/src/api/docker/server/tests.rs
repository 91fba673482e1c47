use super::*;
use axum::{body::Body, extract::Request, http::StatusCode, response::Response, routing::get};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

async fn taken_over(request: Request) -> Response {
    tokio::spawn(async move {
        let upgraded = hyper::upgrade::on(request).await.unwrap();
        let mut stream = TokioIo::new(upgraded);
        let mut word = [0; 4];
        stream.read_exact(&mut word).await.unwrap();
        word.reverse();
        stream.write_all(&word).await.unwrap();
        stream.shutdown().await.unwrap();
    });
    Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header("upgrade", "tcp")
        .header("connection", "Upgrade")
        .body(Body::empty())
        .unwrap()
}

#[tokio::test]
async fn a_connection_can_be_taken_over_and_the_server_ends_at_its_stop() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("docker.sock");
    // What a dead coordinator left.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let doors = Doors {
        tcp: None,
        unix: Some(listen_unix(&path).unwrap()),
    };
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
    let stop = CancellationToken::new();
    let app = Router::new().route("/attach", get(taken_over));
    let serving = tokio::spawn(doors.serve(app, stop.clone()));

    let mut client = UnixStream::connect(&path).await.unwrap();
    let head = "GET /attach HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nabcd";
    client.write_all(head.as_bytes()).await.unwrap();
    let mut heard = Vec::new();
    client.read_to_end(&mut heard).await.unwrap();
    let heard = String::from_utf8(heard).unwrap();
    assert!(heard.starts_with("HTTP/1.1 101 "), "{heard}");
    assert!(heard.ends_with("\r\n\r\ndcba"), "{heard}");

    stop.cancel();
    timeout(Duration::from_secs(10), serving)
        .await
        .unwrap()
        .unwrap();
}
