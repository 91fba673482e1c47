//! Each task has an owner that waits for it or ends it: nothing is spawned on the runtime alone.

use std::fs;
use std::path::Path;

use lab::{paths, sources};

/// Where tasks are spawned by their owners alone.
const OWNED: [&str; 4] = ["protocol", "tether-net", "vch-coordinator", "image"];
/// Files whose calls keep what they spawn: netlink connections that end with their handles, and the crash harness.
const KEPT: [&str; 3] = [
    "vch-coordinator/network/src/segments/kernel.rs",
    "tether-net/src/netlink.rs",
    "vch-coordinator/store/src/crash/store_run.rs",
];
/// The calls that leave a task to nobody.
const DETACHED: [&str; 2] = ["tokio::spawn(", "task::spawn("];

#[test]
fn no_task_is_detached() {
    let root = paths::workspace();
    let mut found = Vec::new();
    for dir in OWNED {
        for file in sources::rust(&root.join(dir)).unwrap() {
            if is_test(&file) || KEPT.iter().any(|kept| file.ends_with(kept)) {
                continue;
            }
            let text = fs::read_to_string(&file).unwrap();
            for (line, number) in text.lines().zip(1..) {
                let code = line.split("//").next().unwrap();
                if DETACHED.iter().any(|call| code.contains(call)) {
                    found.push(format!("{}:{number}", file.display()));
                }
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

fn is_test(file: &Path) -> bool {
    let mut parts = file.components();
    parts.any(|part| {
        ["tests", "tests.rs"]
            .iter()
            .any(|name| part.as_os_str() == *name)
    })
}
