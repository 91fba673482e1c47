//! docs/docker-api.md.

use crate::{
    answer::{Answers, Kind},
    list::Operation,
};
use std::fmt::Write;

const HEAD: &str = "# Every field of Docker's API

Written by the test `api_fields` with `VCH_API_FIELDS=1`; do not edit. What there is comes from the description of the
Docker Engine API 1.51, in Debian's package golang-github-docker-docker-dev 28.5.2+dfsg4-5. The test sends each value to a
VCH, whose answer is as it stands here:

- *shown*: inspect shows it; the test that is named shows its effect;
- *does*: it is taken; the test that is named shows its effect;
- *tells*: it is taken, and what a container of the VCH writes then shows its effect, as does the test that is named;
- *refused*: with this status and by its name;
- *ignored*: it is taken and does nothing, as with dockerd 28 on Linux.
";

/// All of it.
pub fn written(operations: &[Operation], answers: &Answers) -> String {
    let mut text = HEAD.to_owned();
    let count = operations.len();
    let fields: usize = operations
        .iter()
        .map(|operation| operation.fields.len())
        .sum();
    write!(text, "\n{count} operations with {fields} fields.\n").unwrap();
    for operation in operations {
        let Operation {
            method,
            path,
            fields,
            statuses,
        } = operation;
        write!(text, "\n## {method} {path}\n\n").unwrap();
        if let Some(group) = answers.group(operation) {
            let (status, why) = (group.status, &group.why);
            writeln!(text, "Refused as a whole ({status}): {why}.").unwrap();
            continue;
        }
        writeln!(text, "Statuses: {statuses}.").unwrap();
        if fields.is_empty() {
            continue;
        }
        text += "\n| field | kind | value | answer |\n|---|---|---|---|\n";
        for field in fields {
            let Some(answer) = answers.rows.get(&operation.row(field)) else {
                continue;
            };
            let mark = field.location.mark().to_string().replace('.', "");
            let value = answer.sent[0].1.to_string().replace('|', "\\|");
            let test = answer.test.as_deref().unwrap_or_default();
            let comes = match &answer.kind {
                Kind::Inspected { .. } => format!("shown: `{test}`"),
                Kind::Does { status } => format!("does ({status}): `{test}`"),
                Kind::Tells { .. } => format!("tells: `{test}`"),
                Kind::Refused { status, .. } => format!("refused ({status})"),
                Kind::Ignored { why, .. } => format!("ignored: {why}"),
            };
            writeln!(
                text,
                "| {mark}{} | {} | `{value}` | {comes} |",
                field.name,
                field.kind.replace('|', ", ")
            )
            .unwrap();
        }
    }
    text
}
