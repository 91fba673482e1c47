use std::collections::{BTreeMap, BTreeSet};

/// The files that list codes with their kinds.
const SOURCES: [&str; 3] = [
    include_str!("class.rs"),
    include_str!("port.rs"),
    include_str!("external.rs"),
];

/// Returns the codes in backquotes, by the kind with which their paragraph begins.
fn documented() -> BTreeMap<String, BTreeSet<String>> {
    let lines = SOURCES[0].lines().map(str::trim);
    let docs = lines.filter_map(|line| line.strip_prefix("/// "));
    let (mut kind, mut codes) = (String::new(), BTreeMap::new());
    for line in docs {
        if let Some(item) = line.strip_prefix("- ") {
            kind = item.split(':').next().unwrap().to_owned();
        }
        let all: &mut BTreeSet<String> = codes.entry(kind.clone()).or_default();
        all.extend(line.split('`').skip(1).step_by(2).map(ToOwned::to_owned));
    }
    codes.remove("");
    codes
}

/// Returns each `("code", Kind)` of the source.
fn decided() -> BTreeMap<String, BTreeSet<String>> {
    let mut codes: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let pairs = SOURCES
        .iter()
        .flat_map(|source| source.split("=> (\"").skip(1));
    for pair in pairs {
        let (code, rest) = pair.split_once("\", ").unwrap();
        let kind = rest.split(')').next().unwrap();
        let new = codes
            .entry(kind.to_owned())
            .or_default()
            .insert(code.to_owned());
        assert!(new, "{code} is two refusals' code");
    }
    codes
}

#[test]
fn every_code_is_documented_under_its_kind_and_no_other_is() {
    assert_eq!(documented(), decided());
}
