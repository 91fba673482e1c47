//! Authentication challenges of registries (RFC 7235, and the Docker registry's token
//! specification).

use serde::Deserialize;

/// A challenge of `WWW-Authenticate`.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// The registry asks for user and password.
    Basic,
    /// The registry asks for a token.
    Bearer {
        realm: String,
        service: Option<String>,
        scope: Option<String>,
    },
    /// The registry asks by another scheme, of this name.
    Unknown(String),
}

impl Challenge {
    /// Parses the value of a `WWW-Authenticate` header.
    pub fn parse(text: &str) -> Self {
        let (scheme, rest) = text.split_once(' ').unwrap_or((text, ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Self::Basic;
        }
        match parameter(rest, "realm") {
            Some(realm) if scheme.eq_ignore_ascii_case("bearer") => Self::Bearer {
                realm,
                service: parameter(rest, "service"),
                scope: parameter(rest, "scope"),
            },
            _ => Self::Unknown(scheme.chars().take(100).collect()),
        }
    }
}

/// Returns a parameter of `a="b",c="d"`; values may contain commas.
fn parameter(text: &str, name: &str) -> Option<String> {
    let mut rest = text.trim();
    while let Some((key, after)) = rest.split_once('=') {
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => after.split_once(',').unwrap_or((after, "")),
        };
        if key.trim().eq_ignore_ascii_case(name) {
            return Some(value.to_owned());
        }
        rest = next.trim_start_matches([',', ' ']);
    }
    None
}

/// Returns the reason for which a token is refused, as the token server states it.
pub(super) fn reason(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Refusal {
        #[serde(default)]
        errors: Vec<One>,
        #[serde(default)]
        details: String,
    }
    #[derive(Deserialize)]
    struct One {
        #[serde(default)]
        message: String,
    }
    let refusal: Refusal = serde_json::from_slice(body).ok()?;
    let first = refusal.errors.into_iter().next().map(|one| one.message);
    let text = first.unwrap_or(refusal.details);
    let text: String = text
        .chars()
        .filter(|one| !one.is_control())
        .take(500)
        .collect();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_of_a_challenge_come_apart_also_with_commas_in_them() {
        let text = r#"Bearer realm="https://a/t?x=1",service=r,scope="repository:a/b:pull,push""#;
        let bearer = Challenge::Bearer {
            realm: "https://a/t?x=1".to_owned(),
            service: Some("r".to_owned()),
            scope: Some("repository:a/b:pull,push".to_owned()),
        };
        assert_eq!(Challenge::parse(text), bearer);
        assert_eq!(Challenge::parse("basic realm=\"x\""), Challenge::Basic);
        let unknown = Challenge::Unknown("Digest".to_owned());
        assert_eq!(Challenge::parse("Digest realm=\"x\""), unknown);
    }

    #[test]
    fn a_refusal_is_told_in_the_words_of_who_refuses() {
        let hub = br#"{"details":"incorrect username or password"}"#;
        assert_eq!(
            reason(hub).as_deref(),
            Some("incorrect username or password")
        );
        let list = br#"{"errors":[{"code":"UNAUTHORIZED","message":"no\n"}]}"#;
        assert_eq!(reason(list).as_deref(), Some("no"));
        assert_eq!(reason(b"<html>"), None);
    }
}
