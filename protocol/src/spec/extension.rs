//! The fields of a spec that were added since version 1 of the protocol, in its extension field.
//!
//! An agent that does not know a field leaves it out: fields are appended, and what follows those
//! that are known is not read.

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
    /// Decodes the field; a field that can't be decoded counts as empty.
    pub fn read(field: &[u8]) -> Self {
        let read = postcard::take_from_bytes(field);
        read.map(|(extension, _)| extension).unwrap_or_default()
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
