//! No circles of files within a package.

use super::{
    imports::{Arrows, Module, arrows},
    packages,
};
use std::collections::BTreeSet;

fn describe(module: &Module) -> String {
    match module.is_empty() {
        true => "the root".to_owned(),
        false => module.join("/"),
    }
}

/// Whether the second can be reached from the first.
fn reaches(arrows: &Arrows, from: &Module, to: &Module) -> bool {
    let mut seen = BTreeSet::new();
    let mut next = vec![from];
    while let Some(module) = next.pop() {
        if module == to {
            return true;
        }
        if seen.insert(module) {
            next.extend(arrows.get(module).into_iter().flatten());
        }
    }
    false
}

#[test]
fn no_files_take_names_from_one_another_in_a_circle() {
    let mut found = Vec::new();
    for package in packages() {
        let arrows = arrows(&package.sources);
        for (from, all) in &arrows {
            for to in all.iter().filter(|to| reaches(&arrows, to, from)) {
                found.push(format!(
                    "{}: {} -> {}",
                    package.name,
                    describe(from),
                    describe(to)
                ));
            }
        }
    }
    assert!(found.is_empty(), "arrows on circles: {found:#?}");
}
