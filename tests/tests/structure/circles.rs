//! No circles of files within a package.

use super::{
    imports::{Arrows, Module, arrows},
    packages,
};
use std::collections::BTreeSet;

/// Arrows that close a circle today, by package: each is to be turned or cut, and then leaves this list.
const BACK: [(&str, &str, &str); 1] = [("vch-store", "changes", "writer")];

fn shown(module: &Module) -> String {
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
    let mut needed = 0;
    for package in packages() {
        let mut arrows = arrows(&package.sources);
        let back = BACK.iter().filter(|(name, ..)| *name == package.name);
        for (_, from, to) in back {
            let path = |text: &str| -> Module { text.split('/').map(str::to_owned).collect() };
            let (from, to) = (path(from), path(to));
            let there = arrows.get_mut(&from).is_some_and(|all| all.remove(&to));
            if there && reaches(&arrows, &to, &from) {
                needed += 1;
            } else {
                found.push(format!(
                    "{}: {} -> {} closes no circle any more: take it from the list",
                    package.name,
                    shown(&from),
                    shown(&to)
                ));
            }
        }
        for (from, all) in &arrows {
            for to in all.iter().filter(|to| reaches(&arrows, to, from)) {
                found.push(format!(
                    "{}: {} -> {}",
                    package.name,
                    shown(from),
                    shown(to)
                ));
            }
        }
    }
    assert!(found.is_empty(), "arrows on circles: {found:#?}");
    assert_eq!(needed, BACK.len());
}
