//! Volumes in Docker's API. A VCH has none: this module checks the syntax of names, `--volume` and `--volumes-from`
//! as dockerd does, and has the empty list.

use crate::{DockerError, json::Empty};
use serde::Serialize;

/// The response to `GET /volumes`: an empty list, since a VCH has no volumes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct VolumeList {
    volumes: [Empty; 0],
    warnings: Option<Empty>,
}

/// Returns the beginning of a text, at most 200 characters, for an error message to repeat.
pub fn excerpt(text: &str) -> String {
    text.chars().take(200).collect()
}

/// Checks that a text can be the name of a volume: two characters or more, the first a letter or digit, the others
/// also `_`, `.` or `-`.
///
/// # Errors
/// Returns 400 with dockerd's message if the text is too short or has other characters.
pub fn check_name(name: &str) -> Result<(), DockerError> {
    if name.len() == 1 {
        return Err(DockerError::invalid(format!(
            "create {name}: volume name is too short, names should be at least two alphanumeric characters"
        )));
    }
    let mut bytes = name.bytes();
    let first = bytes
        .next()
        .is_some_and(|byte| byte.is_ascii_alphanumeric());
    if first && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte)) {
        return Ok(());
    }
    let name = excerpt(name);
    Err(DockerError::invalid(format!(
        "create {name}: {name:?} includes invalid characters for a local volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, use absolute path"
    )))
}

/// Checks the syntax of Docker's `--volume`: `target`, `source:target` or `source:target:mode`. `check_target` gets the
/// target, the path in the container, and returns a reason if that is not valid. A VCH refuses volumes, but answers
/// those with a fault as dockerd does.
///
/// # Errors
/// Returns 400 with dockerd's message if the text or its volume's name is not valid, or with the reason that
/// `check_target` returned.
pub fn check_bind(
    bind: &str,
    check_target: impl Fn(&str) -> Result<(), String>,
) -> Result<(), DockerError> {
    let invalid = format!("invalid volume specification: '{}'", excerpt(bind));
    let parts: Vec<&str> = bind.splitn(4, ':').collect();
    let (source, target, mode) = match parts[..] {
        ["", ..] => return Err(DockerError::invalid(invalid)),
        [target] => (None, target, ""),
        // A mode is not possible without a source.
        [_, target] if is_mode(target) => return Err(DockerError::invalid(invalid)),
        [source, target] => (Some(source), target, ""),
        [source, target, mode] => (Some(source), target, mode),
        _ => return Err(DockerError::invalid(invalid)),
    };
    if !is_mode(mode) {
        return Err(DockerError::invalid(format!(
            "invalid mode: {}",
            excerpt(mode)
        )));
    }
    let kind = match source {
        Some(source) if source.starts_with('/') => "bind",
        _ => "volume",
    };
    let wrong = match target {
        "" => Err("field Target must not be empty".to_owned()),
        target => check_target(target),
    };
    wrong.map_err(|reason| {
        DockerError::invalid(format!(
            "{invalid}: invalid mount config for type \"{kind}\": {reason}"
        ))
    })?;
    match source {
        Some(source) if kind == "volume" => check_name(source),
        _ => Ok(()),
    }
}

/// Checks the syntax of Docker's `--volumes-from`: `container` or `container:mode`. A VCH refuses volumes, but answers
/// a text with a fault as dockerd does.
///
/// # Errors
/// Returns 400 with dockerd's message if the text is empty or the mode is unknown.
pub fn check_from(from: &str) -> Result<(), DockerError> {
    if from.is_empty() {
        return Err(DockerError::invalid(
            "volumes-from specification cannot be an empty string",
        ));
    }
    let (_, mode) = from.split_once(':').unwrap_or((from, ""));
    match mode.is_empty() || is_mode(mode) {
        true => Ok(()),
        false => Err(DockerError::invalid(format!(
            "invalid mode: {}",
            excerpt(mode)
        ))),
    }
}

/// Returns whether a text consists of words of a mode, at most one of each kind.
fn is_mode(text: &str) -> bool {
    const KINDS: [&[&str]; 5] = [
        &["rw", "ro"],
        &["z", "Z"],
        &[
            "private", "rprivate", "slave", "rslave", "shared", "rshared",
        ],
        &["nocopy"],
        &["consistent", "cached", "delegated", "default"],
    ];
    let mut seen = [false; KINDS.len()];
    text.is_empty()
        || text.split(',').all(|word| {
            let kind = KINDS.iter().position(|kind| kind.contains(&word));
            kind.is_some_and(|kind| !std::mem::replace(&mut seen[kind], true))
        })
}

#[cfg(test)]
mod tests;
