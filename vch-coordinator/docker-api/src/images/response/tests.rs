use super::*;

#[test]
fn a_reference_pattern_is_gos_path_match() {
    for (pattern, text, wanted) in [
        ("busybox", "busybox", true),
        ("busy*", "busybox:latest", true),
        ("*box", "busybox", true),
        ("*:v1", "web:v1", true),
        ("b?sybox", "busybox", true),
        ("busy", "busybox", false),
        ("*", "example.org/web", false),
        ("*/*", "example.org/web", true),
        ("*", "", true),
        ("a*b*c", "aXbYc", true),
        ("a*b*c", "aXbY", false),
    ] {
        assert_eq!(matches(pattern, text), wanted, "{pattern} {text}");
    }
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
    let shown = inspect(&image, Version::NEWEST);
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
    let shown = |version| inspect(&image, Version(version));
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
    // As a dockerd 28.5.2 shows it.
    assert_eq!(shown(50)["Config"]["User"], "");
    let list = |version| summary(&image, &Filters::default(), Version(version));
    assert!(list(43).get("VirtualSize").is_some() && list(44).get("VirtualSize").is_none());
    assert_eq!(list(48)["Descriptor"]["size"], 7);
    let manifests = manifests(&image, &["c".to_owned()]);
    assert_eq!(manifests[0]["Size"], json!({ "Content": 11, "Total": 24 }));
    assert_eq!(manifests[0]["ImageData"]["Containers"], json!(["c"]));
    assert_eq!(platform_descriptor(&image)["platform"]["os"], "linux");
}
