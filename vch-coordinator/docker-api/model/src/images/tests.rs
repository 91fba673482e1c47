use super::{
    inspect::{ImageInspect, history},
    manifest::{manifests, platform_descriptor},
    summary::ImageSummary,
    *,
};
use crate::{Version, filters::Filters};
use serde::Serialize;
use serde_json::json;

fn value(shown: impl Serialize) -> Value {
    serde_json::to_value(shown).expect("an answer")
}

fn image() -> Image {
    let digest = |letter: char| {
        let text = format!("sha256:{}", letter.to_string().repeat(64));
        text.parse().expect("digest")
    };
    let descriptor = |letter, size| Descriptor {
        media_type: "m".to_owned(),
        digest: digest(letter),
        size,
        platform: None,
        annotations: BTreeMap::new(),
    };
    let config = json!({
        "architecture": "amd64", "os": "linux",
        "config": {
            "Cmd": ["x"], "StopSignal": "SIGRTMIN+3", "Shell": ["/bin/ash", "-c"], "OnBuild": ["RUN y"],
            "Volumes": {"/v": {}}, "ExposedPorts": {"80/tcp": {}},
            "Healthcheck": {"Test": ["CMD", "t"], "StartInterval": 5_000_000_000_i64},
        },
        "rootfs": {"type": "layers", "diff_ids": []},
    });
    Image {
        id: digest('a'),
        config: serde_json::from_value(config).expect("configuration"),
        manifest: descriptor('b', 7),
        layers: vec![descriptor('c', 11)],
        bytes: 13,
        names: std::iter::once("a:1".parse().expect("name")).collect(),
    }
}

#[test]
fn a_configuration_is_shown_as_the_image_has_it_and_taken_over_by_containers() {
    let image = image();
    let shown = value(ImageInspect::of(&image, Version::NEWEST));
    for (key, value) in [
        ("StopSignal", json!("SIGRTMIN+3")),
        ("Shell", json!(["/bin/ash", "-c"])),
        ("OnBuild", json!(["RUN y"])),
        ("Volumes", json!({"/v": {}})),
        ("ExposedPorts", json!({"80/tcp": {}})),
    ] {
        assert_eq!(shown["Config"][key], value, "{key}");
    }
    let container = for_container(&image);
    assert_eq!(container.stop_signal, "SIGRTMIN+3");
    assert_eq!(container.volumes, ["/v"]);
    let health = container.health.expect("health check");
    assert_eq!(health.start_interval_ns, 5_000_000_000);
}

#[test]
fn each_version_shows_the_keys_that_it_has() {
    let image = image();
    let shown = |version| value(ImageInspect::of(&image, Version(version)));
    for (key, first, last) in [
        ("VirtualSize", 24, 43),
        ("Created", 24, 43),
        ("ContainerConfig", 24, 44),
        ("Descriptor", 48, Version::NEWEST.0),
        ("Size", 24, Version::NEWEST.0),
    ] {
        for version in 24..=Version::NEWEST.0 {
            let expected = (first..=last).contains(&version);
            assert_eq!(
                shown(version).get(key).is_some(),
                expected,
                "{key} of 1.{version}"
            );
        }
    }
    assert_eq!(shown(49)["Config"]["Hostname"], "");
    assert!(shown(50)["Config"].get("Hostname").is_none());
    // dockerd 28.5.2 shows it so.
    assert_eq!(shown(50)["Config"]["User"], "");
    let list = |version| {
        value(ImageSummary::of(
            &image,
            &Filters::default(),
            Version(version),
        ))
    };
    assert!(list(43).get("VirtualSize").is_some() && list(44).get("VirtualSize").is_none());
    assert_eq!(list(48)["Descriptor"]["size"], 7);
    let manifests = value(manifests(&image, vec!["c".to_owned()]));
    assert_eq!(manifests[0]["Size"], json!({ "Content": 11, "Total": 24 }));
    assert_eq!(manifests[0]["ImageData"]["Containers"], json!(["c"]));
    let descriptor = value(platform_descriptor(&image));
    assert_eq!(descriptor["platform"]["os"], "linux");
}

/// One line for each: `WHAT 1.VERSION JSON`.
const GOLDEN: &str = include_str!("tests/golden.txt");

#[test]
fn images_have_the_same_bytes_as_ever() {
    let configured = image();
    let mut old = image();
    // An older builder wrote keys of a container's configuration into the image's.
    let config = json!({
        "architecture": "arm64", "os": "linux", "variant": "v8", "os.version": "1", "os.features": ["f"],
        "author": "me", "created": "2024-01-02T03:04:05.6Z",
        "config": {
            "Hostname": "box", "Tty": true, "Image": "sha256:1", "Env": ["A=b"], "Entrypoint": ["e"],
            "Labels": {"a": "b"}, "User": "u", "WorkingDir": "/", "ArgsEscaped": true, "OnBuild": null,
        },
        "history": [
            {"created": "2024-01-02T03:04:05Z", "created_by": "ADD x", "comment": "first"},
            {"created_by": "CMD y", "empty_layer": true, "comment": "last"},
        ],
        "rootfs": {"type": "layers", "diff_ids": [old.id.to_string()]},
    });
    old.config = serde_json::from_value(config).expect("configuration");
    let mut bare = image();
    bare.config.config = None;
    bare.names.clear();
    bare.names
        .insert(format!("a@{}", bare.id).parse().expect("name"));
    let mut shown = String::new();
    for (name, image) in [("configured", configured), ("old", old), ("bare", bare)] {
        for version in [43, 44, 45, 47, 48, 50, 51] {
            let inspected = ImageInspect::of(&image, Version(version));
            let inspected = serde_json::to_string(&inspected).unwrap();
            shown.push_str(&format!("inspect {name} 1.{version} {inspected}\n"));
            let summary = ImageSummary::of(&image, &Filters::default(), Version(version));
            let summary = serde_json::to_string(&summary).unwrap();
            shown.push_str(&format!("list {name} 1.{version} {summary}\n"));
        }
        let parts = [
            ("history", serde_json::to_string(&history(&image)).unwrap()),
            (
                "manifests",
                serde_json::to_string(&manifests(&image, vec!["c".to_owned()])).unwrap(),
            ),
            (
                "descriptor",
                serde_json::to_string(&platform_descriptor(&image)).unwrap(),
            ),
        ];
        for (what, text) in parts {
            shown.push_str(&format!("{what} {name} {text}\n"));
        }
    }
    for (line, golden) in shown.lines().zip(GOLDEN.lines()) {
        assert_eq!(line, golden);
    }
    assert_eq!(shown, GOLDEN);
}
