//! The fields of a spec that were added since version 1 of the protocol, in its extension field.
//!
//! Fields are only ever appended. An agent that is older than the coordinator ignores the fields behind those that it
//! knows; for an agent that is newer, the fields that an older coordinator does not send have their defaults.

use super::{DomainName, MAX_EXTENSION};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The fields of a spec beyond version 1. The default is encoded as an empty field.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extension {
    /// The domain of the VM's host name; `None` leaves the kernel's unchanged.
    pub domain: Option<DomainName>,
    /// The kernel settings of the VM's network: paths below `/proc/sys`, and values. They win over the agent's own.
    pub sysctls: BTreeMap<String, String>,
}

impl Extension {
    /// Decodes the extension field of a spec. Every property is decoded by itself: from the first one on that is missing
    /// or can't be decoded, they have their defaults.
    pub fn read(field: &[u8]) -> Self {
        let mut extension = Self::default();
        let mut rest = field;
        // In the order of the struct, which is the order on the wire.
        let _ = take(&mut rest, &mut extension.domain)
            .and_then(|()| take(&mut rest, &mut extension.sysctls));
        extension
    }

    /// Returns the encoded field; `None` if it would be longer than [`MAX_EXTENSION`].
    pub fn field(&self) -> Option<Vec<u8>> {
        if *self == Self::default() {
            return Some(Vec::new());
        }
        let field = postcard::to_allocvec(self).ok()?;
        (field.len() <= MAX_EXTENSION).then_some(field)
    }
}

/// Decodes one property from the beginning of `rest`, and leaves `rest` at what follows.
fn take<'a, T: Deserialize<'a>>(rest: &mut &'a [u8], property: &mut T) -> postcard::Result<()> {
    (*property, *rest) = postcard::take_from_bytes(rest)?;
    Ok(())
}
