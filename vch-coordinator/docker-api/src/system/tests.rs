use super::*;

#[test]
fn an_answer_has_the_keys_of_its_version() {
    let keys = |asked| {
        let mut info = Map::new();
        info.insert("BridgeNfIptables".to_owned(), json!(false));
        let commit = json!({ "ID": "", "Expected": "" });
        info.insert("RuncCommit".to_owned(), commit);
        by_version(&mut info, asked);
        let info = Value::Object(info);
        [
            "/BridgeNfIptables",
            "/RuncCommit/Expected",
            "/FirewallBackend",
            "/CDISpecDirs",
            "/DiscoveredDevices",
        ]
        .map(|key| info.pointer(key).is_some())
    };
    assert_eq!(keys(Version(43)), [true, true, false, false, false]);
    assert_eq!(keys(Version(48)), [true, true, false, true, false]);
    assert_eq!(keys(Version(49)), [true, false, true, true, false]);
    assert_eq!(keys(Version(51)), [false, false, true, true, true]);
}

/// `info 1.VERSION JSON`, a line each, and that of `/version`.
const GOLDEN: &str = include_str!("tests/golden.txt");

#[test]
fn what_the_vch_is_has_the_same_bytes_as_ever() {
    let machine = Machine {
        hostname: "vch".to_owned(),
        kernel: "6.1".to_owned(),
        system: "Debian".to_owned(),
        release: "13".to_owned(),
        memory: 5,
        processors: 2,
        state_dir: "/var/lib/vch".into(),
    };
    let mut shown = format!(
        "version {}\n",
        serde_json::to_string(&shown_version("6.1")).unwrap()
    );
    for version in [24, 41, 42, 43, 44, 48, 49, 50, 51] {
        let now = "2024-01-02T03:04:05Z".to_owned();
        let info = shown_info("ab", now, &machine, [3, 1, 4], Version(version));
        let info = serde_json::to_string(&info).unwrap();
        shown.push_str(&format!("info 1.{version} {info}\n"));
    }
    let shown = shown
        .replace(NAME, "RELEASE")
        .replace(std::env::consts::ARCH, "MACHINE")
        .replace(architecture(), "GOARCH");
    for (line, golden) in shown.lines().zip(GOLDEN.lines()) {
        assert_eq!(line, golden);
    }
    assert_eq!(shown, GOLDEN);
}
