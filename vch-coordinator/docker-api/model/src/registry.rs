//! Responses about registries.

#![expect(
    missing_docs,
    reason = "fields of the Docker Engine API under its own names, which its reference explains"
)]

use serde::Serialize;
use vch_image_store::{Descriptor, Distribution, Platform};

/// The description of an image in a registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct DistributionInspect {
    pub descriptor: Descriptor,
    /// The platforms; `None`, which is null, if the list is empty.
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

/// The response to a successful login.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct LoggedIn {
    pub status: &'static str,
    pub identity_token: &'static str,
}

/// The response to a successful login with user and password.
pub const LOGGED_IN: LoggedIn = LoggedIn {
    status: "Login Succeeded",
    identity_token: "",
};
