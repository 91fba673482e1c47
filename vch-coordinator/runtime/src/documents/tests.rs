use super::Documents;
use std::sync::Arc;
use vch_ledger::{ContainerId, Id};

#[test]
fn one_text_is_decoded_once_and_another_anew() {
    let documents = Documents::default();
    let [one, other] = [1, 2].map(|byte| ContainerId::from_bytes([byte; 32]));
    let text: Arc<str> = r#"{"image": "sha256:1"}"#.into();
    let first = documents.workload(one, &text).unwrap();
    assert!(Arc::ptr_eq(
        &first,
        &documents.workload(one, &text).unwrap()
    ));
    assert!(!Arc::ptr_eq(
        &first,
        &documents.workload(other, &text).unwrap()
    ));

    let changed: Arc<str> = r#"{"image": "sha256:2"}"#.into();
    assert_eq!(documents.workload(one, &changed).unwrap().image, "sha256:2");
    documents.forget(one);
    assert!(!Arc::ptr_eq(
        &first,
        &documents.workload(one, &text).unwrap()
    ));
}

#[test]
fn a_text_that_cannot_be_read_is_an_error_each_time_and_hides_no_other() {
    let documents = Documents::default();
    let id = ContainerId::from_bytes([1; 32]);
    let (torn, whole): (Arc<str>, Arc<str>) = ("{".into(), r#"{"exit_code": 3}"#.into());
    for _ in 0..2 {
        assert!(documents.run_state(id, &torn).is_err());
        assert_eq!(documents.run_state(id, &whole).unwrap().exit_code, 3);
    }
}
