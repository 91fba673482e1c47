//! Applies `docker import --change`: the instructions of a Dockerfile that change an image's
//! configuration only.

use crate::config::Run;
use serde_json::{Value, json};
use thiserror::Error;

/// The reason for which an instruction of `docker import --change` can't be applied.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ChangeError {
    /// The instruction with this name, in upper case, is not one that `--change` allows, such as `RUN`.
    #[error("{0} is not a valid change command")]
    Unknown(String),
    /// The instruction with this name, in upper case, has no arguments.
    #[error("{0} requires at least one argument")]
    Empty(String),
    /// The arguments do not fit the instruction.
    #[error("{instruction} `{arguments}`: {why}")]
    Arguments {
        /// The name of the instruction, in upper case.
        instruction: String,
        /// The arguments, as the user wrote them.
        arguments: String,
        /// How to write the arguments instead.
        why: &'static str,
    },
}

/// Applies one instruction of `docker import --change`, such as `CMD ["httpd", "-f"]`, to an image's configuration. The
/// name of the instruction may have lower case. Allowed are `CMD`, `ENTRYPOINT`, `USER`, `STOPSIGNAL`, `WORKDIR`,
/// `ENV`, `LABEL`, `EXPOSE`, `VOLUME`, `ONBUILD` and `HEALTHCHECK`.
///
/// # Errors
/// Returns [`ChangeError`] if the instruction is unknown or its arguments are not valid. `run` must not be used then.
pub fn apply(run: &mut Run, change: &str) -> Result<(), ChangeError> {
    let change = change.trim();
    let (name, rest) = change
        .split_once(char::is_whitespace)
        .unwrap_or((change, ""));
    let (name, rest) = (name.to_uppercase(), rest.trim());
    if rest.is_empty() {
        return Err(ChangeError::Empty(name));
    }
    let wrong = |why| ChangeError::Arguments {
        instruction: name.clone(),
        arguments: rest.to_owned(),
        why,
    };
    match name.as_str() {
        "CMD" => run.cmd = Some(command(rest)),
        "ENTRYPOINT" => run.entrypoint = Some(command(rest)),
        "USER" => rest.clone_into(&mut run.user),
        "STOPSIGNAL" => run.stop_signal = Some(rest.to_owned()),
        "WORKDIR" if rest.starts_with('/') => rest.clone_into(&mut run.working_dir),
        "WORKDIR" => {
            run.working_dir = format!("{}/{rest}", run.working_dir.trim_end_matches('/'));
        }
        "ENV" => {
            let pairs = pairs(rest).ok_or(wrong("write NAME=value"))?;
            let env = run.env.get_or_insert_default();
            for (name, value) in pairs {
                let prefix = format!("{name}=");
                env.retain(|had| !had.starts_with(&prefix));
                env.push(prefix + &value);
            }
        }
        "LABEL" => {
            let pairs = pairs(rest).ok_or(wrong("write name=value"))?;
            run.labels.get_or_insert_default().extend(pairs);
        }
        "EXPOSE" => {
            for word in rest.split_whitespace() {
                let ports = ports(word).ok_or(wrong("write PORT, or PORT/tcp, or FROM-TO/udp"))?;
                let exposed = run.exposed_ports.get_or_insert_default();
                exposed.extend(ports.map(|port| (port, json!({}))));
            }
        }
        "VOLUME" => {
            let dirs =
                list(rest).unwrap_or_else(|| rest.split_whitespace().map(str::to_owned).collect());
            let volumes = run.volumes.get_or_insert_default();
            volumes.extend(dirs.into_iter().map(|dir| (dir, json!({}))));
        }
        "ONBUILD" => {
            let triggers = run.others.entry("OnBuild").or_insert_with(|| json!([]));
            if let Value::Array(triggers) = triggers {
                triggers.push(rest.into());
            }
        }
        "HEALTHCHECK" if rest.eq_ignore_ascii_case("none") => {
            let none = json!({"Test": ["NONE"]});
            run.others.insert("Healthcheck".to_owned(), none);
        }
        "HEALTHCHECK" => {
            let Some(words) = rest.strip_prefix("CMD ") else {
                return Err(wrong("write NONE, or CMD and a command"));
            };
            let test = match list(words) {
                Some(words) => [vec!["CMD".to_owned()], words].concat(),
                None => vec!["CMD-SHELL".to_owned(), words.trim().to_owned()],
            };
            let check = json!({ "Test": test });
            run.others.insert("Healthcheck".to_owned(), check);
        }
        _ => return Err(ChangeError::Unknown(name)),
    }
    Ok(())
}

/// Parses a command: a JSON list of strings is taken as it is, all else is for a shell.
fn command(words: &str) -> Vec<String> {
    let shell = || vec!["/bin/sh".to_owned(), "-c".to_owned(), words.to_owned()];
    list(words).unwrap_or_else(shell)
}

fn list(words: &str) -> Option<Vec<String>> {
    serde_json::from_str(words).ok()
}

/// Parses `a=b "c d"="e f"`; or `a b c`, the old form, of one pair.
fn pairs(words: &str) -> Option<Vec<(String, String)>> {
    let split = split(words)?;
    if !split.first()?.contains('=') {
        let (name, value) = words.split_once(char::is_whitespace)?;
        return Some(vec![(name.to_owned(), value.trim().to_owned())]);
    }
    let pair = |word: &String| {
        let (name, value) = word.split_once('=')?;
        (!name.is_empty()).then(|| (name.to_owned(), value.to_owned()))
    };
    split.iter().map(pair).collect()
}

/// Splits a text into words, without their quotes and backslashes.
fn split(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' if quote != Some('\'') => word.get_or_insert_default().push(letters.next()?),
            '"' | '\'' if quote.is_none() => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            _ if quote == Some(letter) => quote = None,
            _ if quote.is_none() && letter.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

/// Parses `80`, `80/udp` or `80-90/tcp` into single ports.
fn ports(word: &str) -> Option<impl Iterator<Item = String>> {
    let (ports, protocol) = word.split_once('/').unwrap_or((word, "tcp"));
    let protocol = protocol.to_lowercase();
    let (from, to) = ports.split_once('-').unwrap_or((ports, ports));
    let (from, to): (u16, u16) = (from.parse().ok()?, to.parse().ok()?);
    let known = matches!(protocol.as_str(), "tcp" | "udp" | "sctp");
    (from > 0 && from <= to && known)
        .then(|| (from..=to).map(move |port| format!("{port}/{protocol}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_instruction_changes_what_it_names() {
        let mut run = Run::default();
        for change in [
            "CMD [\"httpd\", \"-f\"]",
            "entrypoint echo $A",
            "ENV A=1 B='x y'",
            "ENV A 2 3",
            "LABEL a=b",
            "EXPOSE 80 53/udp 90-91",
            "WORKDIR /srv",
            "WORKDIR www",
            "USER 1:2",
            "VOLUME [\"/v\"]",
            "STOPSIGNAL SIGINT",
            "HEALTHCHECK CMD true",
        ] {
            apply(&mut run, change).expect(change);
        }
        let expected = json!({
            "Cmd": ["httpd", "-f"], "Entrypoint": ["/bin/sh", "-c", "echo $A"], "User": "1:2",
            "Env": ["B=x y", "A=2 3"], "Labels": {"a": "b"}, "WorkingDir": "/srv/www",
            "ExposedPorts": {"80/tcp": {}, "53/udp": {}, "90/tcp": {}, "91/tcp": {}},
            "Volumes": {"/v": {}}, "StopSignal": "SIGINT",
            "Healthcheck": {"Test": ["CMD-SHELL", "true"]},
        });
        assert_eq!(serde_json::to_value(&run).expect("JSON"), expected);
    }

    #[test]
    fn instructions_that_build_and_those_without_words_are_refused() {
        let mut run = Run::default();
        for (change, words) in [
            ("RUN true", "RUN is not a valid change command"),
            ("CMD", "CMD requires at least one argument"),
            (
                "EXPOSE x",
                "EXPOSE `x`: write PORT, or PORT/tcp, or FROM-TO/udp",
            ),
            ("ENV A", "ENV `A`: write NAME=value"),
        ] {
            let error = apply(&mut run, change).expect_err(change);
            assert_eq!(error.to_string(), words);
        }
        assert_eq!(run, Run::default());
    }
}
