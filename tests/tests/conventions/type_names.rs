//! A type's name says which one is meant: no two types of one package bear the same.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use lab::{paths, sources};

#[test]
fn no_two_types_of_a_package_have_one_name() {
    let root = paths::workspace();
    let mut types = BTreeMap::<(String, String), Vec<String>>::new();
    for dir in [
        "protocol",
        "tether-net",
        "vch-coordinator",
        "image",
        "tests",
    ] {
        for file in sources::rust(&root.join(dir)).unwrap() {
            if is_frozen(&file) {
                continue;
            }
            let text = fs::read_to_string(&file).unwrap();
            let name = file.strip_prefix(&root).unwrap();
            let package = package(&root, name);
            for defined in text.lines().filter_map(type_name) {
                let key = (package.clone(), defined.to_owned());
                let at = name.to_string_lossy().into_owned();
                types.entry(key).or_default().push(at);
            }
        }
    }
    types.retain(|_, files| files.len() > 1);
    assert!(types.is_empty(), "{types:#?}");
}

/// Whether a source has types of one version of a store or a wire, which are never changed: `v1.rs`.
fn is_frozen(file: &Path) -> bool {
    let stem = file.file_stem().unwrap().to_string_lossy();
    let number = stem.strip_prefix('v').unwrap_or_default();
    !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// The package of a source: the nearest folder with a manifest. Each integration test and
/// each program is one by itself.
fn package(root: &Path, file: &Path) -> String {
    let manifest = |dir: &&Path| root.join(dir).join("Cargo.toml").exists();
    let home = file.ancestors().skip(1).find(manifest).unwrap();
    let inner = file.strip_prefix(home).unwrap();
    let mut parts = inner.components();
    let first = parts.next().unwrap().as_os_str();
    if first == "tests" || first == "examples" {
        let test = Path::new(parts.next().unwrap().as_os_str()).with_extension("");
        return home.join(first).join(test).to_string_lossy().into_owned();
    }
    home.to_string_lossy().into_owned()
}

#[test]
fn what_a_line_defines_is_found() {
    for (line, name) in [
        ("pub struct Network {", Some("Network")),
        ("    pub(super) enum Op<'a> {", Some("Op")),
        ("type Parsed<T> = Result<T, ApiError>;", Some("Parsed")),
        ("pub unsafe trait Raw {", Some("Raw")),
        ("struct Addresses(u8);", Some("Addresses")),
        ("    type Error = NameError;", None),
        ("    /// struct Network", None),
        ("fn network() {", None),
    ] {
        assert_eq!(type_name(line), name, "{line}");
    }
}

/// The type that a line defines; the type of an implementation's item is none.
fn type_name(line: &str) -> Option<&str> {
    let mut rest = line.trim_start();
    if rest.starts_with("pub") {
        rest = rest.split_once(' ')?.1;
    }
    rest = rest.strip_prefix("unsafe ").unwrap_or(rest);
    let (kind, after) = rest.split_once(' ')?;
    let is_type = match kind {
        "struct" | "enum" | "union" | "trait" => true,
        "type" => !line.starts_with(' '),
        _ => false,
    };
    let end = after.find(|letter: char| !letter.is_alphanumeric() && letter != '_');
    let name = &after[..end.unwrap_or(after.len())];
    let capital = name.starts_with(|letter: char| letter.is_uppercase());
    (is_type && capital).then_some(name)
}
