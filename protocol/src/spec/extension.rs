//! What a spec's extension field says: what was added since version 1 of the protocol.
//!
//! An agent that does not know a field leaves it out: fields are appended, and what follows those
//! that are known is not read.

use super::{DomainName, MAX_EXTENSION};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a spec says beyond version 1. None of it is an empty field.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extension {
    /// The domain that the VM's host name is in; `None` leaves the kernel's alone.
    pub domain: Option<DomainName>,
    /// Kernel settings of the VM's network: their paths below `/proc/sys`, and their values. They win
    /// over the agent's own.
    pub sysctls: BTreeMap<String, String>,
}

impl Extension {
    /// Reads the field; what is unreadable says nothing.
    pub fn read(field: &[u8]) -> Self {
        let read = postcard::take_from_bytes(field);
        read.map(|(extension, _)| extension).unwrap_or_default()
    }

    /// The field; `None` if it would be longer than [`MAX_EXTENSION`].
    pub fn field(&self) -> Option<Vec<u8>> {
        if *self == Self::default() {
            return Some(Vec::new());
        }
        let field = postcard::to_allocvec(self).ok()?;
        (field.len() <= MAX_EXTENSION).then_some(field)
    }
}
