//! How long resolvers may cache answers about a network's names.

use serde::{Deserialize, Serialize};
use std::fmt;
use thiserror::Error;

/// The time for which DNS resolvers may cache answers about a network's names (TTL), in whole seconds: 0 to
/// [`DnsTtl::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct DnsTtl(u32);

/// The error of a TTL that is greater than [`DnsTtl::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("DNS TTL {0} is not possible: use 0 to 86400 seconds")]
pub struct DnsTtlError(u32);

impl DnsTtl {
    /// The greatest TTL, in seconds: a day. So long a resolver may answer with the old address after a name's address
    /// has changed.
    pub const MAX: u32 = 86_400;

    /// Returns the TTL in whole seconds.
    pub fn seconds(self) -> u32 {
        self.0
    }
}

impl TryFrom<u32> for DnsTtl {
    type Error = DnsTtlError;

    fn try_from(seconds: u32) -> Result<Self, DnsTtlError> {
        if seconds > Self::MAX {
            return Err(DnsTtlError(seconds));
        }
        Ok(Self(seconds))
    }
}

impl From<DnsTtl> for u32 {
    fn from(ttl: DnsTtl) -> Self {
        ttl.0
    }
}

impl fmt::Display for DnsTtl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
