//! The platform that a request names: `os`, `architecture`, `os/architecture` or `os/architecture/variant`.

use crate::{DockerError, containers::create::Image};
use serde::Deserialize;

/// A VM's, of which every image is.
const OS: &str = "linux";
const ARCHITECTURE: &str = "amd64";
/// What containerd's platforms know, by their names in Go.
const SYSTEMS: [&str; 13] = [
    "aix",
    "android",
    "darwin",
    "dragonfly",
    "freebsd",
    "illumos",
    "js",
    "linux",
    "netbsd",
    "openbsd",
    "plan9",
    "solaris",
    "windows",
];
const ARCHITECTURES: [&str; 13] = [
    "386", "amd64", "arm", "arm64", "loong64", "mips", "mips64", "mips64le", "mipsle", "ppc64le",
    "riscv64", "s390x", "wasm",
];

/// Passes a platform that the image is of.
///
/// # Errors
/// 400 for what is no platform, 404 for another one than the image's.
pub fn check(text: &str, name: &str, image: &Image) -> Result<(), DockerError> {
    let asked = read(text)?;
    let [system, architecture, _] = &image.platform;
    if same(&asked, &image.platform) {
        return Ok(());
    }
    Err(DockerError::not_found(format!(
        "image with reference {name} was found but its platform ({system}/{architecture}) does not match the specified platform ({})",
        shown(&asked)
    )))
}

/// Passes the platform of every image that a VCH has.
///
/// # Errors
/// 400 for what is no platform, 404 for another one.
pub fn only_ours(text: &str) -> Result<(), DockerError> {
    let asked = read(text)?;
    if same(&asked, &[OS, ARCHITECTURE, ""].map(str::to_owned)) {
        return Ok(());
    }
    let shown = shown(&asked);
    Err(DockerError::not_found(format!(
        "no image for platform {shown}: this Virtual Container Host has and runs images for {OS}/{ARCHITECTURE}"
    )))
}

fn same(asked: &[String; 3], image: &[String; 3]) -> bool {
    let [system, architecture, variant] = asked;
    let [its_system, its_architecture, its_variant] = image;
    system == its_system
        && architecture == its_architecture
        // The first variant is every processor's.
        && (variant.is_empty() || variant == its_variant || variant == "v1")
}

fn shown(platform: &[String; 3]) -> String {
    let parts = platform.iter().map(String::as_str);
    let parts: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
    parts.join("/")
}

/// The image specification's, which some parameters have as JSON.
#[derive(Deserialize)]
struct Platform {
    os: String,
    architecture: String,
    #[serde(default)]
    variant: String,
}

/// Reads the operating system, the architecture and its variant, as text or as JSON.
fn read(text: &str) -> Result<[String; 3], DockerError> {
    let lower = match serde_json::from_str::<Platform>(text) {
        Err(_) => text.to_owned(),
        Ok(platform) => shown(&[platform.os, platform.architecture, platform.variant]),
    };
    let lower = lower.to_ascii_lowercase();
    let shown: String = text.chars().take(100).collect();
    let wrong = |why: &str| DockerError::invalid(format!("{shown:?}: {why}: invalid argument"));
    let parts: Vec<&str> = lower.split('/').collect();
    let word = |part: &&str| {
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
        !part.is_empty() && part.bytes().all(inner)
    };
    if !parts.iter().all(word) {
        return Err(wrong(
            "platform specifier component must match letters, digits, _, . and -",
        ));
    }
    let platform = match parts.as_slice() {
        [one] if SYSTEMS.contains(one) => [*one, ARCHITECTURE, ""],
        [one] if ARCHITECTURES.contains(&known(one)) => [OS, known(one), ""],
        [_] => return Err(wrong("unknown operating system or architecture")),
        [system, architecture] => [*system, known(architecture), ""],
        [system, architecture, variant] => [*system, known(architecture), *variant],
        _ => return Err(wrong("cannot parse platform specifier")),
    };
    Ok(platform.map(str::to_owned))
}

/// Other names of architectures.
fn known(text: &str) -> &str {
    match text {
        "x86_64" | "x86-64" => "amd64",
        "aarch64" => "arm64",
        "i386" | "i686" => "386",
        "armhf" | "armel" => "arm",
        other => other,
    }
}
