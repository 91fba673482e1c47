//! Misbehaving clients at the real listeners.

use super::{DEADLINE, Served};
use crate::{
    Json, preflight,
    server::{Listeners, listen_unix},
};
use axum::{
    Router, middleware,
    routing::{get, post},
};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use std::{fs, net::SocketAddr, path::Path, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream, UnixStream},
    time::{Instant, timeout},
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    },
};
use tokio_util::sync::CancellationToken;
use vch_http::{Certificates, TlsFiles};

/// The maximum time in which another client must be answered meanwhile.
const AT_ONCE: Duration = Duration::from_millis(100);
const PING: &[u8] = b"GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n";

fn app() -> Router {
    let body = async |Json(body): Json<serde_json::Value>| body.to_string();
    Router::new()
        .route("/_ping", get(async || "OK"))
        .route("/networks/create", post(body))
        .route_layer(middleware::from_fn_with_state(
            preflight::Room::default(),
            preflight::checked,
        ))
}

/// Sends a request on an existing connection, and returns how long the answer took.
async fn ping(stream: &mut (impl AsyncReadExt + AsyncWriteExt + Unpin)) -> Duration {
    let began = Instant::now();
    stream.write_all(PING).await.unwrap();
    let mut answer = [0; 15];
    let read = stream.read_exact(&mut answer);
    timeout(DEADLINE, read).await.unwrap().unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
    began.elapsed()
}

/// An authority, and the files of a server and a client.
struct Pki {
    files: TlsFiles,
    connector: TlsConnector,
}

impl Pki {
    fn in_dir(dir: &Path) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let ca = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        let pair = |purpose| {
            let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
            params.extended_key_usages = vec![purpose];
            let key = KeyPair::generate().unwrap();
            let certificate = params.signed_by(&key, &issuer).unwrap();
            (certificate.pem(), key.serialize_pem())
        };
        let (server, key) = pair(ExtendedKeyUsagePurpose::ServerAuth);
        let files = TlsFiles {
            ca: dir.join("ca.pem"),
            cert: dir.join("cert.pem"),
            key: dir.join("key.pem"),
            crl: None,
        };
        fs::write(&files.ca, &ca).unwrap();
        fs::write(&files.cert, server).unwrap();
        fs::write(&files.key, key).unwrap();
        let (client, key) = pair(ExtendedKeyUsagePurpose::ClientAuth);
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(ca.as_bytes()).unwrap())
            .unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_client_auth_cert(
                vec![CertificateDer::from_pem_slice(client.as_bytes()).unwrap()],
                PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
            )
            .unwrap();
        Self {
            files,
            connector: TlsConnector::from(Arc::new(config)),
        }
    }
}

async fn from(source: &str, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{source}:0").parse().unwrap()).unwrap();
    timeout(DEADLINE, socket.connect(to))
        .await
        .unwrap()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_silent_strangers_keep_nobody_else_out() {
    // Both ends of each connection belong to this process.
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, most, most).unwrap();
    assert!(
        most >= 4_096,
        "raise the hard limit of open files: it is {most}"
    );
    let dir = tempfile::tempdir().unwrap();
    let pki = Pki::in_dir(dir.path());
    let path = dir.path().join("docker.sock");
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = tcp.local_addr().unwrap();
    let listeners = Listeners {
        tcp: Some((tcp, Certificates::read(&pki.files).unwrap())),
        unix: Some(listen_unix(&path).unwrap()),
    };
    let stop = CancellationToken::new();
    let serving = tokio::spawn(listeners.serve(app(), stop.clone()));

    let mut silent = Vec::new();
    for _ in 0..1_024 {
        silent.push(from("127.0.0.2", to).await);
    }
    let began = Instant::now();
    let mut root = UnixStream::connect(&path).await.unwrap();
    ping(&mut root).await;
    assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let client = pki.connector.connect(name, from("127.0.0.3", to).await);
    let mut client = timeout(DEADLINE, client).await.unwrap().unwrap();
    ping(&mut client).await;

    stop.cancel();
    timeout(DEADLINE, serving).await.unwrap().unwrap();
}

/// Returns the answers that arrive before the connection ends or the deadline passes.
async fn answers(mut client: UnixStream, said: &[u8]) -> String {
    // The server may close the connection before it has read everything.
    let _ = client.write_all(said).await;
    let _ = client.shutdown().await;
    let mut heard = Vec::new();
    let _ = timeout(DEADLINE, client.read_to_end(&mut heard))
        .await
        .unwrap();
    String::from_utf8_lossy(&heard).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_request_is_refused_and_disturbs_nobody() {
    let served = Served::of(app());
    let post = |rest: &str| {
        format!(
            "POST /networks/create HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{rest}"
        )
    };
    let long = "a".repeat(1 << 20);
    let many = (0..200)
        .map(|number| format!("X-{number}: y\r\n"))
        .collect::<String>();
    let deep = "[".repeat(500_000);
    let lengths = format!(
        "{}{deep}",
        post(&format!("Content-Length: {}\r\n\r\n", deep.len()))
    );
    for (name, said) in [
        (
            "a long header",
            format!("GET /_ping HTTP/1.1\r\nX: {long}\r\n\r\n"),
        ),
        ("many headers", format!("GET /_ping HTTP/1.1\r\n{many}\r\n")),
        (
            "a long target",
            format!("GET /_ping?x={long} HTTP/1.1\r\n\r\n"),
        ),
        ("a head without an end", long.clone()),
        ("no HTTP", "\0\x01\x02garbage\r\n\r\n".to_owned()),
        (
            "two lengths",
            post("Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}}"),
        ),
        ("a negative length", post("Content-Length: -1\r\n\r\n{}")),
        (
            "a length beyond all bounds",
            post("Content-Length: 99999999999\r\n\r\n{}"),
        ),
        (
            "a chunk without a length",
            post("Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n"),
        ),
        (
            "a chunk beyond all bounds",
            post("Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n{}\r\n"),
        ),
        ("another coding", post("Transfer-Encoding: gzip\r\n\r\n{}")),
        ("deep nesting", lengths),
        (
            "a null byte in the target",
            "GET /_ping\0 HTTP/1.1\r\n\r\n".to_owned(),
        ),
        ("a future version", "GET /_ping HTTP/3.0\r\n\r\n".to_owned()),
    ] {
        let mut other = served.client().await;
        let heard = answers(served.client().await, said.as_bytes()).await;
        let status = heard.get(9..10);
        assert!(status.is_none() || status == Some("4"), "{name}: {heard}");
        let took = ping(&mut other).await;
        assert!(took < AT_ONCE, "{name}: {took:?}");
    }
    served.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_stop_within_a_request_hold_up_nobody() {
    let served = Served::of(app());
    let mut halves = Vec::new();
    for number in 0..200 {
        let mut client = served.client().await;
        let half = match number % 4 {
            0 => "GET /_pi",
            1 => {
                "POST /networks/create HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
            }
            2 => {
                "POST /networks/create HTTP/1.1\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nf"
            }
            _ => "",
        };
        client.write_all(half.as_bytes()).await.unwrap();
        halves.push(client);
    }
    let took = ping(&mut served.client().await).await;
    assert!(took < AT_ONCE, "{took:?}");
    served.end().await;
}

#[tokio::test]
async fn requests_in_a_row_are_answered_in_their_order() {
    let served = Served::of(app());
    let client = served.client().await;
    let (mut reader, mut writer) = client.into_split();
    let writing = tokio::spawn(async move {
        for number in 0..1_000 {
            let body = format!("[{number}]");
            let length = body.len();
            let request = format!(
                "POST /networks/create HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
            );
            writer.write_all(request.as_bytes()).await.unwrap();
        }
        // Keeps the connection open: a client that closes it counts as gone.
        writer
    });
    let mut heard = String::new();
    let mut buffer = vec![0; 64 << 10];
    while !heard.ends_with("[999]") {
        let count = timeout(DEADLINE, reader.read(&mut buffer))
            .await
            .unwrap()
            .unwrap();
        assert!(
            count > 0,
            "it ended behind {}",
            heard.matches("200 OK").count()
        );
        heard.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
    }
    let bodies: Vec<&str> = heard.split("HTTP/1.1 200 OK\r\n").skip(1).collect();
    for (number, body) in bodies.iter().enumerate() {
        assert!(body.ends_with(&format!("\r\n\r\n[{number}]")), "{body}");
    }
    assert_eq!(bodies.len(), 1_000);
    drop(writing.await.unwrap());
    served.end().await;
}
