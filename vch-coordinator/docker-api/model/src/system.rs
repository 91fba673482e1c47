//! Responses about the VCH itself: its versions and its disk usage.

pub mod info;

use crate::{Version, containers::summary::ContainerSummary, images::summary::ImageSummary};
use serde::Serialize;

/// The release of the coordinator (`vch-coordinator`), which Docker's clients see as the engine's version.
pub const RELEASE: &str = env!("CARGO_PKG_VERSION");

/// The response to `GET /version` (`docker version`).
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct VersionInfo<'a> {
    /// The name of the product.
    pub platform: PlatformName,
    /// The versions again, in the form that newer clients read.
    pub components: [Component<'a>; 1],
    /// The release of the coordinator, [`RELEASE`].
    pub version: &'static str,
    /// The newest version of Docker's API that the VCH supports, such as `1.51`.
    pub api_version: String,
    /// The oldest version of Docker's API that the VCH supports, such as `1.24`.
    #[serde(rename = "MinAPIVersion")]
    pub min_api_version: String,
    /// The commit that the program was built from. Always empty.
    pub git_commit: &'static str,
    /// The version of Go. Always empty: the program is not written in Go.
    pub go_version: &'static str,
    /// The operating system. Always `linux`.
    pub os: &'static str,
    /// The processor architecture by Go's name, such as `amd64`.
    pub arch: &'static str,
    /// The release of the VCH's kernel.
    pub kernel_version: &'a str,
    /// When the program was built. Always empty.
    pub build_time: &'static str,
}

/// The name of the product in the response to `GET /version`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct PlatformName {
    /// The name: `Virtual Container Host`.
    pub name: &'static str,
}

/// A component of the engine in the response to `GET /version`. A VCH has one.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Component<'a> {
    /// The component's name: `Engine`.
    pub name: &'static str,
    /// The release of the coordinator, [`RELEASE`].
    pub version: &'static str,
    /// The component's further versions.
    pub details: Details<'a>,
}

/// The versions of a [`Component`].
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Details<'a> {
    /// The newest version of Docker's API that the VCH supports, such as `1.51`.
    pub api_version: String,
    /// The processor architecture by Go's name, such as `amd64`.
    pub arch: &'static str,
    /// When the program was built. Always empty.
    pub build_time: &'static str,
    /// Whether experimental features are enabled, as text. Always `false`.
    pub experimental: &'static str,
    /// The commit that the program was built from. Always empty.
    pub git_commit: &'static str,
    /// The version of Go. Always empty: the program is not written in Go.
    pub go_version: &'static str,
    /// The release of the VCH's kernel.
    pub kernel_version: &'a str,
    /// The oldest version of Docker's API that the VCH supports, such as `1.24`.
    #[serde(rename = "MinAPIVersion")]
    pub min_api_version: String,
    /// The operating system. Always `linux`.
    pub os: &'static str,
}

impl<'a> VersionInfo<'a> {
    /// Returns the response to `GET /version`. `kernel` is the release of the VCH's kernel, such as `6.12.0`.
    pub fn of(kernel: &'a str) -> Self {
        let (oldest, newest) = (Version::OLDEST.to_string(), Version::NEWEST.to_string());
        Self {
            platform: PlatformName {
                name: "Virtual Container Host",
            },
            components: [Component {
                name: "Engine",
                version: RELEASE,
                details: Details {
                    api_version: newest.clone(),
                    arch: architecture(),
                    build_time: "",
                    experimental: "false",
                    git_commit: "",
                    go_version: "",
                    kernel_version: kernel,
                    min_api_version: oldest.clone(),
                    os: "linux",
                },
            }],
            version: RELEASE,
            api_version: newest,
            min_api_version: oldest,
            git_commit: "",
            go_version: "",
            os: "linux",
            arch: architecture(),
            kernel_version: kernel,
            build_time: "",
        }
    }
}

/// Returns Go's name of the architecture.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// The response to `GET /system/df` (`docker system df`): the objects with their sizes. Kinds of objects that the
/// client did not ask for are `None`, shown as null.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Usage<'a> {
    /// The bytes of the packed layers of all images, each layer counted once; 0 if the client did not ask for images.
    pub layers_size: u64,
    /// All images with their sizes; `None`, shown as null, if the client did not ask for images.
    pub images: Option<Vec<ImageSummary>>,
    /// All containers with their sizes; `None`, shown as null, if the client did not ask for containers.
    pub containers: Option<Vec<ContainerSummary<'a>>>,
    /// The volumes: always an empty list, since a VCH has none; `None`, shown as null, if the client did not ask for
    /// volumes.
    pub volumes: Option<[u64; 0]>,
    /// The parts of the build cache: always an empty list, since a VCH has none; `None`, shown as null, if the client
    /// did not ask for them.
    pub build_cache: Option<[u64; 0]>,
    /// The bytes of the build cache: 0. `None` (the key is left out) since API 1.42.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub builder_size: Option<u64>,
}

#[cfg(test)]
mod tests;
