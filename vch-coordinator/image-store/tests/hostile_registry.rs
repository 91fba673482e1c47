//! Registries that stall, drip, lie, send without end, or send elsewhere; and what credentials they see.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use vch_image_store::subprocess::{Failure, HelperError};
use vch_image_store::tar::{Entry, Writer};
use vch_image_store::{Digest, ImageError, Limits, Settings, Store};

/// What a test's registry may be silent.
const SILENCE_SECONDS: u64 = 1;
/// All of the retries of one image with the longest silence each, on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

struct Request {
    path: String,
    /// In lower case.
    headers: Vec<String>,
    own: String,
}

impl Request {
    fn header(&self, name: &str) -> Option<&str> {
        let head = format!("{name}: ");
        self.headers
            .iter()
            .find_map(|line| line.strip_prefix(&head))
    }
}

type Handler = dyn Fn(&Request, &mut TcpStream) -> std::io::Result<()> + Send + Sync;

/// A server of HTTP whose every answer is written by hand; ended with the test's process.
fn serve(
    handler: impl Fn(&Request, &mut TcpStream) -> std::io::Result<()> + Send + Sync + 'static,
) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let own = listener.local_addr().unwrap().to_string();
    let handler: Arc<Handler> = Arc::new(handler);
    let address = own.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let (handler, own) = (Arc::clone(&handler), own.clone());
            std::thread::spawn(move || {
                let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
                let path = lines.next().unwrap_or_default();
                let path = path.split(' ').nth(1).unwrap_or_default().to_owned();
                let lines = lines.take_while(|line| !line.is_empty());
                let headers = lines.map(|line| {
                    let (name, value) = line.split_once(": ").unwrap_or_default();
                    format!("{}: {value}", name.to_lowercase())
                });
                let headers = headers.collect();
                let mut stream = &stream;
                let mut writer = stream.try_clone().unwrap();
                // A client that has gone is what these tests want.
                drop(handler(&Request { path, headers, own }, &mut writer));
                let _ = stream.flush();
            });
        }
    });
    address
}

fn head(stream: &mut TcpStream, status: &str, more: &str, length: u64) -> std::io::Result<()> {
    let text =
        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{more}Connection: close\r\n\r\n");
    stream.write_all(text.as_bytes())
}

fn answer(stream: &mut TcpStream, status: &str, more: &str, body: &[u8]) -> std::io::Result<()> {
    head(stream, status, more, body.len() as u64)?;
    stream.write_all(body)
}

/// Until the client goes, or the test's time is over.
fn silence() -> std::io::Result<()> {
    std::thread::park_timeout(DEADLINE);
    Ok(())
}

/// An image of these layers.
#[derive(Clone)]
struct Wares {
    layers: Vec<Vec<u8>>,
    config: Vec<u8>,
    manifest: Vec<u8>,
}

fn layer(name: &str, bytes: usize) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    let entry = Entry {
        path: name.into(),
        size: bytes as u64,
        ..Entry::default()
    };
    writer.append(&entry).unwrap();
    writer.write_all(&vec![0; bytes]).unwrap();
    writer.finish().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

impl Wares {
    fn new(layers: Vec<Vec<u8>>, diff_ids: &[Digest]) -> Self {
        Self::lying(layers, diff_ids, |size| size)
    }

    /// Its manifest says other sizes.
    fn lying(layers: Vec<Vec<u8>>, diff_ids: &[Digest], size: impl Fn(u64) -> u64) -> Self {
        let config = serde_json::json!({
            "architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": diff_ids},
        });
        let config = config.to_string().into_bytes();
        let describe = |bytes: &[u8], length: u64| serde_json::json!({"mediaType": "x", "size": length, "digest": Digest::of(bytes)});
        let described: Vec<_> = layers
            .iter()
            .map(|one| describe(one, size(one.len() as u64)))
            .collect();
        let manifest = serde_json::json!({
            "schemaVersion": 2, "config": describe(&config, config.len() as u64), "layers": described,
        });
        let manifest = manifest.to_string().into_bytes();
        Self {
            layers,
            config,
            manifest,
        }
    }

    fn one() -> Self {
        let layer = layer("a", 200_000);
        let id = Digest::of(&layer);
        Self::new(vec![layer], &[id])
    }

    fn find(&self, path: &str) -> Option<&[u8]> {
        if path.ends_with("/manifests/1") {
            return Some(&self.manifest);
        }
        let blobs = self.layers.iter().chain([&self.config]);
        let mut blobs = blobs.filter(|blob| path.ends_with(&Digest::of(blob).to_string()));
        blobs.next().map(Vec::as_slice)
    }

    /// An honest answer.
    fn serve(&self, request: &Request, stream: &mut TcpStream) -> std::io::Result<()> {
        match self.find(&request.path) {
            Some(body) => answer(stream, "200 OK", "", body),
            None => answer(stream, "404 Not Found", "", b""),
        }
    }

    fn is_layer(&self, path: &str) -> bool {
        self.layers
            .iter()
            .any(|blob| path.ends_with(&Digest::of(blob).to_string()))
    }
}

struct Lab {
    base: tempfile::TempDir,
    store: Store,
}

impl Lab {
    fn new() -> Self {
        Self::bounded(Limits::default())
    }

    fn bounded(limits: Limits) -> Self {
        let base = tempfile::tempdir().unwrap();
        fs::set_permissions(base.path(), fs::Permissions::from_mode(0o711)).unwrap();
        let store = Store::open(Settings {
            dir: base.path().join("images"),
            helper: env!("CARGO_BIN_EXE_vch-image").into(),
            first_user: Settings::FIRST_USER,
            writable_layer_bytes: 1 << 30,
            insecure: Vec::new(),
            limits: Limits {
                read_seconds: SILENCE_SECONDS,
                ..limits
            },
            free_bytes: None,
        });
        Self {
            base,
            store: store.unwrap(),
        }
    }

    async fn pull(
        &self,
        registry: &str,
        credentials: Option<(&str, &str)>,
    ) -> Result<(), ImageError> {
        let credentials =
            credentials.map(|(user, password)| (user.to_owned(), password.to_owned()));
        let name = format!("{registry}/a/b:1").parse().unwrap();
        let progress = mpsc::channel(1).0;
        self.store
            .pull(name, credentials, &progress)
            .await
            .map(drop)
    }

    /// The pull fails with these words, soon, and leaves the store as it was.
    async fn refused(&self, registry: &str, words: &str) {
        let begun = Instant::now();
        let error = self.pull(registry, None).await.unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
        assert!(begun.elapsed() < DEADLINE, "{:?}", begun.elapsed());
        assert!(self.store.list().is_empty());
        for dir in ["staging", "blobs/sha256", "rootfs"] {
            let left = fs::read_dir(self.base.path().join("images").join(dir))
                .unwrap()
                .count();
            assert_eq!(left, 0, "{dir}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_says_nothing_is_given_up() {
    let lab = Lab::new();
    lab.refused(&serve(|_, _| silence()), "timeout").await;
    let wares = Wares::one();
    let stalls = serve(move |request, stream| {
        if wares.is_layer(&request.path) {
            let body = wares.find(&request.path).unwrap();
            head(stream, "200 OK", "", body.len() as u64)?;
            stream.write_all(&body[..1000])?;
            return silence();
        }
        wares.serve(request, stream)
    });
    lab.refused(&stalls, "breaks off again and again: timeout")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_drips_is_given_up() {
    let wares = Wares::one();
    let drips = serve(move |request, stream| {
        if wares.is_layer(&request.path) {
            let body = wares.find(&request.path).unwrap();
            head(stream, "200 OK", "", body.len() as u64)?;
            for byte in body {
                stream.write_all(&[*byte])?;
                std::thread::park_timeout(Duration::from_millis(50));
            }
            return Ok(());
        }
        wares.serve(request, stream)
    });
    Lab::new()
        .refused(&drips, "at less than 8192 bytes a second")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_end_is_ended() {
    let lab = Lab::bounded(Limits {
        document_bytes: 1 << 16,
        ..Limits::default()
    });
    let endless = |stream: &mut TcpStream| -> std::io::Result<()> {
        stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
        loop {
            stream.write_all(&[b' '; 4096])?;
        }
    };
    lab.refused(
        &serve(move |_, stream| endless(stream)),
        "a document of more than 65536 bytes",
    )
    .await;
    let wares = Wares::one();
    let long = serve(move |request, stream| match wares.is_layer(&request.path) {
        true => endless(stream),
        false => wares.serve(request, stream),
    });
    lab.refused(&long, "is longer than it says").await;
    let headers = serve(|_, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\n")?;
        loop {
            stream.write_all(b"X-More: more and more\r\n")?;
        }
    });
    lab.refused(&headers, "the registry can't be used").await;
    let round = serve(|request, stream| {
        let more = format!("Location: http://{}/v2/again\r\n", request.own);
        answer(stream, "307 Temporary Redirect", &more, b"")
    });
    lab.refused(&round, "redirects more than 10 times").await;
    // Each page of tags says that another one follows.
    let tags = serde_json::json!({"tags": vec!["x"; 4000]}).to_string();
    let pages = serve(move |_, stream| {
        let more = "Link: </v2/a/b/tags/list>; rel=\"next\"\r\n";
        answer(stream, "200 OK", more, tags.as_bytes())
    });
    let repository = format!("{pages}/a/b").parse().unwrap();
    let error = lab.store.remote_tags(repository, None).await.unwrap_err();
    let words = "a/b has more than 10000 tags: name one";
    assert!(error.to_string().ends_with(words), "{error}");
    // The same, a tag at a time.
    let pages = serve(|_, stream| {
        let more = "Link: </v2/a/b/tags/list>; rel=\"next\"\r\n";
        answer(stream, "200 OK", more, br#"{"tags": ["x"]}"#)
    });
    let repository = format!("{pages}/a/b").parse().unwrap();
    let error = lab.store.remote_tags(repository, None).await.unwrap_err();
    let words = "a/b lists its tags on more than 1000 pages: name one";
    assert!(error.to_string().ends_with(words), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn lengths_that_lie_and_images_beyond_their_bounds_are_refused_as_a_whole() {
    let lab = Lab::bounded(Limits {
        packed_bytes: 1 << 20,
        unpacked_bytes: 1 << 20,
        ..Limits::default()
    });
    let honest = |wares: Wares| serve(move |request, stream| wares.serve(request, stream));
    let one = layer("a", 1000);
    let id = Digest::of(&one);
    for (said, words) in [
        (u64::MAX, "raise `images.packed_mib`"),
        (10, "is longer than it says"),
        (9999, "breaks off again and again"),
    ] {
        let wares = Wares::lying(vec![one.clone()], &[id], |_| said);
        lab.refused(&honest(wares), words).await;
    }
    // Each layer is within the bounds, all of them are not.
    let layers: Vec<_> = (0..3).map(|n| layer(&n.to_string(), 400_000)).collect();
    let ids: Vec<_> = layers.iter().map(|one| Digest::of(one)).collect();
    lab.refused(
        &honest(Wares::new(layers.clone(), &ids)),
        "raise `images.packed_mib`",
    )
    .await;
    let packed: Vec<_> = layers.iter().map(|one| gzip(one)).collect();
    lab.refused(
        &honest(Wares::new(packed, &ids)),
        "raise `images.unpacked_mib`",
    )
    .await;
    let bomb = layer("bomb", 8 << 20);
    // Packed twice, it is no archive.
    let wares = Wares::new(vec![gzip(&gzip(&bomb))], &[Digest::of(&bomb)]);
    lab.refused(&honest(wares), "broken layer").await;
    let wares = Wares::new(vec![gzip(&bomb)], &[Digest::of(&bomb)]);
    lab.refused(&honest(wares), "raise `images.unpacked_mib`")
        .await;
    let many: Vec<_> = (0..128).map(|n| layer(&n.to_string(), 1)).collect();
    let ids: Vec<_> = many.iter().map(|one| Digest::of(one)).collect();
    lab.refused(
        &honest(Wares::new(many.clone(), &ids)),
        "more than 127 layers",
    )
    .await;
    let wares = Wares::new(many[..127].to_vec(), &ids[..127]);
    let registry = honest(wares);
    lab.pull(&registry, None).await.unwrap();
    assert_eq!(lab.store.list()[0].layers.len(), 127);
}

/// A request's path, and the credentials with it.
type Asked = (String, Option<String>);

#[tokio::test(flavor = "multi_thread")]
async fn credentials_go_to_the_registry_and_to_nobody_else() {
    let wares = Wares::one();
    let seen: Arc<Mutex<Vec<Asked>>> = Arc::default();
    let (served, told) = (wares.clone(), Arc::clone(&seen));
    // Elsewhere: blobs, and tokens without a question.
    let elsewhere = serve(move |request, stream| {
        let shown = request.header("authorization").map(str::to_owned);
        told.lock().unwrap().push((request.path.clone(), shown));
        if request.path.starts_with("/token") {
            return answer(stream, "200 OK", "", br#"{"token":"tt"}"#);
        }
        served.serve(request, stream)
    });
    let port = elsewhere.rsplit_once(':').unwrap().1.to_owned();
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let listed = Arc::clone(&asked);
    let registry = serve(move |request, stream| {
        match request.header("authorization") {
            Some("Bearer tt") => {}
            Some(other) => listed.lock().unwrap().push(other.to_owned()),
            None => {
                // By another name, so that it is another host.
                let more =
                    format!("WWW-Authenticate: Bearer realm=\"http://localhost:{port}/token\"\r\n");
                return answer(stream, "401 Unauthorized", &more, b"");
            }
        }
        if wares.is_layer(&request.path) {
            let more = format!("Location: http://127.0.0.1:{port}{}\r\n", request.path);
            return answer(stream, "307 Temporary Redirect", &more, b"");
        }
        wares.serve(request, stream)
    });
    let lab = Lab::new();
    lab.pull(&registry, Some(("me", "secret"))).await.unwrap();
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 2, "{seen:?}");
    assert!(seen.iter().all(|(_, shown)| shown.is_none()), "{seen:?}");
    assert!(asked.lock().unwrap().is_empty());
}

/// A registry with a token service of its own, which knows one user.
fn with_tokens() -> String {
    let wares = Wares::one();
    serve(move |request, stream| {
        if request.path.starts_with("/token") {
            // me:secret
            if request.header("authorization") == Some("Basic bWU6c2VjcmV0") {
                return answer(stream, "200 OK", "", br#"{"access_token":"tt"}"#);
            }
            let body = br#"{"details":"incorrect username or password"}"#;
            return answer(stream, "401 Unauthorized", "", body);
        }
        if request.header("authorization") == Some("Bearer tt") {
            return match request.path.as_str() {
                "/v2/" => answer(stream, "200 OK", "", b"{}"),
                _ => wares.serve(request, stream),
            };
        }
        let more = format!(
            "WWW-Authenticate: Bearer realm=\"http://{}/token\",service=\"us\"\r\n",
            request.own
        );
        answer(stream, "401 Unauthorized", &more, b"")
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_is_known_to_a_registry_with_tokens_or_told_why_not() {
    let lab = Lab::new();
    let registry = with_tokens();
    let pair = |password: &str| ("me".to_owned(), password.to_owned());
    lab.store
        .log_in(registry.clone(), pair("secret"))
        .await
        .unwrap();
    let error = lab
        .store
        .log_in(registry.clone(), pair("wrong"))
        .await
        .unwrap_err();
    let words =
        format!("Get \"http://{registry}/v2/\": unauthorized: incorrect username or password");
    assert_eq!(error.to_string(), words);
    assert!(matches!(
        error,
        ImageError::Helper(HelperError::Refused {
            failure: Failure::Denied,
            ..
        })
    ));
    let error = lab
        .pull(&registry, Some(("me", "wrong")))
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("may require 'docker login'"),
        "{error}"
    );
    assert!(matches!(
        error,
        ImageError::Helper(HelperError::Refused {
            failure: Failure::Missing,
            ..
        })
    ));
    lab.pull(&registry, Some(("me", "secret"))).await.unwrap();
    // Nothing listens there.
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = free.local_addr().unwrap().to_string();
    drop(free);
    let error = lab
        .store
        .log_in(nobody.clone(), pair("secret"))
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains(&format!("Get \"http://{nobody}/v2/\": ")),
        "{error}"
    );
}
