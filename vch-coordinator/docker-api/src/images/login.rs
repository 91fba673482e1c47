//! `docker login`: checks credentials with a registry.

use super::super::{Docker, Json};
use axum::extract::State;
use docker_model::{
    DockerError,
    registry::{LOGGED_IN, LoggedIn},
};
use serde::Deserialize;

/// Docker Hub, as the CLI names it, and as images do.
const HUB: [&str; 2] = ["index.docker.io", "docker.io"];
/// The maximum length of a DNS name with a port.
const MAX_HOST: usize = 253 + 6;

/// The credentials that a client sends for a registry; an empty text means that the client sent none.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "lowercase")]
pub struct Auth {
    /// The user.
    pub username: String,
    /// The password.
    pub password: String,
    /// The registry's address or URL; empty for Docker Hub.
    #[serde(rename = "serveraddress")]
    pub server: String,
    /// A token in place of the password, which a VCH refuses.
    #[serde(rename = "identitytoken")]
    pub identity: String,
    /// A token for the registry itself, which a VCH refuses.
    #[serde(rename = "registrytoken")]
    pub token: String,
}

impl Auth {
    /// Returns user and password; `None` if the client sent no user.
    ///
    /// # Errors
    /// Returns 501 if the client sent a token instead.
    pub fn credentials(self) -> Result<Option<(String, String)>, DockerError> {
        let tokens = [
            ("identitytoken", &self.identity),
            ("registrytoken", &self.token),
        ];
        if let Some((name, _)) = tokens.iter().find(|(_, token)| !token.is_empty()) {
            let remedy = "log in with user and password (`docker login --username`)";
            return Err(DockerError::unsupported(
                &format!("a registry's {name}"),
                remedy,
            ));
        }
        Ok((!self.username.is_empty()).then_some((self.username, self.password)))
    }
}

/// Handles `POST /auth` (`docker login`): checks the credentials with their registry.
///
/// # Errors
/// Returns 400 if the address is not valid, 401 if the registry does not accept the credentials, and 500 if it
/// cannot be asked.
pub async fn login(
    State(docker): State<Docker>,
    Json(auth): Json<Auth>,
) -> Result<Json<LoggedIn>, DockerError> {
    let registry = registry(&auth.server)?;
    let credentials = auth.credentials()?.unwrap_or_default();
    docker.images.log_in(registry, credentials).await?;
    Ok(Json(LOGGED_IN))
}

/// Parses the name of a registry: `host`, `host:port`, or a URL with either; empty for Docker Hub.
///
/// # Errors
/// Returns 400 if the text is not such a name.
fn registry(server: &str) -> Result<String, DockerError> {
    let bare = ["https://", "http://"]
        .iter()
        .find_map(|scheme| server.strip_prefix(scheme))
        .unwrap_or(server);
    let host = bare.split('/').next().unwrap_or_default();
    if host.is_empty() || HUB.contains(&host) {
        return Ok(HUB[1].to_owned());
    }
    let known = |letter: u8| {
        letter.is_ascii_alphanumeric() || matches!(letter, b'.' | b'-' | b':' | b'[' | b']')
    };
    if host.len() > MAX_HOST || !host.bytes().all(known) {
        let shown: String = server.chars().take(100).collect();
        return Err(DockerError::invalid(format!(
            "serveraddress \"{shown}\" is no registry: write its name, with a port or without (registry.example:5000)"
        )));
    }
    Ok(host.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_is_found_in_what_clients_call_it() {
        for (server, expected) in [
            ("", "docker.io"),
            ("https://index.docker.io/v1/", "docker.io"),
            ("r.example:5000", "r.example:5000"),
            ("http://r.example/v2/", "r.example"),
            ("[2001:db8::1]:5000", "[2001:db8::1]:5000"),
        ] {
            assert_eq!(registry(server).expect(server), expected);
        }
        for wrong in ["me@r.example", "a b", "r\n", "https://x?y"] {
            let error = registry(wrong).expect_err(wrong);
            assert!(
                error.message.contains("is no registry"),
                "{}",
                error.message
            );
        }
    }

    #[test]
    fn tokens_are_refused_by_name() {
        let auth = Auth {
            identity: "x".to_owned(),
            ..Auth::default()
        };
        let error = auth.credentials().expect_err("a token");
        assert!(error.message.contains("identitytoken"), "{}", error.message);
    }
}
