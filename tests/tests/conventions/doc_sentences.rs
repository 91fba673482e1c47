//! Doc comments name their subject, and comments have no figures of speech for a component.

use std::fs;

use lab::{paths, sources};

/// The words with which no doc comment of a function begins: they leave out the verb and the subject.
const OPENERS: [&str; 8] = [
    "What", "Those", "Whoever", "Somebody", "It", "Whose", "Who", "Of",
];
/// The words that no comment contains.
const WORDS: [&str; 3] = ["whoever", "somebody", "there is none"];

#[test]
fn doc_comments_of_functions_begin_with_a_verb_and_no_comment_has_a_banned_word() {
    let root = paths::workspace();
    let mut found = Vec::new();
    for dir in [
        "protocol",
        "tether-net",
        "vch-coordinator",
        "image",
        "tests",
    ] {
        for file in sources::rust(&root.join(dir)).unwrap() {
            let name = file.strip_prefix(&root).unwrap();
            let text = fs::read_to_string(&file).unwrap();
            let faults = faults(&text).into_iter();
            found.extend(faults.map(|(line, fault)| format!("{}:{line}: {fault}", name.display())));
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn faults_are_found_in_comments_alone() {
    // The bar keeps this text from being read as comments of this file.
    let text = "\
| /// What a caller gets.
| #[must_use]
| pub fn answer() {}
| /// Whether it is so.
| const fn is_so() -> bool {}
| /// Whether it is so.
| async fn check() -> Result<()> {}
| /// What a constant is.
| const X: &str = \"somebody\";
| // It is there, and there
| // is none beside it.
";
    let lines: Vec<usize> = faults(&text.replace("| ", ""))
        .into_iter()
        .map(|(line, _)| line)
        .collect();
    assert_eq!(lines, [1, 6, 10]);
}

/// Returns the faults of a source's comments, each with the line at which its comment begins.
fn faults(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let mut begin = 0;
    while begin < lines.len() {
        let comments = lines[begin..].iter();
        let length = comments.take_while(|line| line.starts_with("//")).count();
        if length == 0 {
            begin += 1;
            continue;
        }
        let (comment, code) = lines[begin..].split_at(length);
        let words: Vec<&str> = comment.iter().map(|line| words_of(line)).collect();
        let lower = words.join(" ").to_lowercase();
        let banned = WORDS.iter().filter(|word| has(&lower, word));
        found.extend(banned.map(|word| (begin + 1, format!("`{word}` in a comment"))));
        if comment[0].starts_with("///")
            && let Some(opener) = banned_opener(words[0], &signature(code))
        {
            found.push((begin + 1, format!("a doc comment begins with `{opener}`")));
        }
        begin += length;
    }
    found
}

/// Returns the first word of a function's doc comment if it is a banned one.
fn banned_opener<'a>(words: &'a str, signature: &str) -> Option<&'a str> {
    if !signature.split(' ').any(|word| word == "fn") {
        return None;
    }
    let opener = words.split(' ').next()?;
    let is_query = signature.contains("-> bool");
    (OPENERS.contains(&opener) || (opener == "Whether" && !is_query)).then_some(opener)
}

/// Returns the text of a line of a comment.
fn words_of(line: &str) -> &str {
    line.trim_start_matches(['/', '!']).trim()
}

/// Returns whether a text contains a phrase as whole words.
fn has(text: &str, phrase: &str) -> bool {
    let is_letter = |character: char| character.is_alphanumeric();
    text.match_indices(phrase).any(|(at, _)| {
        !text[..at].ends_with(is_letter) && !text[at + phrase.len()..].starts_with(is_letter)
    })
}

/// Returns the item behind a doc comment, without attributes, up to its body or end.
fn signature(code: &[&str]) -> String {
    let mut signature = String::new();
    for line in code.iter().skip_while(|line| line.starts_with("#[")) {
        signature.push_str(line);
        signature.push(' ');
        if line.ends_with(['{', ';', ',', '}']) {
            let is_open = signature.matches('(').count() > signature.matches(')').count();
            if !is_open {
                break;
            }
        }
    }
    signature
}
