//! Volumes, which are not there yet: what is no volume is refused as by dockerd, what is one as a feature that
//! is not offered.

use super::{Docker, DockerError, Json, Parameters, Path, filters::Filters};
use axum::{
    Router,
    routing::{any, get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};

pub fn routes() -> Router<Docker> {
    Router::new()
        .route("/volumes", get(list))
        .route("/volumes/create", post(create))
        .route("/volumes/prune", post(prune))
        .route("/volumes/{volume}", any(no_such_volume))
}

async fn list(parameters: Parameters) -> Result<Json<Value>, DockerError> {
    let filters = Filters::parse(parameters.get("filters"))?;
    filters.only(&["dangling", "driver", "label", "name"])?;
    filters.switch("dangling")?;
    Ok(Json(json!({ "Volumes": [], "Warnings": null })))
}

#[derive(Default, Deserialize)]
#[serde(rename = "Wish", rename_all = "PascalCase", default)]
struct VolumeParams {
    name: String,
    driver: String,
}

async fn create(Json(params): Json<VolumeParams>) -> Result<Json<Value>, DockerError> {
    if !params.name.is_empty() {
        check_name(&params.name)?;
    }
    if !matches!(&*params.driver, "" | "local") {
        let (name, driver) = (shown(&params.name), shown(&params.driver));
        return Err(DockerError::not_found(format!(
            "create {name}: error looking up volume plugin {driver}: plugin \"{driver}\" not found"
        )));
    }
    let remedy = "copy what the container needs into its image, or serve it over the network";
    Err(DockerError::unsupported("a volume", remedy))
}

async fn prune(parameters: Parameters) -> Result<Json<Value>, DockerError> {
    let filters = Filters::parse(parameters.get("filters"))?;
    filters.only(&["all", "label", "label!"])?;
    filters.switch("all")?;
    Ok(Json(json!({ "VolumesDeleted": [], "SpaceReclaimed": 0 })))
}

async fn no_such_volume(Path(volume): Path<String>) -> DockerError {
    let volume = shown(&volume);
    DockerError::not_found(format!("get {volume}: no such volume"))
}

fn shown(text: &str) -> String {
    text.chars().take(200).collect()
}

/// Passes what can be the name of a volume.
fn check_name(name: &str) -> Result<(), DockerError> {
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
    let name = shown(name);
    Err(DockerError::invalid(format!(
        "create {name}: {name:?} includes invalid characters for a local volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, use absolute path"
    )))
}

/// Passes `source:target` and `source:target:mode`, and a target alone, as Docker's `--volume` writes them.
///
/// # Errors
/// In dockerd's words; `check_target` says what is wrong with a path at which something is to be mounted.
pub fn check_bind(
    bind: &str,
    check_target: impl Fn(&str) -> Result<(), String>,
) -> Result<(), DockerError> {
    let invalid = format!("invalid volume specification: '{}'", shown(bind));
    let parts: Vec<&str> = bind.splitn(4, ':').collect();
    let (source, target, mode) = match parts[..] {
        ["", ..] => return Err(DockerError::invalid(invalid)),
        [target] => (None, target, ""),
        // A mode without a source is none of a volume's.
        [_, target] if is_mode(target) => return Err(DockerError::invalid(invalid)),
        [source, target] => (Some(source), target, ""),
        [source, target, mode] => (Some(source), target, mode),
        _ => return Err(DockerError::invalid(invalid)),
    };
    if !is_mode(mode) {
        return Err(DockerError::invalid(format!(
            "invalid mode: {}",
            shown(mode)
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

/// Passes `container` and `container:mode`, as Docker's `--volumes-from` writes them.
///
/// # Errors
/// In dockerd's words.
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
            shown(mode)
        ))),
    }
}

/// Whether each word is one of a mode's, and none is of a kind that was there before.
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
mod tests {
    use super::check_bind;

    fn check_target(path: &str) -> Result<(), String> {
        match path.starts_with('/') {
            true => Ok(()),
            false => Err("not absolute".to_owned()),
        }
    }

    #[test]
    fn what_is_no_volume_is_told_from_what_is_one() {
        for bind in [
            "/x",
            "data:/x",
            "/x:/y",
            "/x:/y:ro",
            "data:/x:rw,z,nocopy",
            "/x:/y:ro,rshared",
        ] {
            assert_eq!(check_bind(bind, check_target), Ok(()), "{bind}");
        }
        for (bind, words) in [
            ("", "invalid volume specification: ''"),
            (":/x", "invalid volume specification: ':/x'"),
            ("/x:ro", "invalid volume specification: '/x:ro'"),
            ("a:/b:ro:d", "invalid volume specification: 'a:/b:ro:d'"),
            ("/x:/y:words", "invalid mode: words"),
            ("/x:/y:ro,rw", "invalid mode: ro,rw"),
            ("/x:relative", "for type \"bind\": not absolute"),
            ("data:relative", "for type \"volume\": not absolute"),
            ("a b:/x", "\"a b\" includes invalid characters"),
            ("relative/path:/x", "use absolute path"),
            ("a:/x", "volume name is too short"),
        ] {
            let error = check_bind(bind, check_target).unwrap_err();
            assert_eq!(error.status.as_u16(), 400, "{bind}");
            assert!(error.message.contains(words), "{bind}: {}", error.message);
        }
    }
}
