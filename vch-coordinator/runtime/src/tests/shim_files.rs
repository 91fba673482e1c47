//! The files that a shim leaves in its container's directory: the outcome of a run, and the log.

use crate::event::now_ms;
use protocol::process::Output;
use std::{fs, path::Path};
use vch_shim::{
    Failure, Outcome,
    log::{Position, Writer},
};

/// Returns the outcome of a process that ended with this code.
pub fn exited(code: u8) -> Outcome {
    Outcome {
        code,
        started_ms: now_ms(),
        finished_ms: now_ms(),
        ..Outcome::default()
    }
}

/// Returns the outcome of a VM whose process did not run.
pub fn failed(code: &str, text: &str) -> Outcome {
    Outcome {
        code: 125,
        finished_ms: now_ms(),
        failure: Some(Failure {
            code: code.to_owned(),
            text: text.to_owned(),
        }),
        ..Outcome::default()
    }
}

/// Writes a line of output into the log of a container, and returns where it begins.
pub fn log_line(dir: &Path, line: &[u8]) -> Position {
    let mut log = Writer::open(dir, 1 << 20, 2).unwrap();
    let begins = log.end();
    log.append(Output::Stdout, 1, line).unwrap();
    begins
}

/// Writes the outcome of a container's last run, as a shim does.
pub fn write_outcome(dir: &Path, outcome: &Outcome) {
    fs::create_dir_all(dir).unwrap();
    fs::write(dir.join("exit.json"), serde_json::to_vec(outcome).unwrap()).unwrap();
}
