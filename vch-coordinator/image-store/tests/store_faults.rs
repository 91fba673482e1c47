//! A store whose disk is slow, damaged, full, or can't be read.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use vch_image_store::tar::{Entry, Writer};
use vch_image_store::{Image, ImageError, Import, Limits, Progress, Settings, Store};

const DEADLINE: Duration = Duration::from_secs(60);
/// What an answer may take on a machine that is busy with other tests; the layer's digest takes longer.
const SOON: Duration = Duration::from_millis(250);

struct Lab {
    base: tempfile::TempDir,
}

impl Lab {
    fn new() -> Self {
        let base = tempfile::tempdir().unwrap();
        fs::set_permissions(base.path(), fs::Permissions::from_mode(0o711)).unwrap();
        Self { base }
    }

    fn settings(&self) -> Settings {
        Settings {
            dir: self.dir(),
            helper: env!("CARGO_BIN_EXE_vch-image").into(),
            first_user: Settings::FIRST_USER,
            writable_layer_bytes: 1 << 30,
            insecure: Vec::new(),
            limits: Limits::default(),
            free_bytes: None,
        }
    }

    fn dir(&self) -> PathBuf {
        self.base.path().join("images")
    }

    fn store(&self) -> Store {
        Store::open(self.settings()).unwrap()
    }

    /// A program in the helper's place.
    fn helper(&self, script: &str) -> PathBuf {
        let path = self.base.path().join("helper");
        fs::write(&path, format!("#!/bin/sh\ncd \"$1\"\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    fn files(&self, dir: &str) -> Vec<String> {
        let dir = self.dir().join(dir);
        let Ok(entries) = fs::read_dir(dir) else {
            return Vec::new();
        };
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn blob(&self, digest: &vch_image_store::Digest) -> PathBuf {
        self.dir().join("blobs/sha256").join(digest.hex())
    }
}

fn deaf() -> mpsc::Sender<Progress> {
    mpsc::channel(1).0
}

fn archive(name: &str) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    let entry = Entry {
        path: name.into(),
        ..Entry::default()
    };
    writer.append(&entry).unwrap();
    writer.finish().unwrap()
}

async fn import(store: &Store, name: &str) -> Result<Arc<Image>, ImageError> {
    let import = Import {
        name: Some(name.parse()?),
        ..Import::default()
    };
    store
        .import(archive(name).as_slice(), import, &deaf())
        .await
}

/// On one thread: whatever blocks it blocks all.
#[tokio::test(flavor = "current_thread")]
async fn while_a_large_layer_is_taken_over_starts_lists_and_tags_are_answered_at_once() {
    let lab = Lab::new();
    let store = lab.store();
    let image = import(&store, "small").await.unwrap();
    store.rootfs(&image.id).await.unwrap();
    drop(store);
    // It leaves a layer of many zeros, of which it says something else.
    let said = format!("sha256:{}", "0".repeat(64));
    let size = 1_u64 << 30;
    let arrived = format!(
        r#"{{"done":{{"arrived":[{{"names":[],"config":null,"layers":[{{"piece":{{"file":"layer","digest":"{said}","size":{size}}},"packing":"plain","diff_id":"{said}","bytes":0}}]}}]}}}}"#
    );
    let mut settings = lab.settings();
    settings.helper = lab.helper(&format!(
        "cat >/dev/null\ntruncate -s {size} layer\necho '{arrived}'"
    ));
    let store = Store::open(settings).unwrap();
    let progress = deaf();
    let mut load = std::pin::pin!(store.load(&b""[..], &progress));
    let (mut slowest, mut rounds) = (Duration::ZERO, 0_u32);
    let begun = Instant::now();
    let end = loop {
        let round = async {
            let begun = Instant::now();
            assert_eq!(store.list().len(), 1);
            assert_eq!(store.find("small").unwrap().id, image.id);
            store.rootfs(&image.id).await.unwrap();
            let answered = begun.elapsed();
            store
                .tag("small", format!("t{rounds}").parse().unwrap())
                .await
                .unwrap();
            answered
        };
        tokio::select! {
            end = &mut load => break end,
            answered = round => {
                slowest = slowest.max(answered);
                rounds += 1;
            }
        }
        assert!(begun.elapsed() < DEADLINE);
    };
    assert!(
        end.unwrap_err()
            .to_string()
            .contains("holds something else")
    );
    assert!(rounds > 10, "{rounds} rounds in {:?}", begun.elapsed());
    assert!(slowest < SOON, "{slowest:?}");
    // The last tag may be on its way still.
    let left = lab.files("staging");
    assert!(
        left.iter().all(|name| name == "index.json.partial"),
        "{left:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_error_keeps_the_image_its_blobs_and_its_root_file_system() {
    let lab = Lab::new();
    let store = lab.store();
    let image = import(&store, "a:1").await.unwrap();
    let other = import(&store, "b").await.unwrap();
    store.rootfs(&image.id).await.unwrap();
    drop(store);
    let index = fs::read_to_string(lab.dir().join("index.json")).unwrap();
    // In the document's place: a directory (EISDIR), what gives EIO, a link to itself (ELOOP), nothing.
    type Fault = fn(&Path);
    let faults: [(&str, Fault); 4] = [
        ("EISDIR", |path| fs::create_dir(path).unwrap()),
        ("EIO", |path| symlink("/proc/self/mem", path).unwrap()),
        ("ELOOP", |path| symlink(path, path).unwrap()),
        ("ENOENT", |_| {}),
    ];
    for digest in [image.id, image.manifest.digest] {
        for (name, fault) in faults {
            let path = lab.blob(&digest);
            let aside = lab.base.path().join("aside");
            fs::rename(&path, &aside).unwrap();
            fault(&path);
            let before = (lab.files("blobs/sha256"), lab.files("rootfs"));
            let store = lab.store();
            assert_eq!(store.list().len(), 1, "{name}");
            // Neither the start nor a removal takes anything of it, and a change keeps its name.
            assert_eq!(
                (lab.files("blobs/sha256"), lab.files("rootfs")),
                before,
                "{name}"
            );
            store.tag("b", "c".parse().unwrap()).await.unwrap();
            let error = store.rootfs(&image.id).await.unwrap_err();
            assert!(matches!(error, ImageError::Unknown(_)), "{name}: {error}");
            let _ = fs::remove_dir(&path).or_else(|_| fs::remove_file(&path));
            fs::rename(&aside, &path).unwrap();
            // It is there again without a new start.
            store.rootfs(&image.id).await.unwrap();
            assert_eq!(store.find("a:1").unwrap().id, image.id, "{name}");
            store.remove("c", false, Vec::new()).await.unwrap();
            drop(store);
        }
    }
    let now = fs::read_to_string(lab.dir().join("index.json")).unwrap();
    assert_eq!(now.len(), index.len());
    assert!(lab.files("lost").is_empty());
    let store = lab.store();
    store.remove("b", false, Vec::new()).await.unwrap();
    assert!(store.find(&other.id.to_string()).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_damaged_is_moved_aside_and_another_image_goes_on() {
    let lab = Lab::new();
    let store = lab.store();
    let image = import(&store, "a").await.unwrap();
    let other = import(&store, "b").await.unwrap();
    store.rootfs(&image.id).await.unwrap();
    drop(store);
    let config = lab.blob(&image.id);
    fs::remove_file(&config).unwrap();
    fs::write(&config, "{}").unwrap();
    let store = lab.store();
    assert_eq!(store.list().len(), 1);
    store.rootfs(&other.id).await.unwrap();
    let lost = lab.files("lost");
    for name in [
        image.id.hex(),
        image.manifest.digest.hex(),
        image.layers[0].digest.hex(),
        format!("{}.squashfs", image.id.hex()),
    ] {
        assert!(lost.contains(&name), "{name} of {lost:?}");
    }
    assert_eq!(
        fs::read(lab.dir().join("lost").join(image.id.hex())).unwrap(),
        b"{}"
    );
    // An index without names says the same of all.
    drop(store);
    fs::remove_file(lab.dir().join("index.json")).unwrap();
    let store = lab.store();
    assert!(store.list().is_empty());
    assert!(lab.files("lost").contains(&other.layers[0].digest.hex()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layer_that_is_cut_short_or_gone_is_mended_by_bringing_the_image_again() {
    let lab = Lab::new();
    let store = lab.store();
    let image = import(&store, "a").await.unwrap();
    let path = lab.blob(&image.layers[0].digest);
    for cut in [true, false] {
        fs::remove_file(&path).unwrap();
        if cut {
            fs::write(&path, "half").unwrap();
        }
        let error = store.rootfs(&image.id).await.unwrap_err().to_string();
        assert!(error.contains("pull it or load it again"), "{error}");
        assert_eq!(lab.store().list().len(), 1, "it is kept");
        assert_eq!(import(&store, "a").await.unwrap().id, image.id);
        let length = fs::metadata(&path).unwrap().len();
        assert_eq!(length, image.layers[0].size);
    }
    store.rootfs(&image.id).await.unwrap();
    assert_eq!(lab.files("lost"), [image.layers[0].digest.hex()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_too_little_room_nothing_is_begun_and_what_runs_is_stopped() {
    let lab = Lab::new();
    let mut settings = lab.settings();
    settings.free_bytes = Some(u64::MAX);
    let store = Store::open(settings).unwrap();
    let error = import(&store, "a").await.unwrap_err().to_string();
    assert!(error.contains("lower `images.free_disk_mib`"), "{error}");
    drop(store);
    // A file system of 64 MiB of which half must stay: a helper that would fill it is ended.
    let small = Mounted::new(lab.base.path().join("small"));
    let mut settings = lab.settings();
    settings.dir = small.path.join("images");
    settings.free_bytes = Some(32 << 20);
    settings.helper = lab.helper(
        "cat >/dev/null\ndd if=/dev/zero of=layer bs=1M count=48 status=none\nexec sleep 1000",
    );
    let store = Store::open(settings).unwrap();
    let begun = Instant::now();
    let error = import(&store, "a").await.unwrap_err();
    assert!(begun.elapsed() < DEADLINE);
    assert!(
        matches!(error, ImageError::Room { floor_mib: 32, .. }),
        "{error}"
    );
    let staging = small.path.join("images/staging");
    assert_eq!(fs::read_dir(staging).unwrap().count(), 0);
}

/// A small file system in memory.
struct Mounted {
    path: PathBuf,
}

impl Mounted {
    fn new(path: PathBuf) -> Self {
        fs::create_dir(&path).unwrap();
        let flags = nix::mount::MsFlags::empty();
        nix::mount::mount(Some("tmpfs"), &path, Some("tmpfs"), flags, Some("size=64m")).unwrap();
        Self { path }
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let detached = nix::mount::umount2(&self.path, nix::mount::MntFlags::MNT_DETACH);
        if let Err(error) = detached {
            eprintln!("{}: {error}", self.path.display());
        }
    }
}
