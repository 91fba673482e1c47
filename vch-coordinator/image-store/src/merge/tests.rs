use super::*;
use crate::tar::Writer;
use proptest::prelude::*;
use std::io::Write as _;

/// Returns an archive of entries with their data.
fn archive(entries: &[(Entry, &[u8])]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    for (entry, data) in entries {
        writer.append(entry).expect("header");
        writer.write_all(data).expect("data");
    }
    writer.finish().expect("end")
}

fn file(path: &str, data: &'static [u8]) -> (Entry, &'static [u8]) {
    let entry = Entry {
        path: path.into(),
        mode: 0o644,
        size: data.len() as u64,
        ..Entry::default()
    };
    (entry, data)
}

fn other(path: &str, kind: Kind) -> (Entry, &'static [u8]) {
    let entry = Entry {
        path: path.into(),
        kind,
        mode: 0o700,
        ..Entry::default()
    };
    (entry, b"")
}

/// Returns the merged tree: each path with the text of a file or link, or `dir`; hard links have
/// their target.
fn merged(layers: &[Vec<u8>]) -> Result<BTreeMap<String, String>, LayerError> {
    let limits = Limits::default();
    let mut tree = Tree::new(limits);
    for layer in layers {
        tree.apply(entries(layer.as_slice(), limits)?.0)?;
    }
    let streams = layers.iter().map(Vec::as_slice);
    let whole = emit(&tree.plan(), streams, limits, Vec::new()).expect("emitted");
    let mut reader = Reader::new(whole.as_slice(), limits);
    let mut found = BTreeMap::new();
    while let Some(entry) = reader.next_entry()? {
        let path = String::from_utf8(entry.path.clone()).expect("text");
        let what = match entry.kind {
            Kind::Dir => "dir".to_owned(),
            Kind::Symlink(target) => format!("-> {}", String::from_utf8_lossy(&target)),
            Kind::Hardlink(target) => format!("= {}", String::from_utf8_lossy(&target)),
            _ => {
                let mut data = Vec::new();
                reader.copy_data(&mut data)?;
                String::from_utf8(data).expect("text")
            }
        };
        assert!(found.insert(path, what).is_none(), "each path once");
    }
    Ok(found)
}

fn expected(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let own = |(path, what): &(&str, &str)| ((*path).to_owned(), (*what).to_owned());
    pairs.iter().map(own).collect()
}

#[test]
fn whiteouts_and_opaque_folders_remove_only_what_is_below_them() {
    let lower = archive(&[
        other("a/", Kind::Dir),
        file("a/old", b"1"),
        file("b", b"2"),
        file("c/x", b"3"),
    ]);
    let upper = archive(&[
        file("a/new", b"4"),
        file("a/.wh..wh..opq", b""),
        file("b", b"5"),
        file(".wh.b", b""),
        file(".wh.c", b""),
    ]);
    let found = merged(&[lower, upper]).expect("merged");
    let wanted = [("./", "dir"), ("a/", "dir"), ("a/new", "4"), ("b", "5")];
    assert_eq!(found, expected(&wanted));
}

#[test]
fn a_hard_link_keeps_its_file_when_a_later_layer_removes_the_first_name() {
    let one = archive(&[file("a", b"data")]);
    let two = archive(&[other("b", Kind::Hardlink(b"a".to_vec()))]);
    let three = archive(&[
        file(".wh.a", b""),
        other("c", Kind::Hardlink(b"/b".to_vec())),
    ]);
    let both = merged(&[one.clone(), two.clone()]).expect("merged");
    assert_eq!(
        both,
        expected(&[("./", "dir"), ("a", "data"), ("b", "= a")])
    );
    let all = merged(&[one, two, three]).expect("merged");
    assert_eq!(all, expected(&[("./", "dir"), ("b", "data"), ("c", "= b")]));
}

#[test]
fn links_in_a_path_are_followed_within_a_layer_and_give_way_to_a_later_one() {
    let link = other("lib", Kind::Symlink(b"../../usr/lib".to_vec()));
    let layer = archive(&[link, file("lib/x", b"1")]);
    let found = merged(std::slice::from_ref(&layer)).expect("merged");
    let lib = ("lib", "-> ../../usr/lib");
    let mut wanted = vec![
        ("./", "dir"),
        lib,
        ("usr/", "dir"),
        ("usr/lib/", "dir"),
        ("usr/lib/x", "1"),
    ];
    assert_eq!(found, expected(&wanted));
    let above = archive(&[file("lib/y", b"2")]);
    wanted.retain(|pair| *pair != lib);
    wanted.extend([("lib/", "dir"), ("lib/y", "2")]);
    assert_eq!(merged(&[layer, above]).expect("merged"), expected(&wanted));
}

#[test]
fn paths_that_lead_out_links_in_a_circle_and_links_to_nothing_are_refused() {
    let circle = [
        other("a", Kind::Symlink(b"b".to_vec())),
        other("b", Kind::Symlink(b"a".to_vec())),
        file("a/x", b""),
    ];
    for (layer, word) in [
        (archive(&[file("../x", b"")]), "leads out"),
        (
            archive(&[other("x", Kind::Hardlink(b"y".to_vec()))]),
            "not there",
        ),
        (archive(&circle), "symbolic links"),
    ] {
        let error = merged(&[layer]).expect_err("refused").to_string();
        assert!(error.contains(word), "{error}");
    }
}

/// The change that a random layer makes to one of a few paths.
#[derive(Clone, Debug)]
enum LayerEntry {
    File(u8),
    Dir,
    Remove,
    Empty,
}

fn entry() -> impl Strategy<Value = LayerEntry> {
    prop_oneof![
        any::<u8>().prop_map(LayerEntry::File),
        Just(LayerEntry::Dir),
        Just(LayerEntry::Remove),
        Just(LayerEntry::Empty),
    ]
}

/// Returns the expected tree: a flat map of paths, changed by prefix.
fn reference(layers: &[BTreeMap<String, LayerEntry>]) -> BTreeMap<String, String> {
    let mut paths: BTreeMap<String, String> = BTreeMap::new();
    for layer in layers {
        for (path, entry) in layer {
            let below = format!("{path}/");
            match entry {
                LayerEntry::Remove => paths.retain(|at, _| at != path && !at.starts_with(&below)),
                LayerEntry::Empty => paths.retain(|at, _| !at.starts_with(&below)),
                _ => {}
            }
        }
        for (path, entry) in layer {
            let what = match entry {
                LayerEntry::File(byte) => byte.to_string(),
                LayerEntry::Dir => "dir".to_owned(),
                _ => continue,
            };
            for (end, _) in path.match_indices('/') {
                let parent = paths.insert(path[..end].to_owned(), "dir".to_owned());
                drop(parent);
            }
            if what != "dir" {
                let below = format!("{path}/");
                paths.retain(|at, _| !at.starts_with(&below));
            }
            paths.insert(path.clone(), what);
        }
    }
    paths
}

proptest! {
    #[test]
    fn random_layers_merge_as_in_a_flat_map_of_paths(
        layers in prop::collection::vec(
            prop::collection::btree_map("[abc](/[abc]){0,2}", entry(), 0..8), 0..5,
        ),
    ) {
        let archives: Vec<_> = layers.iter().map(|layer| {
            let mut writer = Writer::new(Vec::new());
            for (path, entry) in layer {
                let (name, kind, data) = match entry {
                    LayerEntry::File(byte) => (path.clone(), Kind::File, byte.to_string()),
                    LayerEntry::Dir => (path.clone(), Kind::Dir, String::new()),
                    LayerEntry::Empty => (format!("{path}/.wh..wh..opq"), Kind::File, String::new()),
                    LayerEntry::Remove => {
                        let (dir, name) = path.rsplit_once('/').unwrap_or((".", path));
                        (format!("{dir}/.wh.{name}"), Kind::File, String::new())
                    }
                };
                let size = data.len() as u64;
                let entry = Entry { path: name.into(), kind, size, ..Entry::default() };
                writer.append(&entry).expect("header");
                writer.write_all(data.as_bytes()).expect("data");
            }
            writer.finish().expect("end")
        }).collect();
        let mut found = merged(&archives).expect("merged");
        found.remove("./");
        let found: BTreeMap<_, _> = found.into_iter()
            .map(|(path, what)| (path.trim_end_matches('/').to_owned(), what)).collect();
        prop_assert_eq!(found, reference(&layers));
    }
}
