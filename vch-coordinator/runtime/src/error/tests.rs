use super::*;

#[test]
fn an_error_that_cannot_be_copied_is_shared_and_found_again() {
    let shared = RuntimeError::shared(Arc::new(RuntimeError::Disabled));
    assert!(matches!(shared, RuntimeError::Shared(_)), "{shared:?}");
    assert!(matches!(shared.own(), RuntimeError::Disabled));
    assert_eq!(shared.to_string(), RuntimeError::Disabled.to_string());
    let again = RuntimeError::shared(Arc::new(shared));
    assert!(matches!(again.own(), RuntimeError::Disabled), "{again:?}");
}

#[test]
fn an_error_that_can_be_copied_keeps_its_variant() {
    let full = || RuntimeError::from(WriterError::Full);
    let not_started = || RuntimeError::NotStarted {
        code: 127,
        reason: "not found".to_owned(),
    };
    for error in [
        full(),
        not_started(),
        RuntimeError::NotOurs("web".to_owned()),
        RuntimeError::NotRunning("web".to_owned()),
    ] {
        let text = error.to_string();
        let copy = RuntimeError::shared(Arc::new(error));
        assert!(!matches!(copy, RuntimeError::Shared(_)), "{copy:?}");
        assert_eq!(copy.to_string(), text);
    }
}
