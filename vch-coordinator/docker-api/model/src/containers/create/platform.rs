//! The platform in a request: `os`, `architecture`, `os/architecture` or `os/architecture/variant`, or the same as
//! the image specification's JSON.

use crate::{DockerError, containers::create::Image};
use serde::Deserialize;

/// The operating system of VMs and so of all images.
const OS: &str = "linux";
const ARCHITECTURE: &str = "amd64";
/// The operating systems that containerd's platforms package knows, by their names in Go.
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

/// Checks that an image is for the platform that a client requested as `text`: `os`, `architecture`, `os/architecture`,
/// `os/architecture/variant`, or the same as the image specification's JSON. `name` is the image's name for the error
/// message.
///
/// # Errors
/// Returns 400 if the text is not a platform, and 404 if the image is for another one.
pub fn check(text: &str, name: &str, image: &Image) -> Result<(), DockerError> {
    let asked = read(text)?;
    let [system, architecture, _] = &image.platform;
    if same(&asked, &image.platform) {
        return Ok(());
    }
    Err(DockerError::not_found(format!(
        "image with reference {name} was found but its platform ({system}/{architecture}) does not match the specified platform ({})",
        format_platform(&asked)
    )))
}

/// Checks that the platform that a client requested is linux/amd64, the platform of all of the VCH's images. `text` has
/// one of the forms `os`, `architecture`, `os/architecture`, `os/architecture/variant`, or is the image specification's
/// JSON.
///
/// # Errors
/// Returns 400 if the text is not a platform, and 404 if it is another one.
pub fn only_ours(text: &str) -> Result<(), DockerError> {
    let asked = read(text)?;
    if same(&asked, &[OS, ARCHITECTURE, ""].map(str::to_owned)) {
        return Ok(());
    }
    let requested = format_platform(&asked);
    Err(DockerError::not_found(format!(
        "no image for platform {requested}: this Virtual Container Host has and runs images for {OS}/{ARCHITECTURE}"
    )))
}

fn same(asked: &[String; 3], image: &[String; 3]) -> bool {
    let [system, architecture, variant] = asked;
    let [its_system, its_architecture, its_variant] = image;
    system == its_system
        && architecture == its_architecture
        // The first variant is the one of every processor.
        && (variant.is_empty() || variant == its_variant || variant == "v1")
}

fn format_platform(platform: &[String; 3]) -> String {
    let parts = platform.iter().map(String::as_str);
    let parts: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
    parts.join("/")
}

/// The image specification's platform, which some parameters contain as JSON.
#[derive(Deserialize)]
struct Platform {
    os: String,
    architecture: String,
    #[serde(default)]
    variant: String,
}

/// Parses the operating system, the architecture and its variant, written as text or as JSON.
///
/// # Errors
/// Returns 400 if the text is not a platform.
fn read(text: &str) -> Result<[String; 3], DockerError> {
    let lower = match serde_json::from_str::<Platform>(text) {
        Err(_) => text.to_owned(),
        Ok(platform) => format_platform(&[platform.os, platform.architecture, platform.variant]),
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

/// Returns the usual name of an architecture.
fn known(text: &str) -> &str {
    match text {
        "x86_64" | "x86-64" => "amd64",
        "aarch64" => "arm64",
        "i386" | "i686" => "386",
        "armhf" | "armel" => "arm",
        other => other,
    }
}
