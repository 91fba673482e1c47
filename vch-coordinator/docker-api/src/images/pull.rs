//! `docker pull`, `docker import` and `docker load`.

use super::super::{Docker, Parameters};
use super::login::Auth;
use axum::{
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, HeaderValue, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use docker_model::{
    DockerError, containers::create::only_ours, images::progress::ProgressLine, json, time,
};
use futures_util::{
    FutureExt, StreamExt, TryStreamExt,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use serde_json::Value;
use std::{convert::Infallible, io};
use tokio::sync::mpsc;
use tokio_util::io::StreamReader;
use vch_image_store::{ImageError, Import, Progress, Reference};

/// How many lines of progress a slow client may lag behind; beyond that, the work waits for the
/// client.
const BEHIND: usize = 16;

/// Handles `POST /images/create`: pulls an image (`docker pull`), or imports the archive in the body (`docker
/// import`). The response is a stream of progress.
///
/// # Errors
/// Returns 400 if the name or the credentials are not valid, 404 for another platform or an image that does not
/// exist, and 501 for an import from a URL. Failures after the first line of progress are lines of the stream.
pub async fn create(
    State(docker): State<Docker>,
    parameters: Parameters,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, DockerError> {
    if let Some(platform) = parameters.get("platform") {
        only_ours(platform)?;
    }
    if let Some(image) = parameters.get("fromImage") {
        let tag = parameters.get("tag").unwrap_or_default();
        // Old clients ask for all tags in this form.
        let image = image.strip_suffix(':').unwrap_or(image);
        let name = Reference::from_parts(image, tag).map_err(ImageError::Name)?;
        let all = tag.is_empty() && Reference::is_repository(image);
        return pull(docker, name, all, credentials(&headers)?).await;
    }
    if parameters.get("fromSrc") != Some("-") {
        let remedy = "give the archive itself: `docker import - NAME < FILE`";
        return Err(DockerError::unsupported("importing from a URL", remedy));
    }
    let name = match parameters.get("repo") {
        None => None,
        Some(repository) => {
            let tag = parameters.get("tag").unwrap_or_default();
            let name = Reference::from_parts(repository, tag).map_err(ImageError::Name)?;
            Some(name)
        }
    };
    let request = Import {
        name,
        changes: parameters.all("changes").map(str::to_owned).collect(),
        message: parameters.get("message").unwrap_or_default().to_owned(),
        created: time::rfc3339(time::now()),
    };
    let (sender, receiver) = mpsc::channel(BEHIND);
    let work = async move {
        let image = docker.images.import(reader(body), request, &sender).await?;
        let id = image.id.to_string();
        docker.tell_image("import", &id, &id);
        Ok(Some(ProgressLine::Status { status: id }))
    };
    streamed(receiver, work.boxed()).await
}

/// Pulls an image, or the images of all tags of its repository (`docker pull --all-tags`).
async fn pull(
    docker: Docker,
    name: Reference,
    all: bool,
    credentials: Option<(String, String)>,
) -> Result<Response, DockerError> {
    let (sender, receiver) = mpsc::channel(BEHIND);
    let work = async move {
        let names = match all {
            true => docker.images.remote_tags(name, credentials.clone()).await?,
            false => vec![name],
        };
        for name in names {
            let shown = name.familiar();
            let image = docker.images.pull(name, credentials.clone(), &sender);
            let id = image.await?.id.to_string();
            docker.tell_image("pull", &id, &shown);
        }
        Ok(None)
    };
    streamed(receiver, work.boxed()).await
}

/// Parses the client's credentials for the registry: `X-Registry-Auth`, JSON in base64url.
///
/// # Errors
/// Returns 400 if the header is not valid.
pub(super) fn credentials(headers: &HeaderMap) -> Result<Option<(String, String)>, DockerError> {
    let Some(written) = headers.get("X-Registry-Auth") else {
        return Ok(None);
    };
    let written = written.as_bytes();
    let bare = written.trim_ascii_end();
    let bare = bare.split(|byte| *byte == b'=').next().unwrap_or_default();
    if bare.is_empty() {
        return Ok(None);
    }
    let decoded = URL_SAFE_NO_PAD.decode(bare).ok();
    let auth = decoded.and_then(|text| serde_json::from_slice(&text).ok());
    let auth = match auth {
        Some(Value::Null) => Some(Auth::default()),
        // By Go's rules: clients write null for missing values.
        auth => auth.and_then(|auth| json::typed(auth).ok()),
    };
    let auth = auth.ok_or_else(|| {
        DockerError::invalid(
            "X-Registry-Auth is no base64url of JSON: log in again (`docker login`)",
        )
    })?;
    auth.credentials()
}

/// Handles `POST /images/load` (`docker load`): stores the images of the archive in the body. The response is a
/// stream of progress.
///
/// # Errors
/// Returns 400 if the archive is not valid, and 404 for another platform. Failures after the first line of progress
/// are lines of the stream.
pub async fn load(
    State(docker): State<Docker>,
    parameters: Parameters,
    body: Body,
) -> Result<Response, DockerError> {
    if let Some(platform) = parameters.get("platform") {
        only_ours(platform)?;
    }
    let (sender, receiver) = mpsc::channel(BEHIND);
    let work = async move {
        for image in docker.images.load(reader(body), &sender).await? {
            let id = image.id.to_string();
            docker.tell_image("load", &id, &id);
        }
        Ok(None)
    };
    // dockerd answers 200 before it reads the archive.
    let answered = streamed(receiver, work.boxed()).await;
    Ok(answered.unwrap_or_else(|error| lines(text(&[ProgressLine::failed(&error.message)]))))
}

fn reader(body: Body) -> StreamReader<BoxStream<'static, io::Result<Bytes>>, Bytes> {
    let bytes = body.into_data_stream().map_err(io::Error::other);
    StreamReader::new(bytes.boxed())
}

type ImageFuture = BoxFuture<'static, Result<Option<ProgressLine>, ImageError>>;

/// Returns a response of progress lines, followed by the result of the work. The work is cancelled
/// if the client goes away.
///
/// # Errors
/// Returns the error of the work if it fails before the first progress.
async fn streamed(
    mut progress: mpsc::Receiver<Progress>,
    mut work: ImageFuture,
) -> Result<Response, DockerError> {
    // Both futures can be polled again, so that none loses its result.
    let (first, rest) = tokio::select! {
        biased;
        Some(line) = progress.recv() => (vec![ProgressLine::Progress(line)], Some(work)),
        done = &mut work => match (done, progress.is_empty()) {
            (Err(error), true) => return Err(error.into()),
            (done, _) => (last(&mut progress, done), None),
        },
    };
    let begin = (progress, rest);
    let rest = stream::unfold(begin, |(mut progress, work)| async move {
        let mut work = work?;
        let (line, rest) = tokio::select! {
            biased;
            Some(line) = progress.recv() => (vec![ProgressLine::Progress(line)], Some(work)),
            done = &mut work => (last(&mut progress, done), None),
        };
        Some((text(&line), (progress, rest)))
    });
    let whole = stream::once(std::future::ready(text(&first))).chain(rest);
    Ok(lines(Body::from_stream(whole.map(Ok::<_, Infallible>))))
}

/// Returns a response of JSON lines.
fn lines(body: impl Into<Body>) -> Response {
    let mut response = body.into().into_response();
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}

/// Serializes progress lines.
fn text(lines: &[ProgressLine]) -> Bytes {
    let mut text = Vec::new();
    for line in lines {
        // Texts and numbers can always be serialized.
        if serde_json::to_writer(&mut text, line).is_ok() {
            text.extend_from_slice(b"\r\n");
        }
    }
    Bytes::from(text)
}

/// Returns the remaining progress and the result.
fn last(
    progress: &mut mpsc::Receiver<Progress>,
    done: Result<Option<ProgressLine>, ImageError>,
) -> Vec<ProgressLine> {
    let mut lines = Vec::new();
    while let Ok(line) = progress.try_recv() {
        lines.push(ProgressLine::Progress(line));
    }
    match done {
        Ok(end) => lines.extend(end),
        Err(error) => {
            let message = vch_log::error_chain(&error).to_string();
            lines.push(ProgressLine::failed(&message));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::credentials;
    use axum::http::HeaderMap;
    use base64::{Engine, engine::general_purpose::URL_SAFE};

    fn of(text: &str) -> Option<Option<(String, String)>> {
        let mut headers = HeaderMap::new();
        headers.insert("X-Registry-Auth", text.parse().unwrap());
        credentials(&headers).ok()
    }

    #[test]
    fn a_client_s_credentials_are_its_own_or_none() {
        let encoded = |text: &str| URL_SAFE.encode(text);
        let mine = of(&encoded(r#"{"username":"me","password":"p>?s"}"#));
        assert_eq!(mine, Some(Some(("me".to_owned(), "p>?s".to_owned()))));
        // The crate bollard writes them in this form.
        let null =
            r#"{"username":"me","password":"p","auth":null,"email":null,"identitytoken":null}"#;
        let mine = of(&encoded(null));
        assert_eq!(mine, Some(Some(("me".to_owned(), "p".to_owned()))));
        assert_eq!(of(&encoded("{}")), Some(None));
        assert_eq!(of(&encoded("null")), Some(None));
        assert_eq!(of("%%%"), None);
        assert_eq!(credentials(&HeaderMap::new()).unwrap(), None);
    }
}
