//! `dockerd.txt`: dockerd's answers, so that a machine without dockerd can compare with them.

use std::fmt::Write as _;

use anyhow::{Result, ensure};

use crate::scenario::Scenario;

const HEAD: &str = "# What dockerd 26.1.5 of Debian 13 said to its docker CLI 26.1.5, which speaks API version 1.45; written by `make compare`.\n\
    # | standard output, ! standard error, = exit code, > request, status, keys of the answer\n";

/// Scenarios with what was said to each row.
pub fn written(scenarios: &[Scenario], answered: &[Vec<String>]) -> String {
    let mut text = HEAD.to_owned();
    for (scenario, answers) in scenarios.iter().zip(answered) {
        // Writing to a String can't fail.
        let _ = write!(text, "\n## {}\n", scenario.title);
        for (row, answer) in scenario.rows.iter().zip(answers) {
            let _ = write!(text, "$ {}\n{answer}", row.line);
        }
    }
    text
}

/// Puts what was recorded beside each row; the same rows must be there.
pub fn read(text: &str, scenarios: &mut [Scenario]) -> Result<()> {
    let rows = scenarios.iter_mut().flat_map(|scenario| &mut scenario.rows);
    let mut recorded = text.split("\n$ ").skip(1);
    for row in rows {
        let answer = recorded.next().unwrap_or_default();
        let (line, answer) = answer.split_once('\n').unwrap_or((answer, ""));
        ensure!(
            line == row.line,
            "`{}` is not recorded (there is `{line}`): run `make compare`",
            row.line
        );
        let answer = answer.split("\n\n## ").next().unwrap_or_default();
        row.dockerd = format!("{}\n", answer.trim_end_matches('\n'));
    }
    ensure!(
        recorded.next().is_none(),
        "too much is recorded: run `make compare`"
    );
    Ok(())
}
