//! Types a scenario's commands and writes down what is said.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;
use lab::{CommandOutput, Docker, Exchange, Lab, RootFs, Wiretap};
use serde_json::Value;

use crate::rules::normal;
use crate::scenario::Scenario;

/// Removes what a scenario made; what is not there is no matter.
const CLEAR: &str = "for container in $(docker ps -aq); do docker rm -fv $container; done
    for network in $(docker network ls -q --filter type=custom); do docker network rm $network; done";

/// A CLI on a socket that is listened to.
pub fn prepared(lab: &Lab, daemon: &Path, image: Option<&RootFs>) -> Result<(Docker, Wiretap)> {
    let tap = Wiretap::start(lab, "tap", daemon)?;
    let docker = Docker::new(lab, tap.socket())?;
    if let Some(files) = image {
        docker.import(files, "busybox")?;
    }
    Ok((docker, tap))
}

/// Plays a scenario; returns the answers to each row, in the format of a record.
pub fn play(scenario: &Scenario, docker: &Docker, tap: &Wiretap) -> Result<Vec<String>> {
    docker.run(CLEAR)?;
    drop(tap.take());
    let mut answers = Vec::new();
    for row in &scenario.rows {
        let said = docker.run(&row.line)?;
        answers.push(answer(&said, &tap.take()));
    }
    docker.run(CLEAR)?;
    Ok(answers)
}

/// Lines with a mark each: `|` standard output, `!` standard error, `=` the exit code, `>` a request with its status and
/// the keys of its answer.
fn answer(said: &CommandOutput, heard: &[Exchange]) -> String {
    let mut text = String::new();
    // Writing to a String can't fail.
    for (mark, lines) in [('|', normal(&said.stdout)), ('!', normal(&said.stderr))] {
        for line in lines {
            let _ = writeln!(text, "{mark} {line}");
        }
    }
    let _ = writeln!(text, "= {}", said.code);
    for exchange in heard.iter().filter(|heard| compared(&heard.path)) {
        let status = exchange
            .status
            .map_or_else(|| "none".to_owned(), |status| status.to_string());
        let path = normal(&exchange.path.replace("%22", "\"")).join("");
        let _ = writeln!(
            text,
            "> {} {path} {status} {}",
            exchange.method,
            keys(&exchange.body)
        );
    }
    text
}

/// Before its first question a CLI asks for the version; at a terminal it tells its size as often as it likes.
fn compared(path: &str) -> bool {
    let path = path.split('?').next().unwrap_or_default();
    !path.ends_with("/_ping") && !path.ends_with("/resize")
}

/// The keys of all objects in an answer, as paths; an object whose keys are ids has one.
fn keys(body: &[u8]) -> String {
    let mut keys = BTreeSet::new();
    if let Ok(value) = serde_json::from_slice::<Value>(body) {
        collect(&value, "", &mut keys);
    }
    keys.into_iter().collect::<Vec<_>>().join(" ")
}

fn collect(value: &Value, path: &str, keys: &mut BTreeSet<String>) {
    match value {
        Value::Array(values) => {
            for value in values {
                collect(value, &format!("{path}[]"), keys);
            }
        }
        Value::Object(fields) => {
            for (key, value) in fields {
                let key = normal(key).join("");
                let path = format!("{path}.{key}");
                collect(value, &path, keys);
                keys.insert(path);
            }
        }
        _ => {}
    }
}
