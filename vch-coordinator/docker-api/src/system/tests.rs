use super::*;

fn machine() -> Machine {
    Machine {
        hostname: "vch".to_owned(),
        kernel: "6.1".to_owned(),
        system: "Debian".to_owned(),
        release: "13".to_owned(),
        memory: 5,
        processors: 2,
        state_dir: "/var/lib/vch".into(),
    }
}

fn info(version: u32) -> Value {
    let now = "2024-01-02T03:04:05Z";
    shown_info("ab", now, &machine(), [3, 1, 4], Version(version))
}

#[test]
fn an_answer_has_the_keys_of_its_version() {
    let keys = |version| {
        let info = info(version);
        [
            "/BridgeNfIptables",
            "/RuncCommit/Expected",
            "/FirewallBackend",
            "/DiscoveredDevices",
        ]
        .map(|key| info.pointer(key).is_some())
    };
    assert_eq!(keys(43), [true, true, false, false]);
    assert_eq!(keys(48), [true, true, false, false]);
    assert_eq!(keys(49), [true, false, true, false]);
    assert_eq!(keys(51), [false, false, true, true]);
}

/// `info 1.VERSION JSON`, a line each, and that of `/version`.
const GOLDEN: &str = include_str!("tests/golden.txt");

#[test]
fn what_the_vch_is_has_the_same_bytes_as_ever() {
    let mut shown = format!(
        "version {}\n",
        serde_json::to_string(&shown_version("6.1")).unwrap()
    );
    for version in [24, 41, 42, 43, 44, 48, 49, 50, 51] {
        let info = serde_json::to_string(&info(version)).unwrap();
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
