//! docs/docker.md: the rows and how the VCH answers each.

use std::fmt::Write as _;

use crate::rules::{RULES, comparable, without_newer};
use crate::scenario::{Expected, Row};

const HEAD: &str = "# The Docker endpoint beside a real dockerd\n\n\
    Written by `make compare`; do not edit. Each command is typed into the docker CLI of Debian 13, which speaks API\n\
    version 1.45, for its dockerd 26.1 and for a VCH. *Equal* is: the same exit code, text, requests, status codes and\n\
    JSON key sets; a refusal that dockerd calls its own failure (500) may be the client's mistake (400, 404, 409) on a\n\
    VCH. *Newer moby* is the same with the words of later releases. *Deliberate* says why it is otherwise. *Differs* is\n\
    to be mended.\n\n";

/// How a row compares.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    Equal,
    Moby,
    Deliberate(String),
    Differs,
}

fn verdict(row: &Row, vch: &str) -> Verdict {
    let (theirs, ours) = (comparable(&row.dockerd), comparable(vch));
    match &row.expected {
        Expected::Dockerd | Expected::Moby(_) if theirs == ours => Verdict::Equal,
        Expected::Moby(answer) if answer.is(vch) => Verdict::Moby,
        Expected::Deliberate(reason, answer) if answer.is(vch) => {
            Verdict::Deliberate(reason.clone())
        }
        Expected::Dockerd if is_blamed_on_the_client(&theirs, &ours) => Verdict::Equal,
        Expected::Dockerd if without_newer(&theirs) == without_newer(&ours) => Verdict::Moby,
        _ => Verdict::Differs,
    }
}

/// Whether both are the same but for the status of refusals that dockerd calls its own failure, and the VCH the client's
/// mistake.
fn is_blamed_on_the_client(theirs: &str, ours: &str) -> bool {
    let blamed = theirs.lines().zip(ours.lines()).all(|(theirs, ours)| {
        let client = [" 400 ", " 404 ", " 409 "];
        let mut statuses = client.iter();
        theirs == ours
            || (theirs.starts_with("> ")
                && statuses.any(|status| theirs.replacen(" 500 ", status, 1) == ours))
    });
    blamed && theirs.lines().count() == ours.lines().count()
}

#[test]
fn a_failure_of_the_daemon_may_be_the_client_s_mistake_and_nothing_else() {
    let (theirs, ours) = ("! no\n> GET /x 500 .message", "! no\n> GET /x 400 .message");
    assert!(is_blamed_on_the_client(theirs, ours));
    assert!(!is_blamed_on_the_client(ours, theirs));
    assert!(!is_blamed_on_the_client(theirs, &ours.replace("no", "yes")));
    assert!(!is_blamed_on_the_client(
        theirs,
        &ours.replace("400", "200")
    ));
    assert!(!is_blamed_on_the_client(theirs, "! no"));
}

/// Returns the heading of a part of the page.
fn heading(title: &str) -> String {
    format!("## {title}\n")
}

/// A part of the page.
pub fn section(title: &str, rows: &[(Row, String)]) -> String {
    let verdicts: Vec<Verdict> = rows.iter().map(|(row, vch)| verdict(row, vch)).collect();
    let count = |of: fn(&Verdict) -> bool| verdicts.iter().filter(|verdict| of(verdict)).count();
    let mut text = heading(title);
    // Writing to a String can't fail.
    let _ = writeln!(
        text,
        "\n{} rows: {} equal, {} as newer moby, {} deliberate, {} differ.\n",
        rows.len(),
        count(|verdict| *verdict == Verdict::Equal),
        count(|verdict| *verdict == Verdict::Moby),
        count(|verdict| matches!(verdict, Verdict::Deliberate(_))),
        count(|verdict| *verdict == Verdict::Differs),
    );
    text.push_str("| command | the VCH |\n|---|---|\n");
    for ((row, _), verdict) in rows.iter().zip(verdicts) {
        let _ = writeln!(text, "{}", line(row, &verdict));
    }
    text
}

/// The page with a part written anew; a part that it has not comes last.
pub fn replaced(page: &str, title: &str, section: &str) -> String {
    let names: Vec<&str> = RULES.iter().map(|(what, ..)| *what).collect();
    let names = names.join(", ");
    let mut text = format!(
        "{HEAD}Not compared: {names}; networks that only one of them has (`host`, and the VCH's externals) are left out of lists.\n"
    );
    let parts = page
        .split_inclusive('\n')
        .fold(Vec::new(), |mut parts, line| {
            match (line.starts_with("## "), parts.last_mut()) {
                (true, _) => parts.push(line.to_owned()),
                (false, Some(part)) => part.push_str(line),
                (false, None) => {}
            }
            parts
        });
    let mut parts: Vec<String> = parts;
    let own = parts
        .iter_mut()
        .find(|part| part.starts_with(&heading(title)));
    match own {
        Some(part) => section.clone_into(part),
        None => parts.push(section.to_owned()),
    }
    for part in parts {
        let _ = write!(text, "\n{}\n", part.trim_end());
    }
    text
}

#[test]
fn a_part_of_the_page_is_written_anew_and_the_others_stay() {
    let page = replaced("# old head\n", "One", "## One\n\n| a |\n");
    let page = replaced(&page, "Two", "## Two\n\n| b |\n");
    let page = replaced(&page, "One", "## One\n\n| c |\n");
    assert!(page.starts_with(HEAD), "{page}");
    assert!(
        page.ends_with("lists.\n\n## One\n\n| c |\n\n## Two\n\n| b |\n"),
        "{page}"
    );
}

fn line(row: &Row, verdict: &Verdict) -> String {
    let shown = match verdict {
        Verdict::Equal => "equal".to_owned(),
        Verdict::Moby => "newer moby".to_owned(),
        Verdict::Deliberate(reason) => format!("deliberate: {reason}"),
        Verdict::Differs => "differs".to_owned(),
    };
    format!("| `{}` | {shown} |", row.line.replace('|', "\\|"))
}

/// Both answers of every row that differs.
pub fn differences(rows: &[(Row, String)]) -> String {
    let mut text = String::new();
    for (row, vch) in rows
        .iter()
        .filter(|(row, vch)| verdict(row, vch) == Verdict::Differs)
    {
        // Writing to a String can't fail.
        let _ = write!(text, "\n$ {}\n", row.line);
        let (theirs, ours) = (comparable(&row.dockerd), comparable(vch));
        let (theirs, ours): (Vec<&str>, Vec<&str>) =
            (theirs.lines().collect(), ours.lines().collect());
        for line in theirs.iter().filter(|line| !ours.contains(line)) {
            let _ = writeln!(text, "  dockerd {}", beside(line, &ours));
        }
        for line in ours.iter().filter(|line| !theirs.contains(line)) {
            let _ = writeln!(text, "  vch     {}", beside(line, &theirs));
        }
    }
    text
}

/// Returns the line; if `others` have the same request, only the keys of the line that their answer
/// lacks.
fn beside(line: &str, others: &[&str]) -> String {
    let request = |line: &str| line.splitn(5, ' ').take(4).collect::<Vec<_>>().join(" ");
    let same = others
        .iter()
        .find(|other| line.starts_with('>') && request(other) == request(line));
    let Some(other) = same else {
        return line.to_owned();
    };
    let theirs: Vec<&str> = other.split(' ').collect();
    let own = line.split(' ').filter(|key| !theirs.contains(key));
    format!(
        "{} only {}",
        request(line),
        own.collect::<Vec<_>>().join(" ")
    )
}
