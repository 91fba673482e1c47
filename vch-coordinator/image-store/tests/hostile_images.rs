//! Images that were made to do harm: each is taken and harmless, or refused in words, and leaves nothing.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::fs;
use std::io::Write;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;
use std::process::Command;
use tokio::sync::mpsc;
use vch_image_store::tar::{Entry, Kind, Writer};
use vch_image_store::{Import, Limits, Settings, Store};

/// Where a guest's init and its programs look first.
const TARGETS: [&str; 5] = ["etc/passwd", "etc/group", "dev", "proc", "bin/sh"];

struct Lab {
    base: tempfile::TempDir,
    store: Store,
}

impl Lab {
    fn new(limits: Limits) -> Self {
        let base = tempfile::tempdir().unwrap();
        fs::set_permissions(base.path(), fs::Permissions::from_mode(0o711)).unwrap();
        let store = Store::open(Settings {
            dir: base.path().join("images"),
            helper: env!("CARGO_BIN_EXE_vch-image").into(),
            first_user: Settings::FIRST_USER,
            writable_layer_bytes: 1 << 30,
            insecure: Vec::new(),
            limits,
            free_bytes: None,
        });
        let store = store.unwrap();
        Self { base, store }
    }

    /// Makes an image and its root file system, looks at that, and removes both. The store is as before.
    async fn tried(&self, archive: Vec<u8>, look: impl FnOnce(&Path)) -> Result<(), String> {
        let import = Import {
            name: Some("evil".parse().unwrap()),
            ..Import::default()
        };
        let progress = mpsc::channel(1).0;
        let image = self
            .store
            .import(archive.as_slice(), import, &progress)
            .await;
        let done = match image {
            Err(error) => Err(error.to_string()),
            Ok(image) => {
                let made = self.store.rootfs(&image.id).await;
                if let Ok(path) = &made {
                    look(path);
                }
                self.store.remove("evil", true, Vec::new()).await.unwrap();
                made.map(drop).map_err(|error| error.to_string())
            }
        };
        assert!(self.store.list().is_empty());
        for dir in ["staging", "blobs/sha256", "rootfs"] {
            let left = self.base.path().join("images").join(dir);
            assert_eq!(fs::read_dir(left).unwrap().count(), 0, "{dir}");
        }
        done
    }

    async fn refused(&self, archive: Vec<u8>, words: &str) {
        let error = self.tried(archive, |_| {}).await.unwrap_err();
        assert!(error.contains(words), "{words}: {error}");
    }
}

fn entry(path: impl Into<Vec<u8>>, kind: Kind) -> Entry {
    Entry {
        path: path.into(),
        kind,
        mode: 0o644,
        ..Entry::default()
    }
}

fn archive(entries: &[Entry]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    for entry in entries {
        writer.append(entry).unwrap();
        writer
            .write_all(&vec![b'x'; usize::try_from(entry.size).unwrap()])
            .unwrap();
    }
    writer.finish().unwrap()
}

fn unsquashed(image: &Path) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut unsquashfs = Command::new("unsquashfs");
    unsquashfs.args(["-quiet", "-no-progress", "-force", "-dest"]);
    let output = unsquashfs.arg(dir.path()).arg(image).output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    dir
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_in_place_of_a_file_that_is_looked_for_is_kept_as_what_it_is() {
    let lab = Lab::new(Limits::default());
    let link = |target: &str| Kind::Symlink(target.as_bytes().to_vec());
    for target in TARGETS {
        for kind in [
            Kind::Pipe,
            Kind::Character(1, 5),
            Kind::Block(8, 0),
            link("../../../../../../etc/shadow"),
            link("/proc/self/mem"),
            link("loop"),
        ] {
            let mut entries = vec![entry(target, kind.clone())];
            // A circle of links, beside what it leads to.
            let dir = target.rsplit_once('/').map_or("", |(dir, _)| dir);
            let name = target.rsplit_once('/').map_or(target, |(_, name)| name);
            entries.push(entry(format!("{dir}/loop"), link(name)));
            let done = lab.tried(archive(&entries), |image| {
                let root = unsquashed(image);
                let found = fs::symlink_metadata(root.path().join(target))
                    .unwrap()
                    .file_type();
                let same = match kind {
                    Kind::Pipe => found.is_fifo(),
                    Kind::Character(..) => found.is_char_device(),
                    Kind::Block(..) => found.is_block_device(),
                    _ => found.is_symlink(),
                };
                assert!(same, "{target}: {kind:?} is {found:?}");
            });
            done.await.unwrap();
        }
        let outside = Kind::Hardlink(b"/etc/shadow".to_vec());
        lab.refused(
            archive(&[entry(target, outside)]),
            "is a hard link to a file that is not there",
        )
        .await;
        let outside = Kind::Hardlink(b"../../../etc/shadow".to_vec());
        lab.refused(archive(&[entry(target, outside)]), "leads out of the image")
            .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_that_lead_out_are_too_long_or_go_through_links_stay_within_or_are_refused() {
    let lab = Lab::new(Limits::default());
    let file = |path: &str| entry(path, Kind::File);
    lab.refused(archive(&[file("../evil")]), "leads out of the image")
        .await;
    lab.refused(archive(&[file("a/../../evil")]), "leads out of the image")
        .await;
    lab.refused(
        archive(&[file(&"n".repeat(256))]),
        "a name that is too long",
    )
    .await;
    lab.refused(
        archive(&[file(&"p/".repeat(2049))]),
        "path of an entry: more than 4096 bytes",
    )
    .await;
    // 4096 bytes are allowed to be there, whatever opens them.
    lab.tried(archive(&[file(&"p/".repeat(2047))]), |_| {})
        .await
        .unwrap();
    let through = [
        entry("out", Kind::Symlink(b"/../../etc".to_vec())),
        file("out/evil"),
    ];
    let done = lab.tried(archive(&through), |image| {
        let root = unsquashed(image);
        assert!(root.path().join("etc/evil").is_file());
    });
    done.await.unwrap();
    let circle = [
        entry("a", Kind::Symlink(b"b".to_vec())),
        entry("b", Kind::Symlink(b"a".to_vec())),
        file("a/evil"),
    ];
    lab.refused(archive(&circle), "too many symbolic links")
        .await;
    // Whiteouts of nothing, of everything, and of invalid names.
    for odd in [
        ".wh.",
        ".wh..",
        ".wh...",
        ".wh..wh.",
        ".wh..wh..opq",
        "a/.wh..wh..opq",
        ".wh./x",
        ".wh.a/b",
    ] {
        let entries = [file("kept"), file(odd)];
        let done = lab.tried(archive(&entries), |image| {
            assert!(unsquashed(image).path().join("kept").is_file(), "{odd}");
        });
        done.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn attributes_headers_holes_and_times_beyond_all_reason_are_refused_or_bounded() {
    let lab = Lab::new(Limits {
        names_bytes: 1 << 20,
        unpacked_bytes: 16 << 20,
        entries: 20_000,
        ..Limits::default()
    });
    let mut long = entry("a", Kind::File);
    long.xattrs
        .insert(b"user.long".to_vec(), vec![b'x'; (64 << 10) + 1]);
    lab.refused(archive(&[long]), "too long for any file system")
        .await;
    let attributes: Vec<_> = (0..100)
        .map(|n| {
            let mut one = entry(n.to_string(), Kind::File);
            one.xattrs
                .insert(b"user.big".to_vec(), vec![b'x'; 60 << 10]);
            one
        })
        .collect();
    lab.refused(
        archive(&attributes),
        "names and attributes of its files have more than 1048576 bytes",
    )
    .await;
    lab.tried(archive(&attributes[..4]), |_| {}).await.unwrap();
    let many: Vec<_> = (0..20_001)
        .map(|n| entry(n.to_string(), Kind::File))
        .collect();
    lab.refused(archive(&many), "raise `images.entries`").await;
    lab.tried(archive(&many[..20_000]), |_| {}).await.unwrap();
    for (mtime, seconds) in [(-1, 0), (-i64::MAX, 0), (i64::MAX, u32::MAX)] {
        let mut old = entry("old", Kind::File);
        old.mtime = mtime;
        let done = lab.tried(archive(&[old]), |image| {
            let root = unsquashed(image);
            let about = fs::metadata(root.path().join("old")).unwrap();
            let found = about
                .modified()
                .unwrap()
                .duration_since(std::time::UNIX_EPOCH)
                .unwrap();
            assert_eq!(found.as_secs(), u64::from(seconds), "{mtime}");
        });
        done.await.unwrap();
    }
    // Extended headers and holes as the archive says them: only by hand.
    let pax = |records: &str, said: usize| {
        let mut header = archive(&[entry("x", Kind::File)]);
        header.truncate(512);
        header[156] = b'x';
        header[124..135].copy_from_slice(format!("{said:011o}").as_bytes());
        summed(&mut header);
        header.extend(records.as_bytes());
        header.resize(header.len().next_multiple_of(512), 0);
        header.extend(archive(&[entry("x", Kind::File)]));
        header
    };
    lab.refused(
        pax("", 4 << 30),
        "names and attributes of an entry: more than 1048576 bytes",
    )
    .await;
    lab.refused(pax("9999999 path=x\n", 15), "its pax records are damaged")
        .await;
    let whole = [
        record("GNU.sparse.size", &(1_u64 << 60).to_string()),
        record("GNU.sparse.map", "0,0"),
    ]
    .concat();
    lab.refused(pax(&whole, whole.len()), "raise `images.unpacked_mib`")
        .await;
}

/// A record of pax(1): its length counts itself.
fn record(key: &str, value: &str) -> String {
    let rest = format!(" {key}={value}\n");
    let mut length = rest.len() + 1;
    while format!("{length}{rest}").len() != length {
        length += 1;
    }
    format!("{length}{rest}")
}

fn summed(header: &mut [u8]) {
    header[148..156].fill(b' ');
    let sum: u32 = header[..512].iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}
