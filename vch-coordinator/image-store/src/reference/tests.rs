use super::*;

fn parsed(text: &str) -> (String, String) {
    let reference: Reference = text.parse().expect(text);
    (reference.to_string(), reference.familiar())
}

#[test]
fn names_are_normalised_as_docker_does_and_shown_as_docker_shows_them() {
    let digest = Digest::of(b"x").to_string();
    let by_digest = format!("busybox@{digest}");
    for (text, whole, familiar) in [
        (
            "busybox",
            "docker.io/library/busybox:latest",
            "busybox:latest",
        ),
        (
            "busybox:1.36",
            "docker.io/library/busybox:1.36",
            "busybox:1.36",
        ),
        ("me/app", "docker.io/me/app:latest", "me/app:latest"),
        (
            "docker.io/busybox",
            "docker.io/library/busybox:latest",
            "busybox:latest",
        ),
        ("index.docker.io/a/b:c", "docker.io/a/b:c", "a/b:c"),
        ("localhost/a", "localhost/a:latest", "localhost/a:latest"),
        (
            "localhost:5000/a",
            "localhost:5000/a:latest",
            "localhost:5000/a:latest",
        ),
        (
            "ghcr.io/a/b-c/d__e.f:V1",
            "ghcr.io/a/b-c/d__e.f:V1",
            "ghcr.io/a/b-c/d__e.f:V1",
        ),
        ("[::1]:5000/a:b", "[::1]:5000/a:b", "[::1]:5000/a:b"),
        (
            &by_digest,
            &format!("docker.io/library/{by_digest}"),
            &by_digest,
        ),
    ] {
        assert_eq!(
            parsed(text),
            (whole.to_owned(), familiar.to_owned()),
            "{text}"
        );
        assert_eq!(parsed(whole).0, whole, "the whole form stands for itself");
        assert_eq!(parsed(familiar).0, whole, "so does the familiar one");
    }
}

#[test]
fn a_repository_is_named_without_a_tag_or_a_digest() {
    for text in ["busybox", "me/app", "localhost:5000/me/app"] {
        assert!(Reference::is_repository(text), "{text}");
    }
    let digest = format!("me/app@{}", Digest::of(b"x"));
    for text in ["busybox:1", "localhost:5000/me/app:1", &digest] {
        assert!(!Reference::is_repository(text), "{text}");
    }
}

#[test]
fn texts_that_docker_refuses_are_refused_in_its_words() {
    for text in [
        "",
        ":",
        "a:",
        "a/",
        "/a",
        "a//b",
        "-a",
        "a-",
        "a..b",
        "a___b",
        "a._b",
        "a b",
        "a:b c",
        "a@sha256:12",
        "a:.b",
        "localhost:x/a",
        "ä",
    ] {
        assert_eq!(
            text.parse::<Reference>(),
            Err(ReferenceError::Form),
            "{text}"
        );
    }
    assert_eq!(
        "Busybox".parse::<Reference>(),
        Err(ReferenceError::Uppercase)
    );
    let long = "a".repeat(250);
    assert_eq!(long.parse::<Reference>(), Err(ReferenceError::Long));
    let id = "0".repeat(64);
    assert_eq!(id.parse::<Reference>(), Err(ReferenceError::Id(id)));
}

#[test]
fn repository_and_tag_come_apart_in_the_api() {
    let digest = Digest::of(b"x").to_string();
    for (repository, tag, whole) in [
        ("busybox", "", "docker.io/library/busybox:latest"),
        ("busybox", "1", "docker.io/library/busybox:1"),
        ("busybox:2", "1", "docker.io/library/busybox:1"),
        (
            "busybox",
            &digest,
            &format!("docker.io/library/busybox@{digest}"),
        ),
    ] {
        let found = Reference::from_parts(repository, tag).expect("parts");
        assert_eq!(found.to_string(), whole);
    }
}
