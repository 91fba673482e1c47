//! QEMU's `a,key=value` option lists, in which a comma of a value is doubled.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// One option list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OptionList(Vec<u8>);

impl OptionList {
    pub(super) fn new(first: &str) -> Self {
        Self(first.as_bytes().to_vec())
    }

    pub(super) fn with<V: AsRef<OsStr> + ?Sized>(mut self, key: &str, value: &V) -> Self {
        self.0.push(b',');
        self.0.extend_from_slice(key.as_bytes());
        self.0.push(b'=');
        for byte in value.as_ref().as_bytes() {
            if *byte == b',' {
                self.0.push(b',');
            }
            self.0.push(*byte);
        }
        self
    }

    pub(super) fn into_argument(self) -> OsString {
        OsString::from_vec(self.0)
    }
}
