//! Requests to one registry (OCI distribution-spec 1.1, and the token protocol of its Docker ancestor).
//!
//! A registry is a stranger: each answer has its time and its length, a redirect is followed by hand, and the
//! user's credentials go to the registry, or to where it says that tokens are had: by TLS, or to itself.

mod address;
mod challenge;

use super::WorkError;
use crate::digest::Digest;
use crate::limits::Limits;
use address::Careful;
use challenge::Challenge;
use serde::Deserialize;
use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;
use ureq::http::header::{AUTHORIZATION, LINK, LOCATION};
use ureq::http::{Response, StatusCode, Uri};
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::unversioned::transport::DefaultConnector;
use ureq::{Agent, Body};

/// Docker's hub answers by another name.
const HUB: (&str, &str) = ("docker.io", "registry-1.docker.io");
/// Debian's package ca-certificates.
const ROOTS: &str = "/etc/ssl/certs/ca-certificates.crt";
const RESOLVE: Duration = Duration::from_secs(30);
const CONNECT: Duration = Duration::from_secs(30);
/// The time for a manifest or a token as a whole: each has a few KiB.
const DOCUMENT: Duration = Duration::from_secs(120);
/// As many as dockerd follows.
const REDIRECTS: usize = 10;
const TOKEN_BYTES: u64 = 64 << 10;
/// Registries may send fewer.
const TAGS_AT_ONCE: usize = 1000;
/// More would be pulled for days.
const MOST_TAGS: usize = 10_000;
/// The most pages of tags, for a registry that sends few tags a page.
const MOST_PAGES: usize = 1_000;
const REASON_BYTES: u64 = 4 << 10;
const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, \
    application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, \
    application/vnd.docker.distribution.manifest.v2+json";

/// A client of one registry, with the credentials and limits for requests to it.
pub(super) struct Registry<'a> {
    documents: Agent,
    blobs: Agent,
    host: String,
    plain: bool,
    credentials: Option<&'a (String, String)>,
    authorization: Option<String>,
}

#[derive(Deserialize)]
struct Tags {
    tags: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Token {
    #[serde(default)]
    token: String,
    #[serde(default)]
    access_token: String,
}

impl<'a> Registry<'a> {
    /// Returns a client of a registry. `name` is its host, with or without a port; `plain` connects
    /// without TLS.
    pub fn new(
        name: &str,
        plain: bool,
        credentials: Option<&'a (String, String)>,
        limits: Limits,
    ) -> Self {
        let host = if name == HUB.0 { HUB.1 } else { name };
        let read = Duration::from_secs(limits.read_seconds);
        Self {
            documents: agent(host, plain, read, Some(DOCUMENT)),
            blobs: agent(host, plain, read, None),
            host: host.to_owned(),
            plain,
            credentials,
            authorization: None,
        }
    }

    fn base(&self) -> String {
        let scheme = if self.plain { "http" } else { "https" };
        format!("{scheme}://{}/v2/", self.host)
    }

    /// Fetches a manifest or index, and returns it with its digest. Returns `None` if the registry
    /// does not have it.
    ///
    /// # Errors
    /// Returns [`WorkError`] if the registry can't be used or denies access, or if the document is
    /// too long.
    pub fn manifest(
        &mut self,
        repository: &str,
        reference: &str,
        limits: Limits,
    ) -> Result<Option<(Digest, Vec<u8>)>, WorkError> {
        let url = format!("{}{repository}/manifests/{reference}", self.base());
        let agent = self.documents.clone();
        let response = self.get(&agent, &url, Some(("Accept", ACCEPT)), repository)?;
        if response.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let bytes = bounded(good(response)?, limits.document_bytes)?;
        Ok(Some((Digest::of(&bytes), bytes)))
    }

    /// Fetches a blob that is a small document, such as a configuration, as a whole.
    ///
    /// # Errors
    /// Returns [`WorkError`] if the registry can't be used or does not have the blob, or if the
    /// blob is too long.
    pub fn document(
        &mut self,
        repository: &str,
        digest: &Digest,
        limits: Limits,
    ) -> Result<Vec<u8>, WorkError> {
        let url = format!("{}{repository}/blobs/{digest}", self.base());
        let agent = self.documents.clone();
        let response = self.get(&agent, &url, None, repository)?;
        bounded(good(response)?, limits.document_bytes)
    }

    /// Returns the tags of a repository, read page by page (distribution-spec 1.1, "Listing Tags"); `None` if the
    /// registry does not have the repository.
    ///
    /// # Errors
    /// Returns [`WorkError`] if the registry can't be used or denies access, or its answer is not
    /// valid.
    pub fn tags(
        &mut self,
        repository: &str,
        limits: Limits,
    ) -> Result<Option<Vec<String>>, WorkError> {
        let base = format!("{}{repository}/tags/list?n={TAGS_AT_ONCE}", self.base());
        let mut all = Vec::new();
        let mut url = base.clone();
        for _ in 0..MOST_PAGES {
            let agent = self.documents.clone();
            let response = self.get(&agent, &url, None, repository)?;
            if response.status() == StatusCode::NOT_FOUND {
                return Ok(None);
            }
            let more = response.headers().contains_key(LINK);
            let bytes = bounded(good(response)?, limits.document_bytes)?;
            let page: Tags = serde_json::from_slice(&bytes)
                .map_err(|error| WorkError::Registry(format!("its list of tags: {error}")))?;
            let page = page.tags.unwrap_or_default();
            let last = page.last().cloned();
            all.extend(page);
            if all.len() > MOST_TAGS {
                let what = format!("{repository} has more than {MOST_TAGS} tags: name one");
                return Err(WorkError::Registry(what));
            }
            match last.filter(|_| more) {
                Some(last) => url = format!("{base}&last={last}"),
                None => return Ok(Some(all)),
            }
        }
        let what = format!("{repository} lists its tags on more than {MOST_PAGES} pages: name one");
        Err(WorkError::Registry(what))
    }

    /// Returns a reader of a blob from an offset on. The flag says that the registry sends the blob
    /// from its beginning instead.
    ///
    /// # Errors
    /// Returns [`WorkError`] if the registry can't be used, denies access or does not have the
    /// blob.
    pub fn blob(
        &mut self,
        repository: &str,
        digest: &Digest,
        from: u64,
    ) -> Result<(impl Read + use<>, bool), WorkError> {
        let url = format!("{}{repository}/blobs/{digest}", self.base());
        let range = format!("bytes={from}-");
        let range = (from > 0).then_some(("Range", range.as_str()));
        let agent = self.blobs.clone();
        let response = self.get(&agent, &url, range, repository)?;
        let whole = response.status() != StatusCode::PARTIAL_CONTENT;
        Ok((good(response)?, whole))
    }

    /// Asks the registry whether it accepts the credentials.
    ///
    /// # Errors
    /// Returns [`WorkError`] if the registry can't be used or does not accept the credentials.
    pub fn log_in(&mut self) -> Result<(), WorkError> {
        let url = self.base();
        let named = |error: &WorkError| WorkError::Registry(format!("Get \"{url}\": {error}"));
        let agent = self.documents.clone();
        let first = self
            .follow(&agent, &url, None)
            .map_err(|error| named(&error))?;
        let response = if first.status() == StatusCode::UNAUTHORIZED {
            self.authorize(&first, None).map_err(|error| match error {
                WorkError::Denied(why) => WorkError::Denied(format!("Get \"{url}\": {why}")),
                error => named(&error),
            })?;
            self.follow(&agent, &url, None)
                .map_err(|error| named(&error))?
        } else {
            first
        };
        let status = response.status();
        if status == StatusCode::OK {
            return Ok(());
        }
        Err(WorkError::Login(format!(
            "login attempt to {url} failed with status: {} {}",
            status.as_u16(),
            status.canonical_reason().unwrap_or_default()
        )))
    }

    /// Sends a request, and sends it again with a token if the registry wants one.
    fn get(
        &mut self,
        agent: &Agent,
        url: &str,
        header: Option<(&str, &str)>,
        repository: &str,
    ) -> Result<Response<Body>, WorkError> {
        let first = self.follow(agent, url, header)?;
        if first.status() != StatusCode::UNAUTHORIZED {
            return Ok(first);
        }
        self.authorize(&first, Some(repository))?;
        let second = self.follow(agent, url, header)?;
        if is_denial(second.status()) {
            return Err(denied());
        }
        Ok(second)
    }

    /// Sends a request, and follows redirects. The authorization goes to the registry only.
    fn follow(
        &self,
        agent: &Agent,
        url: &str,
        header: Option<(&str, &str)>,
    ) -> Result<Response<Body>, WorkError> {
        let first = parse(url)?;
        let mut url = first.clone();
        for _ in 0..=REDIRECTS {
            let mut request = agent.get(url.clone());
            if let Some((name, value)) = header {
                request = request.header(name, value);
            }
            if let Some(value) = &self.authorization
                && is_same(&url, &first)
            {
                request = request.header(AUTHORIZATION, value);
            }
            let response = request.call().map_err(|error| failed(&error))?;
            if !response.status().is_redirection() {
                return Ok(response);
            }
            let target = response.headers().get(LOCATION);
            let target = target
                .and_then(|target| target.to_str().ok())
                .ok_or_else(|| WorkError::Registry("it redirects to nowhere".to_owned()))?;
            url = self.redirected(&url, target)?;
        }
        let what = format!("it redirects more than {REDIRECTS} times");
        Err(WorkError::Registry(what))
    }

    fn redirected(&self, from: &Uri, target: &str) -> Result<Uri, WorkError> {
        let scheme = from.scheme_str().unwrap_or_default();
        let authority = from.authority().map_or("", |authority| authority.as_str());
        let text = if target.contains("://") {
            target.to_owned()
        } else if target.starts_with("//") {
            format!("{scheme}:{target}")
        } else if target.starts_with('/') {
            format!("{scheme}://{authority}{target}")
        } else {
            let dir = from.path().rsplit_once('/').map_or("", |(dir, _)| dir);
            format!("{scheme}://{authority}{dir}/{target}")
        };
        let url = parse(&text)?;
        if !self.plain && url.scheme_str() != Some("https") {
            let what = format!("it redirects to {url}, which is not protected by TLS");
            return Err(WorkError::Registry(what));
        }
        Ok(url)
    }

    /// Prepares the answer to a challenge (RFC 7235; Docker's token specification).
    fn authorize(
        &mut self,
        response: &Response<Body>,
        repository: Option<&str>,
    ) -> Result<(), WorkError> {
        let challenge = response.headers().get("www-authenticate");
        let challenge = challenge.and_then(|value| value.to_str().ok());
        let challenge = Challenge::parse(challenge.unwrap_or_default());
        self.authorization = match challenge {
            Challenge::Basic => Some(self.basic().ok_or_else(denied)?),
            Challenge::Bearer { .. } => Some(self.token(&challenge, repository)?),
            Challenge::Unknown(scheme) => {
                let what =
                    format!("it wants to be authorised by `{scheme}`, which is not known here");
                return Err(WorkError::Registry(what));
            }
        };
        Ok(())
    }

    fn token(&self, challenge: &Challenge, repository: Option<&str>) -> Result<String, WorkError> {
        let Challenge::Bearer {
            realm,
            service,
            scope,
        } = challenge
        else {
            return Err(denied());
        };
        let realm = parse(realm)?;
        let tls = realm.scheme_str() == Some("https");
        if !self.plain && !tls {
            let what = format!("it has tokens at {realm}, which is not protected by TLS");
            return Err(WorkError::Registry(what));
        }
        let own = repository.map(|repository| format!("repository:{repository}:pull"));
        let mut request = self.documents.get(realm.clone());
        if let Some(scope) = scope.clone().or(own) {
            request = request.query("scope", scope);
        }
        if let Some(service) = service {
            request = request.query("service", service);
        }
        let registry = parse(&self.base())?;
        // Without TLS the challenge may be forged.
        let trusted = !self.plain || realm.host() == registry.host();
        if let Some(basic) = self.basic().filter(|_| trusted) {
            request = request.header(AUTHORIZATION, basic);
        }
        let response = request.call().map_err(|error| failed(&error))?;
        if response.status().is_redirection() {
            let what = format!("{realm}, where it has tokens, redirects");
            return Err(WorkError::Registry(what));
        }
        if is_denial(response.status()) {
            let body = bounded(response.into_body().into_reader(), TOKEN_BYTES);
            let why = body.ok().as_deref().and_then(challenge::reason);
            let why = why.unwrap_or_else(|| "authentication required".to_owned());
            return Err(WorkError::Denied(format!("unauthorized: {why}")));
        }
        let bytes = bounded(good(response)?, TOKEN_BYTES)?;
        let token: Token = serde_json::from_slice(&bytes)
            .map_err(|error| WorkError::Registry(format!("its token: {error}")))?;
        let token = if token.token.is_empty() {
            token.access_token
        } else {
            token.token
        };
        Ok(format!("Bearer {token}"))
    }

    fn basic(&self) -> Option<String> {
        use base64::Engine as _;
        let (user, password) = self.credentials?;
        let pair = format!("{user}:{password}");
        let encoded = base64::engine::general_purpose::STANDARD.encode(pair);
        Some(format!("Basic {encoded}"))
    }
}

fn agent(host: &str, plain: bool, read: Duration, whole: Option<Duration>) -> Agent {
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
        .https_only(!plain)
        .proxy(None)
        .max_redirects(0)
        .timeout_resolve(Some(RESOLVE))
        .timeout_connect(Some(CONNECT))
        .timeout_recv_response(Some(read))
        .timeout_per_read(Some(read))
        .timeout_per_write(Some(read))
        .timeout_per_call(whole)
        .user_agent("vch")
        .tls_config(tls)
        .build();
    Agent::with_parts(config, DefaultConnector::default(), Careful::new(host))
}

fn parse(url: &str) -> Result<Uri, WorkError> {
    let parsed = url.parse::<Uri>().ok();
    let parsed = parsed.filter(|url| matches!(url.scheme_str(), Some("http" | "https")));
    parsed.ok_or_else(|| {
        let shown: String = url.chars().take(200).collect();
        WorkError::Registry(format!("`{shown}` is no address of the web"))
    })
}

fn is_same(one: &Uri, other: &Uri) -> bool {
    one.scheme() == other.scheme() && one.authority() == other.authority()
}

fn is_denial(status: StatusCode) -> bool {
    matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
}

fn denied() -> WorkError {
    WorkError::Denied("unauthorized: authentication required".to_owned())
}

fn failed(error: &ureq::Error) -> WorkError {
    WorkError::Registry(error.to_string())
}

/// Returns the body of a successful answer; the registry's own message of another as an error.
fn good(response: Response<Body>) -> Result<impl Read + use<>, WorkError> {
    let status = response.status();
    let reader = response.into_body().into_reader();
    if status.is_success() {
        return Ok(reader);
    }
    let mut text = Vec::new();
    // Without its words the status must do.
    drop(reader.take(REASON_BYTES).read_to_end(&mut text));
    let text = String::from_utf8_lossy(&text);
    let printable = text
        .chars()
        .map(|one| if one.is_control() { ' ' } else { one });
    let text: String = printable.collect();
    Err(WorkError::Registry(format!(
        "it answers {status}: {}",
        text.trim()
    )))
}

fn bounded(body: impl Read, most: u64) -> Result<Vec<u8>, WorkError> {
    let mut bytes = Vec::new();
    let read: io::Result<usize> = body.take(most + 1).read_to_end(&mut bytes);
    read.map_err(|error| WorkError::Registry(error.to_string()))?;
    if bytes.len() as u64 > most {
        let what = format!("it sends a document of more than {most} bytes");
        return Err(WorkError::Registry(what));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests;
