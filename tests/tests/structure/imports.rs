//! Which file of a package takes names from which, read from its `use` items and paths as text.
//!
//! A name that a module hands on (`pub use child::Name`) is the child's. What a file takes from a module that it is a part
//! of is not counted: it is of that module's own text. Tests are left out.

use regex::Regex;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    sync::LazyLock,
};

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).unwrap()
}

/// Comments and literals.
static NOISE: LazyLock<Regex> = LazyLock::new(|| regex(r#"//[^\n]*|"(?:[^"\\]|\\.)*""#));
/// A module of tests in a file of its own.
static DECLARED: LazyLock<Regex> = LazyLock::new(|| {
    regex(r"#\[cfg\((?:test|any\(test[^\]]*)\)\]\s*(?:pub(?:\([a-z]+\))? )?mod (\w+);")
});
/// One within its file, which it ends.
static INLINE: LazyLock<Regex> = LazyLock::new(|| regex(r"#\[cfg\(test\)\]\s*mod \w+ \{"));
/// A `use` item.
static ITEM: LazyLock<Regex> =
    LazyLock::new(|| regex(r"(?:^|[\s;}])(pub(?:\([^)]*\))?\s+)?use\s+([^;]*);"));
/// A path.
static PATH: LazyLock<Regex> = LazyLock::new(|| regex(r"\w+(?:::\w+)+"));

/// A file of a package: the path of its module, empty for the root.
pub type Module = Vec<String>;

/// The arrows among the files of a package: who takes names, and from whom.
pub type Arrows = BTreeMap<Module, BTreeSet<Module>>;

/// A name that a `use` item brings in.
struct Import {
    path: Vec<String>,
    alias: Option<String>,
    /// Handed on to others.
    public: bool,
}

struct File {
    text: String,
    imports: Vec<Import>,
}

/// Reads the arrows of the package whose sources are in a directory.
pub fn arrows(sources: &Path) -> Arrows {
    let files = files(sources);
    let mut arrows = Arrows::new();
    for (module, file) in &files {
        let to = arrows.entry(module.clone()).or_default();
        for path in paths(module, file, &files) {
            if let Some(path) = absolute(module, &path, &files) {
                let found = resolve(&path, &files, 0);
                if !module.starts_with(&found) {
                    to.insert(found);
                }
            }
        }
    }
    arrows
}

/// The package's modules without its tests and programs beside the root.
fn files(sources: &Path) -> BTreeMap<Module, File> {
    let root = if sources.join("lib.rs").is_file() {
        "lib"
    } else {
        "main"
    };
    let mut files = BTreeMap::new();
    let mut tests = Vec::new();
    for path in lab::sources::rust(sources).unwrap() {
        let relative = path.strip_prefix(sources).unwrap().with_extension("");
        let mut module: Module = relative
            .iter()
            .map(|part| part.to_string_lossy().into_owned())
            .collect();
        if module == [root] {
            module.clear();
        } else if module[0] == "bin" || module == ["main"] {
            continue;
        }
        let (text, of_tests) = without_tests(&fs::read_to_string(&path).unwrap());
        let child = |name: String| [&module[..], &[name]].concat();
        tests.extend(of_tests.into_iter().map(child));
        let imports = imports(&text);
        files.insert(module, File { text, imports });
    }
    files.retain(|module, _| !tests.iter().any(|test| module.starts_with(test)));
    files
}

/// A file's text without comments and literals, and the names of its modules of tests; inline ones end the text.
fn without_tests(text: &str) -> (String, Vec<String>) {
    let mut text = NOISE.replace_all(text, "").into_owned();
    let tests = DECLARED
        .captures_iter(&text)
        .map(|found| found[1].to_owned());
    let tests = tests.collect();
    if let Some(found) = INLINE.find(&text) {
        text.truncate(found.start());
    }
    (text, tests)
}

fn imports(text: &str) -> Vec<Import> {
    let mut found = Vec::new();
    for one in ITEM.captures_iter(text) {
        let mut names = Vec::new();
        spread(&one[2], &[], &mut names);
        let public = one.get(1).is_some();
        found.extend(names.into_iter().map(|(path, alias)| Import {
            path,
            alias,
            public,
        }));
    }
    found
}

/// Spreads a tree of `use` into its paths, each with the name that it is given.
fn spread(tree: &str, before: &[String], found: &mut Vec<(Vec<String>, Option<String>)>) {
    let tree = tree.trim();
    if let Some(inside) = tree.strip_prefix('{') {
        let inside = inside.strip_suffix('}').unwrap_or(inside);
        let (mut depth, mut begin) = (0, 0);
        for (at, letter) in inside.char_indices() {
            match letter {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    spread(&inside[begin..at], before, found);
                    begin = at + 1;
                }
                _ => {}
            }
        }
        spread(&inside[begin..], before, found);
        return;
    }
    match tree.split_once("::") {
        Some((head, rest)) if !head.contains('{') => {
            spread(rest, &[before, &[head.to_owned()]].concat(), found);
        }
        _ if tree.is_empty() => {}
        _ => {
            let (name, alias) = match tree.split_once(" as ") {
                Some((name, alias)) => (name.trim(), Some(alias.trim().to_owned())),
                None => (tree, None),
            };
            let own = match name {
                "self" | "*" => before.to_vec(),
                name => [before, &[name.to_owned()]].concat(),
            };
            found.push((own, alias));
        }
    }
}

/// Every path of a file that may name another module.
fn paths(module: &Module, file: &File, files: &BTreeMap<Module, File>) -> Vec<Vec<String>> {
    let mut found: Vec<_> = file.imports.iter().map(|one| one.path.clone()).collect();
    for one in PATH.find_iter(&file.text) {
        let one: Vec<String> = one.as_str().split("::").map(str::to_owned).collect();
        let child = [&module[..], &one[..1]].concat();
        if matches!(&*one[0], "crate" | "super" | "self") || files.contains_key(&child) {
            found.push(one);
        }
    }
    found
}

/// A path from the package's root; `None` of another package.
fn absolute(
    module: &Module,
    path: &[String],
    files: &BTreeMap<Module, File>,
) -> Option<Vec<String>> {
    match path.first()?.as_str() {
        "crate" => Some(path[1..].to_vec()),
        "self" => Some([&module[..], &path[1..]].concat()),
        "super" => {
            let ups = path.iter().take_while(|part| *part == "super").count();
            let above = module.len().checked_sub(ups)?;
            Some([&module[..above], &path[ups..]].concat())
        }
        first => {
            let child = [&module[..], &[first.to_owned()]].concat();
            files
                .contains_key(&child)
                .then(|| [&module[..], path].concat())
        }
    }
}

/// The file that has what a path names: names that are handed on are followed to where they are defined.
fn resolve(path: &[String], files: &BTreeMap<Module, File>, depth: usize) -> Module {
    let mut length = path.len();
    while !files.contains_key(&path[..length]) {
        length -= 1;
    }
    let module = path[..length].to_vec();
    let Some(name) = path.get(length).filter(|_| depth < 8) else {
        return module;
    };
    let handed_on = files[&module].imports.iter().find(|one| {
        let given = one.alias.as_ref().or(one.path.last());
        one.public && given == Some(name)
    });
    let further = handed_on.and_then(|one| absolute(&module, &one.path, files));
    match further {
        Some(further) => resolve(
            &[&further[..], &path[length + 1..]].concat(),
            files,
            depth + 1,
        ),
        None => module,
    }
}
