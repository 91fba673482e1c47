use super::document;
use crate::RuntimeError;
use serde::ser::{Error as _, Serialize, Serializer};
use vch_ledger::DocumentKind;

/// A value that cannot be serialized as JSON.
struct Formless;

impl Serialize for Formless {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(S::Error::custom("formless"))
    }
}

#[test]
fn content_that_cannot_be_written_is_an_error_and_no_empty_document() {
    let written = document(&"web".into(), DocumentKind::Workload, &Formless);
    assert!(matches!(written, Err(RuntimeError::Unwritable(_))));
}
