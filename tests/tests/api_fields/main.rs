//! Every field of Docker's API has an answer.
//!
//! `api-1.51.txt` lists what there is; `answers.txt` says of each what a VCH makes of one value that is not the default.
//! Each is sent to a coordinator, and must be answered as it is said there: refused by its name, shown again by inspect,
//! or ignored as dockerd does. What is shown or does something names the test that shows its effect. docs/docker-api.md
//! is written of both, with `VCH_API_FIELDS=1`.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod answer;
mod list;
mod live;
mod table;
mod world;

use answer::Answers;
use lab::{Lab, Need, Peer, prerequisites};
use list::Operation;
use std::{collections::BTreeSet, env, fs};
use world::World;

/// Set, the table is written; else it must be as it would be written.
const WRITE: &str = "VCH_API_FIELDS";
const LIST: &str = include_str!("api-1.51.txt");
const ANSWERS: &str = include_str!("answers.txt");

fn read() -> (Vec<Operation>, Answers) {
    (list::read(LIST), Answers::read(ANSWERS))
}

#[test]
fn every_field_has_an_answer_and_every_answer_a_field() {
    let (operations, answers) = read();
    let mut known = BTreeSet::new();
    let mut without = Vec::new();
    for operation in &operations {
        known.extend(operation.fields.iter().map(|field| operation.row(field)));
        if answers.group(operation).is_some() {
            continue;
        }
        let rows = operation.fields.iter().map(|field| operation.row(field));
        without.extend(rows.filter(|row| !answers.rows.contains_key(row)));
    }
    assert_eq!(without, Vec::<String>::new(), "no answer");
    let other: Vec<&String> = answers
        .rows
        .keys()
        .filter(|row| !known.contains(*row))
        .collect();
    assert_eq!(other, Vec::<&String>::new(), "no such field");
}

#[test]
fn every_test_that_an_answer_names_is_there() {
    let (_, answers) = read();
    let tests = answer::tests_of_the_repository();
    let named = answers
        .rows
        .values()
        .filter_map(|answer| answer.test.clone());
    let missing: BTreeSet<String> = named.filter(|name| !tests.contains(name)).collect();
    assert_eq!(missing, BTreeSet::new());
}

/// Returns the words between backticks that can be the name of a test.
fn names_of_tests(line: &str) -> Vec<&str> {
    let quoted = line.split('`').skip(1).step_by(2);
    let words = quoted.map(|text| text.rsplit(' ').next().unwrap_or_default());
    let is_a_name = |word: &&str| {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        word.bytes().all(plain) && word.matches('_').count() >= 3
    };
    words.filter(is_a_name).collect()
}

#[test]
fn every_test_that_the_documentation_names_is_there() {
    let tests = answer::tests_of_the_repository();
    let mut missing = Vec::new();
    for page in ["docker-rows.md", "security.md"] {
        let text = fs::read_to_string(lab::paths::workspace().join("docs").join(page)).unwrap();
        for line in text.lines() {
            let named = names_of_tests(line);
            let unknown = named.iter().filter(|name| !tests.contains(**name));
            missing.extend(unknown.map(|name| format!("{page}: {name}")));
            let row = line.starts_with("| ") && page == "docker-rows.md";
            if row && !line.starts_with("| asked") && named.is_empty() {
                missing.push(format!("{page}: a row without a test: {line}"));
            }
        }
    }
    assert_eq!(missing, Vec::<String>::new());
}

#[test]
fn the_table_in_the_documentation_is_that_of_the_answers() {
    let (operations, answers) = read();
    let table = table::written(&operations, &answers);
    let path = lab::paths::workspace().join("docs/docker-api.md");
    if env::var_os(WRITE).is_some() {
        fs::write(&path, table).unwrap();
        return;
    }
    let stale = fs::read_to_string(&path).unwrap_or_default() != table;
    assert!(
        !stale,
        "docs/docker-api.md is stale: run this test with {WRITE}=1"
    );
}

#[test]
fn every_field_is_answered_as_the_table_says() {
    prerequisites::check(&[Need::Agent, Need::Init, Need::Squashfs]).unwrap();
    let (operations, answers) = read();
    let lab = Lab::of_vms("every-field").unwrap();
    let topology = lab.topology().unwrap();
    let world = World::new(&lab, &topology);
    let mut wrong = Vec::new();
    for operation in &operations {
        if let Some(group) = answers.group(operation) {
            wrong.extend(world.refused_as_a_group(operation, group));
            continue;
        }
        for field in &operation.fields {
            let answer = &answers.rows[&operation.row(field)];
            wrong.extend(world.asked(operation, field, answer));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_ignored_as_dockerd_ignores_it_is_ignored_by_dockerd() {
    let (operations, answers) = read();
    let lab = Lab::of_namespaces("ignored-fields").unwrap();
    let peer = Peer::start(&lab).unwrap();
    let dockerd = World::of_dockerd(&lab, peer.socket());
    let create = operations
        .iter()
        .find(|operation| operation.path == "/containers/create");
    assert!(dockerd.sees_effects(create.unwrap()));
    let mut wrong = Vec::new();
    for operation in &operations {
        for field in &operation.fields {
            let answer = answers.rows.get(&operation.row(field));
            wrong.extend(answer.and_then(|answer| dockerd.not_ignored(operation, field, answer)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
