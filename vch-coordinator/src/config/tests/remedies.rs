//! Checks the settings that error texts name.

use crate::config::fields::File;
use regex::Regex;
use std::{fs, path::Path};

/// Extensions of file names that also appear in backticks.
const FILES: [&str; 6] = ["json", "toml", "tar", "sock", "ext4", "squashfs"];
/// The folders whose error texts a user of vch.toml may see.
const ROOMS: [&str; 11] = [
    "src",
    "dns",
    "engine/src",
    "image-store/src",
    "ledger/src",
    "log/src",
    "metrics/src",
    "network/src",
    "nftables/src",
    "shim/src",
    "store/src",
];

/// Returns whether vch.toml has a setting `table.field` or `table.table.field`.
fn is_setting(name: &str) -> bool {
    let Some((table, field)) = name.rsplit_once('.') else {
        return false;
    };
    // `external` is an array with a table for each network.
    let (head, rest) = table.split_once('.').unwrap_or((table, ""));
    let text = match (head, rest) {
        ("external", "") => format!("[[external]]\n{field} = 0\n"),
        ("external", "subnets") => format!("[[external]]\nsubnets = [{{ {field} = 0 }}]\n"),
        _ => format!("[{table}]\n{field} = 0\n"),
    };
    match toml::from_str::<File>(&text) {
        Ok(_) => true,
        Err(error) => !error.message().contains("unknown field"),
    }
}

fn sources(dir: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(dir).expect("sources") {
        let path = entry.expect("entry").path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if path.is_dir() {
            sources(&path, found);
        } else if name.ends_with(".rs") && !path.to_string_lossy().contains("tests") {
            found.push(path);
        }
    }
}

#[test]
fn the_schema_knows_its_settings_and_no_others() {
    for known in [
        "vch.state_dir",
        "runtime.disk_mib",
        "docker_endpoint.tls.ca",
        "external.interface",
        "external.subnets.address",
        "images.packed_mib",
    ] {
        assert!(is_setting(known), "{known}");
    }
    for unknown in [
        "images.user",
        "runtime.disk",
        "nothing.at_all",
        "external.subnets.size",
    ] {
        assert!(!is_setting(unknown), "{unknown}");
    }
}

#[test]
fn each_setting_that_an_error_text_names_is_one_of_vch_toml() {
    let mut files = Vec::new();
    for room in ROOMS {
        sources(
            &Path::new(env!("CARGO_MANIFEST_DIR")).join(room),
            &mut files,
        );
    }
    let quoted = Regex::new(r"`([a-z_]+(?:\.[a-z_0-9]+)+)`").expect("pattern");
    let mut named = 0;
    let mut wrong = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).expect("source");
        let code = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));
        for line in code {
            for found in quoted.captures_iter(line) {
                let name = &found[1];
                if FILES
                    .iter()
                    .any(|ending| name.ends_with(&format!(".{ending}")))
                {
                    continue;
                }
                named += 1;
                if !is_setting(name) {
                    wrong.push(format!("{}: `{name}`", file.display()));
                }
            }
        }
    }
    assert!(named > 10, "only {named} settings were found");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn bounds_of_images_are_read_and_bad_ones_are_refused_by_name() {
    let config = super::parse("[images]\npacked_mib = 5\nfree_disk_mib = 0\n").expect("good");
    assert_eq!(config.images.limits.packed_bytes, 5 << 20);
    assert_eq!(config.images.free_bytes, Some(0));
    assert_eq!(super::parse("").expect("good").images.free_bytes, None);
    let refused = super::refusal("[images]\nentries = 0\n");
    assert!(refused.contains("images.entries"), "{refused}");
    assert!(refused.contains("use 1 to 4000000"), "{refused}");
}
