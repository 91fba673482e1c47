//! Which package may need which, and how large one may grow.

use super::packages;
use std::{collections::BTreeSet, fs};

/// Each package, from the ground up: what it needs of ours, and what its tests need beside. A row names rows above it
/// only, so that arrows run downward and there is no circle. A new arrow is a decision, and is written here.
const ROWS: [(&str, &[&str], &[&str]); 23] = [
    ("protocol", &[], &[]),
    ("vch-dns", &[], &[]),
    ("vch-nftables", &[], &[]),
    ("vch-qemu", &[], &[]),
    ("image", &["vch-qemu"], &[]),
    ("vch-image-store", &[], &["image"]),
    ("container-init", &["protocol"], &[]),
    ("tether-net", &["protocol"], &[]),
    ("vch-log", &["protocol"], &[]),
    ("vch-metrics", &[], &[]),
    ("vch-ledger", &["protocol"], &[]),
    (
        "vch-store",
        &["protocol", "vch-ledger", "vch-log", "vch-metrics"],
        &[],
    ),
    (
        "vch-network",
        &[
            "protocol",
            "vch-dns",
            "vch-ledger",
            "vch-log",
            "vch-metrics",
            "vch-nftables",
        ],
        &["vch-nftables", "vch-store"],
    ),
    (
        "vch-engine",
        &[
            "protocol",
            "vch-ledger",
            "vch-log",
            "vch-metrics",
            "vch-network",
            "vch-store",
        ],
        &["vch-network"],
    ),
    ("vch-shim", &["protocol", "vch-qemu"], &[]),
    ("vch-http", &["vch-log"], &[]),
    (
        "vch-runtime",
        &[
            "protocol",
            "vch-engine",
            "vch-image-store",
            "vch-ledger",
            "vch-log",
            "vch-metrics",
            "vch-network",
            "vch-qemu",
            "vch-shim",
            "vch-store",
        ],
        &["vch-shim", "vch-store"],
    ),
    (
        "control-api",
        &[
            "protocol",
            "vch-engine",
            "vch-http",
            "vch-ledger",
            "vch-log",
            "vch-network",
            "vch-runtime",
            "vch-store",
        ],
        &[],
    ),
    ("vchctl", &["control-api"], &[]),
    (
        "docker-model",
        &[
            "protocol",
            "vch-engine",
            "vch-image-store",
            "vch-ledger",
            "vch-log",
            "vch-runtime",
            "vch-store",
        ],
        &[],
    ),
    (
        "docker-api",
        &[
            "docker-model",
            "protocol",
            "vch-engine",
            "vch-http",
            "vch-image-store",
            "vch-ledger",
            "vch-log",
            "vch-runtime",
            "vch-shim",
            "vch-store",
        ],
        &["vch-store"],
    ),
    (
        "vch-coordinator",
        &[
            "control-api",
            "docker-api",
            "docker-model",
            "protocol",
            "vch-dns",
            "vch-engine",
            "vch-http",
            "vch-image-store",
            "vch-ledger",
            "vch-log",
            "vch-metrics",
            "vch-network",
            "vch-qemu",
            "vch-runtime",
            "vch-shim",
            "vch-store",
        ],
        &["vch-network", "vch-store"],
    ),
    (
        "lab",
        &["image", "vch-qemu"],
        &["control-api", "protocol", "vch-shim"],
    ),
];

/// Lines of a package without its tests.
const LINES_MAX: usize = 10_000;

#[test]
fn each_package_needs_only_what_lies_below_it() {
    let mut below = BTreeSet::new();
    for (name, needs, tests_need) in ROWS {
        for need in needs.iter().chain(tests_need) {
            assert!(
                below.contains(need),
                "{name} needs {need}, which is no row above it"
            );
        }
        below.insert(name);
    }
    let packages = packages();
    assert_eq!(packages.len(), ROWS.len(), "each package has a row");
    for package in packages {
        let row = ROWS.iter().find(|(name, ..)| *name == package.name);
        let (_, needs, tests_need) = row.unwrap_or_else(|| panic!("{} has a row", package.name));
        assert_eq!(package.needs, *needs, "{}", package.name);
        assert_eq!(package.tests_need, *tests_need, "tests of {}", package.name);
    }
}

#[test]
fn no_package_is_too_large_to_be_known_by_one_person() {
    for package in packages() {
        let files = lab::sources::rust(&package.sources).unwrap();
        let files = files.iter().filter(|file| {
            let parts = file.strip_prefix(&package.sources).unwrap();
            let mut parts = parts.iter().map(|part| part.to_string_lossy());
            !parts.any(|part| part == "tests" || part == "tests.rs")
        });
        let lines = files.map(|file| fs::read_to_string(file).unwrap().lines().count());
        let lines: usize = lines.sum();
        assert!(
            lines <= LINES_MAX,
            "{} has {lines} lines, {LINES_MAX} are possible",
            package.name
        );
    }
}
