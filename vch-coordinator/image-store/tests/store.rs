//! The store with its helper, and with Debian's `sqfstar`, `unsquashfs`, `mke2fs` and `tar`.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;
use tokio::sync::mpsc;
use vch_image_store::store::Removed;
use vch_image_store::tar::{Entry, Kind, Reader, Writer};
use vch_image_store::{Digest, ImageError, Import, Limits, Progress, Settings, Store};

struct Lab {
    dir: tempfile::TempDir,
}

impl Lab {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        // Helpers run as another user, and pass through.
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o711)).unwrap();
        Self { dir }
    }

    fn settings(&self) -> Settings {
        Settings {
            dir: self.dir.path().join("images"),
            helper: env!("CARGO_BIN_EXE_vch-image").into(),
            first_user: Settings::FIRST_USER,
            writable_layer_bytes: 1 << 30,
            insecure: Vec::new(),
            limits: Limits::default(),
            free_bytes: None,
        }
    }

    fn store(&self) -> Store {
        Store::open(self.settings()).unwrap()
    }

    fn left(&self, dir: &str) -> Vec<String> {
        let dir = fs::read_dir(self.dir.path().join("images").join(dir)).unwrap();
        let names = dir.map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn deaf() -> mpsc::Sender<Progress> {
    mpsc::channel(1).0
}

fn import(name: &str) -> Import {
    Import {
        name: Some(name.parse().unwrap()),
        changes: vec!["CMD [\"/bin/sh\"]".to_owned()],
        created: "2026-01-02T03:04:05Z".to_owned(),
        ..Import::default()
    }
}

fn entry(path: &str, kind: Kind, mode: u32) -> Entry {
    Entry {
        path: path.into(),
        kind,
        mode,
        uid: 12,
        gid: 34,
        mtime: 1_000_000,
        ..Entry::default()
    }
}

fn archive(entries: &[(Entry, &[u8])]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    for (entry, data) in entries {
        let size = data.len() as u64;
        writer
            .append(&Entry {
                size,
                ..entry.clone()
            })
            .unwrap();
        writer.write_all(data).unwrap();
    }
    writer.finish().unwrap()
}

fn file(path: &str) -> Entry {
    entry(path, Kind::File, 0o644)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

fn unsquash(image: &Path, to: &Path) {
    let mut unsquashfs = Command::new("unsquashfs");
    unsquashfs
        .args(["-quiet", "-no-progress", "-dest"])
        .arg(to)
        .arg(image);
    let output = unsquashfs.output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_imported_root_file_system_is_there_with_owners_modes_links_devices_and_attributes() {
    let lab = Lab::new();
    let store = lab.store();
    let long = format!("{}/{}", "d".repeat(150), "f".repeat(150));
    let mut capable = file("bin/ping");
    capable.mode = 0o4755;
    let capability = vec![1, 0, 0, 2, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    capable
        .xattrs
        .insert(b"security.capability".to_vec(), capability);
    let attributes = capable.xattrs.clone();
    let bytes = archive(&[
        (entry("./", Kind::Dir, 0o750), b""),
        (capable, b"ping"),
        (
            entry("bin/ping6", Kind::Hardlink(b"bin/ping".to_vec()), 0),
            b"",
        ),
        (
            entry("sh", Kind::Symlink(b"/bin/busybox".to_vec()), 0o777),
            b"",
        ),
        (entry("null", Kind::Character(1, 3), 0o666), b""),
        (entry("pipe", Kind::Pipe, 0o600), b""),
        (file(&long), b"far"),
    ]);
    let image = store
        .import(gzip(&bytes).as_slice(), import("a"), &deaf())
        .await
        .unwrap();
    let (one, two) = tokio::join!(store.rootfs(&image.id), store.rootfs(&image.id));
    let path = one.unwrap();
    assert_eq!(path, two.unwrap());
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o444);
    let root = lab.dir.path().join("root");
    unsquash(&path, &root);
    let about = |path: &str| fs::symlink_metadata(root.join(path)).unwrap();
    for (path, mode) in [
        ("", 0o040_750),
        ("bin/ping", 0o104_755),
        ("null", 0o020_666),
        ("pipe", 0o010_600),
    ] {
        let about = about(path);
        assert_eq!(
            (about.mode(), about.uid(), about.gid()),
            (mode, 12, 34),
            "{path}"
        );
    }
    assert_eq!(about("bin/ping").ino(), about("bin/ping6").ino());
    assert_eq!(about("null").rdev(), 0x103);
    assert_eq!(
        about("bin").mode(),
        0o040_755,
        "a folder that nobody tells of"
    );
    assert_eq!(about("bin/ping").mtime(), 1_000_000);
    assert_eq!(
        fs::read_link(root.join("sh")).unwrap(),
        Path::new("/bin/busybox")
    );
    assert_eq!(fs::read(root.join(long)).unwrap(), b"far");
    let mut tar = Command::new("tar");
    tar.args(["--xattrs", "--xattrs-include=*", "-c", "bin/ping"])
        .current_dir(&root);
    let packed = tar.output().unwrap().stdout;
    let mut packed = Reader::new(packed.as_slice(), Limits::default());
    assert_eq!(packed.next_entry().unwrap().unwrap().xattrs, attributes);
    assert!(lab.left("staging").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn images_are_there_after_a_restart_and_what_a_crash_left_is_not() {
    let lab = Lab::new();
    let store = lab.store();
    let image = store
        .import(
            archive(&[(file("a"), b"1")]).as_slice(),
            import("a:1"),
            &deaf(),
        )
        .await;
    let image = image.unwrap();
    store.tag("a:1", "b".parse().unwrap()).await.unwrap();
    let path = store.rootfs(&image.id).await.unwrap();
    let usage = store.usage().await.unwrap();
    assert_eq!(usage.layer_bytes, image.layers[0].size);
    assert_eq!(usage.rootfs_bytes, fs::metadata(&path).unwrap().len());
    drop(store);
    let dir = lab.dir.path().join("images");
    let garbage = [
        "staging/x/layer",
        "blobs/sha256/00",
        "rootfs/11.squashfs",
        "staging/index.json.partial",
    ];
    fs::create_dir(dir.join("staging/x")).unwrap();
    for garbage in garbage {
        fs::write(dir.join(garbage), "half").unwrap();
    }
    let store = lab.store();
    for garbage in garbage {
        assert!(!dir.join(garbage).exists(), "{garbage}");
    }
    assert!(path.exists());
    for name in ["a:1", "b", &image.id.to_string(), &image.id.short()] {
        let found = store.find(name).unwrap();
        assert_eq!(
            (found.id, &found.config, &found.names),
            (image.id, &image.config, &store.list()[0].names)
        );
    }
    assert_eq!(store.find("b").unwrap().names.len(), 2);
    store.remove("b", false, Vec::new()).await.unwrap();
    let records = store.remove("a:1", false, Vec::new()).await.unwrap();
    let id = image.id.to_string();
    assert_eq!(
        records[..2],
        [Removed::Untagged("a:1".to_owned()), Removed::Deleted(id)]
    );
    assert!(lab.left("blobs/sha256").is_empty());
    assert!(lab.left("rootfs").is_empty());
    assert!(matches!(store.find("b"), Err(ImageError::Unknown(_))));
}

fn saved(layers: &[Vec<u8>], diff_ids: &[Digest]) -> Vec<u8> {
    let config = serde_json::json!({
        "architecture": "amd64", "os": "linux", "config": {"Cmd": ["x"], "Healthcheck": {"Test": ["NONE"]}},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    });
    let config = config.to_string().into_bytes();
    let names: Vec<_> = (0..layers.len())
        .map(|n| format!("{n}/layer.tar"))
        .collect();
    let manifest =
        serde_json::json!([{"Config": "c.json", "RepoTags": ["s:1", "s:2"], "Layers": names}]);
    let manifest = manifest.to_string().into_bytes();
    let mut members: Vec<(Entry, &[u8])> = vec![(file("c.json"), &config)];
    members.extend(
        names
            .iter()
            .zip(layers)
            .map(|(name, layer)| (file(name), layer.as_slice())),
    );
    members.push((file("manifest.json"), &manifest));
    archive(&members)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saved_image_of_several_layers_is_loaded_and_its_layers_are_merged() {
    let lab = Lab::new();
    let store = lab.store();
    let lower = archive(&[
        (file("gone"), b"1"),
        (file("kept"), b"2"),
        (file("d/x"), b"3"),
    ]);
    let upper = archive(&[
        (file(".wh.gone"), b""),
        (file("d/.wh..wh..opq"), b""),
        (file("d/y"), b"4"),
    ]);
    let ids = [Digest::of(&lower), Digest::of(&upper)];
    let (progress, mut told) = mpsc::channel(100);
    let bytes = saved(&[lower.clone(), gzip(&upper)], &ids);
    let loaded = store.load(bytes.as_slice(), &progress).await.unwrap();
    drop(progress);
    let mut streams = String::new();
    while let Some(one) = told.recv().await {
        streams += one.stream.as_deref().unwrap_or_default();
    }
    assert_eq!(streams, "Loaded image: s:1\nLoaded image: s:2\n");
    assert_eq!(loaded[0].bytes, 4);
    let run = loaded[0].config.config.clone().unwrap();
    assert_eq!(run.others["Healthcheck"]["Test"][0], "NONE");
    let root = lab.dir.path().join("root");
    unsquash(&store.rootfs(&loaded[0].id).await.unwrap(), &root);
    assert_eq!(fs::read(root.join("kept")).unwrap(), b"2");
    assert_eq!(fs::read(root.join("d/y")).unwrap(), b"4");
    assert!(!root.join("gone").exists() && !root.join("d/x").exists());

    let error = store
        .load(saved(&[lower], &[ids[1]]).as_slice(), &deaf())
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("its layers are not those"),
        "{error}"
    );
    assert!(lab.left("staging").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_archives_and_those_beyond_their_bounds_are_refused_and_leave_nothing() {
    let lab = Lab::new();
    let mut settings = lab.settings();
    settings.limits.entries = 10;
    settings.limits.unpacked_bytes = 1 << 20;
    settings.limits.packed_bytes = 1 << 20;
    let store = Store::open(settings).unwrap();
    let many: Vec<(Entry, &[u8])> = (0..11).map(|n| (file(&n.to_string()), &b""[..])).collect();
    let bomb = gzip(&archive(&[(file("zeros"), &vec![0; 2 << 20])]));
    for (bytes, words) in [
        (b"no archive at all".to_vec(), "cut short"),
        (vec![7; 1024], "its checksum is wrong"),
        (archive(&many), "more than 10 files and folders"),
        (bomb, "more than 1 MiB"),
        (vec![7; 2 << 20], "raise `images.packed_mib`"),
        (b"BZh91AY".to_vec(), "pack it by gzip or zstd"),
    ] {
        let error = store
            .import(bytes.as_slice(), import("a"), &deaf())
            .await
            .unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
    assert!(store.list().is_empty());
    for dir in ["staging", "blobs/sha256"] {
        assert!(lab.left(dir).is_empty(), "{dir}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_helper_that_dies_or_a_client_that_breaks_off_leaves_nothing() {
    let lab = Lab::new();
    let mut settings = lab.settings();
    settings.helper = "/bin/false".into();
    let store = Store::open(settings).unwrap();
    let error = store
        .import(&b""[..], import("a"), &deaf())
        .await
        .unwrap_err();
    let words = "the process that unpacks images ended (exit status: 1)";
    assert_eq!(error.to_string(), words);
    drop(store);
    let store = lab.store();
    let whole = archive(&[(file("a"), b"1")]);
    let broken = broken_off(&whole);
    let error = store
        .import(broken, import("a"), &deaf())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("from the client"), "{error}");
    assert!(store.list().is_empty());
    assert!(lab.left("staging").is_empty());
}

/// A client that sends these bytes and then breaks off.
fn broken_off(bytes: &[u8]) -> impl tokio::io::AsyncRead + Unpin {
    struct Broken;
    impl tokio::io::AsyncRead for Broken {
        fn poll_read(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
            _: &mut tokio::io::ReadBuf<'_>,
        ) -> std::task::Poll<std::io::Result<()>> {
            std::task::Poll::Ready(Err(std::io::ErrorKind::ConnectionReset.into()))
        }
    }
    tokio::io::AsyncReadExt::chain(std::io::Cursor::new(bytes.to_vec()), Broken)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_containers_own_disk_is_a_sound_empty_ext4_and_takes_little_room() {
    let lab = Lab::new();
    let store = lab.store();
    for (name, bytes) in [("one", None), ("two", None), ("own", Some(64 << 20))] {
        let path = lab.dir.path().join(name);
        store.new_writable_layer(&path, bytes).await.unwrap();
        let about = fs::metadata(&path).unwrap();
        assert_eq!(about.len(), bytes.unwrap_or(1 << 30));
        assert!(about.blocks() * 512 < 16 << 20, "{} blocks", about.blocks());
        let checked = Command::new("e2fsck")
            .args(["-f", "-n"])
            .arg(&path)
            .output()
            .unwrap();
        assert!(
            checked.status.success(),
            "{}",
            String::from_utf8_lossy(&checked.stdout)
        );
        let again = store.new_writable_layer(&path, bytes).await.unwrap_err();
        let cause = std::error::Error::source(&again).unwrap().to_string();
        assert!(cause.contains("File exists"), "{again}: {cause}");
        assert!(path.exists(), "what was there before is nobody's to remove");
    }
}
