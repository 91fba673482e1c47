//! Names of containers: the check of a name that the client chose, and random names for containers without one. A
//! random name is an adjective and the name of a person who built networks.

use crate::DockerError;
use vch_ledger::{ContainerName, MAX_NAME};

const ADJECTIVES: [&str; 32] = [
    "amber", "brisk", "calm", "clever", "curious", "daring", "eager", "fair", "fond", "gentle",
    "glad", "hardy", "honest", "jolly", "keen", "kind", "lively", "lucid", "merry", "modest",
    "noble", "patient", "proud", "quick", "quiet", "ready", "serene", "steady", "sunny", "tidy",
    "vivid", "wise",
];
const PEOPLE: [&str; 32] = [
    "abramson",
    "baran",
    "bolt",
    "cerf",
    "clark",
    "cohen",
    "crocker",
    "davies",
    "diffie",
    "engelbart",
    "estrin",
    "feinler",
    "floyd",
    "hamming",
    "holberton",
    "jacobson",
    "kahn",
    "kleinrock",
    "lamarr",
    "licklider",
    "metcalfe",
    "mockapetris",
    "nagle",
    "perlman",
    "postel",
    "pouzin",
    "roberts",
    "shannon",
    "sunshine",
    "taylor",
    "turing",
    "zimmermann",
];

/// Parses a container's name that the client chose, with or without a leading slash. Does not check whether it is free.
///
/// # Errors
/// Returns 400 with dockerd's message if the name is not valid.
pub fn chosen(text: &str) -> Result<ContainerName, DockerError> {
    let bare = text.strip_prefix('/').unwrap_or(text);
    bare.parse().map_err(|_| invalid(text))
}

/// Returns the error with status 400 for a container's name that is not valid. The message tells the permitted
/// characters, or the maximum length if the name is too long.
pub fn invalid(text: &str) -> DockerError {
    let shown: String = text.chars().take(200).collect();
    let bytes = text.strip_prefix('/').unwrap_or(text).len();
    DockerError::invalid(match bytes > MAX_NAME {
        true => format!(
            "Invalid container name ({shown}): it has {bytes} bytes: give at most {MAX_NAME}"
        ),
        false => {
            format!("Invalid container name ({shown}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed")
        }
    })
}

/// Returns a container's name such as `clever_cerf`, which follows from `number`, 64 random bits. The caller checks
/// whether the name is free. `tries` counts the names so far that were not; from 4 on, a number below 100,000 is
/// appended.
pub fn drawn(number: u64, tries: u32) -> String {
    let pick = |list: &[&'static str], by: u64| -> &'static str {
        let at = usize::try_from(by % list.len() as u64).unwrap_or(0);
        list.get(at).copied().unwrap_or("plain")
    };
    let adjective = pick(&ADJECTIVES, number);
    let person = pick(&PEOPLE, number >> 16);
    match tries {
        0..4 => format!("{adjective}_{person}"),
        _ => format!("{adjective}_{person}{}", (number >> 32) % 100_000),
    }
}
