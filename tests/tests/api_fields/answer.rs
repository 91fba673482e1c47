//! What a VCH makes of each field.
//!
//! ```text
//! refused whole METHOD /path STATUS: why           an operation, or all below a path that ends with /*
//! METHOD /path
//!   .Field = VALUE -> shown [PATH [is VALUE]] by TEST
//!   .Field = VALUE -> refused STATUS [says "TEXT"]
//!   .Field = VALUE -> ignored [STATUS]: why
//!   ?name = TEXT -> does STATUS by TEST
//!   .Field = VALUE -> tells [only] "TEXT" by TEST   what a container or process of `live` writes then
//!   .Field @ Other = VALUE & More = VALUE -> ...     what is sent in the field's place, and what beside
//! ```

use crate::list::Operation;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// All of them.
#[derive(Debug, Default)]
pub struct Answers {
    pub rows: BTreeMap<String, Answer>,
    groups: Vec<Group>,
}

/// Operations that are refused as a whole.
#[derive(Debug)]
pub struct Group {
    method: String,
    path: String,
    pub status: u16,
    pub why: String,
}

/// What is sent, and what comes of it.
#[derive(Debug)]
pub struct Answer {
    /// Each a field's name, and its value: the first is the field that is asked about.
    pub sent: Vec<(String, Value)>,
    pub kind: Kind,
    /// Which shows its effect.
    pub test: Option<String>,
}

#[derive(Debug)]
pub enum Kind {
    /// By inspect: where, and as what.
    Inspected {
        path: String,
        value: Value,
    },
    Refused {
        status: u16,
        says: String,
    },
    /// It is taken, or answered as without it.
    Ignored {
        status: Option<u16>,
        why: String,
    },
    Does {
        status: u16,
    },
    /// By what is written: a part of it, or all.
    Tells {
        text: String,
        only: bool,
    },
}

impl Answers {
    pub fn read(text: &str) -> Self {
        let mut all = Self::default();
        let mut operation = String::new();
        for line in text.lines() {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(group) = line.strip_prefix("refused whole ") {
                all.groups.push(Group::read(group));
            } else if let Some(row) = line.strip_prefix("  ") {
                let (name, answer) = Answer::read(row);
                let before = all.rows.insert(format!("{operation} {name}"), answer);
                assert!(before.is_none(), "{operation} {name} has two answers");
            } else {
                line.clone_into(&mut operation);
            }
        }
        all
    }

    pub fn group(&self, operation: &Operation) -> Option<&Group> {
        self.groups.iter().find(|group| group.has(operation))
    }
}

impl Group {
    fn read(text: &str) -> Self {
        let (head, why) = text.split_once(": ").unwrap();
        let words: Vec<&str> = head.split(' ').collect();
        Self {
            method: words[0].to_owned(),
            path: words[1].to_owned(),
            status: words[2].parse().unwrap(),
            why: why.to_owned(),
        }
    }

    fn has(&self, operation: &Operation) -> bool {
        let method = self.method == "*" || self.method == operation.method;
        let path = match self.path.strip_suffix("/*") {
            Some(stem) => operation.path == stem || operation.path.starts_with(&format!("{stem}/")),
            None => self.path == operation.path,
        };
        method && path
    }
}

impl Answer {
    fn read(row: &str) -> (String, Self) {
        let (sent, comes) = row.split_once(" -> ").unwrap_or_else(|| panic!("{row}"));
        let (first, more) = match sent.split_once(" & ") {
            Some((first, more)) => (first, Some(more)),
            None => (sent, None),
        };
        let (path, value) = first.split_once(" = ").unwrap_or_else(|| panic!("{row}"));
        let (name, put) = match path.split_once(" @ ") {
            Some((name, put)) => (name, put),
            None => (path, path.trim_start_matches(['.', '?', '^'])),
        };
        let read = |text: &str| -> Value {
            serde_json::from_str(text).unwrap_or_else(|error| panic!("{row}: {error}"))
        };
        let mut sent = vec![(put.to_owned(), read(value))];
        for one in more.into_iter().flat_map(|more| more.split(" & ")) {
            let (name, value) = one.split_once(" = ").unwrap_or_else(|| panic!("{row}"));
            sent.push((name.to_owned(), read(value)));
        }
        let (kind, test) = Kind::read(comes, &sent[0], name);
        let test = test.map(str::to_owned);
        (name.to_owned(), Self { sent, kind, test })
    }
}

impl Kind {
    fn read<'a>(text: &'a str, sent: &(String, Value), name: &str) -> (Self, Option<&'a str>) {
        if let Some(rest) = text.strip_prefix("ignored") {
            let (status, why) = rest.split_once(": ").unwrap_or_else(|| panic!("{text}"));
            let status = status.trim().parse().ok();
            let why = why.to_owned();
            return (Self::Ignored { status, why }, None);
        }
        if let Some(rest) = text.strip_prefix("refused ") {
            let (status, says) = match rest.split_once(" says ") {
                Some((status, says)) => (status, says.trim_matches('"').to_owned()),
                None => {
                    let last = name.rsplit('.').next().unwrap_or(name);
                    let last = last.trim_start_matches(['.', '?', '^']);
                    (rest, last.trim_end_matches(['[', ']', '{', '}']).to_owned())
                }
            };
            let status = status.parse().unwrap();
            return (Self::Refused { status, says }, None);
        }
        let (what, test) = text.rsplit_once("by ").unwrap_or_else(|| panic!("{text}"));
        let what = what.trim();
        let kind = if let Some(status) = what.strip_prefix("does ") {
            let status = status.parse().unwrap();
            Self::Does { status }
        } else if let Some(text) = what.strip_prefix("tells ") {
            let (text, only) = match text.strip_prefix("only ") {
                Some(text) => (text, true),
                None => (text, false),
            };
            let text = serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            Self::Tells { text, only }
        } else {
            let shown = what
                .strip_prefix("shown")
                .unwrap_or_else(|| panic!("{text}"));
            let (path, value) = match shown.split_once(" is ") {
                Some((path, value)) => (path, serde_json::from_str(value).unwrap()),
                None => (shown, sent.1.clone()),
            };
            let path = match path.trim() {
                "" => sent.0.clone(),
                path => path.to_owned(),
            };
            Self::Inspected { path, value }
        };
        (kind, Some(test))
    }
}

/// The names of all tests.
pub fn tests_of_the_repository() -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for dir in [
        "protocol",
        "tether-net",
        "vch-coordinator",
        "image",
        "tests",
    ] {
        collect(&lab::paths::workspace().join(dir), &mut all);
    }
    all
}

fn collect(dir: &Path, all: &mut BTreeSet<String>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            collect(&path, all);
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let mut test = false;
            // Tests with a harness of their own are listed by their names.
            let listed = path.ends_with("hostile/scenarios.rs");
            for line in text.lines().map(str::trim) {
                if listed && let Some((_, name)) = line.split_once('"') {
                    all.extend(name.split('"').next().map(str::to_owned));
                }
                if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
                    test = true;
                } else if let Some((head, _)) = line.split_once('(')
                    && let Some((_, name)) = head.split_once("fn ")
                    && std::mem::take(&mut test)
                {
                    all.insert(name.to_owned());
                }
            }
        }
    }
}
