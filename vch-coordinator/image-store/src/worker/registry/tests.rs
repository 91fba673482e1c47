use super::*;

fn registry(plain: bool) -> Registry<'static> {
    Registry::new("r.example:5000", plain, None, Limits::default())
}

#[test]
fn a_redirect_is_resolved_and_never_leaves_tls() {
    let from = parse("https://r.example:5000/v2/a/b/blobs/x").expect("address");
    let safe = registry(false);
    for (target, expected) in [
        ("https://cdn.example/x", "https://cdn.example/x"),
        ("//cdn.example/x", "https://cdn.example/x"),
        ("/y?z", "https://r.example:5000/y?z"),
        ("y", "https://r.example:5000/v2/a/b/blobs/y"),
    ] {
        let found = safe.redirected(&from, target).expect(target);
        assert_eq!(found.to_string(), expected);
    }
    for (target, words) in [
        ("http://cdn.example/x", "not protected by TLS"),
        ("http://r.example:5000/x", "not protected by TLS"),
        ("file:///etc/passwd", "no address of the web"),
        ("ftp://r.example/x", "no address of the web"),
    ] {
        let error = safe.redirected(&from, target).expect_err(target);
        assert!(error.to_string().contains(words), "{error}");
    }
    let plain = registry(true).redirected(&from, "http://cdn.example/x");
    assert!(plain.is_ok());
}

#[test]
fn tokens_of_a_registry_with_tls_are_had_by_tls() {
    let challenge = Challenge::parse("Bearer realm=\"http://r.example/token\"");
    let error = registry(false).token(&challenge, None).expect_err("plain");
    assert!(
        error.to_string().contains("not protected by TLS"),
        "{error}"
    );
}
