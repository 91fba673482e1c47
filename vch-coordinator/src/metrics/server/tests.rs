//! The listener over real sockets, with clients that send what they like.

use super::*;
use std::path::PathBuf;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UnixStream},
    task::JoinHandle,
    time::timeout,
};
use vch_metrics::Description;

/// Everything here takes milliseconds; this is for a machine that is busy with something else.
const SOON: Duration = Duration::from_secs(30);

struct Served {
    dir: tempfile::TempDir,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

impl Served {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let endpoint = MetricsEndpoint::Unix(dir.path().join("run/metrics.sock"));
        let listener = MetricsListener::open(&endpoint).unwrap();
        let registry = Registry::default();
        let answers = Description::new("vch_answer", "An answer.").gauge();
        answers.set(42);
        registry.add(answers).unwrap();
        let stop = CancellationToken::new();
        let serving = tokio::spawn(listener.serve(registry, stop.clone()));
        Self { dir, stop, serving }
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("run/metrics.sock")
    }

    async fn connect(&self) -> UnixStream {
        UnixStream::connect(self.socket()).await.unwrap()
    }

    /// Returns the answer to these bytes, until the connection's end.
    async fn ask(&self, request: &str) -> String {
        let mut stream = self.connect().await;
        // One that is refused early may be closed before all is sent.
        let _ = stream.write_all(request.as_bytes()).await;
        read(&mut stream).await
    }

    async fn end(self) {
        self.stop.cancel();
        timeout(SOON, self.serving).await.unwrap().unwrap();
    }
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut answer = Vec::new();
    // An end by a reset is an end.
    let _ = timeout(SOON, stream.read_to_end(&mut answer))
        .await
        .unwrap();
    String::from_utf8(answer).unwrap()
}

fn request(line: &str) -> String {
    format!("{line} HTTP/1.1\r\nhost: vch\r\n\r\n")
}

const TEXT: &str = "# HELP vch_answer An answer.\n# TYPE vch_answer gauge\nvch_answer 42\n";

#[tokio::test]
async fn get_and_head_of_the_one_path_are_answered_and_the_connection_ends() {
    let served = Served::start().await;
    let got = served.ask(&request("GET /metrics")).await;
    let (head, body) = got.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(
        head.contains("content-type: text/plain; version=0.0.4"),
        "{head}"
    );
    assert!(head.contains("connection: close"), "{head}");
    assert_eq!(body, TEXT);
    let got = served.ask(&request("GET /metrics?name=x")).await;
    assert!(got.ends_with(TEXT), "{got}");
    let head = served.ask(&request("HEAD /metrics")).await;
    let length = format!("content-length: {}", TEXT.len());
    assert!(head.contains("200 OK") && head.contains(&length), "{head}");
    assert!(head.ends_with("\r\n\r\n"), "{head}");
    served.end().await;
}

#[tokio::test]
async fn anything_else_is_404_or_405() {
    let served = Served::start().await;
    for line in [
        "GET /",
        "GET /metrics/",
        "POST /",
        "GET /v1/status",
        "GET /metrics%00",
    ] {
        let answer = served.ask(&request(line)).await;
        assert!(answer.starts_with("HTTP/1.1 404 "), "{line}: {answer}");
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW"] {
        let answer = served.ask(&request(&format!("{method} /metrics"))).await;
        assert!(answer.starts_with("HTTP/1.1 405 "), "{method}: {answer}");
        assert!(answer.contains("allow: GET,HEAD"), "{answer}");
    }
    served.end().await;
}

#[tokio::test]
async fn heads_that_are_too_large_or_no_http_are_refused() {
    let served = Served::start().await;
    let long = format!(
        "GET /metrics HTTP/1.1\r\nhost: vch\r\nx: {}\r\n\r\n",
        "x".repeat(64 << 10)
    );
    let many = format!(
        "GET /metrics HTTP/1.1\r\n{}\r\n",
        "x: y\r\n".repeat(HEAD.headers + 1)
    );
    let path = request(&format!("GET /{}", "x".repeat(70 << 10)));
    for (what, bytes) in [
        ("long", long),
        ("many", many),
        ("path", path),
        ("noise", "\u{1}\u{2}\r\n\r\n".to_owned()),
    ] {
        let answer = served.ask(&bytes).await;
        assert!(!answer.contains("vch_answer"), "{what}: {answer}");
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 4"),
            "{what}: {answer}"
        );
    }
    // A body that never comes is not waited for.
    let body = "POST /metrics HTTP/1.1\r\nhost: vch\r\ncontent-length: 1000000000\r\n\r\n";
    let answer = served.ask(body).await;
    assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
    assert!(served.ask(&request("GET /metrics")).await.ends_with(TEXT));
    served.end().await;
}

#[tokio::test]
async fn silent_clients_are_closed_and_those_who_wait_for_them_are_answered() {
    let served = Served::start().await;
    let mut silent = Vec::new();
    for number in 0..MAX_CONNECTIONS {
        let mut stream = served.connect().await;
        if number % 2 == 0 {
            stream.write_all(b"GET /metrics HT").await.unwrap();
        }
        silent.push(stream);
    }
    // All permits are theirs, for a few seconds.
    assert!(served.ask(&request("GET /metrics")).await.ends_with(TEXT));
    for stream in &mut silent {
        assert!(!read(stream).await.contains("vch_answer"));
    }
    served.end().await;
}

#[tokio::test]
async fn the_stop_ends_those_who_are_connected() {
    let served = Served::start().await;
    let mut silent = served.connect().await;
    silent.write_all(b"GET ").await.unwrap();
    served.end().await;
    assert_eq!(read(&mut silent).await, "");
}

#[tokio::test]
async fn by_tcp_it_is_the_same_and_a_port_that_is_taken_is_told() {
    let endpoint = |address| MetricsEndpoint::Tcp {
        address,
        interface: None,
    };
    let any = "127.0.0.1:0".parse().unwrap();
    let listener = MetricsListener::open(&endpoint(any)).unwrap();
    let MetricsListener::Tcp(tcp) = &listener else {
        panic!("another listener");
    };
    let address = tcp.local_addr().unwrap();
    let taken = MetricsListener::open(&endpoint(address)).unwrap_err();
    let expected = format!(
        "cannot listen for readers of metrics at {address}: free it, or set another `metrics.listen`"
    );
    assert_eq!(taken.to_string(), expected);
    let stop = CancellationToken::new();
    let serving = tokio::spawn(listener.serve(Registry::default(), stop.clone()));
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream
        .write_all(request("GET /metrics").as_bytes())
        .await
        .unwrap();
    assert!(read(&mut stream).await.starts_with("HTTP/1.1 200 OK"));
    stop.cancel();
    serving.await.unwrap();
}

#[tokio::test]
async fn the_socket_is_the_owner_s_alone() {
    use std::os::unix::fs::PermissionsExt;
    let served = Served::start().await;
    let mode = fs::metadata(served.socket()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    served.end().await;
}
