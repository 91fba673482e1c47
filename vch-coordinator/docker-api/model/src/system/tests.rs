use super::{
    info::{Host, Info},
    *,
};
use serde_json::Value;
use std::path::Path;

fn info(version: u32) -> String {
    let host = Host {
        vch: "ab",
        now: "2024-01-02T03:04:05Z",
        hostname: "vch",
        kernel: "6.1",
        system: "Debian",
        release: "13",
        memory: 5,
        processors: 2,
        state_dir: Path::new("/var/lib/vch"),
        containers: 3,
        running: 1,
        images: 4,
    };
    serde_json::to_string(&Info::of(host, Version(version))).unwrap()
}

#[test]
fn an_answer_has_the_keys_of_its_version() {
    let keys = |version| {
        let info: Value = serde_json::from_str(&info(version)).unwrap();
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

/// One line for each `info 1.VERSION JSON`, and one for `/version`.
const GOLDEN: &str = include_str!("tests/golden.txt");

#[test]
fn what_the_vch_is_has_the_same_bytes_as_ever() {
    let mut shown = format!(
        "version {}\n",
        serde_json::to_string(&VersionInfo::of("6.1")).unwrap()
    );
    for version in [24, 41, 42, 43, 44, 48, 49, 50, 51] {
        let info = info(version);
        shown.push_str(&format!("info 1.{version} {info}\n"));
    }
    let shown = shown
        .replace(RELEASE, "RELEASE")
        .replace(std::env::consts::ARCH, "MACHINE")
        .replace(architecture(), "GOARCH");
    for (line, golden) in shown.lines().zip(GOLDEN.lines()) {
        assert_eq!(line, golden);
    }
    assert_eq!(shown, GOLDEN);
}
