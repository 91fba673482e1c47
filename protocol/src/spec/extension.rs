//! The fields of a spec that were added since version 1 of the protocol. They travel in
//! [`NetSpecParts::extension`](super::NetSpecParts::extension).
//!
//! New fields are appended. An agent that is older than the coordinator ignores the bytes behind the fields that it
//! knows; an agent that is newer gives the fields that are not sent their defaults.

use super::{DomainName, MAX_EXTENSION};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The fields of a [`NetSpec`](super::NetSpec) that were added since version 1 of the protocol.
/// [`NetSpecParts::extension`](super::NetSpecParts::extension) holds them in encoded form; the default value is encoded
/// as no bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extension {
    /// The kernel's domain name (`--domainname`), which the agent writes to `/proc/sys/kernel/domainname` if it sets
    /// the kernel's host name too; `None` leaves the present one.
    pub domain: Option<DomainName>,
    /// The kernel settings of the VM's network: paths below `/proc/sys`, such as `net/ipv4/ip_forward`, and values. The
    /// agent refuses a path outside of `net`. They override the settings that the agent makes by itself.
    pub sysctls: BTreeMap<String, String>,
}

impl Extension {
    /// Decodes the bytes of [`NetSpecParts::extension`](super::NetSpecParts::extension), field by field. From the first
    /// field on that is missing or can't be decoded, the fields have their defaults. Bytes of later fields, which this
    /// build does not know, are ignored.
    pub fn read(field: &[u8]) -> Self {
        let mut extension = Self::default();
        let mut rest = field;
        // In the order of the struct, which is the order on the wire.
        let _ = take(&mut rest, &mut extension.domain)
            .and_then(|()| take(&mut rest, &mut extension.sysctls));
        extension
    }

    /// Encodes the fields as the bytes of [`NetSpecParts::extension`](super::NetSpecParts::extension); no bytes if all
    /// fields have their defaults. Returns `None` if they can't be encoded, or take more than [`MAX_EXTENSION`] bytes.
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
