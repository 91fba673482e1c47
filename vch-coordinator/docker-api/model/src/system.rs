//! Responses about the VCH itself.

#![expect(
    missing_docs,
    reason = "fields of the Docker Engine API under its own names, which its reference explains"
)]

pub mod info;

use crate::{Version, containers::summary::ContainerSummary, images::summary::ImageSummary};
use serde::Serialize;

/// The release of the coordinator, which is shown as the engine's.
pub const RELEASE: &str = env!("CARGO_PKG_VERSION");

/// The response to `GET /version`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct VersionInfo<'a> {
    pub platform: PlatformName,
    pub components: [Component<'a>; 1],
    pub version: &'static str,
    pub api_version: String,
    #[serde(rename = "MinAPIVersion")]
    pub min_api_version: String,
    pub git_commit: &'static str,
    pub go_version: &'static str,
    pub os: &'static str,
    pub arch: &'static str,
    pub kernel_version: &'a str,
    pub build_time: &'static str,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct PlatformName {
    pub name: &'static str,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Component<'a> {
    pub name: &'static str,
    pub version: &'static str,
    pub details: Details<'a>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Details<'a> {
    pub api_version: String,
    pub arch: &'static str,
    pub build_time: &'static str,
    pub experimental: &'static str,
    pub git_commit: &'static str,
    pub go_version: &'static str,
    pub kernel_version: &'a str,
    #[serde(rename = "MinAPIVersion")]
    pub min_api_version: String,
    pub os: &'static str,
}

impl<'a> VersionInfo<'a> {
    /// Returns the versions of a VCH on a kernel of this release.
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

/// The response to `GET /system/df`. Parts that were not requested are null.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Usage<'a> {
    pub layers_size: u64,
    pub images: Option<Vec<ImageSummary>>,
    pub containers: Option<Vec<ContainerSummary<'a>>>,
    pub volumes: Option<[u64; 0]>,
    pub build_cache: Option<[u64; 0]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub builder_size: Option<u64>,
}

#[cfg(test)]
mod tests;
