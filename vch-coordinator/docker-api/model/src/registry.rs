//! Responses about image registries.

use serde::Serialize;
use vch_image_store::{Descriptor, Distribution, Platform};

/// The response to `GET /distribution/{name}/json`: an image in a registry, without its files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct DistributionInspect {
    /// The descriptor of the image's manifest or index: media type, digest and size.
    pub descriptor: Descriptor,
    /// The platforms that the image exists for in the registry; `None`, shown as null, if they are unknown.
    pub platforms: Option<Vec<Platform>>,
}

impl From<Distribution> for DistributionInspect {
    fn from(found: Distribution) -> Self {
        Self {
            descriptor: found.descriptor,
            platforms: (!found.platforms.is_empty()).then_some(found.platforms),
        }
    }
}

/// The response to `POST /auth` (`docker login`) if the registry accepted the user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct LoggedIn {
    /// The message for the user.
    pub status: &'static str,
    /// A token in place of the password. Always empty: the client stores the password.
    pub identity_token: &'static str,
}

/// The only response to a successful login with user and password.
pub const LOGGED_IN: LoggedIn = LoggedIn {
    status: "Login Succeeded",
    identity_token: "",
};
