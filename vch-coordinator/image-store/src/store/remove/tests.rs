use super::*;
use crate::config::{Config, RootFs};
use crate::oci::Descriptor;

/// The seed of an image's ID, its names, its layers.
type Made<'a> = (&'a str, &'a [&'a str], &'a [&'a [u8]]);

fn images(all: &[Made<'_>]) -> Images {
    let image = |(id, names, layers): &Made<'_>| {
        let id = Digest::of(id.as_bytes());
        let diff_ids = layers.iter().map(|layer| Digest::of(layer)).collect();
        let names = names
            .iter()
            .map(|name| name.parse().expect("name"))
            .collect();
        let config = Config {
            rootfs: RootFs {
                kind: "layers".to_owned(),
                diff_ids,
            },
            ..Config::default()
        };
        let manifest = Descriptor::new("", id, 0);
        let (layers, bytes) = (Vec::new(), 0);
        (
            id,
            Arc::new(Image {
                id,
                config,
                manifest,
                layers,
                bytes,
                names,
            }),
        )
    };
    all.iter().map(image).collect()
}

fn used(running: bool) -> [Use; 1] {
    let container = "c".repeat(64);
    let image = Digest::of(b"a");
    [Use {
        container,
        image,
        running,
    }]
}

#[test]
fn the_last_name_takes_the_image_and_the_layers_that_nothing_else_uses() {
    let mut all = images(&[
        ("a", &["x:1", "x:2"], &[b"l", b"m"]),
        ("b", &["y"], &[b"l"]),
    ]);
    let records = decide(&mut all, "x:1", false, &[]).expect("untagged");
    assert_eq!(records, [Removed::Untagged("x:1".to_owned())]);
    let records = decide(&mut all, "x:2", false, &[]).expect("deleted");
    let (l, m) = (Digest::of(b"l"), Digest::of(b"m"));
    let upper = Digest::of(format!("{l} {m}").as_bytes());
    let expected = [
        Removed::Untagged("x:2".to_owned()),
        Removed::Deleted(Digest::of(b"a").to_string()),
        Removed::Deleted(upper.to_string()),
    ];
    assert_eq!(records, expected);
    assert_eq!(all.len(), 1);
}

#[test]
fn conflicts_have_dockerds_words_and_change_nothing() {
    let id = Digest::of(b"a").short();
    let one = images(&[("a", &["x"], &[])]);
    let two = images(&[("a", &["x", "y"], &[])]);
    let words = |prefix: &str, rest: &str| format!("conflict: unable to {prefix} - {rest}");
    for (all, text, force, running, expected) in [
        (
            &one,
            "x",
            false,
            false,
            words(
                "remove repository reference \"x\" (must force)",
                &format!("container cccccccccccc is using its referenced image {id}"),
            ),
        ),
        (
            &one,
            &id,
            false,
            false,
            words(
                &format!("delete {id} (must be forced)"),
                "image is being used by stopped container cccccccccccc",
            ),
        ),
        (
            &one,
            &id,
            true,
            true,
            words(
                &format!("delete {id} (cannot be forced)"),
                "image is being used by running container cccccccccccc",
            ),
        ),
        (
            &two,
            &id,
            false,
            false,
            words(
                &format!("delete {id} (must be forced)"),
                "image is referenced in multiple repositories",
            ),
        ),
    ] {
        let mut changed = all.clone();
        let error = decide(&mut changed, text, force, &used(running)).expect_err("conflict");
        assert_eq!(error.to_string(), expected);
    }
    let error = decide(&mut one.clone(), "z", false, &[]).expect_err("unknown");
    assert_eq!(error.to_string(), "No such image: z:latest");
}

#[test]
fn a_forced_name_of_a_running_containers_image_goes_and_the_image_stays() {
    let mut all = images(&[("a", &["x"], &[])]);
    let records = decide(&mut all, "x", true, &used(true)).expect("untagged");
    assert_eq!(records, [Removed::Untagged("x:latest".to_owned())]);
    assert!(all.contains_key(&Digest::of(b"a")));
}
