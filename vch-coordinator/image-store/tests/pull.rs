//! Pulling: from Debian's `docker-registry`, and from a registry that wants a token and breaks off.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use vch_image_store::tar::{Entry, Writer};
use vch_image_store::{
    Digest, Image, ImageError, Limits, Platform, Progress, Reference, Settings, Store,
};

const DEADLINE: Duration = Duration::from_secs(30);

fn store(dir: &Path) -> Store {
    fs::set_permissions(dir, fs::Permissions::from_mode(0o711)).unwrap();
    Store::open(Settings {
        dir: dir.join("images"),
        helper: env!("CARGO_BIN_EXE_vch-image").into(),
        first_user: Settings::FIRST_USER,
        writable_layer_bytes: 1 << 30,
        insecure: Vec::new(),
        limits: Limits::default(),
        free_bytes: None,
    })
    .unwrap()
}

/// A layer of one file, a configuration, a manifest, and a list with it beside one for another machine.
struct Wares {
    layer: Vec<u8>,
    config: Vec<u8>,
    manifest: Vec<u8>,
    list: Vec<u8>,
}

impl Wares {
    fn new(bytes: usize) -> Self {
        let data: Vec<u8> = (0..bytes).map(|at| (at % 251).to_le_bytes()[0]).collect();
        let size = data.len() as u64;
        let path = b"data".to_vec();
        let mut writer = Writer::new(Vec::new());
        writer
            .append(&Entry {
                path,
                size,
                ..Entry::default()
            })
            .unwrap();
        writer.write_all(&data).unwrap();
        let layer = writer.finish().unwrap();
        let config = serde_json::json!({
            "architecture": "amd64", "os": "linux", "config": {"Cmd": ["x"]},
            "rootfs": {"type": "layers", "diff_ids": [Digest::of(&layer)]},
        });
        let config = config.to_string().into_bytes();
        let docker = |kind: &str| format!("application/vnd.docker.{kind}");
        let describe = |kind: &str, bytes: &[u8]| serde_json::json!({"mediaType": docker(kind), "size": bytes.len(), "digest": Digest::of(bytes)});
        let manifest = serde_json::json!({
            "schemaVersion": 2, "mediaType": docker("distribution.manifest.v2+json"),
            "config": describe("container.image.v1+json", &config),
            "layers": [describe("image.rootfs.diff.tar", &layer)],
        });
        let manifest = manifest.to_string().into_bytes();
        let ours = |architecture: &str| {
            let mut one = describe("distribution.manifest.v2+json", &manifest);
            one["platform"] = serde_json::json!({"architecture": architecture, "os": "linux"});
            one
        };
        let list = serde_json::json!({
            "schemaVersion": 2, "mediaType": docker("distribution.manifest.list.v2+json"),
            "manifests": [ours("arm64"), ours("amd64")],
        });
        let list = list.to_string().into_bytes();
        Self {
            layer,
            config,
            manifest,
            list,
        }
    }
}

async fn pulled(store: &Store, name: &str) -> Result<(Image, Vec<String>), ImageError> {
    let (progress, mut told) = mpsc::channel::<Progress>(1000);
    let image = store.pull(name.parse()?, None, &progress).await?;
    drop(progress);
    let mut said = Vec::new();
    while let Some(one) = told.recv().await {
        said.extend(one.status);
    }
    Ok((Image::clone(&image), said))
}

/// A registry of Debian's, on this machine alone, ended with this.
struct Registry {
    child: Child,
    address: String,
    _dir: tempfile::TempDir,
}

impl Registry {
    fn new() -> Self {
        Self::with("")
    }

    /// One that knows the user `me` with the password `p:ss w` alone.
    fn with_a_user() -> Self {
        Self::with("auth: {htpasswd: {realm: us, path: USERS}}\n")
    }

    fn with(table: &str) -> Self {
        let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/docker-registry");
        image::debian::unpacked("docker-registry", &target).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap().to_string();
        drop(free);
        let config = dir.path().join("config.yml");
        let data = dir.path().join("data");
        let users = dir.path().join("users");
        // bcrypt, of the least cost.
        let line = "me:$2b$04$GDMDNuVY2uKOH9gnhs/6cuS0rp/9.peeB/doD4xaDbBCERvKU4/Fq\n";
        fs::write(&users, line).unwrap();
        let table = table.replace("USERS", &users.display().to_string());
        let text = format!(
            "{table}version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: \"{address}\"}}\n",
            data.display()
        );
        fs::write(&config, text).unwrap();
        let mut program = Command::new(target.join("usr/bin/docker-registry"));
        program
            .arg("serve")
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = program.spawn().unwrap();
        let registry = Self {
            child,
            address,
            _dir: dir,
        };
        let begun = Instant::now();
        while TcpStream::connect(&registry.address).is_err() {
            assert!(begun.elapsed() < DEADLINE, "the registry does not listen");
            std::thread::yield_now();
        }
        registry
    }

    fn push(&self, wares: &Wares) {
        let base = format!("http://{}/v2/me/app", self.address);
        for blob in [&wares.layer, &wares.config] {
            let begun = ureq::post(format!("{base}/blobs/uploads/"))
                .send_empty()
                .unwrap();
            let location = begun.headers()["location"].to_str().unwrap().to_owned();
            let put = ureq::put(location).query("digest", Digest::of(blob).to_string());
            let put = put.header("Content-Type", "application/octet-stream");
            assert_eq!(put.send(blob.as_slice()).unwrap().status(), 201);
        }
        let digest = Digest::of(&wares.manifest).to_string();
        for (name, bytes, kind) in [
            (digest.as_str(), &wares.manifest, "manifest.v2"),
            ("1", &wares.list, "manifest.list.v2"),
        ] {
            let put = ureq::put(format!("{base}/manifests/{name}"));
            let kind = format!("application/vnd.docker.distribution.{kind}+json");
            let put = put.header("Content-Type", kind).send(bytes.as_slice());
            assert_eq!(put.unwrap().status(), 201, "{name}");
        }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_of_a_list_is_pulled_from_debians_registry_and_is_up_to_date_the_second_time() {
    let wares = Wares::new(100_000);
    // A list whose other machine has the same manifest: the registry wants all of them to be there.
    let registry = Registry::new();
    registry.push(&wares);
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    let name = format!("{}/me/app:1", registry.address);
    let (image, said) = pulled(&store, &name).await.unwrap();
    assert_eq!(image.id, Digest::of(&wares.config));
    assert_eq!(image.bytes, 100_000);
    let by_digest = format!("{}/me/app@{}", registry.address, Digest::of(&wares.list));
    let names: Vec<_> = image.names.iter().map(ToString::to_string).collect();
    assert_eq!(names, [name.clone(), by_digest.clone()]);
    assert_eq!(said.first().unwrap(), "Pulling from me/app");
    assert_eq!(
        *said.last().unwrap(),
        format!("Status: Downloaded newer image for {name}")
    );
    assert!(store.rootfs(&image.id).await.unwrap().exists());
    let (again, said) = pulled(&store, &by_digest).await.unwrap();
    assert_eq!(again.id, image.id);
    assert_eq!(
        *said.last().unwrap(),
        format!("Status: Image is up to date for {by_digest}")
    );

    let missing = format!("{}/me/app:none", registry.address);
    let inspect = async |name: &str| store.inspect_remote(name.parse()?, None).await;
    let found = inspect(&name).await.unwrap();
    let docker = |kind: &str| format!("application/vnd.docker.distribution.{kind}+json");
    assert_eq!(found.descriptor.digest, Digest::of(&wares.list));
    assert_eq!(found.descriptor.size, wares.list.len() as u64);
    assert_eq!(found.descriptor.media_type, docker("manifest.list.v2"));
    let platforms = found.platforms.iter().map(|one| one.architecture.as_str());
    assert_eq!(platforms.collect::<Vec<_>>(), ["arm64", "amd64"]);
    let manifest = Digest::of(&wares.manifest);
    let found = inspect(&format!("{}/me/app@{manifest}", registry.address)).await;
    let found = found.unwrap();
    assert_eq!(found.descriptor.digest, manifest);
    assert_eq!(found.descriptor.media_type, docker("manifest.v2"));
    let ours = Platform {
        architecture: "amd64".to_owned(),
        os: "linux".to_owned(),
        ..Platform::default()
    };
    assert_eq!(found.platforms, [ours]);
    let repository: Reference = name.parse().unwrap();
    let tags = store.remote_tags(repository.clone(), None).await.unwrap();
    assert_eq!(tags, [repository]);
    let other = format!("{}/me/other", registry.address);
    let none = store.remote_tags(other.parse().unwrap(), None).await;
    let words = "not found: name unknown: repository name not known to registry";
    let none = none.unwrap_err().to_string();
    assert!(none.ends_with(words), "{none}");
    let error = inspect(&missing).await.unwrap_err().to_string();
    assert_eq!(error, "manifest unknown: manifest unknown");

    let error = pulled(&store, &missing).await.unwrap_err().to_string();
    let words = format!("manifest for {missing} not found: manifest unknown: manifest unknown");
    assert_eq!(error, words);
    assert_eq!(
        fs::read_dir(dir.path().join("images/staging"))
            .unwrap()
            .count(),
        0
    );
}

/// A registry that wants a token, and that breaks off the first transfer of its layer, `lies` of its bytes wrong.
fn grudging(wares: &Wares, lies: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let layer_path = format!("/v2/a/b/blobs/{}", Digest::of(&wares.layer));
    let mut layer = wares.layer.clone();
    layer[600] ^= u8::from(lies);
    let things = BTreeMap::from([
        ("/v2/a/b/manifests/1".to_owned(), wares.manifest.clone()),
        (
            format!("/v2/a/b/blobs/{}", Digest::of(&wares.config)),
            wares.config.clone(),
        ),
    ]);
    let own = address.clone();
    std::thread::spawn(move || {
        let answer = |mut stream: &TcpStream, status: &str, length: usize, body: &[u8]| {
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
            );
            stream.write_all(head.as_bytes()).unwrap();
            stream.write_all(body).unwrap();
        };
        // Ended with the test's process.
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
            let path = lines.next().unwrap().split(' ').nth(1).unwrap().to_owned();
            let headers: Vec<_> = lines
                .take_while(|line| !line.is_empty())
                .map(|line| line.to_lowercase())
                .collect();
            let range = headers
                .iter()
                .find_map(|line| line.strip_prefix("range: bytes=")?.strip_suffix('-'));
            if path == "/token?scope=repository%3Aa%2Fb%3Apull&service=us" {
                answer(&stream, "200 OK", 14, br#"{"token":"tt"}"#);
            } else if !headers.contains(&"authorization: bearer tt".to_owned()) {
                let scope = "repository:a/b:pull";
                let status = format!(
                    "401 Unauthorized\r\nWWW-Authenticate: Bearer realm=\"http://{own}/token\",service=\"us\",scope=\"{scope}\""
                );
                answer(&stream, &status, 0, b"");
            } else if path == layer_path {
                match range {
                    None => answer(&stream, "200 OK", layer.len(), &layer[..layer.len() / 2]),
                    Some(from) => {
                        let rest = &layer[from.parse().unwrap()..];
                        answer(&stream, "206 Partial Content", rest.len(), rest);
                    }
                }
            } else {
                match things.get(&path) {
                    Some(body) => answer(&stream, "200 OK", body.len(), body),
                    None => answer(&stream, "404 Not Found", 0, b""),
                }
            }
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_fetched_a_transfer_that_breaks_off_is_taken_up_and_a_lie_is_found() {
    let wares = Wares::new(1_000_000);
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    let liar = grudging(&wares, true);
    let error = pulled(&store, &format!("{liar}/a/b:1"))
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains(&format!("where {} was asked for", Digest::of(&wares.layer))),
        "{error}"
    );
    assert!(store.list().is_empty());
    let honest = grudging(&wares, false);
    let (image, _) = pulled(&store, &format!("{honest}/a/b:1")).await.unwrap();
    assert_eq!(
        (image.id, image.bytes),
        (Digest::of(&wares.config), 1_000_000)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_with_a_password_is_known_to_debians_registry_or_is_not() {
    let registry = Registry::with_a_user();
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    let pair = |password: &str| ("me".to_owned(), password.to_owned());
    let address = registry.address.clone();
    store.log_in(address.clone(), pair("p:ss w")).await.unwrap();
    let error = store.log_in(address.clone(), pair("wrong")).await;
    let words =
        format!("login attempt to http://{address}/v2/ failed with status: 401 Unauthorized");
    assert_eq!(error.unwrap_err().to_string(), words);
    let name = || format!("{address}/a/b:1").parse().unwrap();
    let progress = mpsc::channel(1).0;
    for credentials in [None, Some(pair("wrong"))] {
        let error = store
            .pull(name(), credentials, &progress)
            .await
            .unwrap_err();
        let words = "pull access denied for 127.0.0.1";
        assert!(error.to_string().starts_with(words), "{error}");
    }
    let error = store.inspect_remote(name(), None).await.unwrap_err();
    let words = "unauthorized: authentication required";
    assert_eq!(error.to_string(), words);
    // Let in, it is told that there is nothing.
    let error = store.pull(name(), Some(pair("p:ss w")), &progress).await;
    let error = error.unwrap_err().to_string();
    assert!(
        error.ends_with("not found: manifest unknown: manifest unknown"),
        "{error}"
    );
}
