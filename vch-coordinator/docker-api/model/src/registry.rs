//! What registries are asked for.

#![expect(
    missing_docs,
    reason = "fields of the Docker Engine API under its own names, which its reference explains"
)]

use serde::Serialize;
use vch_image_store::{Descriptor, Distribution, Platform};

/// What a registry has under a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct DistributionInspect {
    pub descriptor: Descriptor,
    /// Go's empty list is null.
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

/// A registry knows a user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct LoggedIn {
    pub status: &'static str,
    pub identity_token: &'static str,
}

/// The answer to a user and a password.
pub const LOGGED_IN: LoggedIn = LoggedIn {
    status: "Login Succeeded",
    identity_token: "",
};
