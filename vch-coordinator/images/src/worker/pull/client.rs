//! Requests to one registry for one repository.

use super::super::WorkError;
use crate::digest::Digest;
use crate::job::Pull;
use crate::limits::Limits;
use serde::Deserialize;
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;
use ureq::http::Response;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body};

/// Docker's hub answers by another name.
const HUB: (&str, &str) = ("docker.io", "registry-1.docker.io");
/// Debian's package ca-certificates.
const ROOTS: &str = "/etc/ssl/certs/ca-certificates.crt";
const CONNECT: Duration = Duration::from_secs(30);
const ANSWER: Duration = Duration::from_secs(60);
const TOKEN_BYTES: u64 = 64 << 10;
const REASON_BYTES: u64 = 4 << 10;
const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, \
    application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, \
    application/vnd.docker.distribution.manifest.v2+json";

pub(super) struct Client<'a> {
    agent: Agent,
    wish: &'a Pull,
    base: String,
    authorization: Option<String>,
}

#[derive(Deserialize)]
struct Token {
    #[serde(default)]
    token: String,
    #[serde(default)]
    access_token: String,
}

impl<'a> Client<'a> {
    pub(super) fn new(wish: &'a Pull) -> Self {
        let registry = wish.name.registry();
        let host = if registry == HUB.0 { HUB.1 } else { registry };
        let scheme = if wish.plain { "http" } else { "https" };
        let pem = std::fs::read(ROOTS).unwrap_or_default();
        let roots = parse_pem(&pem).filter_map(|item| match item {
            Ok(PemItem::Certificate(root)) => Some(root),
            _ => None,
        });
        let roots: Vec<_> = roots.collect();
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::new_with_certs(&roots))
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .build();
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .https_only(!wish.plain)
            .max_redirects(5)
            .timeout_connect(Some(CONNECT))
            .timeout_recv_response(Some(ANSWER))
            .user_agent("vch")
            .tls_config(tls)
            .build();
        Self {
            agent: config.new_agent(),
            base: format!("{scheme}://{host}/v2/{}", wish.name.path()),
            wish,
            authorization: None,
        }
    }

    /// A manifest or index, and the digest of its bytes.
    pub(super) fn manifest(
        &mut self,
        reference: &str,
        limits: Limits,
    ) -> Result<(Digest, Vec<u8>), WorkError> {
        let url = format!("{}/manifests/{reference}", self.base);
        let response = self.get(&url, Some(("Accept", ACCEPT)))?;
        if response.status() == 404 {
            let name = self.wish.name.familiar();
            let what = format!("manifest for {name} not found: manifest unknown: manifest unknown");
            return Err(WorkError::Missing(what));
        }
        let body = good(response)?;
        let bytes = bounded(body, limits.document_bytes)?;
        Ok((Digest::of(&bytes), bytes))
    }

    /// A blob from an offset on, and whether it begins at the start nevertheless.
    pub(super) fn blob(
        &mut self,
        digest: &Digest,
        from: u64,
    ) -> Result<(impl Read + use<>, bool), WorkError> {
        let url = format!("{}/blobs/{digest}", self.base);
        let range = format!("bytes={from}-");
        let range = (from > 0).then_some(("Range", range.as_str()));
        let response = self.get(&url, range)?;
        let whole = response.status() != 206;
        Ok((good(response)?, whole))
    }

    /// Asks, and asks again with a token if the registry wants one.
    fn get(
        &mut self,
        url: &str,
        header: Option<(&str, &str)>,
    ) -> Result<Response<Body>, WorkError> {
        let first = self.ask(url, header)?;
        if first.status() != 401 {
            return Ok(first);
        }
        let challenge = first.headers().get("www-authenticate");
        let challenge = challenge
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        self.authorization = self.answer(challenge)?;
        let second = self.ask(url, header)?;
        if matches!(second.status().as_u16(), 401 | 403) {
            return Err(self.denied());
        }
        Ok(second)
    }

    fn ask(&self, url: &str, header: Option<(&str, &str)>) -> Result<Response<Body>, WorkError> {
        let mut request = self.agent.get(url);
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        if let Some(value) = &self.authorization {
            request = request.header("Authorization", value);
        }
        request.call().map_err(|error| failed(&error))
    }

    /// What to say to a challenge (RFC 7235; Docker's token specification).
    fn answer(&self, challenge: &str) -> Result<Option<String>, WorkError> {
        let (scheme, rest) = challenge.split_once(' ').unwrap_or((challenge, ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return self.basic().map(Some).ok_or_else(|| self.denied());
        }
        let realm = parameter(rest, "realm");
        let Some(realm) = realm.filter(|_| scheme.eq_ignore_ascii_case("bearer")) else {
            let what = format!("it wants to be authorised by `{scheme}`, which is not known here");
            return Err(WorkError::Registry(what));
        };
        let own = format!("repository:{}:pull", self.wish.name.path());
        let scope = parameter(rest, "scope").unwrap_or(own);
        let mut request = self.agent.get(&realm).query("scope", scope);
        if let Some(service) = parameter(rest, "service") {
            request = request.query("service", service);
        }
        if let Some(basic) = self.basic() {
            request = request.header("Authorization", basic);
        }
        let response = request.call().map_err(|error| failed(&error))?;
        if matches!(response.status().as_u16(), 401 | 403) {
            return Err(self.denied());
        }
        let bytes = bounded(good(response)?, TOKEN_BYTES)?;
        let token: Token = serde_json::from_slice(&bytes)
            .map_err(|error| WorkError::Registry(format!("its token: {error}")))?;
        let token = if token.token.is_empty() {
            token.access_token
        } else {
            token.token
        };
        Ok(Some(format!("Bearer {token}")))
    }

    fn basic(&self) -> Option<String> {
        use base64::Engine as _;
        let (user, password) = self.wish.credentials.as_ref()?;
        let pair = format!("{user}:{password}");
        let encoded = base64::engine::general_purpose::STANDARD.encode(pair);
        Some(format!("Basic {encoded}"))
    }

    fn denied(&self) -> WorkError {
        let name = self.wish.name.familiar_repository();
        WorkError::Missing(format!(
            "pull access denied for {name}, repository does not exist or may require 'docker login': \
             denied: requested access to the resource is denied"
        ))
    }
}

fn failed(error: &ureq::Error) -> WorkError {
    WorkError::Registry(error.to_string())
}

/// The body of a good answer; the registry's own words of another.
fn good(response: Response<Body>) -> Result<impl Read + use<>, WorkError> {
    let status = response.status();
    let reader = response.into_body().into_reader();
    if status.is_success() {
        return Ok(reader);
    }
    let mut text = Vec::new();
    // Without its words the status must do.
    drop(reader.take(REASON_BYTES).read_to_end(&mut text));
    let text = String::from_utf8_lossy(&text).trim().to_owned();
    Err(WorkError::Registry(format!("it answers {status}: {text}")))
}

fn bounded(body: impl Read, most: u64) -> Result<Vec<u8>, WorkError> {
    let mut bytes = Vec::new();
    let read = body.take(most + 1).read_to_end(&mut bytes);
    read.map_err(|error| WorkError::Registry(error.to_string()))?;
    if bytes.len() as u64 > most {
        return Err(WorkError::Long(most));
    }
    Ok(bytes)
}

/// Of `a="b",c="d"`; values may have commas.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_of_a_challenge_come_apart_also_with_commas_in_them() {
        let text = r#"realm="https://a/t?x=1",service=r,scope="repository:a/b:pull,push""#;
        assert_eq!(parameter(text, "realm").as_deref(), Some("https://a/t?x=1"));
        assert_eq!(parameter(text, "service").as_deref(), Some("r"));
        assert_eq!(
            parameter(text, "scope").as_deref(),
            Some("repository:a/b:pull,push")
        );
        assert_eq!(parameter(text, "error"), None);
    }
}
