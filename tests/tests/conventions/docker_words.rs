//! Only the Docker API knows Docker: no other package has its option names, its daemon's sentences or its field names.
//! The image store knows Docker's media types and archives, as every registry client does.

use std::fs;

use lab::{paths, sources};

/// Where Docker is known.
const KNOWN: [&str; 3] = [
    "vch-coordinator/docker-api/",
    "vch-coordinator/image-store/",
    "tests/",
];

/// What no literal elsewhere has.
const WORDS: [&str; 3] = ["com.docker", "dockerd", "PascalCase"];

/// Files that have such a word all the same, each with the reason.
const EXCEPTIONS: [(&str, &str); 2] = [
    // Rows of an older schema, frozen: their options are read by Docker's names once more.
    ("store/src/migration/to_v4.rs", "com.docker"),
    ("store/src/migration/tests.rs", "com.docker"),
];

#[test]
fn only_the_docker_api_has_dockers_words() {
    let root = paths::workspace();
    let mut found = Vec::new();
    let mut excepted = 0;
    for dir in ["protocol", "tether-net", "vch-coordinator", "image"] {
        for file in sources::rust(&root.join(dir)).unwrap() {
            let name = file.strip_prefix(&root).unwrap().to_string_lossy();
            if KNOWN.iter().any(|known| name.starts_with(known)) {
                continue;
            }
            let text = fs::read_to_string(&file).unwrap();
            let literals = literals(&text);
            for word in WORDS {
                let hits = literals.iter().filter(|literal| literal.contains(word));
                if hits.count() == 0 {
                    continue;
                }
                let excepted_here = EXCEPTIONS.contains(&(&*short(&name), word));
                if excepted_here {
                    excepted += 1;
                } else {
                    found.push(format!("{name}: {word}"));
                }
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
    assert_eq!(
        excepted,
        EXCEPTIONS.len(),
        "an exception is not needed any more"
    );
}

/// A file's name behind its package's folder, wherever the package is.
fn short(name: &str) -> String {
    name.trim_start_matches("vch-coordinator/").to_owned()
}

#[test]
fn literals_are_found_and_comments_are_not() {
    let text = r###"
        // "a comment"
        /// "of docs"
        let x = "one \" two"; let c = '"'; let d = '\''; // "three"
        let r = r#"four "five""#; let life: &'static str = b"six";
    "###;
    assert_eq!(literals(text), [r#"one \" two"#, r#"four "five""#, "six"]);
}

/// The string literals of a source.
fn literals(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['"', '/', '\'']) {
        let (before, here) = rest.split_at(at);
        rest = if here.starts_with("//") {
            here.split_once('\n').map_or("", |(_, next)| next)
        } else if let Some(begun) = here.strip_prefix('"') {
            let (literal, next) = literal(before, begun);
            found.push(literal);
            next
        } else if let Some(character) = here.strip_prefix('\'') {
            after_character(character)
        } else {
            &here[1..]
        };
    }
    found
}

/// The literal that begins here, behind its quote, and what follows it.
fn literal<'a>(before: &str, text: &'a str) -> (&'a str, &'a str) {
    let prefix = before.trim_end_matches('#');
    if prefix.ends_with('r') {
        let end = format!("\"{}", &before[prefix.len()..]);
        let at = text.find(&end).unwrap();
        return (&text[..at], &text[at + end.len()..]);
    }
    let mut escaped = false;
    let end = text.find(|letter| {
        let ends = letter == '"' && !escaped;
        escaped = letter == '\\' && !escaped;
        ends
    });
    let end = end.unwrap();
    (&text[..end], &text[end + 1..])
}

/// Returns the text behind a quote that begins a character, or a lifetime.
fn after_character(text: &str) -> &str {
    if let Some(escaped) = text.strip_prefix('\\') {
        let mut letters = escaped.chars();
        letters.next();
        let end = letters.as_str().split_once('\'');
        return end.map_or("", |(_, next)| next);
    }
    let mut letters = text.chars();
    letters.next();
    letters.as_str().strip_prefix('\'').unwrap_or(text)
}
